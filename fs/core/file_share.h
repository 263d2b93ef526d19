/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_share.h -- reflink: blocks of one file become another one's, too
 *
 * Private to file_copy.c. A chain of transactions: each gives the destination
 * the blocks of a first part of the range, takes the ones it had, and counts
 * owners; a crash leaves a part. The source's entries stay.
 *
 * Not shared, but copied by the caller, is a source page that somebody may
 * store to unseen, because that store would have to find a block of the file's
 * own and nobody could say ENOSPC to it (R4): a page that the kernel has, of a
 * file that is open for writing; a page that is leased or pinned. So a lease of
 * the source is never in the way and never taken back.
 *
 * Locking: both inodes' locks, exclusive.
 */
#ifndef UDAX_CORE_FILE_SHARE_H
#define UDAX_CORE_FILE_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct inode;
struct request;

struct share {
	struct request *request;
	struct inode *source;
	struct inode *target; /* may be the same: then the ranges are apart */
	uint64_t source_block;
	uint64_t target_block;
	uint64_t blocks;
	uint64_t end; /* bytes: the target's new EOF, if it grows to there */
	bool kill_suidgid;
};

/*
 * How many blocks from the first on are shared now; 0: they are to be copied.
 * -EBUSY: of the target; those of file_change.h.
 */
int64_t file_share_locked(const struct share *share)
	__attribute__((warn_unused_result));

#endif
