/* SPDX-License-Identifier: BSD-3-Clause */
#include "crash/doubt.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Contents of a unit in which nobody can have trusted yet: enough of them. */
#define VERSIONS_KEPT 24

void doubt_init(struct doubt *doubt, enum device_granularity granularity,
		unsigned devices, uint64_t bytes,
		unsigned char *const contents[])
{
	unsigned i;

	memset(doubt, 0, sizeof(*doubt));
	doubt->granularity = granularity;
	doubt->devices = devices;
	doubt->bytes = bytes;
	doubt->unit_bytes = granularity == DEVICE_PAGE ? DEVICE_PAGE_BYTES
						       : LINE_BYTES;
	for (i = 0; i < devices; i++) {
		doubt->durable[i] = malloc(bytes);
		doubt->visible[i] = malloc(bytes);
		doubt->index[i] = calloc(bytes / doubt->unit_bytes,
					 sizeof(*doubt->index[i]));
		memcpy(doubt->durable[i], contents[i], bytes);
		memcpy(doubt->visible[i], contents[i], bytes);
	}
}

static void versions_drop(struct unit *unit, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++)
		free(unit->versions[i].bytes);
	unit->count -= count;
	memmove(unit->versions, unit->versions + count,
		unit->count * sizeof(*unit->versions));
}

void doubt_fini(struct doubt *doubt)
{
	unsigned i;

	for (i = 0; i < doubt->count; i++) {
		versions_drop(&doubt->units[i], doubt->units[i].count);
		free(doubt->units[i].versions);
	}
	free(doubt->units);
	for (i = 0; i < doubt->devices; i++) {
		free(doubt->durable[i]);
		free(doubt->visible[i]);
		free(doubt->index[i]);
	}
}

static uint64_t line_hash(unsigned device, uint64_t line,
			  const unsigned char *bytes)
{
	return XXH3_64bits_withSeed(bytes, LINE_BYTES, line * 2 + device);
}

uint64_t doubt_hash_with(const struct doubt *doubt, uint64_t hash,
			 const struct unit *unit, const unsigned char *bytes)
{
	const unsigned char *old = unit_durable(doubt, unit);
	uint64_t line = unit->number * doubt->unit_bytes / LINE_BYTES;
	unsigned at;

	for (at = 0; at < doubt->unit_bytes; at += LINE_BYTES, line++)
		if (memcmp(old + at, bytes + at, LINE_BYTES) != 0)
			hash += line_hash(unit->device, line, bytes + at) -
				line_hash(unit->device, line, old + at);
	return hash;
}

static struct unit *unit_get(struct doubt *doubt, unsigned device,
			     uint64_t number)
{
	uint32_t *place = &doubt->index[device][number];

	if (*place)
		return &doubt->units[*place - 1];
	if (doubt->count == doubt->room) {
		doubt->room = doubt->room * 2 + 64;
		doubt->units = realloc(doubt->units,
				       doubt->room * sizeof(*doubt->units));
	}
	*place = ++doubt->count;
	doubt->units[doubt->count - 1] = (struct unit){ .device = device,
							.number = number };
	return &doubt->units[doubt->count - 1];
}

static void unit_forget(struct doubt *doubt, unsigned at)
{
	struct unit *unit = &doubt->units[at];

	doubt->index[unit->device][unit->number] = 0;
	free(unit->versions);
	*unit = doubt->units[--doubt->count];
	if (at < doubt->count)
		doubt->index[unit->device][unit->number] = at + 1;
}

/* The oldest that no drain will ever make durable by itself. */
static void thin_out(struct unit *unit)
{
	unsigned i;

	for (i = 0; i + 1 < unit->count; i++) {
		if (unit->versions[i].drainers)
			continue;
		free(unit->versions[i].bytes);
		memmove(unit->versions + i, unit->versions + i + 1,
			(--unit->count - i) * sizeof(*unit->versions));
		return;
	}
}

static void version_add(struct doubt *doubt, struct unit *unit,
			uint64_t drainers)
{
	struct version *version;

	if (unit->count >= VERSIONS_KEPT)
		thin_out(unit);
	if (unit->count == unit->room) {
		unit->room = unit->room * 2 + 2;
		unit->versions = realloc(unit->versions,
					 unit->room * sizeof(*unit->versions));
	}
	version = &unit->versions[unit->count++];
	version->event = doubt->event;
	version->drainers = drainers;
	version->bytes = malloc(doubt->unit_bytes);
	memcpy(version->bytes,
	       doubt->visible[unit->device] + unit->number * doubt->unit_bytes,
	       doubt->unit_bytes);
	unit->touched = doubt->event;
}

void doubt_inherit(struct doubt *doubt, const struct doubt *from)
{
	unsigned i, k;

	doubt_init(doubt, from->granularity, from->devices, from->bytes,
		   from->durable);
	doubt->hash = from->hash;
	for (i = 0; i < from->devices; i++)
		memcpy(doubt->visible[i], from->visible[i], from->bytes);
	for (i = 0; i < from->count; i++) {
		const struct unit *old = &from->units[i];
		struct unit *unit = unit_get(doubt, old->device, old->number);

		for (k = 0; k < old->count; k++) {
			const struct version *version = &old->versions[k];

			version_add(doubt, unit,
				    version->drainers == UINT64_MAX ? UINT64_MAX
								    : 0);
			memcpy(unit->versions[unit->count - 1].bytes,
			       version->bytes, doubt->unit_bytes);
		}
	}
}

static uint64_t drainers_of(const struct doubt *doubt,
			    const struct event *event)
{
	if (event->kind == EVENT_STORE)
		return UINT64_C(1) << event->thread;
	return doubt->granularity == DEVICE_BYTE ? UINT64_MAX : 0;
}

static void feed_store(struct doubt *doubt, const struct record *record,
		       const struct event *event)
{
	uint64_t end = event->offset + event->length;
	uint64_t drainers = drainers_of(doubt, event);
	uint64_t number;

	memcpy(doubt->visible[event->device] + event->offset,
	       record->bytes + event->bytes, event->length);
	for (number = event->offset / doubt->unit_bytes;
	     number * doubt->unit_bytes < end; number++)
		version_add(doubt, unit_get(doubt, event->device, number),
			    drainers);
}

static void feed_flush(struct doubt *doubt, const struct event *event)
{
	uint64_t end = event->offset + event->length;
	uint64_t number;

	for (number = event->offset / doubt->unit_bytes;
	     number * doubt->unit_bytes < end; number++) {
		uint32_t place = doubt->index[event->device][number];
		struct unit *unit;

		if (!place)
			continue;
		unit = &doubt->units[place - 1];
		unit->versions[unit->count - 1].drainers |= UINT64_C(1)
							    << event->thread;
	}
}

/* How many versions are past: the newest that is durable, and all before. */
static unsigned settled_count(const struct doubt *doubt,
			      const struct unit *unit, unsigned thread)
{
	unsigned i;

	for (i = unit->count; i > 0; i--)
		if (unit->versions[i - 1].drainers >> thread & 1)
			break;
	if (i > 0 && doubt->granularity == DEVICE_PAGE)
		return unit->count;
	return i;
}

static void feed_drain(struct doubt *doubt, const struct event *event)
{
	unsigned at = 0;

	while (at < doubt->count) {
		struct unit *unit = &doubt->units[at];
		unsigned past = unit->device != event->device
					? 0
					: settled_count(doubt, unit,
							event->thread);

		if (past > 0) {
			const unsigned char *bytes =
				unit->versions[past - 1].bytes;
			uint64_t offset = unit->number * doubt->unit_bytes;

			doubt->hash = doubt_hash_with(doubt, doubt->hash, unit,
						      bytes);
			memcpy(doubt->durable[unit->device] + offset, bytes,
			       doubt->unit_bytes);
			if (doubt->settled)
				doubt->settled(doubt->arg, unit->device, offset,
					       doubt->unit_bytes);
			versions_drop(unit, past);
		}
		if (unit->count == 0)
			unit_forget(doubt, at);
		else
			at++;
	}
}

void doubt_feed(struct doubt *doubt, const struct record *record,
		const struct event *event)
{
	doubt->event++;
	switch (event->kind) {
	case EVENT_STORE:
	case EVENT_CACHED:
		feed_store(doubt, record, event);
		break;
	case EVENT_FLUSH:
		feed_flush(doubt, event);
		break;
	case EVENT_DRAIN:
		feed_drain(doubt, event);
		break;
	default:
		break;
	}
}
