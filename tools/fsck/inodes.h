/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inodes.h -- where each inode stands, by the inode file's extents
 *
 * Answers only what may be read: a slot whose block was claimed for the inode
 * file, a node that has passed its check.
 */
#ifndef UDAX_FSCK_INODES_H
#define UDAX_FSCK_INODES_H

#include "fsck.h"

/* Read the inode file's own inode and tree. -EUCLEAN: nothing to go on. */
int inodes_open(struct fsck *fsck) __attribute__((warn_unused_result));
/* The second look, at the inode file's own blocks. */
void inodes_look_again(struct fsck *fsck);
void inodes_close(struct fsck *fsck);

/* Slots in use, the inode file's and that of shared blocks, too. */
uint64_t inodes_in_use(const struct fsck *fsck);

/* Where it stands; ADDR_NONE: its chunk is lost. ino < inode_file.inodes. */
uint64_t inodes_addr(const struct fsck *fsck, uint64_t ino);
/* What was saved of it, or as it stands on the media, sound or not. */
const inode_media *inodes_slot(const struct fsck *fsck, uint64_t ino);
/* One in use that has passed its check, or NULL. */
const inode_media *inodes_find(const struct fsck *fsck, uint64_t ino);

/* The entry at that very key of a directory; NULL: none, or damage. */
const dirent_media *inodes_entry(const struct fsck *fsck,
				 const inode_media *dir, uint64_t key);

#endif
