/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/attr_flags.h"

#include "core/attr.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/request.h"
#include "journal/journal.h"

#include <errno.h>
#include <linux/fs.h>

#define FLAGS_KEPT ((uint32_t)FS_NODUMP_FL)
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

int attr_flags_set(struct request *request, struct inode *inode,
		   const struct attr_flags *flags)
{
	struct fs *fs = request->fs;
	uint32_t mode = inode->media->mode; /* its type does not change */
	int err;

	if (flags->flags & ~FLAGS_KEPT || flags->xflags & ~XFLAGS_KEPT ||
	    !(S_ISREG(mode) || S_ISDIR(mode)))
		return -EOPNOTSUPP;
	if (fs->options.read_only)
		return -EROFS;
	pthread_rwlock_wrlock(&inode->lock);
	err = change(fs, inode, flags);
	pthread_rwlock_unlock(&inode->lock);
	return err;
}

void attr_flags_inherit(inode_media *copy, const inode_media *dir)
{
	if (S_ISREG(copy->mode) || S_ISDIR(copy->mode))
		copy->xflags = dir->xflags & XFLAGS_KEPT;
}
