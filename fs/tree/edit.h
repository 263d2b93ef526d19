/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * edit.h -- private to tree: nodes as a transaction changes them
 *
 * Errors: those of tree.h.
 */
#ifndef UDAX_TREE_EDIT_H
#define UDAX_TREE_EDIT_H

#include "tree/visit.h"

/* Blocks taken before a change that will need just as many. */
struct spares {
	unsigned count;
	uint64_t addr[NODE_LEVELS_MAX + 1];
};

/* All or none. */
int tree_take_spares(struct tree *tree, unsigned count, struct spares *spares)
	__attribute__((warn_unused_result));

/* An empty node in one of them. */
node_media *tree_new_node(struct tree *tree, struct spares *spares,
			  unsigned level, uint64_t *addr);

void tree_free_block(struct tree *tree, uint64_t addr);

/*
 * The copy of the node of a path that may be changed: whatever home holds, its
 * layout is right. The path has the copy from now on.
 */
int tree_edit(struct tree *tree, struct tree_cursor *path, unsigned depth,
	      node_media **out) __attribute__((warn_unused_result));

/* After tree_visit_leaf(): it is in the leaf's slot, or not in the tree. */
bool tree_found(const struct tree_cursor *path, uint64_t key);

#endif
