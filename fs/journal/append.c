/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/log.h"

#include "alloc/alloc.h"
#include "trace/mutate.h"
#include "trace/pause.h"
#include "trace/trace.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* What was read at home before a device failed is not to be believed. */
static bool any_failed(const struct txn *txn)
{
	const struct area *area = &txn->journal->area;
	unsigned int i;

	if (device_failed(area->device))
		return true;
	for (i = 0; i < txn->pieces; i++)
		if (device_failed(area_device(area, txn->piece[i].addr)))
			return true;
	return false;
}

/* A record does not wrap: tell replay to go on at the start of the ring. */
static void store_pad(struct journal *journal)
{
	const struct area *area = &journal->area;
	uint64_t to_end = area->ring_bytes - journal->head.ring_offset;
	record_media pad = {
		.kind = RECORD_PAD,
		.length_bytes = to_end,
		.sequence = journal->head.sequence,
		.generation = area->generation,
	};

	memcpy(pad.lineage, area->lineage, sizeof(pad.lineage));
	record_seal(&pad);
	device_copy(area->device, area->ring + journal->head.ring_offset, &pad,
		    sizeof(pad));
	area_advance(area, &journal->head, &pad);
	journal->live_bytes += to_end;
}

/* To the ring, behind one fence. Replay counts it all or not at all. */
static int store_record(struct journal *journal, record_media *record)
{
	const struct area *area = &journal->area;
	struct area_cursor begun = journal->head;

	if (record->length_bytes > area->ring_bytes - begun.ring_offset)
		store_pad(journal);
	record->sequence = journal->head.sequence;
	record->generation = area->generation;
	memcpy(record->lineage, area->lineage, sizeof(record->lineage));
	record_seal(record);
	device_copy(area->device, area->ring + journal->head.ring_offset,
		    record, record->length_bytes);
	pause_point("journal-record-written");
	if (!mutated(MUTATE_RECORD_FENCE))
		device_drain(area->device);
	pause_point("journal-fenced");
	if (device_failed(area->device))
		return journal_fail_locked(journal);
	area_advance(area, &journal->head, record);
	journal->live_bytes += record->length_bytes;
	assert(journal->live_bytes <= area->ring_bytes);
	TRACE2(journal_commit, record->sequence, record->length_bytes);
	return 0;
}

/* The record is durable: its items go home, unflushed until a checkpoint. */
static void store_homes(const struct area *area, const record_media *record)
{
	const record_item_media *item = NULL;

	while ((item = record_next(record, item)) != NULL)
		device_copy_cached(area_device(area, item->addr),
				   area_home(area, item->addr),
				   record_item_bytes(item), item->length_bytes);
	pause_point("journal-applied");
}

static void give_run(struct journal *journal, const struct run *run)
{
	struct alloc *alloc = journal->allocs[addr_device(run->addr)];

	if (alloc)
		alloc_give(alloc, addr_block(run->addr), run->blocks);
}

/* Data blocks at once; metadata waits for the tail if anything is live [J2]. */
static void free_runs(struct txn *txn)
{
	struct journal *journal = txn->journal;
	unsigned int i;

	for (i = 0; i < txn->freed_count; i++) {
		const struct run *run = &txn->freed[i];

		if (!run->metadata || journal->live_bytes == 0 ||
		    mutated(MUTATE_PENDING_FREE)) {
			give_run(journal, run);
			continue;
		}
		assert(journal->pending_count < PENDING_MAX);
		journal->pending[journal->pending_count++] = (struct pending){
			.addr = run->addr,
			.blocks = run->blocks,
			.sequence = journal->head.sequence - 1,
		};
		journal->pending_blocks += run->blocks;
	}
}

int journal_append(struct txn *txn, bool *unknown)
{
	struct journal *journal = txn->journal;
	record_media *record = (void *)txn->record;
	size_t record_bytes = record->items > 0 ? record->length_bytes : 0;
	int error;

	*unknown = false;
	pthread_mutex_lock(&journal->mutex);
	if (journal->stopped) {
		error = -EIO;
		goto out_unlock;
	}
	if (any_failed(txn)) {
		error = journal_fail_locked(journal);
		goto out_unlock;
	}
	error = journal_make_room_locked(journal, record_bytes,
					 txn->freed_metadata);
	if (error)
		goto out_unlock;
	if (mutated(MUTATE_FREE_EARLY))
		free_runs(txn);
	if (record_bytes > 0) {
		if (mutated(MUTATE_HOME_BEFORE_RECORD)) {
			record_seal(record);
			store_homes(&journal->area, record);
		}
		error = store_record(journal, record);
		if (error) {
			*unknown = true;
			goto out_unlock;
		}
		store_homes(&journal->area, record);
	}
	if (!mutated(MUTATE_FREE_EARLY))
		free_runs(txn);
out_unlock:
	pthread_mutex_unlock(&journal->mutex);
	return error;
}
