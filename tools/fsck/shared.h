/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shared.h -- blocks with several owners: inode 2's word against the extents'
 *
 * The extents that are flagged are the truth; inode 2's tree only counts them,
 * so it can be made anew from them, nothing lost.
 *
 * Memory: 16 bytes a flagged extent, and as much a run of equal owners.
 */
#ifndef UDAX_FSCK_SHARED_H
#define UDAX_FSCK_SHARED_H

#include "blocks.h"
#include "fsck.h"

static inline bool shares(const struct fsck *fsck)
{
	return fsck->sb->ro_compat & SUPERBLOCK_SHARED;
}

/* Inode 2 itself, its tree and what that says; both looks. */
void shared_open(struct fsck *fsck);
/* An extent that is flagged. */
enum claim shared_claim(struct fsck *fsck, uint64_t addr, uint64_t blocks,
			uint64_t ino);
/* After all extents: what has more owners than inode 2 says, or fewer. */
void shared_report(struct fsck *fsck);
/* MEND_SHARED: inode 2 as the extents have it. */
int shared_mend(struct fsck *fsck) __attribute__((warn_unused_result));
void shared_close(struct fsck *fsck);

#endif
