/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ops_ioctl.c -- inode flags, as lsattr, chattr and xfs_io ask for them; the
 *                way to the direct door
 *
 * The kernel (5.13) has checked who sets flags (owner, CAP_LINUX_IMMUTABLE) and
 * calls with an open of its own and no program's address; the size of the
 * argument is in the command's number, and is checked against what came.
 */
#include "core/attr_flags.h"
#include "core/token.h"
#include "fuse/op.h"
#include "udax/protocol.h"
#include "util/proc_status.h"

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

/* The same, by two names. */
static const struct {
	uint32_t flag;
	uint32_t xflag;
} same[] = {
	{ FS_IMMUTABLE_FL, FS_XFLAG_IMMUTABLE },
	{ FS_APPEND_FL, FS_XFLAG_APPEND },
	{ FS_SYNC_FL, FS_XFLAG_SYNC },
	{ FS_NOATIME_FL, FS_XFLAG_NOATIME },
	{ FS_NODUMP_FL, FS_XFLAG_NODUMP },
};

static struct fsxattr to_fsxattr(const struct attr_flags *flags)
{
	struct fsxattr out = { .fsx_xflags = flags->xflags };

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (flags->flags & same[i].flag)
			out.fsx_xflags |= same[i].xflag;
	return out;
}

static int from_fsxattr(const struct fsxattr *in, struct attr_flags *flags)
{
	*flags = (struct attr_flags){ .xflags = in->fsx_xflags };
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		if (!(in->fsx_xflags & same[i].xflag))
			continue;
		flags->flags |= same[i].flag;
		flags->xflags &= ~same[i].xflag;
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

static int issue(struct op *op, const struct fuse_file_info *file,
		 struct udax_ioc_token *out)
{
	const struct fuse_ctx *context = fuse_req_ctx(op->req);
	struct token_caller caller = { .pid = context->pid,
				       .uid = context->uid };
	struct fs *fs = op->front->fs;
	int err;

	/* mmap(2) wants to read even where it is only stored to. */
	if (!(file->fh & OP_FH_READ))
		return -EACCES;
	/* FUSE names the thread, the socket will name its process. */
	caller.pid = proc_thread_group(context->pid);
	if (!caller.pid) /* of a pid namespace that we do not see into */
		return -EACCES;
	err = token_allowed(fs, &caller);
	if (err)
		return err;
	if (!fs->direct_socket[0])
		return -ENOTSUP;
	if (!op->inode || !fs_metadata_enter(fs))
		return -ENXIO;
	err = token_issue(fs, op->inode, file->fh & OP_FH_WRITE, &caller,
			  out->token);
	fs_metadata_exit(fs);
	memcpy(out->socket, fs->direct_socket, sizeof(out->socket));
	out->protocol = UDAX_PROTOCOL_VERSION;
	return err;
}

/* Errors as they are: ENXIO of a device that is going, never EIO. */
static void token(fuse_req_t req, fuse_ino_t ino,
		  const struct fuse_file_info *file, unsigned int flags,
		  size_t room)
{
	struct udax_ioc_token out;
	struct op op;
	int err;

	op_begin_ungated(&op, req, "token", ino);
	memset(&out, 0, sizeof(out));
	if (flags & FUSE_IOCTL_DIR)
		err = -ENODEV;
	else if (room < sizeof(out))
		err = -EINVAL;
	else
		err = issue(&op, file, &out);
	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_ioctl(req, 0, &out, sizeof(out));
	op_finish(&op);
}

static void socket_path(fuse_req_t req, fuse_ino_t ino, size_t room)
{
	struct udax_ioc_socket out;
	struct op op;

	op_begin_ungated(&op, req, "socket", ino);
	memset(&out, 0, sizeof(out));
	memcpy(out.socket, op.front->fs->direct_socket, sizeof(out.socket));
	out.protocol = UDAX_PROTOCOL_VERSION;
	if (room < sizeof(out))
		fuse_reply_err(req, EINVAL);
	else
		fuse_reply_ioctl(req, 0, &out, sizeof(out));
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
		if (arg) /* a program's, that nobody has looked at */
			fuse_reply_err(req, EOPNOTSUPP);
		else
			set(req, ino, command, in, in_bytes);
		break;
	case UDAX_IOC_TOKEN:
		token(req, ino, file, flags, out_bytes);
		break;
	case UDAX_IOC_SOCKET:
		socket_path(req, ino, out_bytes);
		break;
	default:
		fuse_reply_err(req, ENOTTY);
	}
}

void ops_ioctl_install(struct fuse_lowlevel_ops *ops)
{
	ops->ioctl = op_ioctl;
}
