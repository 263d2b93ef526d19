/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * record.h -- the redo log on the media
 *
 * Journal area: block 0 holds two anchors (64 bytes each, at 0 and 2048), the
 * rest is a ring of records. A record is a header and items; an item is
 * (address, length) and the bytes to be stored there, padded to 8. A record
 * is 64-byte aligned and never wraps: a PAD record fills up to the ring's end;
 * it consists of its header only, which is all its checksum covers.
 *
 * A record counts when its checksum holds, its sequence is the one expected
 * next, and generation and lineage are the filesystem's. So one fence makes
 * it durable, and the first one that does not count ends the log.
 */
#ifndef UDAX_MEDIA_RECORD_H
#define UDAX_MEDIA_RECORD_H

#include <stddef.h>
#include <stdint.h>

#define RECORD_MAGIC 0x43455255u
#define RECORD_ALIGN 64
#define RECORD_BYTES_MAX (256u << 10)
#define ANCHOR_MAGIC 0x52434e41u
#define ANCHOR_SECOND_OFFSET 2048

enum record_kind { RECORD_CHANGES = 1, RECORD_PAD = 2 };

typedef struct __attribute__((packed)) {
	uint32_t magic;
	uint32_t crc; /* CRC-32C of length_bytes (PAD: of the header),
			 this field as 0 */
	uint32_t
		length_bytes; /* header included, padding to RECORD_ALIGN too */
	uint16_t kind;
	uint16_t items;
	uint64_t sequence;
	uint64_t generation;
	uint8_t lineage[16];
	uint8_t pad[16];
} record_media;

typedef struct __attribute__((packed)) {
	uint64_t addr;
	uint32_t length_bytes;
	uint32_t pad;
} record_item_media;

/* Where replay begins. The valid one with the higher sequence is the truth. */
typedef struct __attribute__((packed)) {
	uint32_t magic;
	uint32_t crc;
	uint64_t sequence;    /* of the first record to replay */
	uint64_t ring_offset; /* where it stands, from the start of the ring */
	uint64_t generation;
	uint8_t lineage[16];
	uint8_t pad[16];
} anchor_media;

_Static_assert(sizeof(record_media) == 64, "record header");
_Static_assert(sizeof(record_item_media) == 16, "record item");
_Static_assert(sizeof(anchor_media) == 64, "anchor");

/* Zeroes what pads the items and the record, then sets the checksum. */
void record_seal(record_media *record);
/* 0, -ENODATA (not the record expected here: the log ends) or -EUCLEAN
 * (checksum holds but the items do not add up). room_bytes: to the ring's end.
 */
int record_check(const record_media *record, uint64_t room_bytes,
		 uint64_t sequence, uint64_t generation,
		 const uint8_t lineage[16]) __attribute__((warn_unused_result));
/* Step over the items of a checked record; NULL first, NULL at the end. */
const record_item_media *record_next(const record_media *record,
				     const record_item_media *item);
static inline const void *record_item_bytes(const record_item_media *item)
{
	return item + 1;
}

/* What an item of so many bytes takes in a record. */
static inline size_t record_item_room(size_t length_bytes)
{
	return sizeof(record_item_media) + (length_bytes + 7) / 8 * 8;
}

void anchor_seal(anchor_media *anchor);
/* Both anchors of a journal area: the one that holds, or -EUCLEAN. */
int anchor_pick(const void *area, const anchor_media **out)
	__attribute__((warn_unused_result));

#endif
