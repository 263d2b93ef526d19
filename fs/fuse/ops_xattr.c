/* SPDX-License-Identifier: BSD-3-Clause */
/* ops_xattr.c -- extended attributes */
#include "core/xattr.h"
#include "fuse/op.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <stdlib.h>

/* size 0 asks how many bytes there are. */
static void end_value(struct op *op, const void *value, size_t size,
		      ssize_t bytes)
{
	if (bytes < 0) {
		op_end(op, (int)bytes);
	} else if (size > 0) {
		op_end_bytes(op, value, (size_t)bytes);
	} else {
		fuse_reply_xattr(op->req, (size_t)bytes);
		op_finish(op);
	}
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			size_t size)
{
	char value[XATTR_SIZE_MAX];
	struct op op;

	if (!op_begin(&op, req, "getxattr", ino))
		return;
	if (size > sizeof(value))
		size = sizeof(value);
	end_value(&op, value, size,
		  xattr_get(op.request, op.inode, name, value, size));
}

/* The names of trusted ones are for CAP_SYS_ADMIN; asked for where there are
 * any. */
static bool sees_trusted(struct op *op)
{
	return fuse_req_ctx(op->req)->uid == 0 &&
	       xattr_list(op->request, op->inode, true, NULL, 0) !=
		       xattr_list(op->request, op->inode, false, NULL, 0) &&
	       op_capable(op, CAP_SYS_ADMIN);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	char names[XATTR_LIST_MAX];
	struct op op;

	if (!op_begin(&op, req, "listxattr", ino))
		return;
	if (size > sizeof(names))
		size = sizeof(names);
	end_value(&op, names, size,
		  xattr_list(op.request, op.inode, sees_trusted(&op), names,
			     size));
}

_Static_assert(SESSION_XATTR_KILL_SGID == XATTR_KILL_SGID, "passed on");

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			const char *value, size_t size, int flags)
{
	struct op op;

	if (op_begin(&op, req, "setxattr", ino))
		op_end(&op, xattr_set(op.request, op.inode, name, value, size,
				      flags));
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct op op;

	if (op_begin(&op, req, "removexattr", ino))
		op_end(&op, xattr_remove(op.request, op.inode, name));
}

void ops_xattr_install(struct fuse_lowlevel_ops *ops)
{
	ops->getxattr = op_getxattr;
	ops->listxattr = op_listxattr;
	ops->setxattr = op_setxattr;
	ops->removexattr = op_removexattr;
}
