/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * replay.c -- what the last mount promised, brought home
 *
 * Two walks. The first one only looks: it checks every item of every record,
 * so that a damaged log is refused with nothing stored, and makes the records
 * themselves durable. After a daemon that died without a power loss a whole
 * record may stand in the CPU's or the kernel's caches alone; were it stored
 * at home and then lost, home would hold a part of it with nothing to complete
 * it from [J1]. The second walk stores.
 */
#include "journal/area.h"
#include "journal/journal.h"
#include "trace/mutate.h"
#include "trace/trace.h"

#include <errno.h>
#include <string.h>

typedef int replay_fn(const struct area *area, const record_media *record,
		      struct journal_replay_report *report);

static int check_record(const struct area *area, const record_media *record,
			struct journal_replay_report *report)
{
	const record_item_media *item = NULL;

	if (record->kind != RECORD_CHANGES)
		return 0;
	while ((item = record_next(record, item)) != NULL) {
		int error = area_check_range(area, item->addr,
					     item->length_bytes);

		if (error)
			return error;
		report->items++;
		report->bytes += item->length_bytes;
	}
	report->records++;
	return 0;
}

static int secure_record(const struct area *area, const record_media *record,
			 struct journal_replay_report *report)
{
	int error = check_record(area, record, report);
	size_t length_bytes = record->kind == RECORD_PAD ? sizeof(*record)
							 : record->length_bytes;

	if (error == 0 && !area->device->options.read_only &&
	    !mutated(MUTATE_REPLAY_SECURE))
		device_flush(area->device, record, length_bytes);
	return error;
}

static int store_record(const struct area *area, const record_media *record,
			struct journal_replay_report *report)
{
	const record_item_media *item = NULL;

	(void)report;
	if (record->kind != RECORD_CHANGES)
		return 0;
	while ((item = record_next(record, item)) != NULL) {
		struct device *device;
		void *home;
		/* Again: the first walk's answer was about memory that is not
		 * ours alone. */
		int error = area_check_range(area, item->addr,
					     item->length_bytes);

		if (error)
			return error;
		device = area_device(area, item->addr);
		home = area_home(area, item->addr);
		device_copy_cached(device, home, record_item_bytes(item),
				   item->length_bytes);
		if (!mutated(MUTATE_REPLAY_FLUSH))
			device_flush(device, home, item->length_bytes);
	}
	return 0;
}

/* From the cursor to the end of the log, which is where it is left. */
static int walk(const struct area *area, struct area_cursor *cursor,
		replay_fn *fn, struct journal_replay_report *report)
{
	uint64_t walked_bytes = 0;
	const record_media *record;
	int error;

	while ((error = area_record(area, cursor, &record)) == 0) {
		walked_bytes += area_span(area, cursor, record);
		if (walked_bytes > area->ring_bytes)
			return -EUCLEAN;
		error = fn(area, record, report);
		if (error)
			return error;
		area_advance(area, cursor, record);
	}
	return error == -ENODATA ? 0 : error;
}

/* A vanished device reads as zeros: what was seen is not to be believed. */
static int any_failed(const struct members *members)
{
	unsigned int i;

	for (i = 0; i < DEVICES_MAX; i++)
		if (members->device[i] && device_failed(members->device[i]))
			return -EIO;
	return 0;
}

static int any_read_only(const struct members *members)
{
	unsigned int i;

	for (i = 0; i < DEVICES_MAX; i++) {
		const struct device *device = members->device[i];

		if (device && device->options.read_only &&
		    !device->options.private_copy)
			return -EROFS;
	}
	return 0;
}

static int store_all(const struct area *area, struct area_cursor cursor,
		     struct journal_replay_report *report)
{
	unsigned int i;
	int error;

	error = any_read_only(area->members);
	if (error)
		return error;
	device_drain(area->device);
	if (device_failed(area->device))
		return -EIO;
	error = walk(area, &cursor, store_record, report);
	if (error)
		return error;
	for (i = 0; i < DEVICES_MAX; i++)
		if (area->members->device[i])
			device_drain(area->members->device[i]);
	return 0;
}

int journal_replay(const struct members *members, const superblock_media *sb,
		   struct journal_replay_report *report)
{
	const anchor_media *anchor;
	struct area_cursor first;
	struct area_cursor cursor;
	struct area area;
	int error;

	memset(report, 0, sizeof(*report));
	error = area_init(&area, members, sb);
	if (error)
		return error;
	error = area_anchor(&area, &anchor);
	if (error)
		return device_failed(area.device) ? -EIO : error;
	/*
	 * An anchor of another generation or lineage: the superblock went on
	 * after a checkpoint, and no record there is of its lineage either.
	 */
	first.sequence = anchor->sequence;
	first.ring_offset = anchor->ring_offset;
	cursor = first;
	error = walk(&area, &cursor, secure_record, report);
	if (error == 0 && report->records > 0)
		error = store_all(&area, first, report);
	if (any_failed(members))
		error = -EIO;
	if (error)
		return error;
	report->next_sequence = cursor.sequence;
	report->next_ring_offset = cursor.ring_offset;
	TRACE2(journal_replay, report->records, report->bytes);
	return 0;
}
