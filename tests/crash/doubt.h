/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doubt.h -- what the media of a record may hold at one of its events
 *
 * Fed with the events in order. For each member it knows what is durable for
 * certain, and of each unit (a line of 64 bytes; a page of 4 KiB at
 * DEVICE_PAGE) that has been stored to since, every content it has had: any of
 * them may be what the media holds, and within a unit any aligned 8 bytes of
 * any of them.
 *
 *   CACHE_LINE  what a thread copied, or flushed after it was stored cached, is
 *               durable at that thread's drain
 *   PAGE        the same, by pages: a page that is synced goes with all that is
 *               on it at that moment
 *   BYTE        a cached store needs no flush: it is durable at any drain
 *
 * Units:   lines and pages count from the start of their member.
 */
#ifndef UDAX_TESTS_CRASH_DOUBT_H
#define UDAX_TESTS_CRASH_DOUBT_H

#include "crash/record.h"
#include "device/device.h"

#include <stdbool.h>

#define UNIT_BYTES_MAX DEVICE_PAGE_BYTES
#define LINE_BYTES 64u

struct version {
	size_t event;
	uint64_t drainers; /* a bit a thread: whose drain makes it durable */
	unsigned char *bytes;
};

struct unit {
	unsigned device;
	uint64_t number;
	size_t touched; /* the last event that did */
	unsigned count, room;
	struct version *versions; /* oldest first; count > 0 */
};

struct doubt {
	enum device_granularity granularity;
	unsigned devices;
	uint64_t bytes; /* of each */
	uint32_t unit_bytes;
	unsigned char *durable[CRASH_DEVICES];
	unsigned char *visible[CRASH_DEVICES];
	uint64_t hash; /* of what is durable, but for where it began */
	size_t event;  /* so many have been fed */
	struct unit *units;
	unsigned count, room;
	uint32_t *index[CRASH_DEVICES]; /* by unit: 1 + place in units */
	/* Told of each unit whose durable content changed; may be NULL. */
	void (*settled)(void *arg, unsigned device, uint64_t offset,
			size_t length);
	void *arg;
};

void doubt_init(struct doubt *doubt, enum device_granularity granularity,
		unsigned devices, uint64_t bytes,
		unsigned char *const contents[]);
/*
 * The process died, the machine did not: all that was stored is visible to the
 * next one, and in doubt until that one flushes it: the drain that was to come
 * went with the process.
 */
void doubt_inherit(struct doubt *doubt, const struct doubt *from);
void doubt_fini(struct doubt *doubt);
void doubt_feed(struct doubt *doubt, const struct record *record,
		const struct event *event);

static inline const unsigned char *unit_durable(const struct doubt *doubt,
						const struct unit *unit)
{
	return doubt->durable[unit->device] + unit->number * doubt->unit_bytes;
}

/* What the hash becomes when that unit has those bytes. */
uint64_t doubt_hash_with(const struct doubt *doubt, uint64_t hash,
			 const struct unit *unit, const unsigned char *bytes);

#endif
