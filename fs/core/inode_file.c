/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inode_file.c -- the inode file grows and shrinks, at its end, by chunks
 *
 * Growth puts zeroed slots there first, then commits. Shrinking takes slots
 * away that nobody has: first from memory, so that nobody gets one, then from
 * the file; after an error they are put back. The generations of slots that
 * went are remembered by the file's own inode, for those that come after.
 */
#include "core/attr.h"
#include "core/fs.h"
#include "core/inode_table.h"
#include "core/space.h"
#include "alloc/bits.h"
#include "journal/journal.h"
#include "trace/mutate.h"
#include "util/log.h"

#include <errno.h>
#include <string.h>

/* So many stay free when a chunk goes: it is not to come back at once. */
#define SPARE_SLOTS (INODE_CHUNK / 2)

struct file_edit {
	struct txn *txn;
	inode_media *copy;
	struct tree tree;
};

static void edit_begin(struct file_edit *edit, struct fs *fs)
{
	uint64_t root = fs->devices[fs->metadata_device].sb.inode_root;

	edit->txn = txn_begin(fs->journal);
	edit->copy = txn_edit_sealed(edit->txn, root, INODE_BYTES, false,
				     (txn_seal_fn *)inode_media_seal);
	edit->tree = (struct tree){
		.env = &fs->tree_env,
		.txn = edit->txn,
		.owner = INO_INODE_FILE,
		.kind = TREE_EXTENTS,
		.root = (node_media *)edit->copy->area,
		.root_capacity_bytes = INODE_AREA_BYTES,
	};
	attr_stamp(edit->copy, ATTR_MTIME | ATTR_CTIME);
}

static int edit_end(struct file_edit *edit, int err)
{
	if (err) {
		txn_abort(edit->txn);
		return err;
	}
	edit->copy->blocks += (uint64_t)edit->tree.blocks_delta;
	return txn_commit(edit->txn);
}

static int last_extent(struct file_edit *edit, uint64_t *key,
		       extent_media *extent)
{
	struct tree_cursor last;
	int err = tree_seek_floor(&edit->tree, edit->copy->size / BLOCK_BYTES,
				  &last);

	if (err)
		return err;
	*key = last.key;
	memcpy(extent, last.value, sizeof(*extent));
	return 0;
}

/* ---------------------------------------------------------------- growing */

static int append_extent(struct file_edit *edit, uint64_t addr)
{
	extent_media extent = { .addr = addr, .blocks = CHUNK_BLOCKS };
	extent_media before;
	uint64_t key;
	int err = last_extent(edit, &key, &before);

	if (err)
		return err;
	if (before.addr + (uint64_t)before.blocks * BLOCK_BYTES == addr &&
	    before.blocks <= UINT32_MAX - CHUNK_BLOCKS) {
		before.blocks += CHUNK_BLOCKS;
		err = tree_replace(&edit->tree, key, &before, sizeof(before));
	} else {
		err = tree_insert(&edit->tree, edit->copy->size / BLOCK_BYTES,
				  &extent, sizeof(extent));
	}
	edit->copy->size += INODE_CHUNK_BYTES;
	edit->copy->blocks += CHUNK_BLOCKS;
	return err;
}

/* Zeroed slots first, then the transaction that makes them part of the file. */
static int add_chunk(struct fs *fs, inode_media **slots)
{
	struct device *device = fs->members.device[fs->metadata_device];
	struct file_edit edit;
	uint64_t start, addr;
	int err;

	err = space_take_whole(fs, CHUNK_BLOCKS, &start);
	if (err)
		return err;
	*slots = device_at(device, start * BLOCK_BYTES);
	if (!mutated(MUTATE_CHUNK_ZERO))
		device_set(device, *slots, 0, INODE_CHUNK_BYTES);
	if (!mutated(MUTATE_CHUNK_DRAIN))
		device_drain(device);
	addr = addr_make(fs->metadata_device, start * BLOCK_BYTES);
	edit_begin(&edit, fs);
	txn_took(edit.txn, addr, CHUNK_BLOCKS);
	err = edit_end(&edit, append_extent(&edit, addr));
	if (mutated(MUTATE_CHUNK_ZERO) && !err) {
		device_set(device, *slots, 0, INODE_CHUNK_BYTES);
		device_drain(device);
	}
	return err;
}

static int grow_locked(struct fs *fs)
{
	struct inode_table *table = fs->inodes;
	uint64_t count = atomic_load(&table->chunk_count);
	inode_media *slots;
	int err;

	if (count == table->chunks_max)
		return -ENOSPC;
	err = add_chunk(fs, &slots);
	if (err)
		return err;
	pthread_mutex_lock(&table->lock);
	table->media[count] = slots;
	atomic_store_explicit(&table->chunk_count, count + 1,
			      memory_order_release);
	if (atomic_load(&table->chunks[count]))
		inode_chunk_learn_locked(table, count);
	else if (!inode_chunk_load_locked(table, count))
		err = -ENOMEM;
	pthread_mutex_unlock(&table->lock);
	return err;
}

int inode_file_grow(struct fs *fs)
{
	int err;

	pthread_mutex_lock(&fs->inodes->file_lock);
	err = grow_locked(fs);
	pthread_mutex_unlock(&fs->inodes->file_lock);
	return err;
}

/* -------------------------------------------------------------- shrinking */

static bool last_is_spare_locked(struct inode_table *table)
{
	uint64_t count = atomic_load(&table->chunk_count);
	struct inode_chunk *chunk;

	if (count < 2 ||
	    count * INODE_CHUNK - table->used < INODE_CHUNK + SPARE_SLOTS)
		return false;
	chunk = inode_chunk_load_locked(table, count - 1);
	return chunk && chunk->free_count == INODE_CHUNK;
}

/* Out of memory: nobody is given its slots any more. */
static void retire_last_locked(struct inode_table *table)
{
	uint64_t last = atomic_load(&table->chunk_count) - 1;
	struct inode_chunk *chunk = atomic_load(&table->chunks[last]);
	uint32_t highest = atomic_load(&table->generation_floor);
	unsigned slot;

	for (slot = 0; slot < INODE_CHUNK; slot++)
		if (table->media[last][slot].generation > highest)
			highest = table->media[last][slot].generation;
	atomic_store(&table->generation_floor, highest);
	memset(chunk->free, 0, sizeof(chunk->free));
	chunk->free_count = 0;
	bits_fill(table->free_chunks, last, 1, false);
	table->free_known -= INODE_CHUNK;
	if (table->explored > last)
		table->explored = last;
	atomic_store(&table->chunk_count, last);
}

static void bring_back(struct inode_table *table)
{
	uint64_t count = atomic_load(&table->chunk_count);

	pthread_mutex_lock(&table->lock);
	atomic_store(&table->chunk_count, count + 1);
	inode_chunk_learn_locked(table, count);
	pthread_mutex_unlock(&table->lock);
}

static int cut_extent(struct fs *fs, struct file_edit *edit)
{
	extent_media extent;
	uint64_t key, end;
	int err = last_extent(edit, &key, &extent);

	if (err)
		return err;
	end = extent.addr + (uint64_t)extent.blocks * BLOCK_BYTES;
	extent.blocks -= CHUNK_BLOCKS;
	if (extent.blocks > 0)
		err = tree_replace(&edit->tree, key, &extent, sizeof(extent));
	else
		err = tree_delete(&edit->tree, key);
	/* Replay may store to its slots: metadata, though no tree's. */
	txn_free(edit->txn, end - INODE_CHUNK_BYTES, CHUNK_BLOCKS, true);
	edit->copy->size -= INODE_CHUNK_BYTES;
	edit->copy->blocks -= CHUNK_BLOCKS;
	edit->copy->generation = atomic_load(&fs->inodes->generation_floor);
	return err;
}

static bool shrink_locked(struct fs *fs)
{
	struct inode_table *table = fs->inodes;
	struct file_edit edit;
	bool spare;
	int err;

	pthread_mutex_lock(&table->lock);
	spare = last_is_spare_locked(table);
	if (spare)
		retire_last_locked(table);
	pthread_mutex_unlock(&table->lock);
	if (!spare)
		return false;
	edit_begin(&edit, fs);
	err = edit_end(&edit, cut_extent(fs, &edit));
	if (!err)
		return true;
	bring_back(table);
	log_warn("inode file: cannot be made shorter: %s", strerror(-err));
	return false;
}

void inode_file_shrink(struct fs *fs)
{
	if (!fs_metadata_enter(fs))
		return;
	pthread_mutex_lock(&fs->inodes->file_lock);
	while (shrink_locked(fs))
		;
	pthread_mutex_unlock(&fs->inodes->file_lock);
	fs_metadata_exit(fs);
}
