/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree/edit.h"

#include <assert.h>
#include <errno.h>

/*
 * While the root's only child fits in half of it (half, so that one entry
 * coming and going does not move them each time), take its contents in.
 */
static void collapse(struct tree *tree)
{
	const unsigned capacity = tree->root_capacity_bytes;
	node_media *root = tree->root;
	struct tree_cursor path;

	while (root->level > 0 && root->count == 1) {
		const node_media *child;
		unsigned i;

		/* What is damaged is for those to report who come to need it.
		 */
		if (tree_visit_root(tree, &path) != 0 ||
		    tree_visit_child(&path) != 0)
			return;
		child = path.at[1].node;
		if (node_layout_check(child, NODE_BLOCK_BYTES, tree->kind) != 0)
			return;
		if (NODE_BLOCK_BYTES -
			    node_free_bytes(child, NODE_BLOCK_BYTES) >
		    capacity / 2)
			return;
		node_init(root, capacity, child->level, tree->kind);
		for (i = 0; i < child->count; i++) {
			unsigned length;
			const void *value = node_value(child, i, &length);
			int err = node_insert(root, capacity,
					      node_key(child, i), value,
					      length);

			assert(err == 0);
		}
		tree_free_block(tree, path.at[1].addr);
	}
}

int tree_delete(struct tree *tree, uint64_t key)
{
	struct tree_cursor path;
	unsigned depth, leaf;
	node_media *node;
	int err;

	err = tree_visit_leaf(tree, key, &path);
	if (err != 0)
		return err;
	if (!tree_found(&path, key))
		return -ENOENT;

	/* Up to the first node that does not become empty, or the root. */
	leaf = depth = path.depth - 1;
	while (depth > 0 && path.at[depth].node->count == 1)
		depth--;
	err = tree_edit(tree, &path, depth, &node);
	if (err != 0)
		return err;
	while (leaf > depth)
		tree_free_block(tree, path.at[leaf--].addr);

	if (node->level > 0 && node->count == 1) {
		node_init(node, tree->root_capacity_bytes, 0, tree->kind);
		return 0;
	}
	node_remove(node, path.at[depth].slot);
	collapse(tree);
	return 0;
}
