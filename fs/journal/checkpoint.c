/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/log.h"

#include "alloc/alloc.h"
#include "trace/mutate.h"
#include "trace/pause.h"
#include "trace/trace.h"

#include <errno.h>

int journal_fail_locked(struct journal *journal)
{
	journal->stopped = true;
	return -EIO;
}

/*
 * Walk what is live and flush where it belongs. The records are ours, but they
 * are read back from a device that may vanish under us and then reads as
 * zeros: nothing is taken on trust.
 */
static int flush_homes(struct journal *journal)
{
	const struct area *area = &journal->area;
	struct area_cursor cursor = journal->tail;

	while (cursor.sequence != journal->head.sequence) {
		const record_item_media *item = NULL;
		const record_media *record;

		if (area_record(area, &cursor, &record) != 0)
			return -EIO;
		while (record->kind == RECORD_CHANGES &&
		       (item = record_next(record, item)) != NULL) {
			if (area_check_range(area, item->addr,
					     item->length_bytes) != 0)
				return -EIO;
			flush_add(&journal->flush, item->addr,
				  item->length_bytes);
		}
		area_advance(area, &cursor, record);
	}
	return 0;
}

/* Replay can no longer store to these blocks: let others have them [J2]. */
static void release_pending(struct journal *journal)
{
	unsigned int kept = 0;
	unsigned int i;

	for (i = 0; i < journal->pending_count; i++) {
		struct pending *run = &journal->pending[i];
		struct alloc *alloc = journal->allocs[addr_device(run->addr)];

		if (run->sequence >= journal->tail.sequence) {
			journal->pending[kept++] = *run;
			continue;
		}
		journal->pending_blocks -= run->blocks;
		if (alloc)
			alloc_give(alloc, addr_block(run->addr), run->blocks);
	}
	journal->pending_count = kept;
}

static int anchor_persist(struct journal *journal, unsigned int slot)
{
	const struct area *area = &journal->area;

	area_store_anchor(area, slot, &journal->tail);
	if (!mutated(MUTATE_ANCHOR_FENCE))
		device_drain(area->device);
	if (device_failed(area->device))
		return journal_fail_locked(journal);
	journal->anchor_sequence = journal->tail.sequence;
	return 0;
}

int journal_store_anchors_locked(struct journal *journal, unsigned int first)
{
	int error = anchor_persist(journal, first);

	return error ? error : anchor_persist(journal, !first);
}

int journal_checkpoint_locked(struct journal *journal, bool restart)
{
	const struct area *area = &journal->area;
	int error;

	if (device_failed(area->device))
		return journal_fail_locked(journal);
	flush_begin(&journal->flush, area);
	error = flush_homes(journal);
	if (error == 0)
		error = flush_drain(&journal->flush);
	if (error || device_failed(area->device))
		return journal_fail_locked(journal);
	pause_point("journal-homes-durable");

	/* Two anchors of one number must not name two places. */
	if (journal->head.sequence == journal->anchor_sequence)
		journal->head.sequence++;
	if (restart)
		journal->head.ring_offset = 0;
	journal->tail = journal->head;
	journal->live_bytes = 0;
	error = anchor_persist(journal, 0);
	if (error)
		return error;
	pause_point("journal-anchor-durable");
	area_store_anchor(area, 1, &journal->tail);
	release_pending(journal);
	TRACE1(journal_checkpoint, journal->tail.sequence);
	return 0;
}

int journal_make_room_locked(struct journal *journal, size_t record_bytes,
			     unsigned int frees)
{
	uint64_t to_end = journal->area.ring_bytes - journal->head.ring_offset;
	bool wraps = record_bytes > to_end;
	uint64_t needed_bytes = record_bytes + (wraps ? to_end : 0);

	if (journal->live_bytes + needed_bytes <= journal->area.ring_bytes &&
	    journal->pending_count + frees <= PENDING_MAX)
		return 0;
	return journal_checkpoint_locked(journal, wraps);
}
