/* SPDX-License-Identifier: BSD-3-Clause */
/* perform.c -- operations of a script on a mounted filesystem */
#include "crash/live.h"

#include "core/attr.h"
#include "core/dir.h"
#include "core/file.h"
#include "core/fs_private.h"
#include "core/inode.h"
#include "core/xattr.h"
#include "dax/pgmap.h"
#include "journal/journal.h"
#include "util/deadline.h"

#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ paths */

static void begin(struct request *request, const struct op *op)
{
	live_check(
		op,
		request_begin(request, op_name(op->kind), 0, getpid(), false),
		0);
}

static void forget(struct live *live, struct inode *inode)
{
	inode_forget(live->fs, inode, 1);
}

/* With one lookup; within a request. */
static struct inode *find(struct live *live, struct request *request,
			  const struct op *op, const char *path)
{
	char text[OP_PATH_BYTES];
	char *rest = text;
	char *name;
	struct inode *inode;
	uint64_t ino = INO_ROOT;

	if (path[0] == '@')
		ino = live->slot[atoi(path + 1)].inode->ino;
	live_check(op, inode_look(live->fs, ino, &inode), 0);
	if (path[0] == '@')
		return inode;
	snprintf(text, sizeof(text), "%s", path);
	while ((name = strsep(&rest, "/"))) {
		struct inode *next;

		if (!name[0])
			continue;
		live_check(op, dir_lookup(request, inode, name, &next), 0);
		forget(live, inode);
		inode = next;
	}
	return inode;
}

static struct inode *find_parent(struct live *live, struct request *request,
				 const struct op *op, const char *path,
				 const char **name)
{
	const char *slash = strrchr(path, '/');
	char dir[OP_PATH_BYTES];

	*name = slash ? slash + 1 : path;
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 0,
		 path);
	return find(live, request, op, dir);
}

/* ------------------------------------------------------------------ names */

static mode_t mode_of(const struct op *op)
{
	switch (op->kind) {
	case OP_MKDIR:
		return S_IFDIR | op->mode;
	case OP_SYMLINK:
		return S_IFLNK | op->mode;
	case OP_MKNOD:
		return op->mode;
	default:
		return S_IFREG | op->mode;
	}
}

/* What it has from its directory. */
static void learn(struct live *live, struct request *request,
		  struct inode *inode, struct op *op)
{
	ssize_t length = xattr_get(request, inode, "system.posix_acl_access",
				   op->acl, sizeof(op->acl));
	struct stat stat;

	attr_get(live->fs, inode, &stat);
	op->ino = inode->ino;
	op->mode_then = stat.st_mode;
	op->acl_length = length > 0 ? (uint32_t)length : 0;
	op->has_default = xattr_get(request, inode, "system.posix_acl_default",
				    NULL, 0) > 0;
}

static struct inode *make(struct live *live, struct request *request,
			  struct op *op)
{
	char symlink[4096] = "";
	const struct dir_new new_inode = { .mode = mode_of(op),
					   .uid = 1,
					   .gid = 2,
					   .rdev = (dev_t)op->flags,
					   .symlink = symlink };
	struct inode *dir, *inode = NULL;
	const char *name;
	int err;

	memset(symlink, 'a' + (int)(op->version % 26), op->length);
	if (op->kind == OP_TMPFILE) {
		dir = find(live, request, op, op->path);
		err = dir_tmpfile(request, dir, &new_inode, &inode);
	} else {
		dir = find_parent(live, request, op, op->path, &name);
		err = dir_create(request, dir, name, &new_inode, &inode);
	}
	live_check(op, err, 0);
	learn(live, request, inode, op);
	forget(live, dir);
	return inode;
}

static void perform_names(struct live *live, struct request *request,
			  struct op *op)
{
	struct inode *dir, *other = NULL;
	const char *name, *name2;
	int err;

	if (op->kind == OP_LINK) {
		dir = find_parent(live, request, op, op->path2, &name);
		other = find(live, request, op, op->path);
		err = dir_link(request, other, dir, name);
	} else {
		dir = find_parent(live, request, op, op->path, &name);
		if (op->kind == OP_UNLINK) {
			err = dir_unlink(request, dir, name);
		} else if (op->kind == OP_RMDIR) {
			err = dir_rmdir(request, dir, name);
		} else {
			other = find_parent(live, request, op, op->path2,
					    &name2);
			err = dir_rename(request, dir, name, other, name2,
					 (unsigned)op->flags);
		}
	}
	live_check(op, err, 0);
	if (other)
		forget(live, other);
	forget(live, dir);
}

/* ------------------------------------------------------------------ inodes */

static int set_attr(struct request *request, struct inode *inode, struct op *op)
{
	struct stat attr = { 0 };
	unsigned mask;

	switch (op->kind) {
	case OP_CHMOD:
		attr.st_mode = op->mode;
		mask = ATTR_MODE;
		break;
	case OP_CHOWN:
		attr.st_uid = (uid_t)op->offset;
		attr.st_gid = (gid_t)op->offset2;
		mask = ATTR_UID | ATTR_GID;
		break;
	case OP_UTIMES:
		op->mtime = (struct timespec){ .tv_sec = op->version,
					       .tv_nsec = 123456789 };
		attr.st_mtim = op->mtime;
		mask = ATTR_MTIME;
		break;
	default:
		attr.st_size = (off_t)op->length;
		mask = ATTR_SIZE;
		break;
	}
	return attr_set(request, inode, &attr, mask, NULL);
}

static int set_xattr(struct request *request, struct inode *inode,
		     const struct op *op)
{
	unsigned char acl[OP_ACL_BYTES];
	char *value;
	int err;

	if (op->kind == OP_DEFAULT_ACL)
		return xattr_set(request, inode, "system.posix_acl_default",
				 acl, acl_fill(acl), 0);
	if (op->kind == OP_XATTR_REMOVE)
		return xattr_remove(request, inode, op->path2);
	value = malloc(op->length + 1);
	pattern_fill(value, 0, op->version, 0, op->length);
	err = xattr_set(request, inode, op->path2, value, op->length, 0);
	free(value);
	return err;
}

static long write_bytes(struct request *request, struct inode *inode,
			const struct op *op)
{
	char *bytes = malloc(op->length);
	long done;

	pattern_fill(bytes, op->file, op->version, op->offset, op->length);
	done = file_write(request, inode, bytes, op->length, (off_t)op->offset,
			  false);
	free(bytes);
	return done;
}

/* All of it, though it may be answered in parts. */
static void copy_bytes(struct live *live, struct request *request,
		       struct inode *from, const struct op *op)
{
	struct inode *to = find(live, request, op, op->path2);
	uint64_t done = 0;

	while (done < op->length) {
		ssize_t n = file_copy(request, from, (off_t)(op->offset + done),
				      to, (off_t)(op->offset2 + done),
				      op->length - done, false);

		if (n <= 0)
			live_check(op, n, (long)(op->length - done));
		done += (uint64_t)n;
	}
	forget(live, to);
}

static int fill_up(struct live *live, struct request *request,
		   struct inode *inode, const struct op *op)
{
	struct statvfs stat;
	uint64_t left;
	int err = fs_statvfs(live->fs, &stat);

	if (err)
		return err;
	left = op->length / BLOCK_BYTES;
	return file_fallocate(request, inode, FALLOC_FL_KEEP_SIZE, 0,
			      (off_t)((stat.f_bavail - left) * BLOCK_BYTES));
}

static void sync_file(struct live *live, struct request *request,
		      struct inode *inode, struct op *op)
{
	struct stat stat;

	live_check(op, file_fsync(request, inode), 0);
	attr_get(live->fs, inode, &stat);
	op->mtime = stat.st_mtim;
}

static void perform_inode(struct live *live, struct request *request,
			  struct op *op)
{
	struct inode *inode = find(live, request, op, op->path);

	switch (op->kind) {
	case OP_XATTR_SET:
	case OP_XATTR_REMOVE:
	case OP_DEFAULT_ACL:
		live_check(op, set_xattr(request, inode, op), 0);
		break;
	case OP_WRITE:
		live_check(op, write_bytes(request, inode, op),
			   (long)op->length);
		break;
	case OP_FALLOCATE:
		live_check(op,
			   file_fallocate(request, inode, op->flags,
					  (off_t)op->offset, (off_t)op->length),
			   0);
		break;
	case OP_COPY:
		copy_bytes(live, request, inode, op);
		break;
	case OP_FILL:
		live_check(op, fill_up(live, request, inode, op), 0);
		break;
	case OP_FSYNC:
		sync_file(live, request, inode, op);
		break;
	default:
		live_check(op, set_attr(request, inode, op), 0);
		break;
	}
	forget(live, inode);
}

/* ------------------------------------------------------------------- slots */

static void hold(struct live *live, struct inode *inode, const struct op *op)
{
	live_check(op, inode_open(live->fs, inode, true), 0);
	live->slot[op->slot].inode = inode;
}

static void let_go(struct live *live, struct live_slot *slot)
{
	if (!slot->inode)
		return;
	live_lease_end(live, slot);
	inode_close(live->fs, slot->inode, true);
	forget(live, slot->inode);
	slot->inode = NULL;
}

/* --------------------------------------------------------- the filesystem */

static void take_away(struct live *live, const struct op *op)
{
	unsigned index = (unsigned)op->flags;
	struct pgmap *pgmap = live->fs->pgmaps[index];

	live_check(op, pgmap_kill(pgmap), 0);
	live_check(op, pgmap_wait_idle(pgmap, deadline_in(1000)), 0);
	if (op->kind == OP_CANCEL) {
		live_check(op, pgmap_resurrect(pgmap), 0);
		return;
	}
	live_check(op, fs_retire_device(live->fs, index), 0);
	fs_close_device(live->fs, index);
}

static void perform_mount(struct live *live, const struct op *op)
{
	const struct fs_options options = { .dax = DAX_ALWAYS };
	char why[256];
	unsigned i;
	int err;

	if (op->kind == OP_MOUNT) {
		err = fs_mount(&live->fs, live->paths, live->devices, &options,
			       why, sizeof(why));
		if (err)
			fprintf(stderr, "crash: mount: %s\n", why);
		live_check(op, err, 0);
		return;
	}
	for (i = 0; i < OP_SLOTS; i++)
		let_go(live, &live->slot[i]);
	live_request_done();
	fs_unmount(live->fs);
	live->fs = NULL;
}

void op_perform(struct live *live, struct op *op)
{
	struct request *request;

	if (op->kind == OP_MOUNT || op->kind == OP_UNMOUNT) {
		perform_mount(live, op);
		return;
	}
	request = live_request(live);
	switch (op->kind) {
	case OP_CHECKPOINT:
		live_check(op, journal_checkpoint(live->fs->journal), 0);
		return;
	case OP_REMOVE:
	case OP_CANCEL:
		take_away(live, op);
		return;
	case OP_CLOSE:
		let_go(live, &live->slot[op->slot]);
		return;
	case OP_LEASE:
	case OP_LEASE_STORE:
	case OP_LEASE_PERSIST:
	case OP_LEASE_WRITE:
	case OP_LEASE_SYNC:
	case OP_LEASE_RETURN:
		live_lease(live, request, op);
		return;
	default:
		break;
	}
	begin(request, op);
	switch (op->kind) {
	case OP_CREATE:
	case OP_MKDIR:
	case OP_SYMLINK:
	case OP_MKNOD:
		forget(live, make(live, request, op));
		break;
	case OP_TMPFILE:
		hold(live, make(live, request, op), op);
		break;
	case OP_OPEN:
		hold(live, find(live, request, op, op->path), op);
		break;
	case OP_LINK:
	case OP_UNLINK:
	case OP_RMDIR:
	case OP_RENAME:
		perform_names(live, request, op);
		break;
	default:
		perform_inode(live, request, op);
		break;
	}
	request_end(request);
}
