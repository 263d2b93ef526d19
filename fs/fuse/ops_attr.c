/* SPDX-License-Identifier: BSD-3-Clause */
/* ops_attr.c -- what is known about files and the filesystem */
#include "core/attr.h"
#include "fuse/op.h"

#include <errno.h>

static void op_getattr(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *file)
{
	struct stat attr;
	struct op op;

	if (!op_begin(&op, req, "getattr", ino))
		return;
	attr_get(op.front->fs, op.inode, &attr);
	if (session_opcode() == SESSION_STATX)
		op_end_statx(&op, &attr);
	else
		op_end_attr(&op, &attr);
}

/* A time to be set to now comes with both bits; core has one or the other. */
static unsigned int attr_mask(int to_set)
{
	static const struct {
		unsigned int fuse;
		unsigned int core;
	} bits[] = {
		{ FUSE_SET_ATTR_MODE, ATTR_MODE },
		{ FUSE_SET_ATTR_UID, ATTR_UID },
		{ FUSE_SET_ATTR_GID, ATTR_GID },
		{ FUSE_SET_ATTR_SIZE, ATTR_SIZE },
		{ FUSE_SET_ATTR_ATIME, ATTR_ATIME },
		{ FUSE_SET_ATTR_MTIME, ATTR_MTIME },
		{ FUSE_SET_ATTR_ATIME_NOW, ATTR_ATIME_NOW },
		{ FUSE_SET_ATTR_MTIME_NOW, ATTR_MTIME_NOW },
		{ FUSE_SET_ATTR_CTIME, ATTR_CTIME },
		/* the wire's KILL_SUIDGID, by its older name */
		{ FUSE_SET_ATTR_KILL_SUID, ATTR_KILL_SUIDGID },
	};
	unsigned int mask = 0;

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if ((unsigned int)to_set & bits[i].fuse)
			mask |= bits[i].core;
	if (mask & ATTR_ATIME_NOW)
		mask &= ~ATTR_ATIME;
	if (mask & ATTR_MTIME_NOW)
		mask &= ~ATTR_MTIME;
	return mask;
}

_Static_assert(FUSE_SET_ATTR_KILL_SUID == FATTR_KILL_SUIDGID, "wire");

/* Privileges go with any change of owner, in one; where nothing is to be set,
 * they are what the kernel is about: chown(2) with -1, -1 by somebody, or
 * capabilities that root's fallocate(2) takes. A truncate says whether the
 * caller has CAP_FSETID. */
static int before_setattr(struct op *op, int to_set, unsigned int *mask)
{
	if (!to_set)
		return op_ask_drop_privileges(op);
	if (to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) {
		if (op_loses_sgid(op))
			*mask |= ATTR_KILL_SGID;
		return 0;
	}
	if (to_set & FUSE_SET_ATTR_SIZE)
		return op_resize_drop_privileges(
			op, to_set & FUSE_SET_ATTR_KILL_SUID);
	return 0;
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
		       int to_set, struct fuse_file_info *file)
{
	const struct op_wait wait = { .kind = PARK_CHANGE,
				      .offset = (uint64_t)attr->st_size };
	unsigned int mask = attr_mask(to_set);
	struct stat after;
	struct op op;
	int err;

	if (!op_begin(&op, req, "setattr", ino))
		return;
	if (to_set & FUSE_SET_ATTR_SIZE)
		op_range(&op, attr->st_size, 0);
	err = before_setattr(&op, to_set, &mask);
	if (!err)
		err = attr_set(op.request, op.inode, attr, mask, &after);
	if (op_park(&op, err, &wait))
		return;
	if (err)
		op_end(&op, err);
	else
		op_end_attr(&op, &after);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs stat;
	struct op op;
	int err;

	if (!op_begin(&op, req, "statfs", FUSE_ROOT_ID))
		return;
	err = fs_statvfs(op.front->fs, &stat);
	if (err) {
		op_end(&op, err);
		return;
	}
	fuse_reply_statfs(req, &stat);
	op_finish(&op);
}

void ops_attr_install(struct fuse_lowlevel_ops *ops)
{
	ops->getattr = op_getattr;
	ops->setattr = op_setattr;
	ops->statfs = op_statfs;
}
