/* SPDX-License-Identifier: BSD-3-Clause */
#include "media/record.h"

#include "media/addr.h"
#include "util/crc32c.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static uint32_t record_crc(const record_media *record)
{
	size_t bytes = record->kind == RECORD_PAD ? sizeof(*record)
						  : record->length_bytes;

	return crc32c_skipping(record, bytes, offsetof(record_media, crc));
}

void record_seal(record_media *record)
{
	char *at = (char *)(record + 1);
	char *end = (char *)record + record->length_bytes;
	unsigned i;

	record->magic = RECORD_MAGIC;
	assert(record->length_bytes % RECORD_ALIGN == 0);
	assert(record->length_bytes >= sizeof(*record));
	if (record->kind != RECORD_PAD) {
		for (i = 0; i < record->items; i++) {
			size_t length = ((record_item_media *)at)->length_bytes;
			size_t room = record_item_room(length);

			assert(room <= (size_t)(end - at));
			length += sizeof(record_item_media);
			memset(at + length, 0, room - length);
			at += room;
		}
		memset(at, 0, end - at);
	}
	record->crc = record_crc(record);
}

static bool item_valid(const record_item_media *item, size_t left_bytes)
{
	uint64_t offset = addr_offset(item->addr);

	return item->length_bytes > 0 &&
	       record_item_room(item->length_bytes) <= left_bytes &&
	       addr_device(item->addr) < ADDR_DEVICES_MAX &&
	       item->length_bytes <= ADDR_OFFSET_MASK + 1 - offset;
}

static bool items_add_up(const record_media *record)
{
	const char *at = (const char *)(record + 1);
	const char *end = (const char *)record + record->length_bytes;
	unsigned i;

	for (i = 0; i < record->items; i++) {
		const record_item_media *item = (const void *)at;

		if ((size_t)(end - at) < sizeof(*item) ||
		    !item_valid(item, end - at))
			return false;
		at += record_item_room(item->length_bytes);
	}
	if (end - at >= RECORD_ALIGN)
		return false;
	/* record_next() tells the end by the padding. */
	for (; at < end; at++)
		if (*at != 0)
			return false;
	return true;
}

int record_check(const record_media *record, uint64_t room_bytes,
		 uint64_t sequence, uint64_t generation,
		 const uint8_t lineage[16])
{
	if (room_bytes < sizeof(*record) || record->magic != RECORD_MAGIC)
		return -ENODATA;
	if (record->length_bytes < sizeof(*record) ||
	    record->length_bytes % RECORD_ALIGN != 0 ||
	    record->length_bytes > RECORD_BYTES_MAX ||
	    record->length_bytes > room_bytes)
		return -ENODATA;
	if (record->sequence != sequence || record->generation != generation ||
	    memcmp(record->lineage, lineage, sizeof(record->lineage)) != 0)
		return -ENODATA;
	if (record->crc != record_crc(record))
		return -ENODATA;

	switch (record->kind) {
	case RECORD_PAD:
		return record->items == 0 ? 0 : -EUCLEAN;
	case RECORD_CHANGES:
		return items_add_up(record) ? 0 : -EUCLEAN;
	default:
		return -EUCLEAN;
	}
}

const record_item_media *record_next(const record_media *record,
				     const record_item_media *item)
{
	const char *end = (const char *)record + record->length_bytes;
	const char *at = (const char *)(record + 1);

	if (record->items == 0)
		return NULL;
	if (item != NULL)
		at = (const char *)item + record_item_room(item->length_bytes);
	if ((size_t)(end - at) < sizeof(*item))
		return NULL;
	item = (const void *)at;
	return item->length_bytes > 0 ? item : NULL;
}

static uint32_t anchor_crc(const anchor_media *anchor)
{
	return crc32c_skipping(anchor, sizeof(*anchor),
			       offsetof(anchor_media, crc));
}

void anchor_seal(anchor_media *anchor)
{
	anchor->magic = ANCHOR_MAGIC;
	anchor->crc = anchor_crc(anchor);
}

static bool anchor_holds(const anchor_media *anchor)
{
	return anchor->magic == ANCHOR_MAGIC &&
	       anchor->crc == anchor_crc(anchor) &&
	       anchor->ring_offset % RECORD_ALIGN == 0;
}

int anchor_pick(const void *area, const anchor_media **out)
{
	const anchor_media *first = area;
	const anchor_media *second =
		(const void *)((const char *)area + ANCHOR_SECOND_OFFSET);

	*out = first;
	if (!anchor_holds(first)) {
		*out = second;
		return anchor_holds(second) ? 0 : -EUCLEAN;
	}
	if (anchor_holds(second) && second->sequence > first->sequence)
		*out = second;
	return 0;
}
