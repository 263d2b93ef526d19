/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/area.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Where the second superblock of a member begins, or 0 if it has no room. */
static uint64_t homes_end(const struct device *device, uint64_t size_blocks)
{
	if (size_blocks < 2 || size_blocks > device->size_bytes / BLOCK_BYTES)
		return 0;
	return superblock_second_offset(size_blocks);
}

int area_init(struct area *area, const struct members *members,
	      const superblock_media *sb)
{
	uint64_t blocks = sb->size_blocks;
	unsigned int i;

	memset(area, 0, sizeof(*area));
	area->members = members;
	area->index = sb->metadata_device;
	if (area->index >= ROLL_MAX)
		return -EUCLEAN;
	area->device = members->device[area->index];
	if (!area->device)
		return -ENODEV;
	if (blocks > area->device->size_bytes / BLOCK_BYTES ||
	    sb->journal_start < 1 || sb->journal_start >= blocks ||
	    sb->journal_blocks < 2 ||
	    sb->journal_blocks >= blocks - sb->journal_start)
		return -EUCLEAN;

	area->start_bytes = sb->journal_start * BLOCK_BYTES;
	area->end_bytes = area->start_bytes + sb->journal_blocks * BLOCK_BYTES;
	area->anchors = device_at(area->device, area->start_bytes);
	area->ring = area->anchors + BLOCK_BYTES;
	area->ring_bytes = (sb->journal_blocks - 1) * BLOCK_BYTES;
	area->generation = sb->generation;
	memcpy(area->lineage, sb->lineage, sizeof(area->lineage));
	for (i = 0; i < ROLL_MAX; i++) {
		const struct device *device = members->device[i];

		area->in_roll[i] = sb->roll[i].state != 0;
		if (device)
			area->limit_bytes[i] =
				homes_end(device, sb->roll[i].size_blocks);
	}
	area->in_roll[area->index] = true;
	area->limit_bytes[area->index] = homes_end(area->device, blocks);
	return 0;
}

int area_check_range(const struct area *area, uint64_t addr,
		     uint64_t length_bytes)
{
	unsigned int index = addr_device(addr);
	uint64_t start = addr_offset(addr);
	uint64_t limit;

	if (index >= ROLL_MAX || !area->in_roll[index])
		return -EUCLEAN;
	if (!area->members->device[index])
		return -ENODEV;
	limit = area->limit_bytes[index];
	if (start < BLOCK_BYTES || start >= limit ||
	    length_bytes > limit - start)
		return -EUCLEAN;
	if (index == area->index && start < area->end_bytes &&
	    start + length_bytes > area->start_bytes)
		return -EUCLEAN;
	return 0;
}

int area_record(const struct area *area, const struct area_cursor *cursor,
		const record_media **out)
{
	const record_media *record =
		(const void *)(area->ring + cursor->ring_offset);
	int error;

	assert(cursor->ring_offset < area->ring_bytes);
	error = record_check(record, area->ring_bytes - cursor->ring_offset,
			     cursor->sequence, area->generation, area->lineage);
	*out = error ? NULL : record;
	return error;
}

uint64_t area_span(const struct area *area, const struct area_cursor *cursor,
		   const record_media *record)
{
	if (record->kind == RECORD_PAD)
		return area->ring_bytes - cursor->ring_offset;
	return record->length_bytes;
}

void area_advance(const struct area *area, struct area_cursor *cursor,
		  const record_media *record)
{
	cursor->ring_offset += area_span(area, cursor, record);
	assert(cursor->ring_offset <= area->ring_bytes);
	if (cursor->ring_offset == area->ring_bytes) /* [R1] */
		cursor->ring_offset = 0;
	cursor->sequence++;
}

int area_anchor(const struct area *area, const anchor_media **out)
{
	int error = anchor_pick(area->anchors, out);

	if (error)
		return error;
	if ((*out)->ring_offset >= area->ring_bytes ||
	    (*out)->ring_offset % RECORD_ALIGN != 0)
		return -EUCLEAN;
	return 0;
}

void area_store_anchor(const struct area *area, unsigned int slot,
		       const struct area_cursor *tail)
{
	anchor_media anchor = {
		.sequence = tail->sequence,
		.ring_offset = tail->ring_offset,
		.generation = area->generation,
	};

	memcpy(anchor.lineage, area->lineage, sizeof(anchor.lineage));
	anchor_seal(&anchor);
	device_copy(area->device,
		    area->anchors + (size_t)slot * ANCHOR_SECOND_OFFSET,
		    &anchor, sizeof(anchor));
}
