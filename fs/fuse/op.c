/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuse/op.h"
#include "core/attr.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

int op_errno(struct op *op, int err)
{
	if (err == -ENXIO)
		return EIO;
	if (err != -EUCLEAN)
		return -err;
	if (!atomic_flag_test_and_set(&op->front->damage_logged))
		log_error("%s inode %llu: metadata is damaged; unmount and run "
			  "fsck.udaxfs (said once a mount)",
			  op->name, (unsigned long long)op->request->ino);
	return EIO;
}

static void op_set(struct op *op, fuse_req_t req, const char *name)
{
	*op = (struct op){ .req = req,
			   .front = fuse_req_userdata(req),
			   .request = session_state(),
			   .name = name };
}

static bool begin(struct op *op, fuse_req_t req, const char *name,
		  fuse_ino_t ino, bool writeback)
{
	int err;

	op_set(op, req, name);
	err = request_begin(op->request, name, ino, fuse_req_ctx(req)->pid,
			    writeback);
	if (!err) {
		op->inode = inode_of(op->front->fs, ino);
		if (op->inode)
			return true;
		request_end(op->request);
		err = -ESTALE;
	}
	fuse_reply_err(req, op_errno(op, err));
	return false;
}

bool op_begin(struct op *op, fuse_req_t req, const char *name, fuse_ino_t ino)
{
	return begin(op, req, name, ino, false);
}

bool op_begin_writeback(struct op *op, fuse_req_t req, fuse_ino_t ino)
{
	return begin(op, req, "writeback", ino, true);
}

void op_begin_ungated(struct op *op, fuse_req_t req, const char *name,
		      fuse_ino_t ino)
{
	op_set(op, req, name);
	request_begin_ungated(op->request, name, ino);
	op->inode = inode_of(op->front->fs, ino);
}

void op_range(struct op *op, off_t offset, size_t length)
{
	atomic_store_explicit(&op->request->offset, (uint64_t)offset,
			      memory_order_relaxed);
	atomic_store_explicit(&op->request->length, length,
			      memory_order_relaxed);
}

void op_read_flags(struct op *op)
{
	const struct fuse_read_in *in = (const void *)(session_message() + 1);

	op->request->no_atime = in->flags & O_NOATIME;
}

void op_finish(struct op *op)
{
	request_end(op->request);
}

/* A device that failed under the request: what was read may be zeros. */
static bool failed(struct op *op, int err)
{
	if (!err)
		err = request_verdict(op->request);
	if (!err)
		return false;
	fuse_reply_err(op->req, op_errno(op, err));
	op_finish(op);
	return true;
}

void op_end(struct op *op, int err)
{
	if (failed(op, err))
		return;
	fuse_reply_err(op->req, 0);
	op_finish(op);
}

void op_end_silent(struct op *op)
{
	fuse_reply_none(op->req);
	op_finish(op);
}

void op_end_bytes(struct op *op, const void *bytes, size_t length)
{
	if (failed(op, 0))
		return;
	fuse_reply_buf(op->req, bytes, length);
	op_finish(op);
}

/* The kernel could not read the reply's bytes and has answered EIO: no signal
 * is raised for that, so the devices are looked at. */
static void find_lost_device(struct op *op)
{
	struct fs *fs = op->front->fs;
	uint64_t gates = atomic_load(&op->request->gates);

	for (; gates; gates &= gates - 1) {
		unsigned int index = (unsigned int)__builtin_ctzll(gates);

		if (!device_still_there(fs->members.device[index]))
			log_error("%s: the device is gone",
				  fs->devices[index].path);
	}
}

void op_end_iov(struct op *op, const struct iovec *iov, unsigned int count)
{
	if (failed(op, 0))
		return;
	if (fuse_reply_iov(op->req, iov, (int)count) == -EFAULT)
		find_lost_device(op);
	op_finish(op);
}

void op_end_count(struct op *op, size_t written)
{
	if (failed(op, 0))
		return;
	fuse_reply_write(op->req, written);
	op_finish(op);
}

void op_end_attr(struct op *op, const struct stat *attr)
{
	if (failed(op, 0))
		return;
	fuse_reply_attr(op->req, attr, front_attr_timeout(op->inode, attr));
	op_finish(op);
}

void op_entry_param(struct op *op, struct inode *inode,
		    struct fuse_entry_param *entry)
{
	*entry = (struct fuse_entry_param){ .ino = inode->ino,
					    .entry_timeout = FRONT_TIMEOUT_S };
	entry->generation = inode->media->generation;
	attr_get(op->front->fs, inode, &entry->attr);
	entry->attr_timeout = front_attr_timeout(inode, &entry->attr);
}

void op_end_entry(struct op *op, struct inode *inode)
{
	struct fuse_entry_param entry = { .entry_timeout = FRONT_TIMEOUT_S };
	bool taken = false;

	if (inode)
		op_entry_param(op, inode, &entry);
	if (request_verdict(op->request)) {
		fuse_reply_err(op->req, EIO);
	} else {
		/* The connection may have ended meanwhile. */
		taken = fuse_reply_entry(op->req, &entry) == 0;
	}
	op_finish(op);
	if (inode && !taken)
		inode_forget(op->front->fs, inode, 1);
}
