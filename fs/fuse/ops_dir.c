/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ops_dir.c -- directories read
 *
 * A listing is written as it goes over the wire. core calls us for each entry
 * under the directory's lock, in which no other inode's may be taken; so with
 * READDIRPLUS the first pass takes the lookups and the second, without any
 * lock, fills in the attributes.
 */
#include "core/attr.h"
#include "core/dir.h"
#include "fuse/op.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct listing {
	struct fs *fs;
	unsigned char *bytes;
	size_t used;
	size_t room;
	bool plus;
};

static size_t head_bytes(const struct listing *listing)
{
	return listing->plus ? sizeof(struct fuse_entry_out) : 0;
}

static bool is_dot(const char *name, size_t length)
{
	return name[0] == '.' &&
	       (length == 1 || (length == 2 && name[1] == '.'));
}

static int list_one(const char *name, size_t name_length, uint64_t ino,
		    unsigned int type, uint64_t cookie, void *arg)
{
	struct listing *listing = arg;
	size_t length = head_bytes(listing) +
			FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + name_length);
	unsigned char *at = listing->bytes + listing->used;
	struct fuse_entry_out *entry = (struct fuse_entry_out *)at;
	struct fuse_dirent *dirent =
		(struct fuse_dirent *)(at + head_bytes(listing));
	struct inode *inode;

	if (length > listing->room - listing->used)
		return 1;
	memset(at, 0, length);
	dirent->ino = ino;
	dirent->off = cookie;
	dirent->namelen = (uint32_t)name_length;
	dirent->type = type;
	memcpy(dirent->name, name, name_length);
	/* Without a node the kernel takes the name and asks when it must. */
	if (listing->plus && !is_dot(name, name_length) &&
	    inode_look(listing->fs, ino, &inode) == 0)
		entry->nodeid = ino;
	listing->used += length;
	return 0;
}

typedef void entry_visit(struct fs *fs, struct fuse_entry_out *entry,
			 struct inode *inode);

/* Every entry that has taken a lookup. */
static void for_each_looked(struct listing *listing, entry_visit *visit)
{
	size_t at = 0;

	while (listing->plus && at < listing->used) {
		struct fuse_direntplus *plus =
			(struct fuse_direntplus *)(listing->bytes + at);

		if (plus->entry_out.nodeid)
			visit(listing->fs, &plus->entry_out,
			      inode_of(listing->fs, plus->entry_out.nodeid));
		at += FUSE_DIRENTPLUS_SIZE(plus);
	}
}

static void describe(struct fs *fs, struct fuse_entry_out *entry,
		     struct inode *inode)
{
	struct stat attr;

	attr_get(fs, inode, &attr);
	entry->generation = inode->media->generation;
	entry->entry_valid = (uint64_t)FRONT_TIMEOUT_S;
	entry->attr_valid = (uint64_t)front_attr_timeout(inode, &attr);
	entry->attr = (struct fuse_attr){
		.ino = attr.st_ino,
		.size = (uint64_t)attr.st_size,
		.blocks = (uint64_t)attr.st_blocks,
		.atime = (uint64_t)attr.st_atim.tv_sec,
		.mtime = (uint64_t)attr.st_mtim.tv_sec,
		.ctime = (uint64_t)attr.st_ctim.tv_sec,
		.atimensec = (uint32_t)attr.st_atim.tv_nsec,
		.mtimensec = (uint32_t)attr.st_mtim.tv_nsec,
		.ctimensec = (uint32_t)attr.st_ctim.tv_nsec,
		.mode = attr.st_mode,
		.nlink = (uint32_t)attr.st_nlink,
		.uid = attr.st_uid,
		.gid = attr.st_gid,
		.rdev = (uint32_t)attr.st_rdev,
		.blksize = (uint32_t)attr.st_blksize,
	};
}

static void forget(struct fs *fs, struct fuse_entry_out *entry,
		   struct inode *inode)
{
	inode_forget(fs, inode, 1);
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		 bool plus)
{
	struct listing listing = { .room = size, .plus = plus };
	bool taken = false;
	struct op op;
	int err;

	if (!op_begin(&op, req, plus ? "readdirplus" : "readdir", ino))
		return;
	op_read_flags(&op);
	listing.fs = op.front->fs;
	listing.bytes = malloc(size);
	err = -ENOMEM;
	if (listing.bytes)
		err = dir_read(op.request, op.inode, (uint64_t)offset, list_one,
			       &listing);
	/* What was read before the damage is worth having. */
	if (err < 0 && listing.used == 0) {
		op_end(&op, err);
		free(listing.bytes);
		return;
	}
	for_each_looked(&listing, describe);
	if (request_verdict(op.request))
		fuse_reply_err(req, EIO);
	else
		taken = fuse_reply_buf(req, (char *)listing.bytes,
				       listing.used) == 0;
	op_finish(&op);
	if (!taken)
		for_each_looked(&listing, forget);
	free(listing.bytes);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size,
		       off_t offset, struct fuse_file_info *file)
{
	list(req, ino, size, offset, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
			   off_t offset, struct fuse_file_info *file)
{
	list(req, ino, size, offset, true);
}

/* What a directory has while it is open is its atime: cookies say where in it
 * one is, and the kernel's lookup keeps it when it has been removed. */
static void op_opendir(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *file)
{
	struct op op;
	int err;

	if (!op_begin(&op, req, "opendir", ino))
		return;
	err = inode_open(op.front->fs, op.inode, false);
	if (err) {
		op_end(&op, err);
		return;
	}
	/* The connection has ended: no release will come. */
	err = fuse_reply_open(req, file);
	op_finish(&op);
	if (err)
		inode_close(op.front->fs, op.inode, false);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino,
			  struct fuse_file_info *file)
{
	struct op op;

	op_begin_ungated(&op, req, "releasedir", ino);
	if (op.inode)
		inode_close(op.front->fs, op.inode, false);
	fuse_reply_err(req, 0);
	op_finish(&op);
}

/* Names are durable when answered. */
static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
			struct fuse_file_info *file)
{
	struct op op;

	if (op_begin(&op, req, "fsyncdir", ino))
		op_end(&op, attr_sync(op.front->fs, op.inode));
}

void ops_dir_install(struct fuse_lowlevel_ops *ops)
{
	ops->opendir = op_opendir;
	ops->releasedir = op_releasedir;
	ops->fsyncdir = op_fsyncdir;
	ops->readdir = op_readdir;
	ops->readdirplus = op_readdirplus;
}
