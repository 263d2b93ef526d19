/* SPDX-License-Identifier: BSD-3-Clause */
/* ops_name.c -- names: looked up, made, moved, removed */
#include "core/dir.h"
#include "fuse/op.h"

#include <errno.h>
#include <limits.h>

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct inode *inode = NULL;
	struct op op;
	int err;

	if (!op_begin(&op, req, "lookup", parent))
		return;
	err = dir_lookup(op.request, op.inode, name, &inode);
	if (err && err != -ENOENT)
		op_end(&op, err);
	else
		op_end_entry(&op, err ? NULL : inode);
}

/* The last forget of a file without a name frees it, with transactions of its
 * own; that works, or is left to the next mount, whatever happens to devices,
 * so no gate is needed. */
static void forget_one(struct op *op, fuse_ino_t ino, uint64_t count)
{
	struct inode *inode = inode_of(op->front->fs, ino);

	if (inode)
		inode_forget(op->front->fs, inode, count);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	struct op op;

	op_begin_ungated(&op, req, "forget", ino);
	forget_one(&op, ino, count);
	op_end_silent(&op);
}

static void op_forget_multi(fuse_req_t req, size_t count,
			    struct fuse_forget_data *forgets)
{
	struct op op;

	op_begin_ungated(&op, req, "forget", count ? forgets[0].ino : 0);
	for (size_t i = 0; i < count; i++)
		forget_one(&op, forgets[i].ino, forgets[i].nlookup);
	op_end_silent(&op);
}

static void create(fuse_req_t req, const char *operation, fuse_ino_t parent,
		   const char *name, struct dir_new *new_inode)
{
	const struct fuse_ctx *caller = fuse_req_ctx(req);
	struct inode *inode;
	struct op op;
	int err;

	if (!op_begin(&op, req, operation, parent))
		return;
	new_inode->uid = caller->uid;
	new_inode->gid = caller->gid;
	new_inode->umask = caller->umask;
	err = dir_create(op.request, op.inode, name, new_inode, &inode);
	if (err)
		op_end(&op, err);
	else
		op_end_entry(&op, inode);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode, dev_t rdev)
{
	struct dir_new new_inode = { .mode = mode, .rdev = rdev };

	create(req, "mknod", parent, name, &new_inode);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode)
{
	struct dir_new new_inode = { .mode = (mode & ~S_IFMT) | S_IFDIR };

	create(req, "mkdir", parent, name, &new_inode);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		       const char *name)
{
	struct dir_new new_inode = { .mode = S_IFLNK | 0777,
				     .symlink = target };

	create(req, "symlink", parent, name, &new_inode);
}

/* Open meanwhile, so that it has an atime to move. */
static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char target[PATH_MAX + 1];
	struct op op;
	int err;

	if (!op_begin(&op, req, "readlink", ino))
		return;
	err = inode_open(op.front->fs, op.inode, false);
	if (err) {
		op_end(&op, err);
		return;
	}
	err = dir_readlink(op.request, op.inode, target, sizeof(target));
	if (err < 0) {
		op_end(&op, err);
	} else {
		fuse_reply_readlink(req, target);
		op_finish(&op);
	}
	inode_close(op.front->fs, op.inode, false);
}

/* The reply is one more lookup of the inode. */
static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent,
		    const char *name)
{
	struct inode *inode;
	struct inode *dir;
	struct op op;
	int err;

	if (!op_begin(&op, req, "link", ino))
		return;
	err = inode_look(op.front->fs, ino, &inode);
	if (err) {
		op_end(&op, err);
		return;
	}
	dir = inode_of(op.front->fs, parent);
	err = dir ? dir_link(op.request, inode, dir, name) : -ESTALE;
	if (!err) {
		op_end_entry(&op, inode);
		return;
	}
	op_end(&op, err);
	inode_forget(op.front->fs, inode, 1);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct op op;

	if (op_begin(&op, req, "unlink", parent))
		op_end(&op, dir_unlink(op.request, op.inode, name));
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct op op;

	if (op_begin(&op, req, "rmdir", parent))
		op_end(&op, dir_rmdir(op.request, op.inode, name));
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		      fuse_ino_t to_parent, const char *to_name,
		      unsigned int flags)
{
	const struct dir_new whiteout = { .mode = S_IFCHR,
					  .uid = fuse_req_ctx(req)->uid,
					  .gid = fuse_req_ctx(req)->gid };
	struct inode *to;
	struct op op;

	if (!op_begin(&op, req, "rename", parent))
		return;
	to = inode_of(op.front->fs, to_parent);
	op_end(&op, to ? dir_rename_white(op.request, op.inode, name, to,
					  to_name, flags, &whiteout)
		       : -ESTALE);
}

void ops_name_install(struct fuse_lowlevel_ops *ops)
{
	ops->lookup = op_lookup;
	ops->forget = op_forget;
	ops->forget_multi = op_forget_multi;
	ops->mknod = op_mknod;
	ops->mkdir = op_mkdir;
	ops->symlink = op_symlink;
	ops->readlink = op_readlink;
	ops->link = op_link;
	ops->unlink = op_unlink;
	ops->rmdir = op_rmdir;
	ops->rename = op_rename;
}
