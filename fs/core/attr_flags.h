/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * attr_flags.h -- inode flags (ioctl_iflags(2), FS_IOC_FSSETXATTR)
 *
 * FS_IMMUTABLE_FL and FS_APPEND_FL are held to here, because the kernel does
 * not know of them: by every operation, under the inode's lock, for everybody.
 * (Who may set them it has checked.) FS_NOATIME_FL: reads move no atime.
 * FS_SYNC_FL and FS_DIRSYNC_FL are true of every file, FS_NODUMP_FL is for
 * others. FS_XFLAG_DAX says under dax=inode that a file's opens bypass the page
 * cache. A new file or directory has its directory's flags but for the first
 * two. All others are refused: -EOPNOTSUPP.
 */
#ifndef UDAX_CORE_ATTR_FLAGS_H
#define UDAX_CORE_ATTR_FLAGS_H

#include "media/inode.h"

#include <stdbool.h>
#include <stdint.h>

struct inode;
struct request;

struct attr_flags {
	uint32_t flags;	 /* FS_*_FL */
	uint32_t xflags; /* FS_XFLAG_* that flags have no word for */
};

void attr_flags_get(struct inode *inode, struct attr_flags *out);
/* All of them; regular files and directories. -EPERM: it is and stays
 * immutable, and others would change; -EBUSY: it is stored to unseen, through
 * leases. */
int attr_flags_set(struct request *request, struct inode *inode,
		   const struct attr_flags *flags)
	__attribute__((warn_unused_result));
/* What a new inode has from its directory. */
void attr_flags_inherit(inode_media *copy, const inode_media *dir);

/*
 * May it, as it is flagged? 0 or -EPERM; the lock of the inode held in any
 * mode, but for opening, which takes it.
 */
/* Its mode, owner, times, attributes change; it gets or loses a name; it loses
 * bytes. */
int attr_flags_may_change(const struct inode *inode)
	__attribute__((warn_unused_result));
/* Blocks come behind the others; the times become now. */
int attr_flags_may_append(const struct inode *inode)
	__attribute__((warn_unused_result));
/* Bytes from offset on are stored to. cached: have been, in a page that the
 * kernel writes back, which knows of no flags: that counts if the page may be
 * older than the flag. */
int attr_flags_may_write(const struct inode *inode, uint64_t offset,
			 bool cached) __attribute__((warn_unused_result));
/* A directory gets a name, loses one. */
int attr_flags_may_add(const struct inode *dir)
	__attribute__((warn_unused_result));
int attr_flags_may_remove(const struct inode *dir)
	__attribute__((warn_unused_result));
/* open(2)'s flags. */
int attr_flags_may_open(struct inode *inode, int flags)
	__attribute__((warn_unused_result));

#endif
