/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An insert first takes every block it will need, so that running out of them
 * changes nothing; then it works its way from the leaf up.
 */
#include "tree/visit.h"

#include "journal/journal.h"

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

struct spares {
	unsigned count;
	uint64_t addr[NODE_LEVELS_MAX + 1];
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

/* -------------------------------------------------------------- node blocks */

/* A copy that may be changed: whatever home was, its layout is right. */
static int edit(struct tree *tree, struct tree_cursor *path, unsigned depth,
		node_media **out)
{
	node_media *node = tree->root;

	if (depth > 0)
		node = node_of_block(
			txn_edit_sealed(tree->txn, path->at[depth].addr,
					BLOCK_BYTES, false, node_block_seal));
	path->at[depth].node = *out = node;
	return node_layout_check(node, tree_capacity(tree, depth), tree->kind);
}

static void free_block(struct tree *tree, uint64_t addr)
{
	txn_free(tree->txn, addr, 1, true);
	tree->blocks_delta--;
}

static int take_spares(struct tree *tree, unsigned count, struct spares *spares)
{
	int err;

	assert(count <= sizeof(spares->addr) / sizeof(spares->addr[0]));
	for (spares->count = 0; spares->count < count; spares->count++) {
		err = txn_alloc_block(tree->txn, &spares->addr[spares->count]);
		if (err != 0)
			goto out_give_back;
	}
	return 0;

out_give_back:
	while (spares->count > 0)
		txn_free(tree->txn, spares->addr[--spares->count], 1, true);
	return err;
}

static node_media *new_node(struct tree *tree, struct spares *spares,
			    unsigned level, uint64_t *addr)
{
	void *block;

	assert(spares->count > 0);
	*addr = spares->addr[--spares->count];
	block = txn_edit_sealed(tree->txn, *addr, BLOCK_BYTES, true,
				node_block_seal);
	node_block_init(block, tree->owner, *addr, level, tree->kind);
	tree->blocks_delta++;
	return node_of_block(block);
}

/* ------------------------------------------------------------------- insert */

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
	node_media *child = new_node(tree, spares, level, &addr);
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
 * that both halves are as equal in bytes as may be. As no entry takes more
 * than half a node, both fit.
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
	upper = new_node(tree, spares, node->level, &addr);
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
		err = edit(tree, path, depth, &node);
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

/* The key is in the leaf's slot, or is not there at all. */
static bool found(const struct tree_cursor *path, uint64_t key)
{
	unsigned leaf = path->depth - 1;
	unsigned slot = path->at[leaf].slot;
	const node_media *node = path->at[leaf].node;

	return slot < node->count && node_key(node, slot) == key;
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
	if (found(&path, key))
		return -EEXIST;
	err = blocks_needed(tree, &path, NODE_ENTRY_BYTES(length_bytes), 0);
	if (err < 0)
		return err;
	err = take_spares(tree, err, &spares);
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
	if (!found(&path, key))
		return -ENOENT;

	depth = path.depth - 1;
	err = blocks_needed(
		tree, &path, NODE_ENTRY_BYTES(length_bytes),
		entry_bytes(path.at[depth].node, path.at[depth].slot));
	if (err < 0)
		return err;
	err = take_spares(tree, err, &spares);
	if (err != 0)
		return err;
	err = edit(tree, &path, depth, &leaf);
	if (err != 0)
		return err;
	err = node_replace(leaf, tree_capacity(tree, depth),
			   path.at[depth].slot, entry.value, length_bytes);
	if (err != -ENOSPC)
		return err;
	node_remove(leaf, path.at[depth].slot);
	return insert(tree, &path, &entry, &spares);
}

/* ------------------------------------------------------------------- delete */

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
		free_block(tree, path.at[1].addr);
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
	if (!found(&path, key))
		return -ENOENT;

	/* Up to the first node that does not become empty, or the root. */
	leaf = depth = path.depth - 1;
	while (depth > 0 && path.at[depth].node->count == 1)
		depth--;
	err = edit(tree, &path, depth, &node);
	if (err != 0)
		return err;
	while (leaf > depth)
		free_block(tree, path.at[leaf--].addr);

	if (node->level > 0 && node->count == 1) {
		node_init(node, tree->root_capacity_bytes, 0, tree->kind);
		return 0;
	}
	node_remove(node, path.at[depth].slot);
	collapse(tree);
	return 0;
}
