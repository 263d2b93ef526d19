/* SPDX-License-Identifier: BSD-3-Clause */
#include "write.h"

#include "alloc/alloc.h"
#include "alloc/bits.h"
#include "inodes.h"
#include "media/freemap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAGMENTS_MAX 64

static superblock_media *truth_of(struct fsck *fsck)
{
	return &fsck->device[fsck->metadata_device].sb;
}

/* Written to: here, and not one that the next mount takes back. */
static bool writes(const struct fsck *fsck, unsigned index)
{
	return is_member(fsck, index) && !fsck->device[index].stale;
}

static int store(struct fsck_device *member, uint64_t offset_bytes)
{
	struct device *device = member->device;

	device_copy(device, device_at(device, offset_bytes), &member->sb,
		    sizeof(member->sb));
	device_drain(device);
	return device_still_there(device) ? 0 : -EIO;
}

/* Primary first, each durable before the other. */
static int store_super(struct fsck_device *member)
{
	superblock_media *sb = &member->sb;
	int err;

	sb->sequence++;
	superblock_seal(sb);
	err = store(member, 0);
	return err ? err
		   : store(member, superblock_second_offset(sb->size_blocks));
}

/* What all members say alike is the metadata device's to say. */
static int store_follower(struct fsck *fsck, unsigned index)
{
	const superblock_media *truth = truth_of(fsck);
	superblock_media *sb = &fsck->device[index].sb;

	sb->flags = truth->flags;
	sb->generation = truth->generation;
	sb->device_count = truth->device_count;
	sb->metadata_device = truth->metadata_device;
	sb->inode_root = truth->inode_root;
	sb->hash_seed = truth->hash_seed;
	sb->inodes_used = truth->inodes_used;
	sb->journal_sequence = truth->journal_sequence;
	memcpy(sb->lineage, truth->lineage, sizeof(sb->lineage));
	memcpy(sb->roll, truth->roll, sizeof(sb->roll));
	return store_super(&fsck->device[index]);
}

static int store_followers(struct fsck *fsck)
{
	unsigned i;
	int err = 0;

	for (i = 0; i < fsck->device_count && err == 0; i++)
		if (writes(fsck, i) && i != fsck->metadata_device)
			err = store_follower(fsck, i);
	return err;
}

/* The metadata device first: what its roll says of the others is still what
 * they have. */
static int begin_generation(struct fsck *fsck)
{
	superblock_media *truth = truth_of(fsck);
	unsigned i;
	int err;

	for (i = 0; i < fsck->device_count; i++) {
		if (!writes(fsck, i))
			continue;
		truth->roll[i].generation = fsck->device[i].sb.generation;
		truth->roll[i].size_blocks = fsck->device[i].sb.size_blocks;
		memcpy(truth->roll[i].uuid, fsck->device[i].sb.device_uuid,
		       sizeof(truth->roll[i].uuid));
	}
	truth->generation++;
	truth->flags &= ~SUPERBLOCK_CLEAN;
	err = store_super(&fsck->device[fsck->metadata_device]);
	return err ? err : store_followers(fsck);
}

int write_begin(struct fsck *fsck)
{
	int err;

	if (fsck->writing)
		return 0;
	err = begin_generation(fsck);
	if (err == 0)
		err = journal_open(&fsck->journal, &fsck->members, fsck->sb,
				   fsck->log_first, fsck->allocs);
	fsck->writing = err == 0;
	return err;
}

/* ------------------------------------------------------------------ space */

static int open_space(struct fsck *fsck, unsigned index)
{
	const struct fsck_device *member = &fsck->device[index];
	uint64_t size = member->sb.size_blocks, words = BITS_WORDS(size), i;
	uint64_t *taken = malloc(words * sizeof(*taken));
	uint64_t at = 0, end;
	int err;

	if (taken == NULL)
		return -ENOMEM;
	for (i = 0; i < words; i++)
		taken[i] = member->used[i] | member->maybe[i];
	err = alloc_create(&fsck->allocs[index], size, 0);
	while (err == 0 && (at = bits_find(taken, at, size, false)) < size) {
		end = bits_find(taken, at, size, true);
		err = alloc_mark_free(fsck->allocs[index], at, end - at);
		at = end;
	}
	free(taken);
	return err;
}

static void close_space(struct fsck *fsck)
{
	unsigned i;

	for (i = 0; i < ROLL_MAX; i++) {
		alloc_destroy(fsck->allocs[i]);
		fsck->allocs[i] = NULL;
	}
}

int write_round_begin(struct fsck *fsck)
{
	unsigned i;
	int err = write_begin(fsck);

	for (i = 0; i < fsck->device_count && err == 0; i++)
		if (writes(fsck, i))
			err = open_space(fsck, i);
	return err;
}

int write_round_end(struct fsck *fsck)
{
	int err = fsck->journal ? journal_checkpoint(fsck->journal) : 0;

	close_space(fsck);
	return err;
}

int write_take(struct fsck *fsck, unsigned device, uint64_t blocks,
	       uint64_t *addr, uint64_t *got)
{
	const struct alloc_want want = { .blocks = blocks };
	uint64_t start;
	int err;

	if (device >= ROLL_MAX || fsck->allocs[device] == NULL)
		return -ENOSPC;
	err = alloc_take(fsck->allocs[device], &want, &start, got);
	if (err)
		return err;
	bits_fill(fsck->device[device].used, start, *got, true);
	*addr = addr_make(device, start << BLOCK_SHIFT);
	return 0;
}

int write_take_spared(struct fsck *fsck, unsigned device, uint64_t blocks,
		      uint64_t spared, uint64_t *addr, uint64_t *got)
{
	uint64_t left = 0;

	if (device < ROLL_MAX && fsck->allocs[device] != NULL)
		left = alloc_free_blocks(fsck->allocs[device]);
	if (left <= spared)
		return -ENOSPC;
	if (blocks > left - spared)
		blocks = left - spared;
	return write_take(fsck, device, blocks, addr, got);
}

int write_take_whole(struct fsck *fsck, unsigned device, uint64_t blocks,
		     uint64_t *addr)
{
	unsigned tries;
	uint64_t got;
	int err;

	/* what is too short is lost to this round only */
	for (tries = 0; tries < FRAGMENTS_MAX; tries++) {
		err = write_take(fsck, device, blocks, addr, &got);
		if (err || got == blocks)
			return err;
	}
	return -ENOSPC;
}

inode_media *write_slot(struct fsck *fsck, struct txn *txn, uint64_t ino,
			const inode_media *as)
{
	uint64_t addr = fsck->sb->inode_root;
	inode_media *copy;

	if (ino != INO_INODE_FILE)
		addr = inodes_addr(fsck, ino);
	copy = txn_edit_sealed(txn, addr, INODE_BYTES, false,
			       (txn_seal_fn *)inode_media_seal);
	if (as)
		*copy = *as;
	return copy;
}

/* -------------------------------------------------------------------- end */

static int save_freemap(struct fsck_device *member)
{
	const superblock_media *sb = &member->sb;
	uint64_t words = BITS_WORDS(sb->size_blocks), i;
	freemap_media *map = calloc(sb->freemap_blocks, BLOCK_BYTES);

	if (map == NULL)
		return -ENOMEM;
	/* Where damage is left, what it names is not to be given away. */
	for (i = 0; i < words; i++)
		member->used[i] |= member->maybe[i];
	map->blocks = sb->size_blocks;
	map->free_blocks = sb->size_blocks -
			   bits_count(member->used, 0, sb->size_blocks);
	map->generation = sb->generation;
	memcpy(map->lineage, sb->lineage, sizeof(map->lineage));
	memcpy(freemap_bitmap(map), member->used, (sb->size_blocks + 7) / 8);
	freemap_seal(map);
	device_copy(member->device,
		    device_at(member->device, sb->freemap_start << BLOCK_SHIFT),
		    map, sb->freemap_blocks << BLOCK_SHIFT);
	device_drain(member->device);
	free(map);
	return device_still_there(member->device) ? 0 : -EIO;
}

static void tell_truth(struct fsck *fsck)
{
	superblock_media *truth = truth_of(fsck);
	unsigned i;

	truth->flags |= SUPERBLOCK_CLEAN;
	truth->inodes_used = inodes_in_use(fsck);
	truth->journal_sequence = journal_next_sequence(fsck->journal);
	for (i = 0; i < fsck->device_count; i++)
		if (writes(fsck, i))
			truth->roll[i].generation = truth->generation;
}

int write_clean(struct fsck *fsck)
{
	unsigned i;
	int err = write_begin(fsck);

	if (err == 0)
		err = journal_checkpoint(fsck->journal);
	for (i = 0; i < fsck->device_count && err == 0; i++)
		if (writes(fsck, i) && fsck->device[i].sb.freemap_blocks > 0)
			err = save_freemap(&fsck->device[i]);
	if (err)
		return err;
	tell_truth(fsck);
	err = store_followers(fsck);
	return err ? err : store_super(&fsck->device[fsck->metadata_device]);
}

void write_fini(struct fsck *fsck)
{
	close_space(fsck);
	journal_close(fsck->journal);
	fsck->journal = NULL;
}
