/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ops_ioctl.c -- inode flags, as lsattr, chattr and xfs_io ask for them
 *
 * The kernel has checked who asks (owner, CAP_LINUX_IMMUTABLE) and calls with
 * an open of its own; the size of the argument is in the command's number, and
 * is checked against what came.
 */
#include "core/attr_flags.h"
#include "fuse/op.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>

/* FS_DAX_FL, what GETFLAGS calls FS_XFLAG_DAX. */
static uint32_t to_iflags(const struct attr_flags *flags)
{
	uint32_t out = flags->flags;

	if (flags->xflags & FS_XFLAG_DAX)
		out |= FS_DAX_FL;
	return out;
}

static struct attr_flags from_iflags(uint32_t iflags)
{
	struct attr_flags flags = { .flags = iflags & ~(uint32_t)FS_DAX_FL };

	if (iflags & FS_DAX_FL)
		flags.xflags = FS_XFLAG_DAX;
	return flags;
}

static struct fsxattr to_fsxattr(const struct attr_flags *flags)
{
	struct fsxattr out = { .fsx_xflags = flags->xflags };

	if (flags->flags & FS_NODUMP_FL)
		out.fsx_xflags |= FS_XFLAG_NODUMP;
	return out;
}

static int from_fsxattr(const struct fsxattr *in, struct attr_flags *flags)
{
	*flags = (struct attr_flags){ .xflags = in->fsx_xflags };
	if (in->fsx_xflags & FS_XFLAG_NODUMP) {
		flags->flags |= FS_NODUMP_FL;
		flags->xflags &= ~(uint32_t)FS_XFLAG_NODUMP;
	}
	return in->fsx_extsize || in->fsx_cowextsize || in->fsx_projid
		       ? -EOPNOTSUPP
		       : 0;
}

static void get(fuse_req_t req, fuse_ino_t ino, unsigned int command,
		size_t room)
{
	struct attr_flags flags;
	struct fsxattr fsxattr;
	uint32_t iflags;
	struct op op;

	if (!op_begin(&op, req, "ioctl", ino))
		return;
	attr_flags_get(op.inode, &flags);
	iflags = to_iflags(&flags);
	fsxattr = to_fsxattr(&flags);
	if (command == FS_IOC_GETFLAGS && room >= sizeof(iflags)) {
		fuse_reply_ioctl(req, 0, &iflags, sizeof(iflags));
		op_finish(&op);
	} else if (command == FS_IOC_FSGETXATTR && room >= sizeof(fsxattr)) {
		fuse_reply_ioctl(req, 0, &fsxattr, sizeof(fsxattr));
		op_finish(&op);
	} else {
		op_end(&op, -EINVAL);
	}
}

static int parse(unsigned int command, const void *in, size_t length,
		 struct attr_flags *flags)
{
	struct fsxattr fsxattr;
	uint32_t iflags;

	if (command == FS_IOC_SETFLAGS) {
		if (length < sizeof(iflags))
			return -EINVAL;
		memcpy(&iflags, in, sizeof(iflags));
		*flags = from_iflags(iflags);
		return 0;
	}
	if (length < sizeof(fsxattr))
		return -EINVAL;
	memcpy(&fsxattr, in, sizeof(fsxattr));
	return from_fsxattr(&fsxattr, flags);
}

static void set(fuse_req_t req, fuse_ino_t ino, unsigned int command,
		const void *in, size_t length)
{
	struct attr_flags flags;
	struct op op;
	int err;

	if (!op_begin(&op, req, "ioctl", ino))
		return;
	err = parse(command, in, length, &flags);
	if (!err)
		err = attr_flags_set(op.request, op.inode, &flags);
	if (err) {
		op_end(&op, err);
		return;
	}
	fuse_reply_ioctl(req, 0, NULL, 0);
	op_finish(&op);
}

static void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int command,
		     void *arg, struct fuse_file_info *file, unsigned int flags,
		     const void *in, size_t in_bytes, size_t out_bytes)
{
	switch (command) {
	case FS_IOC_GETFLAGS:
	case FS_IOC_FSGETXATTR:
		get(req, ino, command, out_bytes);
		break;
	case FS_IOC_SETFLAGS:
	case FS_IOC_FSSETXATTR:
		set(req, ino, command, in, in_bytes);
		break;
	default:
		fuse_reply_err(req, ENOTTY);
	}
}

void ops_ioctl_install(struct fuse_lowlevel_ops *ops)
{
	ops->ioctl = op_ioctl;
}
