/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ops_open.c -- files opened and closed
 *
 * An open of a file carries in its handle what it may do (OP_FH_*): RELEASE
 * comes after the last munmap, and what it gives back is what was taken.
 */
#include "core/attr.h"
#include "core/attr_flags.h"
#include "core/dir.h"
#include "dax/entry_table.h"
#include "fuse/op.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>

static bool opened_to_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

static uint64_t handle_of(int flags)
{
	uint64_t handle = opened_to_write(flags) ? OP_FH_WRITE : 0;

	/* Mode 3 (ioctls only) counts as a writer and may do neither. */
	if ((flags & O_ACCMODE) == O_RDONLY || (flags & O_ACCMODE) == O_RDWR)
		handle |= OP_FH_READ;
	return handle;
}

/*
 * R4: zero entries serve only while nobody may store, since a later store into
 * such a page would reach no handler and its writeback find no block. A
 * writable open therefore has the kernel drop the inode's pages, which it does
 * at every open that does not say KEEP_CACHE, after our reply and before open
 * returns. Nothing slips between: inode_open() made this a writer under the
 * inode's lock, so that fills before it have left their zero entries for us to
 * see, and fills after it insert real ones; and a fill whose reply is still on
 * its way holds its page's lock, for which the kernel's dropping waits. Zero
 * entries that remain from then say no more than "maybe cached" and cost the
 * next writable open its cache. With blocks that other files have, too, it is
 * the same: a store must find one of the file's own.
 *
 * Nor are pages kept of an inode without such entries: what the kernel has
 * cached since the last close is accounted for by nobody, and must not be found
 * by a program whose device may go. Entries say that a fill came after such an
 * open, so that what is cached is theirs.
 *
 * Otherwise pages are kept: they are coherent with direct reads and writes,
 * and other opens have them mapped.
 */
static bool keeps_cache(struct inode *inode, bool writer)
{
	struct inode_active *active = inode->active;

	if (entry_table_kernel(&active->entries) == 0)
		return false;
	if (!writer)
		return true;
	return entry_table_kernel_zeros(&active->entries) == 0 &&
	       !atomic_load(&active->shows_shared);
}

static bool bypasses_cache(struct front *front, struct inode *inode)
{
	switch (front->dax) {
	case DAX_ALWAYS:
		return true;
	case DAX_INODE:
		return inode->media->xflags & FS_XFLAG_DAX;
	default:
		return false;
	}
}

/* The rest of the reply. Each close would be a FLUSH, with nothing to do. */
static void describe(struct op *op, struct inode *inode,
		     struct fuse_file_info *file)
{
	bool writer = opened_to_write(file->flags);

	file->fh = handle_of(file->flags);
	file->direct_io = bypasses_cache(op->front, inode);
	file->keep_cache = keeps_cache(inode, writer);
	file->noflush = 1;
	if (file->direct_io)
		session_parallel_writes(file);
}

static int truncate_at_open(struct op *op)
{
	const struct fuse_open_in *in = (const void *)(session_message() + 1);
	const struct stat attr = { .st_size = 0 };
	bool kill = in->open_flags & FUSE_OPEN_KILL_SUIDGID;
	int err = op_drop_privileges(op, kill);

	return err ? err
		   : attr_set(op->request, op->inode, &attr, ATTR_SIZE, NULL);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	const struct op_wait wait = { .kind = PARK_CHANGE };
	bool writer = opened_to_write(file->flags);
	struct fs *fs;
	struct op op;
	int err;

	if (!op_begin(&op, req, "open", ino))
		return;
	fs = op.front->fs;
	if (fs->options.read_only && (writer || (file->flags & O_TRUNC))) {
		op_end(&op, -EROFS);
		return;
	}
	err = attr_flags_may_open(op.inode, file->flags);
	if (!err)
		err = inode_open(fs, op.inode, writer);
	if (err) {
		op_end(&op, err);
		return;
	}
	if (file->flags & O_TRUNC)
		err = truncate_at_open(&op);
	if (err == -EBUSY) {
		inode_close(fs, op.inode, writer);
		if (op_park(&op, err, &wait))
			return;
	}
	if (!err)
		err = request_verdict(op.request);
	if (!err) {
		describe(&op, op.inode, file);
		/* The connection has ended: no release will come. */
		err = fuse_reply_open(req, file);
		op_finish(&op);
	} else {
		op_end(&op, err);
	}
	if (err)
		inode_close(fs, op.inode, writer);
}

/* TMPFILE comes as CREATE, too. */
static int make(struct op *op, const char *name, mode_t mode,
		struct inode **out)
{
	const struct fuse_ctx *caller = fuse_req_ctx(op->req);
	const struct dir_new new_inode = { .mode = (mode & ~S_IFMT) | S_IFREG,
					   .uid = caller->uid,
					   .gid = caller->gid,
					   .umask = caller->umask };

	if (session_opcode() == FUSE_TMPFILE)
		return dir_tmpfile(op->request, op->inode, &new_inode, out);
	return dir_create(op->request, op->inode, name, &new_inode, out);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		      mode_t mode, struct fuse_file_info *file)
{
	bool writer = opened_to_write(file->flags);
	struct fuse_entry_param entry;
	struct inode *inode;
	struct fs *fs;
	struct op op;
	int err;

	if (!op_begin(&op, req, "create", parent))
		return;
	fs = op.front->fs;
	err = make(&op, name, mode, &inode);
	if (err) {
		op_end(&op, err);
		return;
	}
	err = inode_open(fs, inode, writer);
	if (err) {
		op_end(&op, err);
		inode_forget(fs, inode, 1);
		return;
	}
	err = request_verdict(op.request);
	if (!err) {
		op_entry_param(&op, inode, &entry);
		describe(&op, inode, file);
		err = fuse_reply_create(req, &entry, file);
		op_finish(&op);
	} else {
		op_end(&op, err);
	}
	if (err) {
		inode_close(fs, inode, writer);
		inode_forget(fs, inode, 1);
	}
}

/* Also on a dead filesystem, or nothing would ever let go of it. */
static void op_release(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *file)
{
	struct op op;

	op_begin_ungated(&op, req, "release", ino);
	if (op.inode)
		inode_close(op.front->fs, op.inode, file->fh & OP_FH_WRITE);
	fuse_reply_err(req, 0);
	op_finish(&op);
}

void ops_open_install(struct fuse_lowlevel_ops *ops)
{
	ops->open = op_open;
	ops->create = op_create;
	ops->release = op_release;
}
