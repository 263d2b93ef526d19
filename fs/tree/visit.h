/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * visit.h -- private to tree: from an address to a node that may be read
 *
 * The one place that decides what of the media is believed (T1 to T3 in
 * tree.h). A cursor is a path from the root; its last step is the node on top.
 *
 * Errors: -EUCLEAN, -EIO the metadata device is not there.
 */
#ifndef UDAX_TREE_VISIT_H
#define UDAX_TREE_VISIT_H

#include "tree/tree.h"

/* A path of the root alone, slot 0. */
int tree_visit_root(const struct tree *tree, struct tree_cursor *cursor)
	__attribute__((warn_unused_result));

/* Put the child in the slot of the node on top on top of it, slot 0. */
int tree_visit_child(struct tree_cursor *cursor)
	__attribute__((warn_unused_result));

/* To the leaf where the key belongs; its slot is the first key >= key. */
int tree_visit_leaf(const struct tree *tree, uint64_t key,
		    struct tree_cursor *cursor)
	__attribute__((warn_unused_result));

/* The smallest key that belongs to the node of a path at this depth. */
uint64_t tree_lower_bound(const struct tree_cursor *path, unsigned depth);

static inline unsigned tree_capacity(const struct tree *tree, unsigned depth)
{
	return depth == 0 ? tree->root_capacity_bytes : NODE_BLOCK_BYTES;
}

#endif
