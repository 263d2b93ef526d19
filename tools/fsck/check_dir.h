/* SPDX-License-Identifier: BSD-3-Clause */
/* check_dir.h -- what one inode has: its extents, entries and attributes */
#ifndef UDAX_FSCK_CHECK_DIR_H
#define UDAX_FSCK_CHECK_DIR_H

#include "fsck.h"

struct inode_found {
	uint64_t blocks;  /* that it owns */
	uint64_t entries; /* of a directory */
	bool target;	  /* of a symbolic link: its block is there */
	bool damaged;	  /* these numbers are not to be believed */
};

/* check_inode.c: everything that it names; every look goes this way. */
void scan_inode(struct fsck *fsck, const inode_media *inode,
		struct inode_found *found);
/* Parts of it, which add to *found. */
void check_dir(struct fsck *fsck, const inode_media *inode,
	       struct inode_found *found);
void check_xattrs(struct fsck *fsck, const inode_media *inode,
		  struct inode_found *found);

#endif
