/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mend.h -- the steps of a round, by what the checks noted at the inodes
 *
 * Each step of one inode is one transaction, after the stores that it is to
 * make visible. A step that fails (-ENOSPC) leaves its inode as it was.
 * Errors: -EIO, -ENOMEM end the mending; -ENOSPC is told as a note.
 */
#ifndef UDAX_FSCK_MEND_H
#define UDAX_FSCK_MEND_H

#include "build.h"
#include "fsck.h"

/* After the checks of a round. True: something was done, check again. */
bool mend_round(struct fsck *fsck);

/* A slot that nobody has, and whose next owner is told from the last one. */
void mend_empty(struct fsck *fsck, uint64_t ino, inode_media *out);
/* Taken by an empty directory below the root, or by the root itself. */
void mend_empty_directory(struct fsck *fsck, uint64_t ino, uint32_t permissions,
			  inode_media *out);
/* blocks, and a directory's size, of what the copy has. */
void mend_recount(struct fsck *fsck, inode_media *out);

/* mend_file.c: its extents anew, for blocks that it may keep. */
int mend_extents(struct fsck *fsck, const inode_media *inode, inode_media *out)
	__attribute__((warn_unused_result));
/* The inode file's, from the chunks that were found. */
int mend_inode_file(struct fsck *fsck) __attribute__((warn_unused_result));

/* mend_pending.c: zero what a freeing that was cut short has left of the blocks
 * at its ends. */
int mend_pending_edges(struct fsck *fsck, const inode_media *inode)
	__attribute__((warn_unused_result));

/* mend_dir.c */
int mend_entries(struct fsck *fsck, const inode_media *inode, inode_media *out)
	__attribute__((warn_unused_result));
/* A name that is to be there, too. */
struct new_entry {
	uint64_t ino;
	uint64_t key; /* out */
	uint8_t type; /* DT_* */
	char name[64];
};
int mend_add_entries(struct fsck *fsck, const inode_media *dir,
		     struct new_entry *entries, size_t count, inode_media *out)
	__attribute__((warn_unused_result));
/* Its directories may be placed again: what was built is given up. */
void mend_unplace(struct fsck *fsck, uint64_t dir);
/* The key of ino's entry in dir, 0: none. */
uint64_t mend_find_entry(struct fsck *fsck, uint64_t dir, uint64_t ino);

/* mend_xattr.c */
int mend_xattrs(struct fsck *fsck, const inode_media *inode, inode_media *out)
	__attribute__((warn_unused_result));

/* mend_names.c: what MEND_NAMES asks for. -EAGAIN: the next round can. */
int mend_names(struct fsck *fsck) __attribute__((warn_unused_result));

#endif
