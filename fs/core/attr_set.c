/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/attr.h"
#include "core/attr_flags.h"

#include "core/file.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/lease.h"
#include "core/request.h"
#include "core/xattr.h"
#include "core/xattr_acl.h"
#include "journal/journal.h"
#include "util/clock.h"

#include <errno.h>

#define SETS_ATIME (ATTR_ATIME | ATTR_ATIME_NOW)
#define SETS_MTIME (ATTR_MTIME | ATTR_MTIME_NOW)
#define SETS_TIMES (SETS_ATIME | SETS_MTIME)

static bool times_valid(const struct stat *attr, unsigned mask)
{
	if (mask & ATTR_ATIME && attr->st_atim.tv_nsec >= NS_PER_S)
		return false;
	if (mask & ATTR_MTIME && attr->st_mtim.tv_nsec >= NS_PER_S)
		return false;
	return !(mask & ATTR_CTIME && attr->st_ctim.tv_nsec >= NS_PER_S);
}

/* What lagged is overruled by an explicit time. inode.lock exclusive. */
static void forget_lazy(struct inode *inode, unsigned mask)
{
	struct inode_active *active = atomic_load(&inode->active);
	unsigned lazy = 0;

	if (!active)
		return;
	if (mask & SETS_ATIME)
		lazy |= LAZY_ATIME;
	if (mask & SETS_MTIME)
		lazy |= LAZY_MTIME;
	atomic_fetch_and(&active->lazy, ~lazy);
}

static void set_owner(inode_media *copy, const struct stat *attr, unsigned mask)
{
	if (mask & ATTR_UID)
		copy->uid = attr->st_uid;
	if (mask & ATTR_GID)
		copy->gid = attr->st_gid;
}

static void set_mode(inode_media *copy, const struct stat *attr, unsigned mask)
{
	bool kill = mask & (ATTR_UID | ATTR_GID | ATTR_KILL_SUIDGID);

	if (mask & ATTR_MODE) {
		copy->mode = (copy->mode & S_IFMT) | (attr->st_mode & 07777);
	} else if (kill && !S_ISDIR(copy->mode)) {
		copy->mode &= ~(uint32_t)S_ISUID;
		if (copy->mode & S_IXGRP || mask & ATTR_KILL_SGID)
			copy->mode &= ~(uint32_t)S_ISGID;
	}
}

static void set_times(inode_media *copy, const struct stat *attr, unsigned mask)
{
	unsigned now = ATTR_CTIME;

	if (mask & ATTR_ATIME_NOW)
		now |= ATTR_ATIME;
	if (mask & ATTR_MTIME_NOW)
		now |= ATTR_MTIME;
	attr_stamp(copy, now);
	if (mask & ATTR_ATIME) {
		copy->atime_s = attr->st_atim.tv_sec;
		copy->atime_ns = (uint32_t)attr->st_atim.tv_nsec;
	}
	if (mask & ATTR_MTIME) {
		copy->mtime_s = attr->st_mtim.tv_sec;
		copy->mtime_ns = (uint32_t)attr->st_mtim.tv_nsec;
	}
	if (mask & ATTR_CTIME) {
		copy->ctime_s = attr->st_ctim.tv_sec;
		copy->ctime_ns = (uint32_t)attr->st_ctim.tv_nsec;
	}
}

static int change(struct fs *fs, struct inode *inode, const struct stat *attr,
		  unsigned mask)
{
	struct txn *txn = txn_begin(fs->journal);
	inode_media *copy = inode_edit(txn, inode);
	int err;

	attr_settle(inode, copy);
	set_owner(copy, attr, mask);
	set_mode(copy, attr, mask);
	err = mask & ATTR_MODE ? xattr_acl_chmod(fs, txn, inode, copy->mode)
			       : 0;
	set_times(copy, attr, mask);
	if (err) {
		txn_abort(txn);
		return err;
	}
	err = txn_commit(txn);
	if (!err)
		forget_lazy(inode, mask);
	return err;
}

/* utimes(path, NULL) is a touch: so may who may write. */
static int allowed(const struct inode *inode, unsigned mask)
{
	const unsigned touch = ATTR_ATIME_NOW | ATTR_MTIME_NOW;

	if (mask & (ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_SIZE | ATTR_ATIME |
		    ATTR_MTIME))
		return attr_flags_may_change(inode);
	if ((mask & touch) == touch)
		return attr_flags_may_append(inode);
	return mask & touch ? attr_flags_may_change(inode) : 0;
}

static int set_size(struct request *request, struct inode *inode, off_t size)
{
	if (S_ISDIR(inode->media->mode))
		return -EISDIR;
	if (!S_ISREG(inode->media->mode) || size < 0)
		return -EINVAL;
	if (size > FILE_BYTES_MAX)
		return -EFBIG;
	return file_truncate_locked(request, inode, (uint64_t)size);
}

int attr_set(struct request *request, struct inode *inode,
	     const struct stat *attr, unsigned mask, struct stat *out)
{
	struct fs *fs = request->fs;
	int err;

	if (fs->options.read_only)
		return -EROFS;
	if (!times_valid(attr, mask))
		return -EINVAL;
	pthread_rwlock_wrlock(&inode->lock);
	/* What was stored before is older than the time that is set now. */
	lease_gather_mtime(fs, inode);
	err = allowed(inode, mask);
	if (!err && mask & (ATTR_UID | ATTR_GID | ATTR_SIZE) &&
	    !S_ISDIR(inode->media->mode))
		err = xattr_drop_capability_locked(request, inode);
	if (!err && mask & ATTR_SIZE)
		err = set_size(request, inode, attr->st_size);
	mask &= ~ATTR_SIZE;
	if (!err && mask)
		err = change(fs, inode, attr, mask);
	if (!err && out)
		attr_get_locked(fs, inode, out);
	pthread_rwlock_unlock(&inode->lock);
	return err;
}

/* The mode that a write by that writer leaves. */
static uint32_t mode_after(uint32_t mode, gid_t gid,
			   const struct attr_writer *writer)
{
	if (!writer->unprivileged)
		return mode;
	if (mode & S_ISGID &&
	    (mode & S_IXGRP || !writer->in_group(writer, gid)))
		mode &= ~(uint32_t)S_ISGID;
	return mode & ~(uint32_t)S_ISUID;
}

/* Which of the bits that are to go are still there is looked at once more. */
static int drop_bits(struct fs *fs, struct inode *inode, uint32_t bits)
{
	struct stat attr = { .st_mode = inode->media->mode & ~bits };

	if (attr.st_mode == inode->media->mode)
		return 0;
	return change(fs, inode, &attr, ATTR_MODE);
}

int attr_drop_privileges(struct request *request, struct inode *inode,
			 const struct attr_writer *writer)
{
	struct attr_writer who = *writer;
	struct inode_active *active;
	bool stranger, written;
	uint32_t mode, after;
	gid_t gid;
	int found, err;

	pthread_rwlock_rdlock(&inode->lock);
	active = inode->active;
	mode = inode->media->mode;
	gid = inode->media->gid;
	stranger = writer->asks && writer->unprivileged &&
		   writer->uid != inode->media->uid;
	written = active && atomic_load(&active->writers);
	err = writer->resizes ? attr_flags_may_change(inode)
			      : attr_flags_may_append(inode);
	found = xattr_find_capability_locked(request, inode);
	pthread_rwlock_unlock(&inode->lock);
	if (err || S_ISDIR(mode))
		return err;
	/* chown(2), and not a writer: root's, too, costs the bits. */
	who.unprivileged |= who.asks && !written;
	after = mode_after(mode, gid, &who);
	if (stranger)
		return after == mode || written ? 0 : -EPERM;
	if (found == -ENODATA && after == mode)
		return 0;
	if (request->fs->options.read_only)
		return -EROFS;
	pthread_rwlock_wrlock(&inode->lock);
	err = xattr_drop_capability_locked(request, inode);
	if (!err)
		err = drop_bits(request->fs, inode, mode & ~after);
	pthread_rwlock_unlock(&inode->lock);
	return err;
}
