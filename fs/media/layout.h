/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * layout.h -- where the areas of a device are
 *
 * block 0            superblock
 * metadata device:   journal, 1/128 of the device, 1 to 32 MiB
 * next               free map, header and bitmap
 * metadata device:   one block, its first 512 bytes the inode file's inode
 * ...                what the allocator gives out
 * last block         superblock, second copy
 *
 * Only layout_plan() knows these sizes; everybody else believes the
 * superblock, through layout_fixed().
 */
#ifndef UDAX_MEDIA_LAYOUT_H
#define UDAX_MEDIA_LAYOUT_H

#include "media/superblock.h"

#include <stdint.h>

#define LAYOUT_BYTES_MIN (UINT64_C(16) << 20)
#define LAYOUT_FIXED_MAX 5

struct layout_area {
	uint64_t start;
	uint64_t blocks;
	const char *name;
};

/*
 * Fill in the areas of a new device and inode_root, from size_blocks,
 * device_index and metadata_device. -ENOSPC below LAYOUT_BYTES_MIN; -ERANGE
 * beyond what an address can name.
 */
int layout_plan(superblock_media *sb) __attribute__((warn_unused_result));

/*
 * What the allocator never gives out on this device: every area it has, with
 * both superblocks, in ascending order if planned here. Returns how many.
 */
unsigned layout_fixed(const superblock_media *sb,
		      struct layout_area areas[LAYOUT_FIXED_MAX]);

#endif
