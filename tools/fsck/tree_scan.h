/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree_scan.h -- every node of one tree, checked and claimed, every value
 *
 * What is damaged is reported and left out, the rest goes on: fs/tree stops
 * at the first damage, which is right for a mount and of no use here.
 */
#ifndef UDAX_FSCK_TREE_SCAN_H
#define UDAX_FSCK_TREE_SCAN_H

#include "fsck.h"

/* Values come in the order of their keys. */
typedef void tree_value_fn(void *arg, uint64_t key, const void *value,
			   unsigned length_bytes);

struct tree_scan {
	struct fsck *fsck;
	uint64_t ino;
	enum tree_kind kind;
	tree_value_fn *value;
	void *arg;
	uint64_t nodes; /* out: blocks below the root */
	bool damaged;	/* out: something was left out */
};

/* The root in an inode, which inode_media_check() has passed. */
void tree_scan_inode(struct tree_scan *scan, const inode_media *inode);
/* The root in a block of its own, which counts among the nodes. */
void tree_scan_block(struct tree_scan *scan, uint64_t addr);

#endif
