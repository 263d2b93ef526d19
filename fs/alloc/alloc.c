/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * alloc.c -- the map, its counts and what changes them; search.c chooses
 */
#include "alloc/map.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t unit_blocks(const struct alloc *alloc, uint64_t unit)
{
	uint64_t start = unit * PMD_BLOCKS;
	uint64_t left = alloc->blocks - start;

	return left < PMD_BLOCKS ? left : PMD_BLOCKS;
}

/* After a change of its count: a unit is full, broken or wholly free. longest:
 * no free run of it is longer. */
static void unit_classify(struct alloc *alloc, uint64_t unit, unsigned longest)
{
	uint16_t free = alloc->unit_free[unit];

	if (longest > free)
		longest = free;
	bits_fill(alloc->whole, unit, 1, free == PMD_BLOCKS);
	fit_set(&alloc->broken, unit, free < PMD_BLOCKS ? longest : 0);
	if (free == PMD_BLOCKS && unit < alloc->whole_from)
		alloc->whole_from = unit;
}

/* No free run of the unit is longer. */
static unsigned unit_longest(const struct alloc *alloc, uint64_t unit)
{
	return alloc->unit_free[unit] == PMD_BLOCKS
		       ? PMD_BLOCKS
		       : fit_of(&alloc->broken, unit);
}

/* Make the run used or free; the part that was so before does not count. */
static void map_change(struct alloc *alloc, uint64_t start, uint64_t blocks,
		       bool used)
{
	uint64_t end = start + blocks;
	uint64_t free = atomic_load_explicit(&alloc->free,
					     memory_order_relaxed);

	while (start < end) {
		uint64_t unit = start / PMD_BLOCKS;
		uint64_t unit_end = (unit + 1) * PMD_BLOCKS;
		uint64_t count = (end < unit_end ? end : unit_end) - start;
		uint64_t ones = bits_count(alloc->used, start, count);
		unsigned longest = unit_longest(alloc, unit);

		bits_fill(alloc->used, start, count, used);
		if (used) {
			alloc->unit_free[unit] -= count - ones;
			free -= count - ones;
		} else {
			alloc->unit_free[unit] += ones;
			free += ones;
			/* it may join two that were as long */
			longest = 2 * longest + (unsigned)count;
		}
		unit_classify(alloc, unit, longest);
		start += count;
	}
	atomic_store_explicit(&alloc->free, free, memory_order_relaxed);
}

static bool run_fits(const struct alloc *alloc, uint64_t start, uint64_t blocks)
{
	return start < alloc->blocks && blocks <= alloc->blocks - start;
}

int alloc_create(struct alloc **out, uint64_t device_blocks,
		 uint64_t reserve_blocks)
{
	struct alloc *alloc = calloc(1, sizeof(*alloc));
	uint64_t units = (device_blocks + PMD_BLOCKS - 1) / PMD_BLOCKS;

	assert(device_blocks > 0);
	if (!alloc)
		return -ENOMEM;
	alloc->blocks = device_blocks;
	alloc->units = units;
	alloc->reserve = reserve_blocks;
	alloc->whole_from = units;
	alloc->used = calloc(BITS_WORDS(device_blocks), sizeof(uint64_t));
	alloc->unit_free = calloc(units, sizeof(uint16_t));
	alloc->whole = calloc(BITS_WORDS(units), sizeof(uint64_t));
	pthread_mutex_init(&alloc->mutex, NULL);
	if (!alloc->used || !alloc->unit_free || !alloc->whole ||
	    fit_init(&alloc->broken, units)) {
		alloc_destroy(alloc);
		return -ENOMEM;
	}
	memset(alloc->used, 0xff, BITS_WORDS(device_blocks) * sizeof(uint64_t));
	*out = alloc;
	return 0;
}

void alloc_destroy(struct alloc *alloc)
{
	if (!alloc)
		return;
	pthread_mutex_destroy(&alloc->mutex);
	fit_fini(&alloc->broken);
	free(alloc->whole);
	free(alloc->unit_free);
	free(alloc->used);
	free(alloc);
}

int alloc_mark_free(struct alloc *alloc, uint64_t start, uint64_t blocks)
{
	if (!run_fits(alloc, start, blocks))
		return -ERANGE;
	pthread_mutex_lock(&alloc->mutex);
	map_change(alloc, start, blocks, false);
	pthread_mutex_unlock(&alloc->mutex);
	return 0;
}

int alloc_mark_used(struct alloc *alloc, uint64_t start, uint64_t blocks)
{
	int error = 0;

	if (!run_fits(alloc, start, blocks))
		return -ERANGE;
	pthread_mutex_lock(&alloc->mutex);
	if (bits_count(alloc->used, start, blocks) > 0)
		error = -EUCLEAN;
	else
		map_change(alloc, start, blocks, true);
	pthread_mutex_unlock(&alloc->mutex);
	return error;
}

int alloc_take(struct alloc *alloc, const struct alloc_want *want,
	       uint64_t *start, uint64_t *got)
{
	uint64_t kept = want->metadata ? 0 : alloc->reserve;
	uint64_t free;
	uint64_t blocks;
	int error = 0;

	assert(want->blocks > 0 && want->phase < PMD_BLOCKS);
	pthread_mutex_lock(&alloc->mutex);
	free = atomic_load_explicit(&alloc->free, memory_order_relaxed);
	if (alloc->stopped) {
		error = -ENXIO;
		goto out_unlock;
	}
	if (free <= kept) {
		error = -ENOSPC;
		goto out_unlock;
	}
	blocks = want->blocks < free - kept ? want->blocks : free - kept;
	*start = map_search(alloc, want, blocks, got);
	map_change(alloc, *start, *got, true);
out_unlock:
	pthread_mutex_unlock(&alloc->mutex);
	return error;
}

void alloc_give(struct alloc *alloc, uint64_t start, uint64_t blocks)
{
	bool sound = run_fits(alloc, start, blocks);

	pthread_mutex_lock(&alloc->mutex);
	if (sound && bits_count(alloc->used, start, blocks) == blocks)
		map_change(alloc, start, blocks, false);
	else
		atomic_store(&alloc->unsound, true);
	pthread_mutex_unlock(&alloc->mutex);
}

bool alloc_sound(const struct alloc *alloc)
{
	return !atomic_load(&alloc->unsound);
}

void alloc_stop(struct alloc *alloc, bool stopped)
{
	pthread_mutex_lock(&alloc->mutex);
	alloc->stopped = stopped;
	pthread_mutex_unlock(&alloc->mutex);
}

uint64_t alloc_free_blocks(const struct alloc *alloc)
{
	return atomic_load_explicit(&alloc->free, memory_order_relaxed);
}

uint64_t alloc_reserve_blocks(const struct alloc *alloc)
{
	return alloc->reserve;
}

static size_t bitmap_bytes(const struct alloc *alloc)
{
	return (alloc->blocks + 7) / 8;
}

void alloc_export(struct alloc *alloc, void *bitmap)
{
	pthread_mutex_lock(&alloc->mutex);
	memcpy(bitmap, alloc->used, bitmap_bytes(alloc));
	pthread_mutex_unlock(&alloc->mutex);
}

int alloc_import(struct alloc *alloc, const void *bitmap)
{
	const uint8_t *bytes = bitmap;
	size_t length_bytes = bitmap_bytes(alloc);
	unsigned tail_bits = alloc->blocks % 8;
	uint64_t total = 0;
	uint64_t unit;

	/* Blocks past the end are used, or someone could be given them. */
	if (tail_bits &&
	    bytes[length_bytes - 1] >> tail_bits != 0xff >> tail_bits)
		return -EUCLEAN;
	pthread_mutex_lock(&alloc->mutex);
	memcpy(alloc->used, bitmap, length_bytes);
	alloc->whole_from = alloc->units;
	for (unit = 0; unit < alloc->units; unit++) {
		uint64_t blocks = unit_blocks(alloc, unit);

		alloc->unit_free[unit] = blocks - bits_count(alloc->used,
							     unit * PMD_BLOCKS,
							     blocks);
		total += alloc->unit_free[unit];
		unit_classify(alloc, unit, PMD_BLOCKS);
	}
	atomic_store_explicit(&alloc->free, total, memory_order_relaxed);
	pthread_mutex_unlock(&alloc->mutex);
	return 0;
}
