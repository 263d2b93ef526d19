/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/attr_flags.h"

#include "core/attr.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/request.h"
#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>

#define FIXED ((uint32_t)(FS_IMMUTABLE_FL | FS_APPEND_FL))
#define INHERITED                                                              \
	((uint32_t)(FS_NODUMP_FL | FS_NOATIME_FL | FS_SYNC_FL | FS_DIRSYNC_FL))
#define OF_DIRS ((uint32_t)FS_DIRSYNC_FL)
#define XFLAGS_KEPT ((uint32_t)FS_XFLAG_DAX)

void attr_flags_get(struct inode *inode, struct attr_flags *out)
{
	pthread_rwlock_rdlock(&inode->lock);
	*out = (struct attr_flags){ .flags = inode->media->flags,
				    .xflags = inode->media->xflags };
	pthread_rwlock_unlock(&inode->lock);
}

static int change(struct fs *fs, struct inode *inode,
		  const struct attr_flags *flags)
{
	struct txn *txn = txn_begin(fs->journal);
	inode_media *copy = inode_edit(txn, inode);

	attr_settle(inode, copy);
	copy->flags = flags->flags;
	copy->xflags = flags->xflags;
	attr_stamp(copy, ATTR_CTIME);
	return txn_commit(txn);
}

static int check(const struct inode *inode, const struct attr_flags *flags)
{
	const inode_media *media = inode->media;
	uint32_t changed = flags->flags ^ media->flags;

	if (flags->flags & media->flags & FS_IMMUTABLE_FL &&
	    (changed || flags->xflags != media->xflags))
		return -EPERM;
	if (changed & flags->flags & FIXED &&
	    atomic_load(&inode->lease_writers) > 0)
		return -EBUSY;
	return 0;
}

/* Just before it is flagged. */
static void note_mapped(const struct inode *inode,
			const struct attr_flags *flags)
{
	struct inode_active *active = atomic_load(&inode->active);

	if (flags->flags & ~inode->media->flags & FIXED && active &&
	    active->writers > 0 && entry_table_kernel(&active->entries) > 0)
		atomic_store(&active->lets_stores_in, true);
}

int attr_flags_set(struct request *request, struct inode *inode,
		   const struct attr_flags *flags)
{
	struct fs *fs = request->fs;
	uint32_t mode = inode->media->mode; /* its type does not change */
	int err;

	if (flags->flags & ~(FIXED | INHERITED) ||
	    flags->xflags & ~XFLAGS_KEPT || !(S_ISREG(mode) || S_ISDIR(mode)) ||
	    (flags->flags & OF_DIRS && !S_ISDIR(mode)))
		return -EOPNOTSUPP;
	if (fs->options.read_only)
		return -EROFS;
	pthread_rwlock_wrlock(&inode->lock);
	err = check(inode, flags);
	if (!err)
		note_mapped(inode, flags);
	if (!err)
		err = change(fs, inode, flags);
	pthread_rwlock_unlock(&inode->lock);
	return err;
}

void attr_flags_inherit(inode_media *copy, const inode_media *dir)
{
	if (!S_ISREG(copy->mode) && !S_ISDIR(copy->mode))
		return;
	copy->xflags = dir->xflags & XFLAGS_KEPT;
	copy->flags = dir->flags & INHERITED;
	if (!S_ISDIR(copy->mode))
		copy->flags &= ~OF_DIRS;
}

static int none_of(const struct inode *inode, uint32_t flags)
{
	return inode->media->flags & flags ? -EPERM : 0;
}

int attr_flags_may_change(const struct inode *inode)
{
	return none_of(inode, FIXED);
}

int attr_flags_may_append(const struct inode *inode)
{
	return none_of(inode, FS_IMMUTABLE_FL);
}

int attr_flags_may_write(const struct inode *inode, uint64_t offset,
			 bool cached)
{
	const struct inode_active *active = atomic_load(&inode->active);

	if (cached && active && atomic_load(&active->lets_stores_in))
		return 0;
	return none_of(inode,
		       offset < inode->media->size ? FIXED : FS_IMMUTABLE_FL);
}

int attr_flags_may_add(const struct inode *dir)
{
	return none_of(dir, FS_IMMUTABLE_FL);
}

int attr_flags_may_remove(const struct inode *dir)
{
	return none_of(dir, FIXED);
}

int attr_flags_may_open(struct inode *inode, int flags)
{
	uint32_t against = FIXED;
	int err;

	if ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_TRUNC))
		return 0;
	if (flags & O_APPEND && !(flags & O_TRUNC))
		against = FS_IMMUTABLE_FL;
	pthread_rwlock_rdlock(&inode->lock);
	err = none_of(inode, against);
	pthread_rwlock_unlock(&inode->lock);
	return err;
}
