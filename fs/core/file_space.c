/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_space.c -- which device and which blocks new data of a file gets
 *
 * Device: where the block before it is, then the file's home, then the others
 * in turn; a file stays whole while its device has room, so that losing a
 * device loses whole files. A file with data on a home that is going is not
 * spread over what is left: -EIO.
 *
 * Blocks: on after the block before it (or as far from its nearest neighbour
 * as in the file), so that appends make one extent. A large file wants its
 * offsets to agree with the device's modulo 2 MiB: entries of that size need
 * it. Then a goal out of phase is worth less than a free unit, but more than
 * any other place.
 */
#include "core/file_change.h"

#include "alloc/alloc.h"
#include "journal/journal.h"

#include <errno.h>

/* From this on a run at the start of a file is laid out as a large one's. */
#define LARGE_RUN_BLOCKS 64

static uint64_t unit_start(uint64_t block)
{
	return block - block % PMD_BLOCKS;
}

/*
 * The place that the block would have if the extent before it, or the one
 * after it in the same 2 MiB unit, went on up to it; ADDR_NONE: no wish.
 */
static int space_goal(struct file_change *change, uint64_t block,
		      uint64_t *goal)
{
	uint64_t unit = unit_start(block);
	struct extent near;
	uint64_t back;
	int error;

	*goal = ADDR_NONE;
	error = extent_before(change->fs, &change->map, block, &near);
	if (!error &&
	    (extent_end(&near) == block || extent_end(&near) > unit)) {
		*goal = near.addr + ((block - near.start) << BLOCK_SHIFT);
		return 0;
	}
	if (error && error != -ENOENT)
		return error;
	error = extent_first(change->fs, &change->map, block, unit + PMD_BLOCKS,
			     &near);
	if (error)
		return error == -ENOENT ? 0 : error;
	back = (near.start - block) << BLOCK_SHIFT;
	if (addr_offset(near.addr) > back)
		*goal = near.addr - back;
	return 0;
}

/* Is 2 MiB alignment worth having here? */
static bool space_is_large(const struct file_change *change,
			   const struct extent *hole)
{
	uint64_t next_unit = unit_start(hole->start + PMD_BLOCKS - 1);

	return hole->start >= PMD_BLOCKS || change->copy->size >= PMD_BYTES ||
	       (hole->start == 0 && hole->blocks >= LARGE_RUN_BLOCKS) ||
	       extent_end(hole) >= next_unit + PMD_BLOCKS;
}

/* One device: 0, -ENOSPC, -ENXIO. */
static int space_take_on(const struct file_change *change, struct alloc *alloc,
			 const struct extent *hole, uint64_t goal,
			 uint64_t *start, uint64_t *got)
{
	unsigned phase = hole->start % PMD_BLOCKS;
	struct alloc_want want = { .blocks = hole->blocks, .goal = goal };
	int error;

	if (!space_is_large(change, hole))
		return alloc_take(alloc, &want, start, got);
	/* A file's beginning out of phase: up to the unit where that ends. */
	if (goal && hole->start < PMD_BLOCKS && goal % PMD_BLOCKS != phase) {
		if (want.blocks > PMD_BLOCKS - phase)
			want.blocks = PMD_BLOCKS - phase;
		return alloc_take(alloc, &want, start, got);
	}
	want.aligned = true;
	want.phase = (uint16_t)phase;
	error = alloc_take(alloc, &want, start, got);
	if (error || *start % PMD_BLOCKS == phase || !goal)
		return error;
	/* No free unit is left: then at least where the file goes on. */
	alloc_give(alloc, *start, *got);
	want.aligned = false;
	return alloc_take(alloc, &want, start, got);
}

static int space_try(struct file_change *change, unsigned device,
		     const struct extent *hole, uint64_t goal,
		     struct extent *taken)
{
	struct alloc *alloc = change->fs->allocs[device];
	uint64_t start, got;
	int error;

	if (!alloc)
		return -EIO;
	error = file_change_gate(change, device);
	if (error)
		return error;
	if (goal == ADDR_NONE || addr_device(goal) != device)
		goal = 0;
	error = space_take_on(change, alloc, hole, addr_block(goal), &start,
			      &got);
	if (error)
		return error;
	*taken = (struct extent){ .start = hole->start,
				  .blocks = got,
				  .addr = addr_make(device,
						    start << BLOCK_SHIFT) };
	txn_took(change->txn, taken->addr, got);
	return 0;
}

/* On the first device that has room: 0, -ENOSPC, -EIO. */
static int space_take_any(struct file_change *change, const struct extent *hole,
			  uint64_t goal, struct extent *taken)
{
	unsigned home = change->copy->home_device;
	unsigned first, index;
	bool blocked;
	int error;

	if (home >= change->fs->device_count)
		home = 0;
	first = goal == ADDR_NONE ? home : addr_device(goal);
	error = space_try(change, first, hole, goal, taken);
	blocked = error == -EIO;
	if (!error || (blocked && change->copy->blocks))
		return error;
	for (index = 0; index < change->fs->device_count; index++) {
		unsigned device = (home + index) % change->fs->device_count;

		if (device == first)
			continue;
		error = space_try(change, device, hole, goal, taken);
		if (!error && !change->copy->blocks)
			change->copy->home_device = (uint16_t)device;
		if (!error)
			return 0;
	}
	return blocked ? -EIO : -ENOSPC;
}

int file_space_take(struct file_change *change, const struct extent *hole,
		    struct extent *taken)
{
	struct extent want = *hole;
	uint64_t goal;
	int error = space_goal(change, hole->start, &goal);

	if (error)
		return error;
	if (want.blocks > UINT32_MAX)
		want.blocks = UINT32_MAX;
	error = space_take_any(change, &want, goal, taken);
	if (error != -ENOSPC)
		return error;
	/* What was freed as metadata waits for the journal's tail. */
	error = journal_checkpoint(change->fs->journal);
	return error ? error : space_take_any(change, &want, goal, taken);
}

uint64_t file_space_free(const struct fs *fs)
{
	uint64_t sum = 0;
	unsigned index;

	for (index = 0; index < fs->device_count; index++) {
		const struct alloc *alloc = fs->allocs[index];
		uint64_t free, reserve;

		if (!alloc)
			continue;
		free = alloc_free_blocks(alloc);
		reserve = alloc_reserve_blocks(alloc);
		sum += free > reserve ? free - reserve : 0;
	}
	return sum;
}
