/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * collect.h -- every value of a tree that can still be read, damaged or not
 *
 * A node with a right checksum is believed. One without it, but with two of
 * its magic, owner and address as they should be, is looked at slot by slot:
 * what a slot of a leaf holds is suspect, what one of an inner node leads to
 * proves itself. Ranges of keys are not looked at: the values are sorted.
 *
 * Owns:    the array; the values' bytes are on the media, or the caller's, and
 *          must stay.
 * Bounds:  a node is visited once, levels fall.
 * Errors:  -ENOMEM.
 */
#ifndef UDAX_FSCK_COLLECT_H
#define UDAX_FSCK_COLLECT_H

#include "fsck.h"

struct leaf_value {
	uint64_t key;
	const void *bytes;
	uint16_t length;
	bool suspect;
};

struct values {
	struct leaf_value *at; /* by key; of equal ones the suspect last */
	size_t count, room;
};

int collect_inode(struct fsck *fsck, const inode_media *inode,
		  enum tree_kind kind, struct values *out)
	__attribute__((warn_unused_result));
/* The root in a block of its own. */
int collect_block(struct fsck *fsck, uint64_t ino, uint64_t addr,
		  enum tree_kind kind, struct values *out)
	__attribute__((warn_unused_result));
/* What a damaged node and all below it name is kept from being given away. */
int collect_protect(struct fsck *fsck, uint64_t ino, uint64_t addr,
		    enum tree_kind kind) __attribute__((warn_unused_result));

int values_add(struct values *values, uint64_t key, const void *bytes,
	       unsigned length) __attribute__((warn_unused_result));
void values_sort(struct values *values);
void values_fini(struct values *values);

#endif
