/* SPDX-License-Identifier: BSD-3-Clause */
#include "blocks.h"

#include "alloc/bits.h"
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const owner_names[] = {
	[OWNER_DATA] = "data",
	[OWNER_NODE] = "tree node",
	[OWNER_XATTR] = "attribute value",
};

static int init_one(struct fsck_device *device)
{
	const superblock_media *sb = &device->sb;
	struct layout_area areas[LAYOUT_FIXED_MAX];
	uint64_t bits = BITS_WORDS(sb->size_blocks) * 64;
	unsigned n = layout_fixed(sb, areas), i;

	device->used = calloc(BITS_WORDS(sb->size_blocks), sizeof(uint64_t));
	if (device->used == NULL)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		bits_fill(device->used, areas[i].start, areas[i].blocks, true);
	bits_fill(device->used, sb->size_blocks, bits - sb->size_blocks, true);
	return 0;
}

int blocks_init(struct fsck *fsck)
{
	unsigned i;
	int err = 0;

	for (i = 0; i < fsck->device_count && err == 0; i++)
		if (is_member(fsck, i))
			err = init_one(&fsck->device[i]);
	if (err == 0) {
		uint64_t blocks =
			fsck->device[fsck->metadata_device].sb.size_blocks;

		fsck->seen = calloc(BITS_WORDS(blocks), sizeof(uint64_t));
		err = fsck->seen ? 0 : -ENOMEM;
	}
	if (err != 0)
		operational(fsck, "out of memory for the block maps");
	return err;
}

void blocks_fini(struct fsck *fsck)
{
	unsigned i;

	for (i = 0; i < fsck->device_count; i++)
		free(fsck->device[i].used);
	free(fsck->seen);
}

/* The second look: is this the first owner of something in a quarrel? */
static void resolve(struct fsck *fsck, unsigned device, uint64_t block,
		    uint64_t blocks, uint64_t ino, enum owner_kind kind)
{
	unsigned i;

	for (i = 0; i < fsck->conflict_count; i++) {
		struct conflict *conflict = &fsck->conflicts[i];

		if (conflict->first_known || conflict->device != device ||
		    conflict->block < block ||
		    conflict->block - block >= blocks)
			continue;
		conflict->first_known = true;
		conflict->first_ino = ino;
		conflict->first_kind = kind;
	}
}

static void quarrel(struct fsck *fsck, unsigned device, uint64_t block,
		    uint64_t blocks, uint64_t ino, enum owner_kind kind)
{
	if (fsck->conflict_count == CONFLICTS_MAX) {
		problem_inode(fsck, "overlap", ino,
			      "%s in block %ju of device %u, "
			      "which has another owner",
			      owner_names[kind], (uintmax_t)block, device);
		return;
	}
	fsck->conflicts[fsck->conflict_count++] = (struct conflict){
		.device = device,
		.block = block,
		.blocks = blocks,
		.ino = ino,
		.kind = kind,
	};
}

enum claim blocks_claim(struct fsck *fsck, uint64_t addr, uint64_t blocks,
			uint64_t ino, enum owner_kind kind)
{
	unsigned index = addr_device(addr);
	uint64_t block = addr_block(addr), end = block + blocks, taken;
	struct fsck_device *device = &fsck->device[index];

	if (index >= fsck->device_count || fsck->sb->roll[index].state == 0) {
		problem_inode(fsck, "extent", ino,
			      "%s on device %u, which is no member",
			      owner_names[kind], index);
		return CLAIM_BAD;
	}
	if (device->device == NULL)
		return CLAIM_MISSING;
	if (block >= device->sb.size_blocks ||
	    blocks > device->sb.size_blocks - block) {
		problem_inode(fsck, "extent", ino,
			      "%s in blocks %ju to %ju of device %u, "
			      "which has %ju",
			      owner_names[kind], (uintmax_t)block,
			      (uintmax_t)(end - 1), index,
			      (uintmax_t)device->sb.size_blocks);
		return CLAIM_BAD;
	}
	if (fsck->resolving) {
		resolve(fsck, index, block, blocks, ino, kind);
		return CLAIM_OK;
	}
	taken = bits_find(device->used, block, end, true);
	bits_fill(device->used, block, blocks, true);
	if (taken == end)
		return CLAIM_OK;
	quarrel(fsck, index, taken, end - taken, ino, kind);
	return CLAIM_TAKEN;
}

const void *blocks_claim_metadata(struct fsck *fsck, uint64_t addr,
				  uint64_t blocks, uint64_t ino,
				  enum owner_kind kind)
{
	const struct fsck_device *device = &fsck->device[fsck->metadata_device];

	if (addr_device(addr) != fsck->metadata_device) {
		problem_inode(fsck, "tree", ino,
			      "%s on device %u, metadata is on device %u",
			      owner_names[kind], addr_device(addr),
			      fsck->metadata_device);
		return NULL;
	}
	if (blocks_claim(fsck, addr, blocks, ino, kind) != CLAIM_OK)
		return NULL;
	if (fsck->resolving && kind == OWNER_NODE) {
		if (bits_test(fsck->seen, addr_block(addr)))
			return NULL;
		bits_fill(fsck->seen, addr_block(addr), 1, true);
	}
	return device_at(device->device, addr_offset(addr));
}

static const char *fixed_area(const struct fsck *fsck,
			      const struct conflict *conflict)
{
	struct layout_area areas[LAYOUT_FIXED_MAX];
	unsigned n = layout_fixed(&fsck->device[conflict->device].sb, areas), i;

	for (i = 0; i < n; i++)
		if (conflict->block >= areas[i].start &&
		    conflict->block - areas[i].start < areas[i].blocks)
			return areas[i].name;
	return NULL;
}

void blocks_report(struct fsck *fsck)
{
	char first[96];
	unsigned i;

	for (i = 0; i < fsck->conflict_count; i++) {
		const struct conflict *conflict = &fsck->conflicts[i];
		const char *area = fixed_area(fsck, conflict);

		if (area)
			snprintf(first, sizeof(first), "the %s", area);
		else if (conflict->first_known)
			snprintf(first, sizeof(first), "inode %ju (%s)",
				 (uintmax_t)conflict->first_ino,
				 owner_names[conflict->first_kind]);
		else
			snprintf(first, sizeof(first), "another owner");
		problem_inode(fsck, "overlap", conflict->ino,
			      "%s in block %ju of device %u, "
			      "which belongs to %s",
			      owner_names[conflict->kind],
			      (uintmax_t)conflict->block, conflict->device,
			      first);
	}
}
