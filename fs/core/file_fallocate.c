/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_fallocate.c -- fallocate(2): blocks before there are bytes
 *
 * Holes get unwritten extents, in a chain of transactions that needs no mark:
 * an unwritten extent reads as the hole did. Zero range is the same and then
 * turns what was written into unwritten; that part is marked as a hole, and
 * after a crash in the middle it becomes one: zeros either way.
 */
#include "core/attr_flags.h"
#include "core/file.h"
#include "core/file_change.h"
#include "core/file_hole.h"
#include "core/request.h"

#include <errno.h>
#include <linux/falloc.h>
#include <string.h>

/* --------------------------------------------------------------- allocate */

/* Blocks that [start, end) lacks. */
static int count_holes(const struct fs *fs, const struct inode *inode,
		       uint64_t start, uint64_t end, uint64_t *blocks)
{
	struct extent_walk walk;
	struct extent run;
	struct tree map;
	int error;

	*blocks = 0;
	if (inode->media->format == INODE_INLINE) {
		*blocks = end - start;
		return 0;
	}
	extent_map_init(&map, fs, NULL, inode->ino, inode->media);
	error = extent_walk_begin(&walk, fs, &map, start);
	while (!error && walk.at < end) {
		error = extent_walk_next(&walk, &run);
		run = extent_clip(run, 0, end);
		if (!error && extent_is_hole(&run))
			*blocks += run.blocks;
	}
	return error;
}

/* As far as one transaction reaches: 1 no hole is left, 0, or an error. */
static int allocate_link(struct file_change *change, uint64_t *block,
			 uint64_t end)
{
	struct extent run;
	int error = file_change_leave_inline(change);

	while (!error && *block < end) {
		if (!file_change_has_room(change))
			return 0;
		error = extent_at(change->fs, &change->map, *block, &run);
		if (error)
			break;
		run = extent_clip(run, 0, end);
		if (extent_is_hole(&run))
			error = file_change_fill_hole(change, &run,
						      EXTENT_UNWRITTEN, &run);
		if (!error)
			*block = extent_end(&run);
	}
	return error ? error : 1;
}

/*
 * Blocks for all holes of the bytes [start, end), then the size if it grows.
 * That there is space is looked at before; when others take it meanwhile, what
 * was got stays, as elsewhere.
 */
static int allocate(struct request *request, struct inode *inode,
		    uint64_t start, uint64_t end, bool keep_size)
{
	uint64_t block = start >> BLOCK_SHIFT;
	uint64_t end_block = block_round_up(end) >> BLOCK_SHIFT;
	uint64_t lacking;
	int done = count_holes(request->fs, inode, block, end_block, &lacking);

	if (!done && lacking > file_space_free(request->fs))
		return -ENOSPC;
	while (!done) {
		struct file_change change;

		done = file_change_begin(&change, request->fs, request, inode);
		if (done)
			break;
		done = allocate_link(&change, &block, end_block);
		if (done > 0 && !keep_size) {
			int error = file_change_extend(&change, end);

			done = error ? error : 1;
		}
		file_change_stamp(&change);
		done = file_change_end(&change, done);
	}
	return done < 0 ? done : 0;
}

/* -------------------------------------------------------------- zero range */

/* The first written run in whole blocks [start, end), clipped; -ENOENT. */
static int first_written(const struct fs *fs, const struct tree *map,
			 uint64_t start, uint64_t end, struct extent *run)
{
	int error = extent_first(fs, map, start, end, run);

	while (!error && !extent_is_written(run))
		error = extent_first(fs, map, extent_end(run), end, run);
	return error;
}

/* Written becomes unwritten: 1 all is, 0 no room, or an error. */
static int zero_link(struct file_change *change, uint64_t *start, uint64_t end)
{
	struct extent run;
	int error;

	while (file_change_has_room(change)) {
		error = first_written(change->fs, &change->map, *start, end,
				      &run);
		if (error == -ENOENT) {
			file_hole_mark(change, 0, 0);
			return 1;
		}
		if (!error)
			error = file_change_own(change, &run, 0, UINT64_MAX);
		if (!error)
			error = file_change_mark(change, &run,
						 EXTENT_UNWRITTEN);
		if (error)
			return error;
		*start = extent_end(&run);
	}
	return 0;
}

static int zero_begin(struct request *request, struct inode *inode,
		      uint64_t start, uint64_t end)
{
	struct file_change change;
	int error = file_change_begin(&change, request->fs, request, inode);

	if (error)
		return error;
	file_hole_mark(&change, start, end);
	file_change_stamp(&change);
	/* The break last: it cannot be taken back. */
	error = file_hole_gate(&change, start, end);
	if (!error)
		error = file_break(request->fs, inode,
				   block_round_up(start) >> BLOCK_SHIFT,
				   block_round_down(end) >> BLOCK_SHIFT);
	return file_change_end(&change, error);
}

static int zero_written(struct request *request, struct inode *inode,
			uint64_t start, uint64_t end)
{
	uint64_t block = block_round_up(start) >> BLOCK_SHIFT;
	uint64_t end_block = block_round_down(end) >> BLOCK_SHIFT;
	bool edges = true;
	int done = zero_begin(request, inode, start, end);

	if (done)
		return done;
	while (!done) {
		struct file_change change;

		done = file_change_begin(&change, request->fs, request, inode);
		if (done)
			break;
		if (edges)
			done = file_hole_zero_edges(&change, start, end);
		if (!done)
			done = zero_link(&change, &block, end_block);
		done = file_change_end(&change, done);
		edges = false;
	}
	/* Without room for smaller extents: zeros all the same, as a hole. */
	if (done < 0)
		return file_hole_finish(request->fs, request, inode);
	return 0;
}

static int zero_inline(struct request *request, struct inode *inode,
		       uint64_t start, uint64_t end)
{
	struct file_change change;
	int error = file_change_begin(&change, request->fs, request, inode);

	if (error)
		return error;
	memset(&change.copy->area[start], 0, end - start);
	if (end > change.copy->size)
		error = file_change_extend(&change, end);
	file_change_stamp(&change);
	return file_change_end(&change, error);
}

static int zero_range(struct request *request, struct inode *inode,
		      uint64_t start, uint64_t end, bool keep_size)
{
	uint64_t size = inode->media->size;
	int error;

	if (inode->media->format == INODE_INLINE && end <= INODE_AREA_BYTES) {
		if (keep_size && end > size)
			end = size;
		return start < end ? zero_inline(request, inode, start, end)
				   : 0;
	}
	error = allocate(request, inode, start, end, keep_size);
	return error ? error : zero_written(request, inode, start, end);
}

int file_fallocate(struct request *request, struct inode *inode, int mode,
		   off_t offset, off_t length)
{
	bool keep_size = mode & FALLOC_FL_KEEP_SIZE;
	uint64_t start = (uint64_t)offset;
	uint64_t end = start + (uint64_t)length;
	int error;

	if (offset < 0 || length <= 0)
		return -EINVAL;
	if (offset > FILE_BYTES_MAX || length > FILE_BYTES_MAX - offset)
		return -EFBIG;
	if (!request->fs->journal)
		return -EROFS;
	pthread_rwlock_wrlock(&inode->lock);
	/* Blocks may be had before they are appended to. */
	error = mode & ~FALLOC_FL_KEEP_SIZE ? attr_flags_may_change(inode)
					    : attr_flags_may_append(inode);
	if (!error)
		error = file_hole_settle(request, inode);
	if (error)
		goto out;
	if (inode->media->format != INODE_INLINE &&
	    inode->media->format != INODE_EXTENTS)
		error = -EINVAL;
	else if (mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		error = file_punch_locked(request, inode, start, end);
	else if ((mode & ~FALLOC_FL_KEEP_SIZE) == FALLOC_FL_ZERO_RANGE)
		error = zero_range(request, inode, start, end, keep_size);
	else if ((mode & ~FALLOC_FL_KEEP_SIZE) == 0)
		error = allocate(request, inode, start, end, keep_size);
	else
		error = -EOPNOTSUPP;
out:
	pthread_rwlock_unlock(&inode->lock);
	return error;
}
