/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_write.c -- write(2): in place when it can be, else a chain of changes
 *
 * In place: all blocks are there, written, nobody else's, and the size stays;
 * the lock is shared, there is no transaction, the data is durable after one
 * drain. All else takes the lock exclusively and commits, link by link in file
 * order, the blocks it took and the size up to there, each time after its data.
 * A crash between links leaves the write's first part: legal for write(2).
 */
#include "core/attr.h"
#include "core/attr_flags.h"
#include "core/file.h"
#include "core/file_change.h"
#include "core/file_hole.h"
#include "core/inode.h"
#include "core/request.h"
#include "trace/mutate.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* A write as it goes on. */
struct write {
	const unsigned char *bytes;
	uint64_t offset;
	uint64_t end;
	bool kill_suidgid;
};

static bool write_kills(const struct inode *inode, const struct write *write)
{
	uint32_t mode = inode->media->mode;

	return write->kill_suidgid &&
	       (mode & S_ISUID ||
		(mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP));
}

/* --------------------------------------------------------------- in place */

struct place {
	unsigned char *at;
	size_t length;
	struct device *device;
};

/*
 * Where an overwrite goes, count places; -EAGAIN when it is not one. Found out
 * whole before the first store.
 */
static int places_find(struct request *request, const struct inode *inode,
		       const struct write *write, struct place *places,
		       unsigned *count)
{
	const struct fs *fs = request->fs;
	uint64_t at = write->offset;
	struct extent_walk walk;
	struct extent run;
	struct tree map;
	int error;

	*count = 0;
	extent_map_init(&map, fs, NULL, inode->ino, inode->media);
	error = extent_walk_begin(&walk, fs, &map, at >> BLOCK_SHIFT);
	for (; !error && at < write->end; ++*count) {
		uint64_t end, start;
		struct device *device;

		error = extent_walk_next(&walk, &run);
		if (error)
			break;
		if (!extent_is_own(&run) || *count == FILE_READ_IOVS)
			return -EAGAIN;
		error = request_gate(request, addr_device(run.addr));
		if (error)
			break;
		device = fs->members.device[addr_device(run.addr)];
		start = run.start << BLOCK_SHIFT;
		end = extent_end(&run) << BLOCK_SHIFT;
		if (end > write->end)
			end = write->end;
		places[*count] = (struct place){
			.at = device_at(device,
					addr_offset(run.addr) + at - start),
			.length = end - at,
			.device = device,
		};
		at = end;
	}
	return error;
}

/* Copy, then one drain a device; places of one device mostly stand together. */
static int places_store(const struct place *places, unsigned count,
			const unsigned char *bytes)
{
	unsigned i, last;

	for (i = 0; i < count; bytes += places[i++].length)
		device_copy(places[i].device, places[i].at, bytes,
			    places[i].length);
	for (i = 0; i < count; i++) {
		for (last = i + 1; last < count; last++)
			if (places[last].device == places[i].device)
				break;
		if (last < count)
			continue; /* by its last place, after all copies */
		if (!mutated(MUTATE_OVERWRITE_DRAIN))
			device_drain(places[i].device);
		if (device_failed(places[i].device))
			return -EIO;
	}
	return 0;
}

static int write_in_place(struct request *request, struct inode *inode,
			  const struct write *write)
{
	const inode_media *media = inode->media;
	struct place places[FILE_READ_IOVS];
	unsigned count;
	int error = 0;

	pthread_rwlock_rdlock(&inode->lock);
	error = attr_flags_may_write(inode, write->offset, request->writeback);
	if (error)
		goto out;
	error = -EAGAIN;
	if (media->format != INODE_EXTENTS || write->end > media->size ||
	    write_kills(inode, write))
		goto out;
	error = places_find(request, inode, write, places, &count);
	if (!error)
		error = places_store(places, count, write->bytes);
	if (!error)
		attr_touch(inode, LAZY_MTIME);
out:
	pthread_rwlock_unlock(&inode->lock);
	return error;
}

/* ---------------------------------------------------------------- growing */

/*
 * The run at the write's offset has blocks after this: what was there, or
 * unwritten ones, or new. *fresh: their bytes mean nothing yet.
 */
static int write_prepare(struct file_change *change, const struct write *write,
			 struct extent *run, bool *fresh)
{
	uint64_t block = write->offset >> BLOCK_SHIFT;
	uint64_t end = (write->end + BLOCK_BYTES - 1) >> BLOCK_SHIFT;
	int error = extent_at(change->fs, &change->map, block, run);

	if (error)
		return error;
	*run = extent_clip(*run, block, end);
	*fresh = !extent_is_written(run);
	if (extent_is_hole(run))
		return file_change_fill_hole(change, run, 0, run);
	if (!*fresh)
		error = file_change_own(change, run, write->offset, write->end);
	if (!error)
		error = file_change_gate(change, addr_device(run->addr));
	if (!error && *fresh)
		error = file_change_mark(change, run, 0);
	return error;
}

/* One run of the write. -ENOSPC: nothing of it was done. */
static int write_run(struct file_change *change, struct write *write)
{
	struct extent run;
	uint64_t start, end, n;
	bool fresh;
	int error = write_prepare(change, write, &run, &fresh);

	if (error)
		return error;
	start = run.start << BLOCK_SHIFT;
	end = extent_end(&run) << BLOCK_SHIFT;
	n = (end < write->end ? end : write->end) - write->offset;
	if (fresh) {
		file_change_zero(change, run.addr, write->offset - start);
		file_change_zero(change, run.addr + write->offset - start + n,
				 end - write->offset - n);
	}
	file_change_copy(change, run.addr + write->offset - start, write->bytes,
			 n);
	write->bytes += n;
	write->offset += n;
	return 0;
}

static void change_extend(struct file_change *change, const struct write *write)
{
	if (write->offset > change->copy->size)
		change->copy->size = write->offset;
}

/* The bytes go into the inode, through the log. */
static int write_inline(struct file_change *change, struct write *write)
{
	inode_media *copy = change->copy;
	uint64_t length = write->end - write->offset;

	if (write->offset > copy->size)
		memset(&copy->area[copy->size], 0, write->offset - copy->size);
	memcpy(&copy->area[write->offset], write->bytes, length);
	write->bytes += length;
	write->offset = write->end;
	return 0;
}

/*
 * Into blocks, as far as one transaction reaches. The old EOF's block may
 * hold anything beyond it: zeros, before the size moves over it.
 */
static int write_blocks(struct file_change *change, struct write *write)
{
	uint64_t size = change->copy->size;
	uint64_t tail_end = (size + BLOCK_BYTES - 1) & ~(BLOCK_BYTES - 1ull);
	int error = file_change_leave_inline(change);

	if (!error && write->offset > size)
		error = file_change_zero_range(
			change, size,
			write->offset < tail_end ? write->offset : tail_end);
	while (!error && write->offset < write->end &&
	       file_change_has_room(change))
		error = write_run(change, write);
	return error;
}

/* One link of the chain: 0 with write->offset moved on, or an error. */
static int write_link(struct request *request, struct inode *inode,
		      struct write *write)
{
	struct write done = *write;
	struct file_change change;
	int error = file_change_begin(&change, request->fs, request, inode);

	if (error)
		return error;
	if (change.copy->format == INODE_INLINE &&
	    write->end <= INODE_AREA_BYTES)
		error = write_inline(&change, &done);
	else
		error = write_blocks(&change, &done);
	/* Out of space behind a first part: that part counts. */
	if (error && (error != -ENOSPC || change.broken ||
		      done.offset == write->offset)) {
		file_change_abort(&change);
		return error;
	}
	change_extend(&change, &done);
	if (write_kills(inode, write))
		file_change_kill_suidgid(&change);
	file_change_stamp(&change);
	error = file_change_commit(&change);
	if (!error)
		*write = done;
	return error;
}

static ssize_t write_chain(struct request *request, struct inode *inode,
			   struct write *write, bool append, size_t length)
{
	uint64_t start;
	int error = 0;

	pthread_rwlock_wrlock(&inode->lock);
	if (append) {
		write->offset = inode->media->size;
		write->end = write->offset + length;
	}
	start = write->offset;
	error = attr_flags_may_write(inode, start, request->writeback);
	if (error)
		goto out;
	if (write->end > (uint64_t)FILE_BYTES_MAX)
		error = -EFBIG;
	else if (inode->media->format != INODE_INLINE &&
		 inode->media->format != INODE_EXTENTS)
		error = -EINVAL;
	else
		error = file_hole_settle(request, inode);
	while (!error && write->offset < write->end)
		error = write_link(request, inode, write);
out:
	pthread_rwlock_unlock(&inode->lock);
	if (error && (error != -ENOSPC || write->offset == start))
		return error;
	return (ssize_t)(write->offset - start);
}

ssize_t file_write(struct request *request, struct inode *inode,
		   const void *bytes, size_t length, off_t offset,
		   bool kill_suidgid)
{
	struct write write = { .bytes = bytes, .kill_suidgid = kill_suidgid };
	bool append = offset == FILE_APPEND;
	int error;

	if (offset < 0 && !append)
		return -EINVAL;
	if (!request->fs->journal)
		return -EROFS;
	if (!length)
		return 0;
	if (!append) {
		if (offset >= FILE_BYTES_MAX ||
		    length > (uint64_t)(FILE_BYTES_MAX - offset))
			return -EFBIG;
		write.offset = (uint64_t)offset;
		write.end = write.offset + length;
		error = write_in_place(request, inode, &write);
		if (!error)
			return (ssize_t)length;
		if (error != -EAGAIN)
			return error;
	}
	return write_chain(request, inode, &write, append, length);
}
