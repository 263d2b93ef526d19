/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fs_recover.c -- one pass over the inode file after a crash
 *
 * An orphan's slot is freed and its blocks are not looked at: so they are
 * free. One with shared blocks is freed as ever, at the end, as its blocks
 * must lose an owner each. Every other inode's blocks are marked used; two
 * owners of one block, or any damage, refuse the mount. Shared runs are marked
 * for all their owners with inode 2, which comes before any file; whether they
 * are as many as it says is fsck's to count. On a read-only mount orphans stay.
 */
#include "core/file.h"
#include "core/fs_private.h"
#include "core/inode_table.h"
#include "core/xattr.h"
#include "alloc/alloc.h"
#include "journal/journal.h"
#include "trace/mutate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FREED_AT_ONCE 128 /* orphans a transaction */

struct recovery {
	struct fs *fs;
	uint64_t used;
	struct txn *txn; /* orphans being freed, or NULL */
	unsigned in_txn;
	uint64_t *pending; /* inodes with an interrupted chain, or to free */
	size_t pending_count, pending_room;
	const char *trouble; /* what is wrong with `ino` */
	uint64_t ino;
};

static int mark(struct recovery *recovery, uint64_t addr, uint64_t blocks)
{
	struct fs *fs = recovery->fs;
	unsigned device = addr_device(addr);
	int err;

	if (device >= fs->device_count) {
		recovery->trouble = "names a device that does not exist";
		return -EUCLEAN;
	}
	if (!fs->allocs[device])
		return 0; /* missing */
	err = alloc_mark_used(fs->allocs[device], addr_block(addr), blocks);
	if (err == -ERANGE)
		recovery->trouble = "has blocks beyond the device's end";
	else if (err)
		recovery->trouble = "has blocks that are not its alone";
	return err ? -EUCLEAN : 0;
}

static int mark_node(uint64_t addr, void *arg)
{
	return mark(arg, addr, 1);
}

static int mark_run(uint64_t addr, uint64_t blocks, void *arg)
{
	return mark(arg, addr, blocks);
}

/* What is in a shared run has been marked with inode 2. */
static int mark_flagged(struct recovery *recovery, const extent_media *extent)
{
	struct tree owners = shared_tree(recovery->fs);
	uint64_t addr = extent->addr, left = extent->blocks;
	struct shared_run run;
	int err = 0;

	for (; left > 0 && !err; left -= run.blocks) {
		err = shared_look(&owners, addr, left, &run);
		if (err)
			break;
		if (run.owners == 1)
			err = mark(recovery, addr, run.blocks);
		addr += run.blocks << BLOCK_SHIFT;
	}
	return err;
}

static int mark_extents(struct recovery *recovery, const struct tree *tree)
{
	struct tree_cursor cursor;
	int err;

	err = tree_seek(tree, 0, &cursor);
	while (!err) {
		const extent_media *extent = cursor.value;

		if (extent->flags & EXTENT_SHARED && recovery->fs->shared.media)
			err = mark_flagged(recovery, extent);
		else
			err = mark(recovery, extent->addr, extent->blocks);
		if (!err)
			err = tree_next(&cursor);
	}
	return err == -ENOENT ? 0 : err;
}

static int mark_shared(struct recovery *recovery)
{
	struct tree tree = shared_tree(recovery->fs);
	struct tree_cursor cursor;
	int err = 0;

	if (tree.root->level > 0)
		err = tree_walk_blocks(&tree, mark_node, recovery);
	if (!err)
		err = tree_seek(&tree, 0, &cursor);
	while (!err) {
		const shared_media *run = cursor.value;

		err = mark(recovery, cursor.key << BLOCK_SHIFT, run->blocks);
		if (!err)
			err = tree_next(&cursor);
	}
	return err == -ENOENT ? 0 : err;
}

static int mark_inode(struct recovery *recovery, const inode_media *media)
{
	struct tree tree = {
		.env = &recovery->fs->tree_env,
		.owner = media->ino,
		.kind = media->format == INODE_ENTRIES ? TREE_ENTRIES
						       : TREE_EXTENTS,
		.root = (node_media *)media->area,
		.root_capacity_bytes = INODE_AREA_BYTES,
	};
	int err = 0;

	if (media->format == INODE_EXTENTS || media->format == INODE_ENTRIES) {
		if (tree.root->level > 0)
			err = tree_walk_blocks(&tree, mark_node, recovery);
		if (!err && media->format == INODE_EXTENTS)
			err = mark_extents(recovery, &tree);
	}
	if (!err && media->xattr_root)
		err = xattr_walk_blocks(recovery->fs, media, mark_run,
					recovery);
	return err;
}

/* ---------------------------------------------------------------- orphans */

static int commit_freed(struct recovery *recovery)
{
	struct txn *txn = recovery->txn;

	recovery->txn = NULL;
	recovery->in_txn = 0;
	return txn ? txn_commit(txn) : 0;
}

/* 1: it has blocks that may have other owners, 0: not, or an error. */
static int shares_blocks(struct fs *fs, const inode_media *media)
{
	struct tree tree = {
		.env = &fs->tree_env,
		.owner = media->ino,
		.kind = TREE_EXTENTS,
		.root = (node_media *)media->area,
		.root_capacity_bytes = INODE_AREA_BYTES,
	};
	struct tree_cursor cursor;
	int err;

	if (media->format != INODE_EXTENTS || !fs->shared.media)
		return 0;
	if (shared_tree(fs).root->count == 0)
		return 0;
	for (err = tree_seek(&tree, 0, &cursor); !err; err = tree_next(&cursor))
		if (((const extent_media *)cursor.value)->flags & EXTENT_SHARED)
			return 1;
	return err == -ENOENT ? 0 : err;
}

static int free_slot(struct recovery *recovery, inode_media *media)
{
	struct fs *fs = recovery->fs;
	struct device *device = fs->members.device[fs->metadata_device];
	uint64_t addr = addr_make(fs->metadata_device,
				  device_offset(device, media));
	uint32_t generation = media->generation;
	inode_media *copy;

	if (!recovery->txn)
		recovery->txn = txn_begin(fs->journal);
	copy = txn_edit_sealed(recovery->txn, addr, INODE_BYTES, false,
			       (txn_seal_fn *)inode_media_seal);
	memset(copy, 0, sizeof(*copy));
	copy->ino = recovery->ino;
	copy->generation = generation;
	recovery->used--;
	if (++recovery->in_txn < FREED_AT_ONCE)
		return 0;
	return commit_freed(recovery);
}

static int remember_pending(struct recovery *recovery)
{
	if (recovery->pending_count == recovery->pending_room) {
		size_t room = recovery->pending_room * 2 + 16;
		uint64_t *more = reallocarray(recovery->pending, room,
					      sizeof(*more));

		if (!more)
			return -ENOMEM;
		recovery->pending = more;
		recovery->pending_room = room;
	}
	recovery->pending[recovery->pending_count++] = recovery->ino;
	return 0;
}

static int recover_slot(struct fs *fs, uint64_t ino, inode_media *media,
			void *arg)
{
	struct recovery *recovery = arg;
	int err;

	recovery->ino = ino;
	if (media->mode == 0)
		return 0;
	err = inode_media_check(media, ino);
	if (err)
		return err;
	recovery->used++;
	if (media->format == INODE_SHARED)
		return fs->shared.media ? mark_shared(recovery) : -EUCLEAN;
	if (media->nlink == 0 && !fs->options.read_only) {
		err = shares_blocks(fs, media);
		if (err == 0 && mutated(MUTATE_ORPHAN_ORDER))
			(void)mark_inode(recovery, media);
		if (err == 0)
			return free_slot(recovery, media);
		if (err > 0)
			err = remember_pending(recovery);
	} else if (media->pending_end != 0 && !fs->options.read_only) {
		err = remember_pending(recovery);
	}
	return err ? err : mark_inode(recovery, media);
}

static const inode_media *inode_file(struct fs *fs)
{
	return device_at(fs->members.device[fs->metadata_device],
			 addr_offset(fs_metadata(fs)->sb.inode_root));
}

static int resume_pending(struct recovery *recovery)
{
	struct fs *fs = recovery->fs;
	size_t i;
	int err = 0;

	for (i = 0; i < recovery->pending_count && !err; i++) {
		struct inode *inode;

		recovery->ino = recovery->pending[i];
		recovery->trouble = "has work pending that cannot be finished";
		err = inode_look(fs, recovery->ino, &inode);
		if (err)
			break;
		if (inode->media->nlink > 0)
			err = file_resume_pending(fs, inode);
		inode_forget(fs, inode, 1);
	}
	return err;
}

int fs_recover(struct fs *fs, const struct why *why)
{
	struct recovery recovery = { .fs = fs, .used = 1 };
	int err;

	err = fs_allocs_open(fs);
	if (err) {
		why_is(why, "areas overlap; run fsck.udaxfs");
		return -EUCLEAN;
	}
	err = mark_inode(&recovery, inode_file(fs));
	if (!err)
		err = inode_table_scan(fs, recover_slot, &recovery);
	if (!err)
		err = commit_freed(&recovery);
	else if (recovery.txn)
		txn_abort(recovery.txn);
	inode_table_set_used(fs, recovery.used);
	if (!err)
		err = resume_pending(&recovery);
	if (err == -EUCLEAN)
		why_is(why, "inode %llu %s; run fsck.udaxfs",
		       (unsigned long long)recovery.ino,
		       recovery.trouble ? recovery.trouble : "is damaged");
	else if (err)
		why_is(why, "recovery: inode %llu: %s",
		       (unsigned long long)recovery.ino, strerror(-err));
	free(recovery.pending);
	return err;
}

/* ---------------------------------------------------- orphans at the end */

static int free_orphan(struct fs *fs, uint64_t ino, inode_media *media,
		       void *arg)
{
	struct inode *inode;
	int err;

	if (media->mode == 0 || media->nlink != 0)
		return 0;
	err = inode_look(fs, ino, &inode);
	if (err)
		return err == -ESTALE ? 0 : err;
	pthread_rwlock_wrlock(&inode->lock);
	if (inode->media->nlink == 0)
		err = inode_free_locked(fs, inode);
	pthread_rwlock_unlock(&inode->lock);
	inode_forget(fs, inode, 1);
	return err;
}

int fs_free_orphans(struct fs *fs)
{
	return inode_table_scan(fs, free_orphan, NULL);
}
