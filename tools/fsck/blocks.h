/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blocks.h -- who owns which block: a bit each, and a list of quarrels
 *
 * During the second look (fsck.resolving) nothing is claimed: each claim is
 * compared with the quarrels instead, and the first that fits is the owner
 * that the first look met first, because both go the same way.
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
 * A run of metadata that may be read now: claimed by ino for the first time,
 * on the metadata device. NULL otherwise, reported.
 */
const void *blocks_claim_metadata(struct fsck *fsck, uint64_t addr,
				  uint64_t blocks, uint64_t ino,
				  enum owner_kind kind);

/* Name both owners of each quarrel. */
void blocks_report(struct fsck *fsck);

#endif
