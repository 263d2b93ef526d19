/* SPDX-License-Identifier: BSD-3-Clause */
/* ops_data.c -- the bytes of files: read, written, allocated, sought */
#include "core/file.h"
#include "fuse/op.h"

#include <errno.h>

/* What libfuse does not hand on. */
static const void *message_body(void)
{
	return session_message() + 1;
}

/*
 * A read by a program names its lock owner; the page cache does not. What the
 * page cache gets may be mapped, and is accounted for by an entry.
 */
static bool is_fill(void)
{
	const struct fuse_read_in *in = message_body();

	return !(in->read_flags & FUSE_READ_LOCKOWNER);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *file)
{
	struct iovec iov[FILE_READ_IOVS];
	unsigned int count;
	ssize_t bytes;
	struct op op;
	bool fill = is_fill();
	const struct op_wait wait = { .kind = PARK_FILL,
				      .offset = (uint64_t)offset,
				      .length = size };

	if (!op_begin(&op, req, fill ? "fill" : "read", ino))
		return;
	op_range(&op, offset, size);
	op_read_flags(&op);
	bytes = fill ? file_fill(op.request, op.inode, size, offset, iov,
				 &count)
		     : file_read(op.request, op.inode, size, offset, iov,
				 &count);
	if (fill && op_park(&op, (int)bytes, &wait)) /* leased [R11] */
		return;
	if (bytes < 0)
		op_end(&op, (int)bytes);
	else
		op_end_iov(&op, iov, count);
}

/*
 * A write through the page cache (dax=never) leaves its pages there, complete,
 * without a fill: they get their entries now.
 */
static int account_cached(struct op *op, off_t offset, size_t length)
{
	struct iovec iov[FILE_READ_IOVS]; /* as many as one write has pages */
	unsigned int count;
	ssize_t bytes = file_fill(op->request, op->inode, length, offset, iov,
				  &count);

	return bytes < 0 ? (int)bytes : 0;
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *bytes,
		     size_t size, off_t offset, struct fuse_file_info *file)
{
	const struct fuse_write_in *in = message_body();
	bool writeback = in->write_flags & FUSE_WRITE_CACHE;
	bool cached = !writeback && !(in->write_flags & FUSE_WRITE_LOCKOWNER);
	bool kill = in->write_flags & FUSE_WRITE_KILL_SUIDGID;
	const struct op_wait wait = { .kind = PARK_WRITE,
				      .offset = (uint64_t)offset,
				      .length = size };
	ssize_t written;
	struct op op;
	int err = 0;

	if (writeback ? !op_begin_writeback(&op, req, ino)
		      : !op_begin(&op, req, "write", ino))
		return;
	op_range(&op, offset, size);
	written = writeback ? 0 : op_drop_privileges(&op, kill);
	if (!written)
		written = file_write(op.request, op.inode, bytes, size, offset,
				     kill);
	if (written > 0 && cached)
		err = account_cached(&op, offset, (size_t)written);
	if (written < 0)
		err = (int)written;
	/* Served again, all of it is written again: nobody has heard of it. */
	if (op_park(&op, err, &wait))
		return;
	if (err)
		op_end(&op, err);
	else
		op_end_count(&op, (size_t)written);
}

/*
 * Whole ranges are parked for leases of the destination; a source is never in
 * the way. There is no flag for the privileges that a write takes away, here
 * and in fallocate.
 */
static void op_copy_file_range(fuse_req_t req, fuse_ino_t ino, off_t offset,
			       struct fuse_file_info *file, fuse_ino_t to_ino,
			       off_t to_offset, struct fuse_file_info *to_file,
			       size_t length, int flags)
{
	const struct op_wait wait = { .kind = PARK_WRITE,
				      .offset = (uint64_t)to_offset,
				      .length = length };
	struct inode *from;
	ssize_t bytes;
	struct op op;
	bool kill;

	if (!op_begin(&op, req, "copy", to_ino))
		return;
	op_range(&op, to_offset, length);
	from = inode_of(op.front->fs, ino);
	kill = op_unprivileged(&op);
	bytes = from ? op_drop_privileges(&op, kill) : -ESTALE;
	if (!bytes)
		bytes = file_copy(op.request, from, offset, op.inode, to_offset,
				  length, kill);
	if (op_park(&op, bytes < 0 ? (int)bytes : 0, &wait))
		return;
	if (bytes < 0)
		op_end(&op, (int)bytes);
	else
		op_end_count(&op, (size_t)bytes);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
		     struct fuse_file_info *file)
{
	struct op op;

	if (op_begin(&op, req, "fsync", ino))
		op_end(&op, file_fsync(op.request, op.inode));
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset,
			 off_t length, struct fuse_file_info *file)
{
	const struct op_wait wait = { .kind = PARK_CHANGE,
				      .offset = (uint64_t)offset,
				      .length = (uint64_t)length };
	struct op op;
	int err;

	if (!op_begin(&op, req, "fallocate", ino))
		return;
	op_range(&op, offset, (size_t)length);
	err = op_drop_privileges(&op, op_unprivileged(&op));
	if (!err)
		err = file_fallocate(op.request, op.inode, mode, offset,
				     length);
	if (!op_park(&op, err, &wait))
		op_end(&op, err);
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
		     struct fuse_file_info *file)
{
	struct op op;
	off_t found;

	if (!op_begin(&op, req, "lseek", ino))
		return;
	found = file_seek(op.request, op.inode, offset, whence);
	if (found >= 0)
		fuse_reply_lseek(req, found);
	else
		fuse_reply_err(req, found == -ENXIO
					    ? ENXIO
					    : op_errno(&op, (int)found));
	op_finish(&op);
}

void ops_data_install(struct fuse_lowlevel_ops *ops)
{
	ops->read = op_read;
	ops->write = op_write;
	ops->fsync = op_fsync;
	ops->fallocate = op_fallocate;
	ops->lseek = op_lseek;
	ops->copy_file_range = op_copy_file_range;
}
