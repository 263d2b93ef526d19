/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An insert first takes every block it will need, so that running out of them
 * changes nothing; then it works its way from the leaf up.
 */
#include "tree/edit.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* What is to be put in a node: a value in a leaf, else a child. */
struct entry {
	uint64_t key;
	unsigned length_bytes;
	union {
		uint64_t child;
		char value[TREE_VALUE_MAX];
	};
};

_Static_assert(sizeof(xattr_media) + UINT8_MAX + XATTR_INLINE_MAX <=
		       TREE_VALUE_MAX,
	       "the largest value");

static int make_entry(struct entry *entry, const struct tree *tree,
		      uint64_t key, const void *value, unsigned length_bytes)
{
	if (length_bytes > sizeof(entry->value) ||
	    node_value_check(tree->kind, key, value, length_bytes) != 0)
		return -EINVAL;
	entry->key = key;
	entry->length_bytes = length_bytes;
	memcpy(entry->value, value, length_bytes);
	return 0;
}

/*
 * Blocks that one more entry in the leaf will take, where gained_bytes are
 * given up for it; -ENOSPC if the tree cannot become any higher.
 */
static int blocks_needed(const struct tree *tree,
			 const struct tree_cursor *path, unsigned need_bytes,
			 unsigned gained_bytes)
{
	unsigned capacity = tree->root_capacity_bytes;
	unsigned depth, free_bytes;
	int blocks = 0;

	for (depth = path->depth - 1; depth > 0; depth--) {
		free_bytes = node_free_bytes(path->at[depth].node,
					     NODE_BLOCK_BYTES);
		if (need_bytes <= free_bytes + gained_bytes)
			return blocks;
		blocks++;
		need_bytes = NODE_ENTRY_BYTES(sizeof(uint64_t));
		gained_bytes = 0;
	}
	free_bytes = node_free_bytes(tree->root, capacity) + gained_bytes;
	if (need_bytes <= free_bytes)
		return blocks;
	if (path->depth == NODE_LEVELS_MAX)
		return -ENOSPC;
	/* The root moves into a block, and splits if that does not help. */
	blocks++;
	if (capacity - free_bytes + need_bytes > NODE_BLOCK_BYTES)
		blocks++;
	return blocks;
}

/* The contents of the root move to a block, its only child from now on. */
static void grow(struct tree *tree, struct tree_cursor *path,
		 struct spares *spares)
{
	node_media *root = tree->root;
	unsigned level = root->level;
	uint64_t addr;
	node_media *child = tree_new_node(tree, spares, level, &addr);
	int err;

	node_split(root, tree->root_capacity_bytes, 0, child, NODE_BLOCK_BYTES);
	node_init(root, tree->root_capacity_bytes, level + 1, tree->kind);
	err = node_insert(root, tree->root_capacity_bytes, 0, &addr,
			  sizeof(addr));
	assert(err == 0);

	memmove(&path->at[1], &path->at[0], path->depth * sizeof(path->at[0]));
	path->depth++;
	path->at[0].slot = 0;
	path->at[1].addr = addr;
	path->at[1].node = child;
}

static unsigned entry_bytes(const node_media *node, unsigned slot)
{
	unsigned length;

	node_value(node, slot, &length);
	return NODE_ENTRY_BYTES(length);
}

/*
 * How many entries stay, the new one, to stand at slot, counted with them, so
 * that both halves are as equal in bytes as may be. As the new one takes half
 * a node at most, both fit, however large the others are.
 */
static unsigned entries_that_stay(const node_media *node, unsigned slot,
				  unsigned new_bytes)
{
	unsigned half = (node->count * sizeof(node_slot_media) +
			 node->heap_used + new_bytes) /
			2;
	unsigned stay, stay_bytes = 0;

	for (stay = 0; stay < node->count; stay++) {
		unsigned bytes = new_bytes;

		if (stay != slot)
			bytes = entry_bytes(node, stay - (stay > slot));
		if (stay > 0 && stay_bytes + bytes / 2 > half)
			break;
		stay_bytes += bytes;
	}
	return stay;
}

/* Split for the entry and put it in; the entry becomes that of the new node. */
static void split(struct tree *tree, node_media *node, struct entry *entry,
		  bool append, struct spares *spares)
{
	unsigned slot = node_lower_bound(node, entry->key);
	unsigned stay = node->count;
	node_media *upper, *to;
	uint64_t addr;
	int err;

	if (!append)
		stay = entries_that_stay(node, slot,
					 NODE_ENTRY_BYTES(entry->length_bytes));
	upper = tree_new_node(tree, spares, node->level, &addr);
	to = slot < stay ? node : upper;
	node_split(node, NODE_BLOCK_BYTES, slot < stay ? stay - 1 : stay, upper,
		   NODE_BLOCK_BYTES);
	err = node_insert(to, NODE_BLOCK_BYTES, entry->key, entry->value,
			  entry->length_bytes);
	assert(err == 0);

	entry->key = node_key(upper, 0);
	entry->length_bytes = sizeof(entry->child);
	entry->child = addr;
}

/* A file that grows at its end: full nodes stay full. */
static bool is_append(const struct tree_cursor *path)
{
	unsigned leaf = path->depth - 1;
	unsigned depth;

	if (path->tree->kind != TREE_EXTENTS ||
	    path->at[leaf].slot < path->at[leaf].node->count)
		return false;
	for (depth = 0; depth < leaf; depth++)
		if (path->at[depth].slot + 1 < path->at[depth].node->count)
			return false;
	return true;
}

static int insert(struct tree *tree, struct tree_cursor *path,
		  struct entry *entry, struct spares *spares)
{
	bool append = is_append(path);
	unsigned depth = path->depth - 1;
	node_media *node;
	int err;

	for (;;) {
		err = tree_edit(tree, path, depth, &node);
		if (err != 0)
			return err;
		/* The new child comes after the first, whatever its key was. */
		if (node->level > 0 && path->at[depth].slot == 0)
			node_rekey(node, 0, tree_lower_bound(path, depth));
		err = node_insert(node, tree_capacity(tree, depth), entry->key,
				  entry->value, entry->length_bytes);
		if (err != -ENOSPC)
			break;
		if (depth == 0) {
			grow(tree, path, spares);
			depth = 1;
		} else {
			split(tree, node, entry, append, spares);
			depth--;
		}
	}
	assert(err != 0 || spares->count == 0);
	return err;
}

int tree_insert(struct tree *tree, uint64_t key, const void *value,
		unsigned length_bytes)
{
	struct tree_cursor path;
	struct spares spares;
	struct entry entry;
	int err;

	err = make_entry(&entry, tree, key, value, length_bytes);
	if (err != 0)
		return err;
	err = tree_visit_leaf(tree, key, &path);
	if (err != 0)
		return err;
	if (tree_found(&path, key))
		return -EEXIST;
	err = blocks_needed(tree, &path, NODE_ENTRY_BYTES(length_bytes), 0);
	if (err < 0)
		return err;
	err = tree_take_spares(tree, err, &spares);
	if (err != 0)
		return err;
	return insert(tree, &path, &entry, &spares);
}

int tree_replace(struct tree *tree, uint64_t key, const void *value,
		 unsigned length_bytes)
{
	struct tree_cursor path;
	struct spares spares;
	struct entry entry;
	node_media *leaf;
	unsigned depth;
	int err;

	err = make_entry(&entry, tree, key, value, length_bytes);
	if (err != 0)
		return err;
	err = tree_visit_leaf(tree, key, &path);
	if (err != 0)
		return err;
	if (!tree_found(&path, key))
		return -ENOENT;

	depth = path.depth - 1;
	err = blocks_needed(
		tree, &path, NODE_ENTRY_BYTES(length_bytes),
		entry_bytes(path.at[depth].node, path.at[depth].slot));
	if (err < 0)
		return err;
	err = tree_take_spares(tree, err, &spares);
	if (err != 0)
		return err;
	err = tree_edit(tree, &path, depth, &leaf);
	if (err != 0)
		return err;
	err = node_replace(leaf, tree_capacity(tree, depth),
			   path.at[depth].slot, entry.value, length_bytes);
	if (err != -ENOSPC)
		return err;
	node_remove(leaf, path.at[depth].slot);
	return insert(tree, &path, &entry, &spares);
}
