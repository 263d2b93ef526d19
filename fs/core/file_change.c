/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/file_change.h"

#include "core/attr.h"
#include "core/file_own.h"
#include "core/request.h"
#include "core/sizes.h"
#include "journal/journal.h"
#include "trace/mutate.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/*
 * What one step may add to the record: three changes of neighbouring keys,
 * each at most two nodes a level and a new root. Four levels hold more extents
 * than a device has blocks.
 */
#define STEP_ROOM (96u << 10)
/* The same of inode 2's tree: five changes, at most. */
#define SHARED_ROOM (64u << 10)
/* Bounds the memory of a link whose record grows slowly. */
#define STEPS_MAX 4096

int file_change_begin(struct file_change *change, struct fs *fs,
		      struct request *request, struct inode *inode)
{
	if (!fs->journal)
		return -EROFS;
	*change = (struct file_change){
		.fs = fs,
		.request = request,
		.inode = inode,
		.txn = txn_begin(fs->journal),
	};
	change->copy = inode_edit(change->txn, inode);
	/* Checked when it was loaded; on cross-linked media it is data, too. */
	if (!inode_inline_fits(change->copy)) {
		txn_abort(change->txn);
		return -EUCLEAN;
	}
	extent_map_init(&change->map, fs, change->txn, inode->ino,
			change->copy);
	return 0;
}

static unsigned steps_max(void)
{
#ifdef UDAX_DEBUG
	if (mutation_link_steps)
		return mutation_link_steps;
#endif
	return STEPS_MAX;
}

bool file_change_has_room(struct file_change *change)
{
	size_t room = STEP_ROOM;

	if (change->fs->shared.media)
		room += SHARED_ROOM;
	return file_change_has_room_for(change, room);
}

bool file_change_has_room_for(struct file_change *change, size_t bytes)
{
	return change->steps++ < steps_max() && txn_room(change->txn) >= bytes;
}

void file_change_stamp(struct file_change *change)
{
	attr_stamp(change->copy, ATTR_MTIME | ATTR_CTIME);
}

void file_change_kill_suidgid(struct file_change *change)
{
	change->copy->mode &= ~(uint32_t)S_ISUID;
	if (change->copy->mode & S_IXGRP)
		change->copy->mode &= ~(uint32_t)S_ISGID;
}

/* Data first: what the commit makes visible is durable before it. */
static int change_drain(struct file_change *change)
{
	struct device *const *devices = change->fs->members.device;
	unsigned index;

	for (; change->stored; change->stored &= change->stored - 1) {
		index = (unsigned)__builtin_ctzll(change->stored);
		if (!mutated(MUTATE_DATA_DRAIN))
			device_drain(devices[index]);
		if (device_failed(devices[index]))
			return -EIO;
	}
	return 0;
}

int file_change_commit(struct file_change *change)
{
	uint64_t size = change->inode->media->size;
	int error = change_drain(change);

	assert(!change->broken);
	if (error) {
		file_change_abort(change);
		return error;
	}
	change->copy->blocks += (uint64_t)change->map.blocks_delta;
	attr_settle(change->inode, change->copy);
	shared_settle(&change->shared);
	error = txn_commit(change->txn);
	shared_end(&change->shared);
	if (error)
		file_own_entries_back(change);
	else if (change->inode->media->size != size)
		sizes_publish(change->inode);
	return error;
}

void file_change_abort(struct file_change *change)
{
	/* Before the blocks that they have moved to are given back. */
	file_own_entries_back(change);
	txn_abort(change->txn);
	shared_end(&change->shared);
}

int file_change_end(struct file_change *change, int done)
{
	int error;

	if (done < 0) {
		file_change_abort(change);
		return done;
	}
	error = file_change_commit(change);
	return error ? error : done;
}

int file_change_gate(struct file_change *change, unsigned device)
{
	/* Only who is in its gate may ask whether a member is there. */
	if (change->request)
		return request_gate(change->request, device);
	return change->fs->members.device[device] ? 0 : -EIO;
}

void file_change_copy(struct file_change *change, uint64_t addr,
		      const void *bytes, size_t length)
{
	unsigned index = addr_device(addr);
	struct device *device = change->fs->members.device[index];

	device_copy(device, device_at(device, addr_offset(addr)), bytes,
		    length);
	change->stored |= UINT64_C(1) << index;
}

void file_change_zero(struct file_change *change, uint64_t addr,
		      uint64_t length)
{
	unsigned index = addr_device(addr);
	struct device *device = change->fs->members.device[index];

	if (!length)
		return;
	device_set(device, device_at(device, addr_offset(addr)), 0, length);
	change->stored |= UINT64_C(1) << index;
}

/* At mount a device that is away is passed over: its bytes cannot be had. */
static bool change_stands(const struct file_change *change,
			  const struct extent *run)
{
	return change->request ||
	       change->fs->members.device[addr_device(run->addr)];
}

int file_change_zero_range(struct file_change *change, uint64_t start,
			   uint64_t end)
{
	struct extent run;
	int error = 0;

	while (!error && start < end) {
		uint64_t run_end;

		error = extent_at(change->fs, &change->map,
				  start >> BLOCK_SHIFT, &run);
		if (!error)
			run = extent_clip(
				run, 0, (end + BLOCK_BYTES - 1) >> BLOCK_SHIFT);
		if (!error && extent_is_written(&run))
			error = file_change_own(change, &run, start, end);
		if (error)
			break;
		run_end = extent_end(&run) << BLOCK_SHIFT;
		if (run_end > end)
			run_end = end;
		if (extent_is_written(&run) && change_stands(change, &run)) {
			error = file_change_gate(change, addr_device(run.addr));
			if (error)
				break;
			file_change_zero(change,
					 run.addr + start -
						 (run.start << BLOCK_SHIFT),
					 run_end - start);
		}
		start = run_end;
	}
	return error;
}

int file_change_leave_inline(struct file_change *change)
{
	inode_media *copy = change->copy;
	const inode_media *home = change->inode->media;
	struct extent first = { .blocks = 1 };
	int error;

	if (copy->format != INODE_INLINE)
		return 0;
	copy->format = INODE_EXTENTS;
	memset(copy->area, 0, sizeof(copy->area));
	node_init((node_media *)copy->area, INODE_AREA_BYTES, 0, TREE_EXTENTS);
	if (copy->size == 0)
		return 0;
	error = file_change_fill_hole(change, &first, 0, &first);
	if (error)
		return error;
	/* The home's bytes stay until the commit. */
	file_change_copy(change, first.addr, home->area, copy->size);
	file_change_zero(change, first.addr + copy->size,
			 BLOCK_BYTES - copy->size);
	return 0;
}

/* Leased, so as a hole: what is written has real entries. */
static bool change_is_seen(const struct file_change *change,
			   const struct extent *piece, unsigned flags)
{
	struct inode_active *active = atomic_load(&change->inode->active);

	return active && !(flags & EXTENT_UNWRITTEN) &&
	       entry_table_has_leases(&active->entries, piece->start,
				      extent_end(piece) - 1);
}

int file_change_fill_hole(struct file_change *change, const struct extent *hole,
			  unsigned flags, struct extent *taken)
{
	struct extent got;
	int error;

	if (change_is_seen(change, hole, flags))
		return -EBUSY;
	error = file_space_take(change, hole, &got);
	if (error)
		return error;
	got.flags = flags;
	error = extent_insert(change->fs, &change->map, got);
	change->broken |= error != 0;
	if (error)
		return error;
	change->copy->blocks += got.blocks;
	*taken = got;
	return 0;
}

int file_change_mark(struct file_change *change, const struct extent *piece,
		     unsigned flags)
{
	int error;

	if (change_is_seen(change, piece, flags))
		return -EBUSY;
	error = extent_set_flags(change->fs, &change->map, *piece, flags);
	change->broken |= error != 0;
	return error;
}

int file_change_drop(struct file_change *change, struct extent *piece)
{
	bool last = true;
	int error = file_own_part(change, piece, &last);

	if (!error)
		error = extent_remove(change->fs, &change->map, piece);
	change->broken |= error != 0;
	if (error)
		return error;
	change->copy->blocks -= piece->blocks;
	/* A device that is away takes its blocks with it. */
	if (last && change->fs->allocs[addr_device(piece->addr)])
		txn_free(change->txn, piece->addr, piece->blocks, false);
	return 0;
}

int file_change_extend(struct file_change *change, uint64_t size)
{
	uint64_t old = change->copy->size;
	uint64_t end = (old + BLOCK_BYTES - 1) & ~(BLOCK_BYTES - UINT64_C(1));
	int error = 0;

	if (size <= old)
		return 0;
	if (change->copy->format == INODE_INLINE && size <= INODE_AREA_BYTES)
		memset(&change->copy->area[old], 0, size - old);
	else
		error = file_change_leave_inline(change);
	if (!error && change->copy->format == INODE_EXTENTS)
		error = file_change_zero_range(change, old,
					       size < end ? size : end);
	if (!error)
		change->copy->size = size;
	return error;
}
