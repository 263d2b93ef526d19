/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/shared.h"

#include "core/fs_private.h"
#include "core/inode_table.h"
#include "journal/journal.h"

#include <assert.h>
#include <errno.h>

int shared_init(struct fs *fs)
{
	struct shared *shared = &fs->shared;
	inode_media *media;

	if (!(fs_metadata(fs)->sb.ro_compat & SUPERBLOCK_SHARED))
		return 0;
	media = inode_slot(fs->inodes, INO_SHARED);
	if (inode_media_check(media, INO_SHARED) ||
	    media->format != INODE_SHARED)
		return -EUCLEAN;
	shared->media = media;
	shared->addr = addr_make(
		fs->metadata_device,
		device_offset(fs->members.device[fs->metadata_device], media));
	return 0;
}

struct tree shared_tree(const struct fs *fs)
{
	return (struct tree){
		.env = &fs->tree_env,
		.owner = INO_SHARED,
		.kind = TREE_SHARED,
		.root = (node_media *)fs->shared.media->area,
		.root_capacity_bytes = INODE_AREA_BYTES,
	};
}

/* The run that has the block at key, or the next one; -ENOENT. */
static int seek(const struct tree *tree, uint64_t key,
		struct tree_cursor *cursor)
{
	int err = tree_seek_floor(tree, key, cursor);

	if (!err) {
		const shared_media *value = cursor->value;

		if (cursor->key + value->blocks > key)
			return 0;
		return tree_next(cursor);
	}
	return err == -ENOENT ? tree_seek(tree, key, cursor) : err;
}

int shared_look(const struct tree *tree, uint64_t addr, uint64_t blocks,
		struct shared_run *run)
{
	uint64_t key = addr >> BLOCK_SHIFT;
	const shared_media *value;
	struct tree_cursor cursor;
	uint64_t same = blocks;
	int err;

	*run = (struct shared_run){ addr, blocks, 1 };
	err = seek(tree, key, &cursor);
	if (err)
		return err == -ENOENT ? 0 : err;
	value = cursor.value;
	if (cursor.key <= key) {
		same = cursor.key + value->blocks - key;
		run->owners = value->owners;
	} else {
		same = cursor.key - key;
	}
	if (same < blocks)
		run->blocks = same;
	return 0;
}

/* ----------------------------------------------------------------- change */

void shared_begin(struct shared_edit *edit, struct fs *fs, struct txn *txn)
{
	if (edit->copy)
		return;
	pthread_mutex_lock(&fs->shared.lock);
	edit->fs = fs;
	edit->copy = txn_edit_sealed(txn, fs->shared.addr, INODE_BYTES, false,
				     (txn_seal_fn *)inode_media_seal);
	edit->tree = shared_tree(fs);
	edit->tree.txn = txn;
	edit->tree.root = (node_media *)edit->copy->area;
}

void shared_settle(struct shared_edit *edit)
{
	if (edit->copy)
		edit->copy->blocks += (uint64_t)edit->tree.blocks_delta;
}

void shared_end(struct shared_edit *edit)
{
	if (!edit->copy)
		return;
	edit->copy = NULL;
	pthread_mutex_unlock(&edit->fs->shared.lock);
}

/* A part of one run leaves the tree. */
static int take_out(struct tree *tree, uint64_t key, uint64_t blocks)
{
	struct tree_cursor cursor;
	shared_media whole, part;
	uint64_t start, end;
	int err = tree_seek_floor(tree, key, &cursor);

	if (err)
		return err == -ENOENT ? -EUCLEAN : err;
	start = cursor.key;
	part = whole = *(const shared_media *)cursor.value;
	end = start + whole.blocks;
	if (key + blocks > end)
		return -EUCLEAN;
	part.blocks = (uint32_t)(key - start);
	if (part.blocks)
		err = tree_replace(tree, start, &part, sizeof(part));
	else
		err = tree_delete(tree, start);
	part.blocks = (uint32_t)(end - key - blocks);
	if (!err && part.blocks)
		err = tree_insert(tree, key + blocks, &part, sizeof(part));
	return err;
}

/* A run enters it, one with its neighbours that have as many owners. */
static int put_in(struct tree *tree, uint64_t key, uint64_t blocks,
		  uint32_t owners)
{
	struct tree_cursor cursor;
	shared_media near, run = { .owners = owners };
	bool joins_left = false;
	int err = tree_seek_floor(tree, key, &cursor);

	if (!err) {
		near = *(const shared_media *)cursor.value;
		if (cursor.key + near.blocks > key)
			return -EUCLEAN;
		joins_left = cursor.key + near.blocks == key &&
			     near.owners == owners &&
			     near.blocks + blocks <= UINT32_MAX;
	} else if (err != -ENOENT) {
		return err;
	}
	if (joins_left) {
		key = cursor.key;
		blocks += near.blocks;
	}
	run.blocks = (uint32_t)blocks;
	err = tree_seek(tree, key + blocks, &cursor);
	if (!err && cursor.key == key + blocks) {
		near = *(const shared_media *)cursor.value;
		if (near.owners == owners &&
		    near.blocks + blocks <= UINT32_MAX) {
			run.blocks += near.blocks;
			err = tree_delete(tree, cursor.key);
		}
	}
	if (err && err != -ENOENT)
		return err;
	return joins_left ? tree_replace(tree, key, &run, sizeof(run))
			  : tree_insert(tree, key, &run, sizeof(run));
}

static int set_owners(struct shared_edit *edit, const struct shared_run *run,
		      uint32_t owners)
{
	uint64_t key = run->addr >> BLOCK_SHIFT;
	int err = 0;

	assert(edit->copy);
	if (run->owners > 1)
		err = take_out(&edit->tree, key, run->blocks);
	if (!err && owners > 1)
		err = put_in(&edit->tree, key, run->blocks, owners);
	return err;
}

int shared_add(struct shared_edit *edit, const struct shared_run *run)
{
	assert(run->owners < SHARED_OWNERS_MAX);
	return set_owners(edit, run, run->owners + 1);
}

int shared_drop(struct shared_edit *edit, const struct shared_run *run)
{
	assert(run->owners > 1);
	return set_owners(edit, run, run->owners - 1);
}
