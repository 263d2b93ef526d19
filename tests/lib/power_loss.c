/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/power_loss.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_BYTES 8

enum { DURABLE, STORED, FLUSHED };

struct watched {
	struct device *device; /* NULL: free slot */
	power_loss_hook *hook;
	size_t units;
	unsigned char *durable;
	unsigned char *state; /* a byte a unit */
	size_t *doubtful;     /* units that are not DURABLE */
	size_t doubtful_count;
};

static struct watched slots[POWER_LOSS_DEVICES];

static struct watched *find(const struct device *device)
{
	unsigned int i;

	for (i = 0; i < POWER_LOSS_DEVICES; i++)
		if (slots[i].device == device)
			return &slots[i];
	return NULL;
}

/* The units that a range touches, as far as they are watched. */
static size_t clip(const struct watched *watched, const void *at,
		   size_t length_bytes, size_t *first)
{
	uint64_t offset = device_offset(watched->device, at);
	size_t end = (offset + length_bytes + UNIT_BYTES - 1) / UNIT_BYTES;

	*first = offset / UNIT_BYTES;
	return end < watched->units ? end : watched->units;
}

static void on_stored(struct device *device, const void *to,
		      size_t length_bytes, bool cached)
{
	struct watched *watched = find(device);
	size_t i, end;

	if (!watched)
		return;
	end = clip(watched, to, length_bytes, &i);
	for (; i < end; i++) {
		if (watched->state[i] == DURABLE)
			watched->doubtful[watched->doubtful_count++] = i;
		watched->state[i] = cached ? STORED : FLUSHED;
	}
	if (watched->hook)
		watched->hook(device,
			      cached ? POWER_LOSS_CACHED : POWER_LOSS_STORE);
}

static void on_flushed(struct device *device, const void *from,
		       size_t length_bytes)
{
	struct watched *watched = find(device);
	size_t i, end;

	if (!watched)
		return;
	end = clip(watched, from, length_bytes, &i);
	for (; i < end; i++)
		if (watched->state[i] == STORED)
			watched->state[i] = FLUSHED;
}

static void on_drained(struct device *device)
{
	struct watched *watched = find(device);
	size_t kept = 0;
	size_t i;

	if (!watched)
		return;
	for (i = 0; i < watched->doubtful_count; i++) {
		size_t unit = watched->doubtful[i];

		if (watched->state[unit] != FLUSHED) {
			watched->doubtful[kept++] = unit;
			continue;
		}
		memcpy(watched->durable + unit * UNIT_BYTES,
		       device->base + unit * UNIT_BYTES, UNIT_BYTES);
		watched->state[unit] = DURABLE;
	}
	watched->doubtful_count = kept;
	if (watched->hook)
		watched->hook(device, POWER_LOSS_DRAIN);
}

static const struct device_recorder power_loss_recorder = {
	.stored = on_stored,
	.flushed = on_flushed,
	.drained = on_drained,
};

void power_loss_watch(struct device *device, size_t length_bytes,
		      power_loss_hook *hook)
{
	struct watched *watched = find(NULL);

	assert(watched);
	assert(length_bytes % UNIT_BYTES == 0);
	watched->units = length_bytes / UNIT_BYTES;
	watched->durable = malloc(length_bytes);
	watched->state = calloc(watched->units, 1);
	watched->doubtful = malloc(watched->units * sizeof(size_t));
	watched->doubtful_count = 0;
	watched->hook = hook;
	memcpy(watched->durable, device->base, length_bytes);
	watched->device = device;
	device_set_recorder(&power_loss_recorder);
}

void power_loss_unwatch(struct device *device)
{
	struct watched *watched = find(device);

	assert(watched);
	watched->device = NULL;
	free(watched->doubtful);
	free(watched->state);
	free(watched->durable);
}

void power_loss_inherit(const struct device *from, struct device *to,
			power_loss_hook *hook)
{
	const struct watched *old = find(from);
	struct watched *watched;
	size_t i;

	memcpy(to->base, from->base, old->units * UNIT_BYTES);
	power_loss_watch(to, old->units * UNIT_BYTES, hook);
	watched = find(to);
	memcpy(watched->durable, old->durable, old->units * UNIT_BYTES);
	for (i = 0; i < old->units; i++)
		watched->state[i] = old->state[i] == DURABLE ? DURABLE : STORED;
	memcpy(watched->doubtful, old->doubtful,
	       old->doubtful_count * sizeof(size_t));
	watched->doubtful_count = old->doubtful_count;
}

void power_loss_image(const struct device *device, void *image,
		      unsigned int kept, unsigned int unit_bytes)
{
	const struct watched *watched = find(device);
	unsigned int salt = random();
	size_t i;

	memcpy(image, watched->durable, watched->units * UNIT_BYTES);
	for (i = 0; i < watched->doubtful_count; i++) {
		size_t unit = watched->doubtful[i];
		/* Units of one group draw the same lot. */
		uint64_t lot = (unit * UNIT_BYTES / unit_bytes + salt) *
			       UINT64_C(0x9e3779b97f4a7c15);

		if ((lot >> 48 & 255) < kept)
			memcpy((unsigned char *)image + unit * UNIT_BYTES,
			       device->base + unit * UNIT_BYTES, UNIT_BYTES);
	}
}
