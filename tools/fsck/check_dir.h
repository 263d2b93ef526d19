/* SPDX-License-Identifier: BSD-3-Clause */
/* check_dir.h -- one directory's or one inode's named things */
#ifndef UDAX_FSCK_CHECK_DIR_H
#define UDAX_FSCK_CHECK_DIR_H

#include "fsck.h"

/* Blocks it owns; *damaged is set when the count cannot be believed. */
uint64_t check_dir(struct fsck *fsck, const inode_media *inode, bool *damaged);
uint64_t check_xattrs(struct fsck *fsck, const inode_media *inode,
		      bool *damaged);

#endif
