/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * attr_flags.h -- inode flags (ioctl_iflags(2), FS_IOC_FSSETXATTR)
 *
 * Kept: FS_NODUMP_FL, and FS_XFLAG_DAX, which under dax=inode says that a
 * file's opens bypass the page cache. A new file or directory has its
 * directory's FS_XFLAG_DAX. Flags that the kernel would have to enforce, or
 * that change what is on the device, are refused: -EOPNOTSUPP.
 */
#ifndef UDAX_CORE_ATTR_FLAGS_H
#define UDAX_CORE_ATTR_FLAGS_H

#include "media/inode.h"

#include <stdint.h>

struct inode;
struct request;

struct attr_flags {
	uint32_t flags;	 /* FS_*_FL */
	uint32_t xflags; /* FS_XFLAG_* that flags have no word for */
};

void attr_flags_get(struct inode *inode, struct attr_flags *out);
/* All of them; regular files and directories. */
int attr_flags_set(struct request *request, struct inode *inode,
		   const struct attr_flags *flags)
	__attribute__((warn_unused_result));
/* What a new inode has from its directory. */
void attr_flags_inherit(inode_media *copy, const inode_media *dir);

#endif
