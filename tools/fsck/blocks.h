/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blocks.h -- who owns which block: a bit each, and a list of quarrels
 *
 * Who claims first has it, but that metadata, which proves by its checksum
 * that it belongs there, takes its blocks from data. During the second look
 * nothing is claimed: each claim is compared with what is disputed instead. It
 * goes the same way as the first look and so meets the first owner first; data
 * that has lost is noted for mending (MEND_TREE).
 */
#ifndef UDAX_FSCK_BLOCKS_H
#define UDAX_FSCK_BLOCKS_H

#include "fsck.h"

/* Bitmaps of all members present, fixed areas claimed. */
int blocks_init(struct fsck *fsck) __attribute__((warn_unused_result));
void blocks_fini(struct fsck *fsck);

enum claim {
	CLAIM_OK,      /* nobody had them */
	CLAIM_TAKEN,   /* some of them have an owner: noted as a quarrel */
	CLAIM_MISSING, /* on a member that is not here */
	CLAIM_BAD,     /* no such member or beyond its end: reported */
};

enum claim blocks_claim(struct fsck *fsck, uint64_t addr, uint64_t blocks,
			uint64_t ino, enum owner_kind kind);

/*
 * A run of metadata in two steps: where it is, once that may be read, then,
 * when the content has proved to be ino's, the claim. NULL, false: not its
 * own; reported.
 */
const void *blocks_see_metadata(struct fsck *fsck, uint64_t addr,
				uint64_t blocks, uint64_t ino,
				enum owner_kind kind);
bool blocks_claim_metadata(struct fsck *fsck, uint64_t addr, uint64_t blocks,
			   uint64_t ino, enum owner_kind kind);

/* Name both owners of each quarrel. */
void blocks_report(struct fsck *fsck);

#endif
