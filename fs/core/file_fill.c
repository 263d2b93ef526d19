/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_fill.c -- the kernel fills its page cache for an mmap
 *
 * What it is shown it may keep until the last close, so each page gets an entry
 * first. Where a program may store to the page, a block must be there before:
 * the store reaches no handler and its writeback must find a place (R4).
 */
#include "core/file_fill.h"

#include "core/attr.h"
#include "core/file.h"
#include "core/file_change.h"
#include "core/file_read.h"
#include "core/request.h"
#include "dax/entry_table.h"

#include <errno.h>

/* File blocks [start, end) of the bytes that are asked for and exist. */
struct fill {
	uint64_t start;
	uint64_t end;
};

static struct fill fill_range(const struct inode *inode, size_t length,
			      off_t offset)
{
	uint64_t end = (uint64_t)offset + file_clip(inode, length, offset);

	return (struct fill){
		.start = (uint64_t)offset >> BLOCK_SHIFT,
		.end = (end + BLOCK_BYTES - 1) >> BLOCK_SHIFT,
	};
}

static bool fill_for_writing(const struct inode *inode)
{
	const struct inode_active *active = inode->active;

	return active && active->writers > 0;
}

int file_gap(const struct fs *fs, const struct tree *map, uint64_t start,
	     uint64_t end, struct extent *gap)
{
	struct extent_walk walk;
	int error = extent_walk_begin(&walk, fs, map, start);

	while (!error) {
		error = extent_walk_next(&walk, gap);
		if (error || gap->start >= end)
			return error ? error : -ENOENT;
		if (!extent_is_own(gap)) {
			*gap = extent_clip(*gap, start, end);
			return 0;
		}
	}
	return error;
}

/* 1: blocks are needed first, 0: not, or an error. */
static int fill_needs_blocks(const struct fs *fs, const struct inode *inode,
			     const struct fill *fill)
{
	struct extent gap;
	struct tree map;
	int error;

	if (!fs->journal || fill->start >= fill->end)
		return 0;
	if (inode->media->format == INODE_INLINE)
		return 1;
	if (inode->media->format != INODE_EXTENTS || !fill_for_writing(inode))
		return 0;
	extent_map_init(&map, fs, NULL, inode->ino, inode->media);
	error = file_gap(fs, &map, fill->start, fill->end, &gap);
	return error == -ENOENT ? 0 : error ? error : 1;
}

static int fill_zeros(struct file_change *change, struct extent *gap)
{
	int error;

	if (extent_is_hole(gap)) {
		error = file_change_fill_hole(change, gap, 0, gap);
	} else {
		error = file_change_gate(change, addr_device(gap->addr));
		if (!error)
			error = file_change_mark(change, gap, 0);
	}
	if (!error)
		file_change_zero(change, gap->addr, gap->blocks << BLOCK_SHIFT);
	return error;
}

/* One gap gets zeroed blocks, or a copy, and *start moves behind it; -ENOENT:
 * there is none. */
static int fill_one(struct file_change *change, uint64_t *start, uint64_t end)
{
	struct extent gap;
	int error = file_gap(change->fs, &change->map, *start, end, &gap);

	if (error)
		return error;
	error = extent_is_written(&gap) ? file_change_own(change, &gap, 0, 0)
					: fill_zeros(change, &gap);
	if (!error)
		*start = extent_end(&gap);
	return error;
}

int file_make_blocks(struct request *request, struct inode *inode,
		     uint64_t start, uint64_t end, bool gaps)
{
	struct file_change change;
	int error;

	do {
		error = file_change_begin(&change, request->fs, request, inode);
		if (error)
			return error;
		error = file_change_leave_inline(&change);
		while (!error && gaps && file_change_has_room(&change))
			error = fill_one(&change, &start, end);
		if (error && error != -ENOENT) {
			file_change_abort(&change);
			return error;
		}
		if (file_change_commit(&change))
			return -EIO;
	} while (!error && gaps);
	return 0;
}

/* Locked until request_end(): shared, or exclusively where blocks were made,
 * so that nobody takes them away again meanwhile. */
static int fill_hold(struct request *request, struct inode *inode,
		     size_t length, off_t offset)
{
	struct fill fill;
	int error;

	file_hold(request, inode);
	fill = fill_range(inode, length, offset);
	error = fill_needs_blocks(request->fs, inode, &fill);
	if (error <= 0)
		return error;
	pthread_rwlock_unlock(&inode->lock);
	pthread_rwlock_wrlock(&inode->lock);
	fill = fill_range(inode, length, offset);
	error = fill_needs_blocks(request->fs, inode, &fill);
	if (error <= 0)
		return error;
	error = file_make_blocks(request, inode, fill.start, fill.end,
				 fill_for_writing(inode));
	/* A reader of a small file can do without. */
	return error == -ENOSPC && !fill_for_writing(inode) ? 0 : error;
}

static int fill_entries(struct request *request, struct inode *inode,
			const struct fill *fill)
{
	struct inode_active *active;
	struct extent_walk walk;
	struct extent run;
	struct tree map;
	int error = inode_activate(request->fs, inode, &active);

	if (error)
		return error;
	extent_map_init(&map, request->fs, NULL, inode->ino, inode->media);
	error = extent_walk_begin(&walk, request->fs, &map, fill->start);
	while (!error && walk.at < fill->end) {
		struct entry_new new = { .kind = ENTRY_ZERO,
					 .holder = ENTRY_KERNEL };

		error = extent_walk_next(&walk, &run);
		if (error)
			break;
		run = extent_clip(run, 0, fill->end);
		if (run.flags & EXTENT_SHARED)
			atomic_store(&active->shows_shared, true);
		if (extent_is_written(&run)) {
			new.kind = ENTRY_REAL;
			new.device = addr_device(run.addr);
			new.device_page = addr_block(run.addr);
			error = request_gate(request, new.device);
		}
		if (!error)
			error = entry_table_fill_run(&active->entries,
						     run.start, run.blocks,
						     &new, NULL);
	}
	return error == -ENXIO ? -EIO : error;
}

ssize_t file_fill(struct request *request, struct inode *inode, size_t length,
		  off_t offset, struct iovec *iov, unsigned *iov_count)
{
	struct file_answer answer = { .request = request,
				      .inode = inode,
				      .iov = iov };
	struct fill fill;
	ssize_t bytes;
	int error;

	*iov_count = 0;
	if (offset < 0)
		return -EINVAL;
	error = fill_hold(request, inode, length, offset);
	if (error)
		return error;
	length = file_clip(inode, length, offset);
	if (!length)
		return 0;
	fill = fill_range(inode, length, offset);
	if (inode->media->format == INODE_EXTENTS)
		error = fill_entries(request, inode, &fill);
	if (error)
		return error;
	bytes = file_answer(&answer, length, (uint64_t)offset);
	if (bytes < 0)
		return bytes;
	*iov_count = answer.count;
	if (!request->no_atime)
		attr_touch(inode, LAZY_ATIME);
	return bytes;
}
