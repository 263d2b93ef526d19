/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/space.h"

#include "alloc/alloc.h"
#include "core/fs.h"
#include "journal/journal.h"

#include <errno.h>

#define RESERVE_SHARE 128 /* of the device: 0.8 % */
#define RESERVE_MIN 64
#define RESERVE_MAX 8192 /* 32 MiB */
#define FRAGMENTS_MAX 64 /* looked at before a whole 2 MiB unit is */

uint64_t space_reserve_blocks(uint64_t device_blocks)
{
	uint64_t blocks = device_blocks / RESERVE_SHARE;

	if (blocks < RESERVE_MIN)
		return RESERVE_MIN;
	return blocks < RESERVE_MAX ? blocks : RESERVE_MAX;
}

static bool above_reserve(const struct alloc *alloc)
{
	return alloc_free_blocks(alloc) > alloc_reserve_blocks(alloc);
}

int space_left(struct fs *fs)
{
	struct alloc *alloc = fs->allocs[fs->metadata_device];
	int err;

	if (above_reserve(alloc))
		return 0;
	err = journal_checkpoint(fs->journal); /* frees that wait for it */
	if (err)
		return err;
	return above_reserve(alloc) ? 0 : -ENOSPC;
}

/* Runs that are too short are kept aside, so that the next one is another. */
static int take_whole(struct alloc *alloc, uint64_t blocks, uint64_t *start)
{
	struct alloc_want want = { .blocks = blocks };
	struct {
		uint64_t start, blocks;
	} aside[FRAGMENTS_MAX];
	unsigned count = 0;
	uint64_t got;
	int err;

	do {
		want.aligned = count == FRAGMENTS_MAX;
		err = alloc_take(alloc, &want, start, &got);
		if (err || got == blocks)
			break;
		if (count == FRAGMENTS_MAX) {
			alloc_give(alloc, *start, got);
			err = -ENOSPC;
			break;
		}
		aside[count].start = *start;
		aside[count++].blocks = got;
	} while (true);
	while (count-- > 0)
		alloc_give(alloc, aside[count].start, aside[count].blocks);
	return err;
}

int space_take_whole(struct fs *fs, uint64_t blocks, uint64_t *start)
{
	struct alloc *alloc = fs->allocs[fs->metadata_device];
	int err = take_whole(alloc, blocks, start);

	if (err != -ENOSPC)
		return err;
	err = journal_checkpoint(fs->journal);
	return err ? err : take_whole(alloc, blocks, start);
}
