/* SPDX-License-Identifier: BSD-3-Clause */
/* file_resize.c -- truncate, punch hole, and the end of a file */
#include "core/file.h"
#include "core/file_change.h"
#include "core/file_hole.h"
#include "core/request.h"
#include "journal/journal.h"
#include "trace/mutate.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* -------------------------------------------------------------- punch hole */

static int punch_inline(struct request *request, struct inode *inode,
			uint64_t start, uint64_t end)
{
	struct file_change change;
	int error = file_change_begin(&change, request->fs, request, inode);

	if (error)
		return error;
	memset(&change.copy->area[start], 0, end - start);
	file_change_stamp(&change);
	return file_change_commit(&change);
}

int file_punch_locked(struct request *request, struct inode *inode,
		      uint64_t start, uint64_t end)
{
	uint64_t size = inode->media->size;
	struct file_change change;
	int done;

	if (inode->media->format == INODE_INLINE) {
		if (end > size)
			end = size;
		return start < end ? punch_inline(request, inode, start, end)
				   : 0;
	}
	/* Beyond EOF nothing is to be kept: its last block goes, too. */
	if (end >= size)
		end = block_round_up(end);
	done = file_change_begin(&change, request->fs, request, inode);
	if (done)
		return done;
	if (mutated(MUTATE_PENDING_MARK))
		done = file_hole_zero_edges(&change, start, end);
	file_hole_mark(&change, start, end);
	file_change_stamp(&change);
	/* The break last: it cannot be taken back. */
	if (!done)
		done = file_hole_gate(&change, start, end);
	if (!done)
		done = file_break(request->fs, inode,
				  block_round_up(start) >> BLOCK_SHIFT,
				  block_round_down(end) >> BLOCK_SHIFT);
	if (!done && !((start | end) & BLOCK_MASK))
		done = file_hole_link(&change);
	done = file_change_end(&change, done);
	if (!done)
		done = file_hole_finish(request->fs, request, inode);
	return done < 0 ? done : 0;
}

/* ---------------------------------------------------------------- truncate */

static int truncate_up(struct request *request, struct inode *inode,
		       uint64_t size)
{
	struct file_change change;
	int error = file_change_begin(&change, request->fs, request, inode);

	if (error)
		return error;
	error = file_change_extend(&change, size);
	file_change_stamp(&change);
	return file_change_end(&change, error);
}

static int truncate_down(struct request *request, struct inode *inode,
			 uint64_t size)
{
	struct file_change change;
	uint64_t start = block_round_up(size);
	int done = file_break(request->fs, inode, start >> BLOCK_SHIFT,
			      EXTENT_BLOCKS_END);

	if (!done)
		done = file_change_begin(&change, request->fs, request, inode);
	if (done)
		return done;
	change.copy->size = size;
	file_change_stamp(&change);
	if (change.copy->format == INODE_INLINE) {
		memset(&change.copy->area[size], 0, INODE_AREA_BYTES - size);
		return file_change_commit(&change);
	}
	file_hole_mark(&change, start, HOLE_TO_THE_END);
	done = file_change_end(&change, file_hole_link(&change));
	if (!done)
		done = file_hole_finish(request->fs, request, inode);
	return done < 0 ? done : 0;
}

int file_truncate_locked(struct request *request, struct inode *inode,
			 uint64_t size)
{
	const inode_media *media = inode->media;
	int error;

	if (size > (uint64_t)FILE_BYTES_MAX)
		return -EFBIG;
	if (media->format != INODE_INLINE && media->format != INODE_EXTENTS)
		return -EINVAL;
	if (size <= media->size)
		return truncate_down(request, inode, size);
	error = file_hole_settle(request, inode);
	return error ? error : truncate_up(request, inode, size);
}

/* -------------------------------------------------------------------- free */

static int free_node(uint64_t addr, void *arg)
{
	struct file_change *change = arg;

	txn_free(change->txn, addr, 1, true);
	return 0;
}

/* A directory is empty by now and has at most a node or two. */
static int free_entries(struct file_change *change)
{
	struct tree tree = change->map;
	int error;

	tree.kind = TREE_ENTRIES;
	error = tree_walk_blocks(&tree, free_node, change);
	return error ? error : 1;
}

static void free_slot(struct file_change *change)
{
	inode_media *copy = change->copy;
	uint32_t generation = copy->generation;
	uint64_t ino = copy->ino;

	memset(copy, 0, sizeof(*copy));
	copy->ino = ino;
	copy->generation = generation;
}

/* As far as one transaction reaches: 1 all is freed, 0, or an error. */
static int free_link(struct file_change *change)
{
	int done = 1;

	if (change->copy->format == INODE_EXTENTS)
		done = file_hole_cut(change, 0, EXTENT_BLOCKS_END);
	else if (change->copy->format == INODE_ENTRIES)
		done = free_entries(change);
	if (done > 0)
		free_slot(change);
	return done;
}

int file_free_locked(struct fs *fs, struct inode *inode)
{
	int done = file_break(fs, inode, 0, EXTENT_BLOCKS_END);

	while (!done) {
		struct file_change change;

		done = file_change_begin(&change, fs, NULL, inode);
		if (!done)
			done = file_change_end(&change, free_link(&change));
	}
	return done < 0 ? done : 0;
}
