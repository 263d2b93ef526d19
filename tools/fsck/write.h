/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * write.h -- how a filesystem is written to while it is mended
 *
 * As a mount does it: the first write erases CLEAN on all members and begins a
 * new generation, so that no older record counts; then changes go through a
 * journal. Space is what nobody claims and no damage names; what is taken or
 * becomes free during a round is not given away again before the next one,
 * which begins with an empty log. So replaying never meets a block that has
 * changed hands.
 *
 * Errors: -EIO a device failed, -ENOSPC, -ENOMEM.
 */
#ifndef UDAX_FSCK_WRITE_H
#define UDAX_FSCK_WRITE_H

#include "fsck.h"

/* Once; superblocks of all members agree then. */
int write_begin(struct fsck *fsck) __attribute__((warn_unused_result));
/* Around the steps of a round, with the maps of its checks. */
int write_round_begin(struct fsck *fsck) __attribute__((warn_unused_result));
int write_round_end(struct fsck *fsck) __attribute__((warn_unused_result));
/* All is sound: free maps, then CLEAN, on the metadata device last. */
int write_clean(struct fsck *fsck) __attribute__((warn_unused_result));
void write_fini(struct fsck *fsck);

/* One run, at most this long; it is used from now on. */
int write_take(struct fsck *fsck, unsigned device, uint64_t blocks,
	       uint64_t *addr, uint64_t *got)
	__attribute__((warn_unused_result));
/* The same, but that many blocks stay free. */
int write_take_spared(struct fsck *fsck, unsigned device, uint64_t blocks,
		      uint64_t spared, uint64_t *addr, uint64_t *got)
	__attribute__((warn_unused_result));
/* All of it in one run. */
int write_take_whole(struct fsck *fsck, unsigned device, uint64_t blocks,
		     uint64_t *addr) __attribute__((warn_unused_result));

/*
 * A step's transaction: the copy of a slot, begun as `as`, sealed when it is
 * committed.
 */
inode_media *write_slot(struct fsck *fsck, struct txn *txn, uint64_t ino,
			const inode_media *as);

#endif
