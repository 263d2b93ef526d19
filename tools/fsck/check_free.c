/* SPDX-License-Identifier: BSD-3-Clause */
#include "alloc/bits.h"
#include "fsck.h"
#include "inodes.h"
#include "media/freemap.h"
#include "report.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define NONE UINT64_MAX

/* The saved map against ours, one line for each way to differ. */
static void compare(struct fsck *fsck, const struct fsck_device *device,
		    const uint64_t *saved)
{
	uint64_t leaked = 0, lost = 0, first_leaked = NONE, first_lost = NONE;
	uint64_t blocks = device->sb.size_blocks, at;

	for (at = 0; at < blocks; at += 64) {
		uint64_t ours = device->used[at / 64], theirs = 0;
		uint64_t left = blocks - at, mask = UINT64_MAX;

		/* the last word of the bitmap may be short of bytes */
		if (left < 64) {
			mask >>= 64 - left;
			memcpy(&theirs, saved + at / 64, (left + 7) / 8);
		} else {
			theirs = saved[at / 64];
		}
		if (first_leaked == NONE && (theirs & ~ours & mask))
			first_leaked = at +
				       __builtin_ctzll(theirs & ~ours & mask);
		if (first_lost == NONE && (ours & ~theirs & mask))
			first_lost = at +
				     __builtin_ctzll(ours & ~theirs & mask);
		leaked += __builtin_popcountll(theirs & ~ours & mask);
		lost += __builtin_popcountll(ours & ~theirs & mask);
	}
	if (leaked > 0)
		problem_device(fsck, "free_map", device->device->path,
			       MENDED_SAFELY,
			       "%ju blocks are marked used and have no owner, "
			       "the first is %ju",
			       (uintmax_t)leaked, (uintmax_t)first_leaked);
	if (lost > 0)
		problem_device(fsck, "free_map", device->device->path,
			       MENDED_SAFELY,
			       "%ju blocks are marked free and have an owner, "
			       "the first is %ju",
			       (uintmax_t)lost, (uintmax_t)first_lost);
}

static void check_one(struct fsck *fsck, const struct fsck_device *device)
{
	const superblock_media *sb = &device->sb;
	const freemap_media *map = device_at(device->device,
					     sb->freemap_start << BLOCK_SHIFT);
	uint64_t free_blocks = sb->size_blocks -
			       bits_count(device->used, 0, sb->size_blocks);
	int err;

	if (sb->freemap_blocks == 0 || device->stale || !device->clean)
		return;
	err = freemap_check(map, sb->freemap_blocks, sb->size_blocks,
			    sb->generation, sb->lineage);
	if (err != 0) {
		problem_device(
			fsck, "free_map", device->device->path, MENDED_SAFELY,
			err == -ESTALE ? "marked clean, but the free map is of "
					 "another generation"
				       : "the free map is damaged");
		return;
	}
	if (map->free_blocks != free_blocks)
		problem_device(fsck, "free_map", device->device->path,
			       MENDED_SAFELY, "%ju blocks free, found %ju",
			       (uintmax_t)map->free_blocks,
			       (uintmax_t)free_blocks);
	compare(fsck, device, (const uint64_t *)(const void *)(map + 1));
}

static void check_inodes_used(struct fsck *fsck)
{
	uint64_t used = inodes_in_use(fsck);

	if (fsck->sb->inodes_used != used)
		problem_device(fsck, "superblock",
			       fsck->device[fsck->metadata_device].device->path,
			       MENDED_SAFELY, "%ju inodes used, found %ju",
			       (uintmax_t)fsck->sb->inodes_used,
			       (uintmax_t)used);
}

void check_free(struct fsck *fsck)
{
	unsigned i;

	fsck->counts.blocks_total = fsck->counts.blocks_used = 0;
	for (i = 0; i < fsck->device_count; i++) {
		const struct fsck_device *device = &fsck->device[i];

		if (!is_member(fsck, i))
			continue;
		fsck->counts.blocks_total += device->sb.size_blocks;
		fsck->counts.blocks_used += bits_count(device->used, 0,
						       device->sb.size_blocks);
	}
	/* what could not be read owns blocks, too: no use in comparing */
	if (!fsck->clean || fsck->writing || !report_sound(fsck))
		return;
	check_inodes_used(fsck);
	for (i = 0; i < fsck->device_count; i++)
		if (is_member(fsck, i))
			check_one(fsck, &fsck->device[i]);
}
