/* SPDX-License-Identifier: BSD-3-Clause */
#include "blocks.h"

#include "alloc/bits.h"
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const owner_names[] = {
	[OWNER_DATA] = "data",
	[OWNER_SHARED] = "shared data",
	[OWNER_NODE] = "tree node",
	[OWNER_XATTR] = "attribute value",
};

static int init_one(struct fsck_device *device)
{
	const superblock_media *sb = &device->sb;
	struct layout_area areas[LAYOUT_FIXED_MAX];
	uint64_t words = BITS_WORDS(sb->size_blocks), bits = words * 64;
	unsigned n = layout_fixed(sb, areas), i;

	device->used = calloc(words, sizeof(uint64_t));
	device->meta = calloc(words, sizeof(uint64_t));
	device->maybe = calloc(words, sizeof(uint64_t));
	if (!device->used || !device->meta || !device->maybe)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		bits_fill(device->used, areas[i].start, areas[i].blocks, true);
		bits_fill(device->meta, areas[i].start, areas[i].blocks, true);
	}
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

	for (i = 0; i < ROLL_MAX; i++) {
		struct fsck_device *device = &fsck->device[i];

		free(device->used);
		free(device->meta);
		free(device->maybe);
		free(device->disputed);
		free(device->again);
		free(device->shared);
		device->used = device->meta = device->maybe = NULL;
		device->disputed = device->again = device->shared = NULL;
	}
	free(fsck->seen);
	fsck->seen = NULL;
	fsck->conflict_count = 0;
}

/* ------------------------------------------------------------ second look */

/* Which quarrels is this the first owner of? */
static void name_first(struct fsck *fsck, unsigned device, uint64_t block,
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

/* Those who share a block all had it first, or none of them. */
static bool had_first(const struct fsck_device *device, uint64_t start,
		      uint64_t end, enum owner_kind kind)
{
	if (kind == OWNER_SHARED)
		return bits_find(device->shared, start, end, false) == end;
	if (device->shared && bits_find(device->shared, start, end, true) < end)
		return false;
	return bits_find(device->again, start, end, true) == end;
}

/* Data that another had first, or that is no data, is not this inode's. */
static void resolve_data(struct fsck *fsck, struct fsck_device *device,
			 uint64_t block, uint64_t end, uint64_t ino,
			 enum owner_kind kind)
{
	uint64_t at = block, run;
	bool loses = false;

	if (!device->disputed || kind > OWNER_SHARED)
		return;
	while ((at = bits_find(device->disputed, at, end, true)) < end) {
		run = bits_find(device->disputed, at, end, false);
		loses = loses || bits_find(device->meta, at, run, true) < run ||
			!had_first(device, at, run, kind);
		bits_fill(device->again, at, run - at, true);
		at = run;
	}
	if (loses)
		fsck->inodes[ino].mend |= MEND_TREE;
}

/* ------------------------------------------------------------- first look */

static void dispute(struct fsck *fsck, struct fsck_device *device,
		    uint64_t block, uint64_t end)
{
	uint64_t words = BITS_WORDS(device->sb.size_blocks);
	uint64_t at = block, run;

	if (!device->disputed) {
		device->disputed = calloc(words, sizeof(uint64_t));
		device->again = calloc(words, sizeof(uint64_t));
	}
	if (!device->disputed || !device->again) {
		operational(fsck, "out of memory for the block maps");
		return;
	}
	while ((at = bits_find(device->used, at, end, true)) < end) {
		run = bits_find(device->used, at, end, false);
		bits_fill(device->disputed, at, run - at, true);
		at = run;
	}
}

static void quarrel(struct fsck *fsck, unsigned device, uint64_t block,
		    uint64_t blocks, uint64_t ino, enum owner_kind kind)
{
	if (fsck->conflict_count == CONFLICTS_MAX) {
		problem_inode(fsck, "overlap", ino, MEND_OTHER,
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

/* What mends an owner of that kind. */
static unsigned mend_of(uint64_t ino, enum owner_kind kind)
{
	return kind == OWNER_XATTR ? MEND_XATTRS : MEND_TREE;
}

static enum claim check_place(struct fsck *fsck, uint64_t addr, uint64_t blocks,
			      uint64_t ino, enum owner_kind kind)
{
	unsigned index = addr_device(addr);
	uint64_t block = addr_block(addr), end = block + blocks;
	const struct fsck_device *device = &fsck->device[index];

	if (index >= fsck->device_count || fsck->sb->roll[index].state == 0) {
		problem_inode(fsck, "extent", ino, mend_of(ino, kind),
			      "%s on device %u, which is no member",
			      owner_names[kind], index);
		return CLAIM_BAD;
	}
	if (device->device == NULL)
		return CLAIM_MISSING;
	if (block >= device->sb.size_blocks ||
	    blocks > device->sb.size_blocks - block) {
		problem_inode(fsck, "extent", ino, mend_of(ino, kind),
			      "%s in blocks %ju to %ju of device %u, "
			      "which has %ju",
			      owner_names[kind], (uintmax_t)block,
			      (uintmax_t)(end - 1), index,
			      (uintmax_t)device->sb.size_blocks);
		return CLAIM_BAD;
	}
	return CLAIM_OK;
}

/* Run by run: free, or shared so far, or somebody's own. */
static enum claim claim_shared(struct fsck *fsck, unsigned index,
			       uint64_t block, uint64_t end, uint64_t ino)
{
	struct fsck_device *device = &fsck->device[index];
	uint64_t at, run, words = BITS_WORDS(device->sb.size_blocks);
	enum claim claim = CLAIM_OK;

	if (!device->shared)
		device->shared = calloc(words, sizeof(uint64_t));
	if (!device->shared) {
		operational(fsck, "out of memory for the block maps");
		return CLAIM_OK;
	}
	for (at = block; at < end; at = run) {
		bool used = bits_test(device->used, at);
		bool shared = bits_test(device->shared, at);

		run = bits_find(device->used, at, end, !used);
		run = bits_find(device->shared, at, run, !shared);
		if (used && !shared) {
			dispute(fsck, device, at, run);
			quarrel(fsck, index, at, run - at, ino, OWNER_SHARED);
			claim = CLAIM_TAKEN;
		} else {
			bits_fill(device->used, at, run - at, true);
			bits_fill(device->shared, at, run - at, true);
		}
	}
	return claim;
}

enum claim blocks_claim(struct fsck *fsck, uint64_t addr, uint64_t blocks,
			uint64_t ino, enum owner_kind kind)
{
	unsigned index = addr_device(addr);
	uint64_t block = addr_block(addr), end = block + blocks, taken;
	struct fsck_device *device = &fsck->device[index];
	enum claim claim = check_place(fsck, addr, blocks, ino, kind);

	if (claim != CLAIM_OK || fsck->look == LOOK_COUNT)
		return claim;
	if (fsck->look == LOOK_RESOLVE) {
		name_first(fsck, index, block, blocks, ino, kind);
		resolve_data(fsck, device, block, end, ino, kind);
		return CLAIM_OK;
	}
	if (kind == OWNER_SHARED)
		return claim_shared(fsck, index, block, end, ino);
	taken = bits_find(device->used, block, end, true);
	if (taken == end) {
		bits_fill(device->used, block, blocks, true);
		return CLAIM_OK;
	}
	dispute(fsck, device, block, end);
	bits_fill(device->used, block, blocks, true);
	quarrel(fsck, index, taken, end - taken, ino, kind);
	return CLAIM_TAKEN;
}

const void *blocks_see_metadata(struct fsck *fsck, uint64_t addr,
				uint64_t blocks, uint64_t ino,
				enum owner_kind kind)
{
	const struct fsck_device *device = &fsck->device[fsck->metadata_device];

	if (addr_device(addr) != fsck->metadata_device) {
		problem_inode(fsck, "tree", ino, mend_of(ino, kind),
			      "%s on device %u, metadata is on device %u",
			      owner_names[kind], addr_device(addr),
			      fsck->metadata_device);
		return NULL;
	}
	if (check_place(fsck, addr, blocks, ino, kind) != CLAIM_OK)
		return NULL;
	return device_at(device->device, addr_offset(addr));
}

bool blocks_claim_metadata(struct fsck *fsck, uint64_t addr, uint64_t blocks,
			   uint64_t ino, enum owner_kind kind)
{
	struct fsck_device *device = &fsck->device[fsck->metadata_device];
	uint64_t block = addr_block(addr), end = block + blocks, taken;

	if (fsck->look == LOOK_COUNT)
		return true;
	if (fsck->look == LOOK_RESOLVE) {
		name_first(fsck, fsck->metadata_device, block, blocks, ino,
			   kind);
		if (kind != OWNER_NODE)
			return true;
		if (bits_test(fsck->seen, block))
			return false;
		bits_fill(fsck->seen, block, 1, true);
		return true;
	}
	taken = bits_find(device->used, block, end, true);
	if (taken < end) {
		quarrel(fsck, fsck->metadata_device, taken, end - taken, ino,
			kind);
		dispute(fsck, device, block, end);
		if (bits_find(device->meta, block, end, true) < end)
			return false;
		/* it has a checksum, the data that is there does not */
	}
	bits_fill(device->used, block, blocks, true);
	bits_fill(device->meta, block, blocks, true);
	return true;
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
		problem_inode(fsck, "overlap", conflict->ino, MEND_OTHER,
			      "%s in block %ju of device %u, "
			      "which belongs to %s",
			      owner_names[conflict->kind],
			      (uintmax_t)conflict->block, conflict->device,
			      first);
	}
}
