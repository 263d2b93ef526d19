/* SPDX-License-Identifier: BSD-3-Clause */
/* What a lease can have: how far it reaches, and where its pages are. */
#include "core/attr_flags.h"
#include "core/lease_grant.h"

#include "core/file_change.h"
#include "core/file_fill.h"
#include "core/request.h"

#include <errno.h>
#include <sys/stat.h>

/* Pages that are made under one hold of the lock: 64 MiB of zeros. */
#define GRANT_BLOCKS_MAX 16384

static int grant_check(const struct grant *grant)
{
	const inode_media *media = grant->inode->media;

	if (!S_ISREG(media->mode) || grant->want->npages == 0 ||
	    (media->format != INODE_INLINE && media->format != INODE_EXTENTS))
		return -EINVAL;
	if (grant->want->writable && !grant->fs->journal)
		return -EROFS;
	/* As mmap(2) of an append-only file; an immutable one is not opened
	 * for writing in the first place. */
	if (grant->want->writable && attr_flags_may_change(grant->inode))
		return -EACCES;
	return 0;
}

int grant_clip(struct grant *grant)
{
	uint64_t pages = (grant->inode->media->size + BLOCK_BYTES - 1) >>
			 BLOCK_SHIFT;
	uint64_t first = grant->want->first;
	int err = grant_check(grant);

	if (err)
		return err;
	if (first >= pages)
		return -ENODATA;
	grant->out->first = first;
	grant->out->last = first +
			   lease_min(grant->want->npages, pages - first) - 1;
	return 0;
}

/* The first gap (file_gap), or -ENOENT. Behind as many runs as an answer has
 * the lease ends: nobody looks further. */
static int grant_gap(struct grant *grant, struct extent *gap)
{
	const struct inode *inode = grant->inode;
	struct lease_grant *out = grant->out;
	struct extent_walk walk;
	unsigned runs = 0;
	struct tree map;
	int err;

	extent_map_init(&map, grant->fs, NULL, inode->ino, inode->media);
	err = extent_walk_begin(&walk, grant->fs, &map, out->first);
	while (!err && walk.at <= out->last && runs++ < LEASE_RUNS_MAX) {
		err = extent_walk_next(&walk, gap);
		if (!err && !extent_is_own(gap)) {
			*gap = extent_clip(*gap, out->first, out->last + 1);
			return 0;
		}
	}
	if (!err && walk.at <= out->last)
		out->last = walk.at - 1;
	return err ? err : -ENOENT;
}

/* A writer's holes get blocks; where there are none left the lease ends. */
static int grant_fill_gaps(struct grant *grant)
{
	struct extent gap;
	uint64_t end;
	int err = grant_gap(grant, &gap);

	if (err)
		return err == -ENOENT ? 0 : err;
	if (grant->want->nowait)
		return -EINPROGRESS;
	end = lease_min(grant->out->last + 1, gap.start + GRANT_BLOCKS_MAX);
	grant->out->last = end - 1;
	err = file_make_blocks(grant->request, grant->inode, gap.start, end,
			       true);
	if (err == -EBUSY) {
		err = lease_call_back(grant->fs, grant->inode->ino,
				      grant->out->first, grant->out->last);
		return err ? err : -EAGAIN;
	}
	if (err == -ENOSPC && !grant_gap(grant, &gap) &&
	    gap.start > grant->out->first) {
		grant->out->last = gap.start - 1;
		err = 0;
	}
	return err;
}

/* Does the run, the last page's, end in bytes that a reader is not to see? */
static int tail_shows(struct grant *grant, const struct extent *run)
{
	unsigned device = addr_device(run->addr);
	size_t used = grant->inode->media->size % BLOCK_BYTES;
	int err = request_gate(grant->request, device);
	const unsigned char *page;

	if (err)
		return err;
	page = device_at(grant->fs->members.device[device],
			 addr_offset(run->addr));
	return !grant_all_zero(page + used, BLOCK_BYTES - used);
}

/* A reader's last page will be zeroed behind the end of file (lease_grant.c):
 * not in a block that another file has, too, which may be longer there. */
static int grant_own_tail(struct grant *grant)
{
	uint64_t last = grant->out->last;
	uint64_t size = grant->inode->media->size;
	struct extent run;
	struct tree map;
	int err;

	if (!grant->fs->journal || size % BLOCK_BYTES == 0 ||
	    last != size >> BLOCK_SHIFT)
		return 0;
	extent_map_init(&map, grant->fs, NULL, grant->inode->ino,
			grant->inode->media);
	err = extent_at(grant->fs, &map, last, &run);
	if (err || !extent_is_written(&run) || !(run.flags & EXTENT_SHARED))
		return err;
	run = extent_clip(run, last, last + 1);
	err = tail_shows(grant, &run);
	if (err <= 0)
		return err;
	if (grant->want->nowait)
		return -EINPROGRESS;
	err = file_make_blocks(grant->request, grant->inode, last, last + 1,
			       true);
	if (err == -EBUSY) {
		err = lease_call_back(grant->fs, grant->inode->ino, last, last);
		return err ? err : -EAGAIN;
	}
	return err;
}

static int grant_blocks(struct grant *grant)
{
	bool is_inline = grant->inode->media->format == INODE_INLINE;
	int err = 0;

	if (is_inline && grant->want->nowait)
		return -EINPROGRESS;
	if (is_inline)
		err = file_make_blocks(grant->request, grant->inode, 0, 0,
				       false);
	if (!err && grant->want->writable)
		err = grant_fill_gaps(grant);
	else if (!err)
		err = grant_own_tail(grant);
	return err;
}

/* 0, or -EMLINK: the lease ends before it. */
static int grant_add_run(struct grant *grant, const struct extent *run)
{
	struct lease_grant *out = grant->out;
	struct lease_run *last = &out->runs[out->run_count - 1];
	struct lease_run new = { .index = run->start,
				 .npages = run->blocks,
				 .zero = !extent_is_written(run) };
	unsigned device = addr_device(run->addr);

	if (!new.zero) {
		int err;

		if (out->device != LEASE_NO_DEVICE && out->device != device)
			return -EMLINK;
		err = request_gate(grant->request, device);
		if (err)
			return out->run_count ? -EMLINK : err;
		out->device = device;
		new.device_page = addr_block(run->addr);
	}
	if (out->run_count > 0 && last->zero == new.zero &&
	    (new.zero || last->device_page + last->npages == new.device_page)) {
		last->npages += new.npages;
		return 0;
	}
	if (out->run_count == LEASE_RUNS_MAX)
		return -EMLINK;
	out->runs[out->run_count++] = new;
	return 0;
}

static int grant_runs(struct grant *grant)
{
	struct lease_grant *out = grant->out;
	struct extent_walk walk;
	struct extent run = { .blocks = 0 };
	struct tree map;
	int err;

	out->run_count = 0;
	out->device = LEASE_NO_DEVICE;
	extent_map_init(&map, grant->fs, NULL, grant->inode->ino,
			grant->inode->media);
	err = extent_walk_begin(&walk, grant->fs, &map, out->first);
	while (!err && walk.at <= out->last) {
		err = extent_walk_next(&walk, &run);
		run = extent_clip(run, out->first, out->last + 1);
		if (!err)
			err = grant_add_run(grant, &run);
	}
	if (err == -EMLINK) {
		out->last = run.start - 1;
		err = 0;
	}
	return err == -ENOENT ? -EUCLEAN : err;
}

int grant_plan(struct grant *grant)
{
	int err = grant_blocks(grant);

	return err ? err : grant_runs(grant);
}
