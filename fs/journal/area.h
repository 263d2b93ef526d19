/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * area.h -- the journal area of the metadata device: anchors, ring, homes
 *
 * What replay and logging share: where the ring is, how to walk it, and which
 * places a record may name. Private to fs/journal.
 *
 * Owns:    nothing; members must stay.
 * Units:   ring offsets in bytes from the start of the ring (block 1 of the
 *          area), multiples of RECORD_ALIGN.
 * Locking: none; the journal's mutex covers the journal's own.
 *
 * Invariants:
 *   R1  a record lies whole in the ring; after a PAD, or at the ring's end,
 *       the next one stands at offset 0
 *   R2  a range that area_check_range() passed is on a present member and
 *       touches neither a superblock nor the area: nothing else is stored at
 */
#ifndef UDAX_JOURNAL_AREA_H
#define UDAX_JOURNAL_AREA_H

#include "device/members.h"
#include "media/record.h"
#include "media/superblock.h"

#include <stddef.h>
#include <stdint.h>

_Static_assert(ROLL_MAX == DEVICES_MAX, "one roll entry a member");

struct area {
	const struct members *members;
	struct device *device; /* the metadata device */
	unsigned int index;    /* of it */
	uint64_t start_bytes;  /* the area on it: [start, end) */
	uint64_t end_bytes;
	unsigned char *anchors;
	unsigned char *ring;
	uint64_t ring_bytes;
	uint64_t generation;
	uint8_t lineage[16];
	/* Homes lie below this, by member: its second superblock. */
	uint64_t limit_bytes[ROLL_MAX];
	bool in_roll[ROLL_MAX];
};

struct area_cursor {
	uint64_t ring_offset;
	uint64_t sequence;
};

/* -ENODEV: the metadata device is missing; -EUCLEAN: no room for the area. */
int area_init(struct area *area, const struct members *members,
	      const superblock_media *sb) __attribute__((warn_unused_result));

/* [R2]; -EUCLEAN, or -ENODEV for a member that is missing. */
int area_check_range(const struct area *area, uint64_t addr,
		     uint64_t length_bytes) __attribute__((warn_unused_result));

static inline struct device *area_device(const struct area *area, uint64_t addr)
{
	return area->members->device[addr_device(addr)];
}

/* Of a checked range. */
static inline void *area_home(const struct area *area, uint64_t addr)
{
	return device_at(area_device(area, addr), addr_offset(addr));
}

/* The record at the cursor, or NULL and -ENODATA (the log ends) or -EUCLEAN. */
int area_record(const struct area *area, const struct area_cursor *cursor,
		const record_media **out) __attribute__((warn_unused_result));

/* To the place after that record. */
void area_advance(const struct area *area, struct area_cursor *cursor,
		  const record_media *record);

/* Bytes of the ring that the record takes. */
uint64_t area_span(const struct area *area, const struct area_cursor *cursor,
		   const record_media *record);

/* 0, or -EUCLEAN: none holds or it points out of the ring. */
int area_anchor(const struct area *area, const anchor_media **out)
	__attribute__((warn_unused_result));

/* Store one anchor, slot 0 or 1; durable at this thread's next drain. */
void area_store_anchor(const struct area *area, unsigned int slot,
		       const struct area_cursor *tail);

#endif
