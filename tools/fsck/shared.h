/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shared.h -- blocks with several owners: inode 2's word against the extents'
 *
 * Memory: 4 bytes a shared block.
 */
#ifndef UDAX_FSCK_SHARED_H
#define UDAX_FSCK_SHARED_H

#include "blocks.h"
#include "fsck.h"

static inline bool shares(const struct fsck *fsck)
{
	return fsck->sb->ro_compat & SUPERBLOCK_SHARED;
}

/* Inode 2's tree: its runs are claimed. Answers its blocks. Before any file's
 * extents; both looks. */
uint64_t check_shared(struct fsck *fsck, const inode_media *inode,
		      bool *damaged);
/* An extent that is flagged: one owner more for what is in a run, a claim as
 * any for the rest. */
enum claim shared_claim(struct fsck *fsck, uint64_t addr, uint64_t blocks,
			uint64_t ino);
/* After all extents: what has more owners than inode 2 says, or fewer. */
void shared_report(struct fsck *fsck);
void shared_close(struct fsck *fsck);

#endif
