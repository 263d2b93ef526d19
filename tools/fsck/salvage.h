/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * salvage.h -- what can be believed of a slot that has not passed its check
 *
 * A slot that would pass with its number, its magic or its checksum put right
 * is kept as it reads; fields that are not possible get a value that loses
 * least; entries of the root node that are not possible go. Without a right
 * checksum set-id bits and unfinished freeing are not believed.
 */
#ifndef UDAX_FSCK_SALVAGE_H
#define UDAX_FSCK_SALVAGE_H

#include "fsck.h"

/* False: nothing of it. out passes inode_media_check(). */
bool salvage_slot(const inode_media *slot, uint64_t ino, inode_media *out);

/* What was saved stands in for the slot; in ascending order. -ENOMEM. */
int salvage_keep(struct fsck *fsck, const inode_media *media)
	__attribute__((warn_unused_result));
const inode_media *salvage_find(const struct fsck *fsck, uint64_t ino);

#endif
