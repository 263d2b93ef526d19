/* SPDX-License-Identifier: BSD-3-Clause */
#include "media/layout.h"

#include "media/freemap.h"

#include <errno.h>

#define JOURNAL_SHARE 128
#define JOURNAL_BLOCKS_MIN ((UINT64_C(1) << 20) / BLOCK_BYTES)
#define JOURNAL_BLOCKS_MAX ((UINT64_C(32) << 20) / BLOCK_BYTES)

static uint64_t journal_blocks(uint64_t size_blocks)
{
	uint64_t blocks = size_blocks / JOURNAL_SHARE;

	if (blocks < JOURNAL_BLOCKS_MIN)
		return JOURNAL_BLOCKS_MIN;
	return blocks < JOURNAL_BLOCKS_MAX ? blocks : JOURNAL_BLOCKS_MAX;
}

int layout_plan(superblock_media *sb)
{
	uint64_t next = 1;

	if (sb->size_blocks < LAYOUT_BYTES_MIN >> BLOCK_SHIFT)
		return -ENOSPC;
	if (sb->size_blocks > (ADDR_OFFSET_MASK + 1) >> BLOCK_SHIFT)
		return -ERANGE;

	sb->journal_start = 0;
	sb->journal_blocks = 0;
	if (sb->device_index == sb->metadata_device) {
		sb->journal_start = next;
		sb->journal_blocks = journal_blocks(sb->size_blocks);
		next += sb->journal_blocks;
	}
	sb->freemap_start = next;
	sb->freemap_blocks = freemap_area_blocks(sb->size_blocks);
	next += sb->freemap_blocks;
	if (sb->device_index == sb->metadata_device)
		sb->inode_root = addr_make(sb->device_index,
					   next << BLOCK_SHIFT);
	return 0;
}

unsigned layout_fixed(const superblock_media *sb,
		      struct layout_area areas[LAYOUT_FIXED_MAX])
{
	unsigned n = 0;

	areas[n++] = (struct layout_area){ 0, 1, "superblock" };
	if (sb->journal_blocks > 0)
		areas[n++] = (struct layout_area){ sb->journal_start,
						   sb->journal_blocks,
						   "journal" };
	if (sb->freemap_blocks > 0)
		areas[n++] = (struct layout_area){ sb->freemap_start,
						   sb->freemap_blocks,
						   "free map" };
	if (sb->device_index == sb->metadata_device)
		areas[n++] = (struct layout_area){ addr_block(sb->inode_root),
						   1,
						   "inode of the inode file" };
	areas[n++] = (struct layout_area){ sb->size_blocks - 1, 1,
					   "second superblock" };
	return n;
}
