/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * search.c -- which free run a request gets
 *
 * In this order: the run that continues the goal; for aligned requests a
 * wholly free unit; for small ones a run long enough in the lowest of the
 * broken units; a wholly free unit; the longest run seen. So large files meet
 * whole units for as long as small ones find room in units that are broken
 * anyway, and a file is not cut to pieces while there is a better place.
 */
#include "alloc/map.h"

#include <assert.h>

/* Broken units looked at before a whole one is broken up. */
#define PROBES 16

struct run {
	uint64_t start;
	uint64_t blocks;
};

static uint64_t run_at(const struct alloc *alloc, uint64_t start,
		       uint64_t blocks)
{
	uint64_t end = alloc->blocks;

	if (blocks < end - start)
		end = start + blocks;
	return bits_find(alloc->used, start, end, true) - start;
}

static bool search_goal(const struct alloc *alloc,
			const struct alloc_want *want, uint64_t blocks,
			struct run *run)
{
	if (want->goal == 0 || want->goal >= alloc->blocks)
		return false;
	/* A run out of phase would cost the file its 2 MiB entries. */
	if (want->aligned && want->goal % PMD_BLOCKS != want->phase)
		return false;
	run->start = want->goal;
	run->blocks = run_at(alloc, want->goal, blocks);
	return run->blocks > 0;
}

/*
 * The lowest wholly free unit, preferring one with as many neighbours as the
 * request is long, among the first few runs of them.
 */
static bool search_whole(struct alloc *alloc, uint64_t phase, uint64_t blocks,
			 struct run *run)
{
	uint64_t unit = bits_find(alloc->whole, alloc->whole_from, alloc->units,
				  true);
	unsigned probe;

	alloc->whole_from = unit;
	run->blocks = 0;
	for (probe = 0; probe < PROBES && unit < alloc->units; probe++) {
		uint64_t start = unit * PMD_BLOCKS + phase;
		uint64_t length = run_at(alloc, start, blocks);

		if (length > run->blocks) {
			run->start = start;
			run->blocks = length;
		}
		if (length == blocks)
			break;
		unit = bits_find(alloc->whole,
				 (start + length) / PMD_BLOCKS + 1,
				 alloc->units, true);
	}
	return run->blocks > 0;
}

/* The first run of one unit that is long enough, of at most so many blocks;
 * else its longest. */
static void search_unit(const struct alloc *alloc, uint64_t unit,
			uint64_t blocks, uint64_t enough, struct run *longest)
{
	uint64_t block = unit * PMD_BLOCKS;
	uint64_t end = block + PMD_BLOCKS;

	if (end > alloc->blocks)
		end = alloc->blocks;
	while (longest->blocks < enough) {
		uint64_t start = bits_find(alloc->used, block, end, false);
		uint64_t length;

		if (start == end)
			break;
		/* May run on into the next unit: all the better. */
		length = run_at(alloc, start, blocks);
		if (length > longest->blocks) {
			longest->start = start;
			longest->blocks = length;
		}
		block = start + length;
		if (block >= end)
			break;
	}
}

/*
 * The first broken unit that may have the run, else the one with the longest.
 * Always from the lowest: those above empty in time, and are whole again. Each
 * that is looked at in vain is known better from then on.
 */
static void search_broken(struct alloc *alloc, uint64_t blocks,
			  struct run *longest)
{
	unsigned probe;

	longest->blocks = 0;
	for (probe = 0; probe < PROBES; probe++) {
		uint16_t least = fit_most(&alloc->broken);
		struct run found = { 0 };
		uint64_t unit;

		if (least <= longest->blocks)
			break;
		if (least > blocks)
			least = (uint16_t)blocks;
		unit = fit_first(&alloc->broken, least);
		search_unit(alloc, unit, blocks, least, &found);
		if (found.blocks > longest->blocks)
			*longest = found;
		if (found.blocks >= least)
			break;
		fit_set(&alloc->broken, unit, (uint16_t)found.blocks); /* A4 */
	}
}

uint64_t map_search(struct alloc *alloc, const struct alloc_want *want,
		    uint64_t blocks, uint64_t *got)
{
	uint64_t phase = want->aligned ? want->phase : 0;
	struct run broken = { 0 };
	struct run run = { 0 };

	if (search_goal(alloc, want, blocks, &run))
		goto out;
	if ((want->aligned || blocks >= PMD_BLOCKS) &&
	    search_whole(alloc, phase, blocks, &run))
		goto out;
	search_broken(alloc, blocks, &broken);
	run = broken;
	if (broken.blocks < blocks) {
		struct run whole;

		if (search_whole(alloc, 0, blocks, &whole))
			run = whole;
	}
out:
	/* Some unit is broken or whole, and both searches wrap around. */
	assert(run.blocks > 0);
	*got = run.blocks;
	return run.start;
}
