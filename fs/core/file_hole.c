/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_hole.c -- blocks that go, however many there are
 *
 * What takes longer than one transaction is marked in inode.pending_*: the
 * bytes [pending_start, pending_end) read as a hole whatever is there. The
 * first link sets it, each link drops as many extents as it has room for, the
 * last one clears it; mount goes on where a crash cut the chain. Bytes in
 * blocks that stay, at the edges, are zeroed in place: once the mark is
 * durable, so that a crash cannot leave a half without the other.
 */
#include "core/file_hole.h"

#include "core/file.h"
#include "core/lease.h"
#include "core/request.h"
#include "dax/break.h"
#include "util/log.h"

#include <errno.h>

/* ----------------------------------------------------------- layout break */

struct break_scan {
	const struct fs *fs;
	struct tree map;
	uint64_t at;
	uint64_t end;
};

static int break_next(struct break_run *run, void *arg)
{
	struct break_scan *scan = arg;
	struct extent extent;
	int error;

	/* Other files may be busy with what is shared: it is theirs, too. */
	do {
		error = extent_first(scan->fs, &scan->map, scan->at, scan->end,
				     &extent);
		if (error)
			return error;
		scan->at = extent_end(&extent);
	} while (extent.flags & EXTENT_SHARED);
	*run = (struct break_run){ .index = extent.start,
				   .npages = extent.blocks,
				   .device = addr_device(extent.addr),
				   .device_page = addr_block(extent.addr) };
	return 0;
}

int file_break(struct fs *fs, struct inode *inode, uint64_t start, uint64_t end)
{
	struct inode_active *active = inode->active;
	struct break_scan scan = { .fs = fs, .at = start, .end = end };
	struct break_range range = {
		.first = start,
		.last = end >= EXTENT_BLOCKS_END ? UINT64_MAX : end - 1,
		.next = break_next,
		.arg = &scan,
	};

	if (start >= end || inode->media->format != INODE_EXTENTS)
		return 0;
	if (active && lease_pinned(fs, inode->ino, start, range.last))
		return -EBUSY;
	extent_map_init(&scan.map, fs, NULL, inode->ino, inode->media);
	return break_layout(active ? &active->entries : NULL, fs->pgmaps,
			    &range, NULL);
}

/* ------------------------------------------------------------------ holes */

int file_hole_cut(struct file_change *change, uint64_t start, uint64_t end)
{
	struct extent piece;
	int error;

	while (file_change_has_room(change)) {
		error = extent_first(change->fs, &change->map, start, end,
				     &piece);
		if (error)
			return error == -ENOENT ? 1 : error;
		error = file_change_drop(change, &piece);
		if (error)
			return error;
		start = extent_end(&piece);
	}
	return 0;
}

int file_hole_zero_edges(struct file_change *change, uint64_t start,
			 uint64_t end)
{
	uint64_t head_end = block_round_up(start);
	uint64_t tail = block_round_down(end);
	int error;

	if (head_end > end)
		return file_change_zero_range(change, start, end);
	error = file_change_zero_range(change, start, head_end);
	return error ? error : file_change_zero_range(change, tail, end);
}

/* The block of that byte, if it is cut by it and has bytes. */
static int gate_edge(struct file_change *change, uint64_t byte)
{
	struct extent run;
	int error;

	if (!(byte & BLOCK_MASK))
		return 0;
	error = extent_at(change->fs, &change->map, byte >> BLOCK_SHIFT, &run);
	if (error || !extent_is_written(&run))
		return error;
	/* Own already when the chain, or a mount, zeroes it in place. */
	run = extent_clip(run, 0, run.start + 1);
	error = file_change_own(change, &run, 0, 0);
	return error ? error : file_change_gate(change, addr_device(run.addr));
}

int file_hole_gate(struct file_change *change, uint64_t start, uint64_t end)
{
	int error = gate_edge(change, start);

	return error ? error : gate_edge(change, end);
}

void file_hole_mark(struct file_change *change, uint64_t start, uint64_t end)
{
	change->copy->pending_start = start;
	change->copy->pending_end = end;
}

int file_hole_link(struct file_change *change)
{
	uint64_t start = block_round_up(change->copy->pending_start);
	uint64_t end = block_round_down(change->copy->pending_end);
	int done = file_hole_cut(change, start >> BLOCK_SHIFT,
				 end >> BLOCK_SHIFT);

	if (done > 0)
		file_hole_mark(change, 0, 0);
	return done;
}

static int hole_chain(struct fs *fs, struct request *request,
		      struct inode *inode)
{
	bool edges = true;
	int done = 0;

	while (!done) {
		struct file_change change;

		done = file_change_begin(&change, fs, request, inode);
		if (done < 0)
			return done;
		if (edges)
			done = file_hole_zero_edges(&change,
						    change.copy->pending_start,
						    change.copy->pending_end);
		if (!done)
			done = file_hole_link(&change);
		done = file_change_end(&change, done);
		edges = false;
	}
	return done < 0 ? done : 0;
}

/*
 * A hole that cannot be finished now must not be finished by a later mount,
 * when its range has new data. But what lies beyond EOF must go before it can
 * be seen again.
 */
static void hole_forget(struct fs *fs, struct request *request,
			struct inode *inode)
{
	struct file_change change;
	int error;

	if (inode->media->pending_end >= HOLE_TO_THE_END)
		return;
	error = file_change_begin(&change, fs, request, inode);
	if (error)
		return;
	file_hole_mark(&change, 0, 0);
	error = file_change_commit(&change);
	if (error)
		log_warn("inode %llu: a hole is left unfinished",
			 (unsigned long long)inode->ino);
}

int file_hole_finish(struct fs *fs, struct request *request,
		     struct inode *inode)
{
	int error = hole_chain(fs, request, inode);

	if (error && request)
		hole_forget(fs, request, inode);
	return error;
}

int file_hole_settle(struct request *request, struct inode *inode)
{
	if (inode->media->pending_end < HOLE_TO_THE_END)
		return 0;
	return file_hole_finish(request->fs, request, inode);
}

int file_resume_pending(struct fs *fs, struct inode *inode)
{
	if (!inode->media->pending_end || inode->media->format != INODE_EXTENTS)
		return 0;
	return file_hole_finish(fs, NULL, inode);
}
