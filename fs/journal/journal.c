/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * journal.c -- open, close and what is done to the whole log
 *
 * Why a power loss at any point leaves the old or the new state of each
 * transaction, in three rules:
 *
 * 1. A record counts when its checksum, number, generation and lineage hold,
 *    so however much of it has reached the media before its fence, it counts
 *    whole or not at all. All earlier records were fenced before it was begun,
 *    so what counts is always a prefix of the log.
 * 2. Homes are stored after that fence [J1]. So any home store that is on the
 *    media belongs to a record that is there, too, and replaying from the tail
 *    overwrites every such place with what the last record says of it.
 * 3. The tail moves, and the ring behind it is used again, only after the
 *    homes of all records before it are fenced and then the anchor that says
 *    so. While anchor 0 is stored, anchor 1 holds the place it had before, from
 *    which everything is still there; anchor 1 follows when 0 is durable.
 *    Both then name one place, so that damage to one costs nothing.
 *
 * Nothing here says when a store reaches the media, only that a fence is a
 * latest date. So it is as true with DEVICE_PAGE, where the kernel may write
 * any page of the map back at any time before the fence, in part, with
 * whatever is on it at that moment: an early record counts only if it is
 * complete (and then nobody has been answered yet, either state is legal), an
 * early home store is not possible by rule 2, being made after the fence of
 * its record, and of the two anchors only one is ever in doubt, although they
 * share a page: they are in different sectors, and each checks itself.
 */
#include "journal/log.h"
#include "trace/mutate.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int journal_format(const struct members *members, const superblock_media *sb)
{
	struct area_cursor start = { .ring_offset = 0, .sequence = 1 };
	struct area area;
	int error = area_init(&area, members, sb);

	if (error)
		return error;
	/* What was on the device before is not even looked at. */
	device_set(area.device, area.anchors, 0, BLOCK_BYTES);
	device_set(area.device, area.ring, 0, BLOCK_BYTES);
	device_drain(area.device);
	area_store_anchor(&area, 0, &start);
	area_store_anchor(&area, 1, &start);
	device_drain(area.device);
	return device_failed(area.device) ? -EIO : 0;
}

int journal_open(struct journal **out, const struct members *members,
		 const superblock_media *sb, uint64_t next_sequence,
		 struct alloc *const *allocs)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	const anchor_media *anchor;
	unsigned int holds = 1;
	int error;

	if (!journal)
		return -ENOMEM;
	pthread_mutex_init(&journal->mutex, NULL);
	error = area_init(&journal->area, members, sb);
	if (error)
		goto out_free;
	error = -EUCLEAN;
	if (journal->area.ring_bytes < RECORD_BYTES_MAX)
		goto out_free;
	error = -EROFS;
	if (journal->area.device->options.read_only &&
	    !journal->area.device->options.private_copy)
		goto out_free;

	journal->allocs = allocs;
	/* One may stand in caches alone: not while the other is written. */
	device_persist(journal->area.device, journal->area.anchors,
		       BLOCK_BYTES);
	if (anchor_pick(journal->area.anchors, &anchor) == 0) {
		holds = (const void *)anchor != journal->area.anchors;
		if (next_sequence <= anchor->sequence)
			next_sequence = anchor->sequence + 1;
	}
	journal->head.sequence = next_sequence;
	journal->tail = journal->head;
	error = journal_store_anchors_locked(journal, !holds);
	if (error)
		goto out_free;
	*out = journal;
	return 0;
out_free:
	journal_close(journal);
	return error;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	pthread_mutex_destroy(&journal->mutex);
	free(journal);
}

static int checkpoint_all_locked(struct journal *journal)
{
	int error;

	if (journal->live_bytes == 0)
		return device_failed(journal->area.device)
			       ? journal_fail_locked(journal)
			       : 0;
	error = journal_checkpoint_locked(journal, false);
	if (error)
		return error;
	device_drain(journal->area.device); /* the second anchor */
	return device_failed(journal->area.device)
		       ? journal_fail_locked(journal)
		       : 0;
}

int journal_checkpoint(struct journal *journal)
{
	int error;

	pthread_mutex_lock(&journal->mutex);
	error = checkpoint_all_locked(journal);
	pthread_mutex_unlock(&journal->mutex);
	return error;
}

void journal_stop(struct journal *journal)
{
	pthread_mutex_lock(&journal->mutex);
	journal->stopped = true;
	pthread_mutex_unlock(&journal->mutex);
}

int journal_set_lineage(struct journal *journal, uint64_t generation,
			const uint8_t lineage[16], journal_publish_fn *publish,
			void *arg)
{
	struct area *area = &journal->area;
	int error;

	pthread_mutex_lock(&journal->mutex);
	error = mutated(MUTATE_PUBLISH_FIRST) ? 0
					      : checkpoint_all_locked(journal);
	if (!error && publish)
		error = publish(arg);
	if (error)
		goto out_unlock;
	area->generation = generation;
	memcpy(area->lineage, lineage, sizeof(area->lineage));
	if (journal->head.sequence == journal->anchor_sequence)
		journal->head.sequence++;
	journal->tail = journal->head;
	error = journal_store_anchors_locked(journal, 0);
out_unlock:
	pthread_mutex_unlock(&journal->mutex);
	return error;
}

uint64_t journal_pending_blocks(const struct journal *journal)
{
	return atomic_load(&journal->pending_blocks);
}

uint64_t journal_next_sequence(const struct journal *journal)
{
	pthread_mutex_t *mutex = (pthread_mutex_t *)&journal->mutex;
	uint64_t sequence;

	pthread_mutex_lock(mutex);
	sequence = journal->head.sequence;
	pthread_mutex_unlock(mutex);
	return sequence;
}

void *journal_home(const struct journal *journal, uint64_t addr)
{
	return area_home(&journal->area, addr);
}
