/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree/visit.h"

#include <errno.h>

/* Hand out what the leaf's slot holds. */
static int load(struct tree_cursor *cursor)
{
	unsigned depth = cursor->depth;
	const node_media *leaf = cursor->at[depth - 1].node;
	unsigned slot = cursor->at[depth - 1].slot;

	if (node_slot_check(leaf, tree_capacity(cursor->tree, depth - 1),
			    slot) != 0)
		return -EUCLEAN;
	cursor->key = node_key(leaf, slot);
	cursor->value = node_value(leaf, slot, &cursor->length_bytes);
	return 0;
}

/* From the slot of the node on top down to a leaf, at its first or last. */
static int go_down(struct tree_cursor *cursor, bool last)
{
	int err;

	while (cursor->at[cursor->depth - 1].node->level > 0) {
		err = tree_visit_child(cursor);
		if (err != 0)
			return err;
		if (last)
			cursor->at[cursor->depth - 1].slot =
				cursor->at[cursor->depth - 1].node->count - 1;
	}
	return load(cursor);
}

static int next(struct tree_cursor *cursor)
{
	unsigned depth = cursor->depth;

	while (cursor->at[depth - 1].slot + 1 >=
	       cursor->at[depth - 1].node->count)
		if (--depth == 0)
			return -ENOENT;
	cursor->depth = depth;
	cursor->at[depth - 1].slot++;
	return go_down(cursor, false);
}

static int previous(struct tree_cursor *cursor)
{
	unsigned depth = cursor->depth;

	while (cursor->at[depth - 1].slot == 0)
		if (--depth == 0)
			return -ENOENT;
	cursor->depth = depth;
	cursor->at[depth - 1].slot--;
	return go_down(cursor, true);
}

int tree_seek(const struct tree *tree, uint64_t key, struct tree_cursor *cursor)
{
	int err = tree_visit_leaf(tree, key, cursor);
	unsigned top;

	if (err != 0)
		return err;
	top = cursor->depth - 1;
	if (cursor->at[top].slot < cursor->at[top].node->count)
		return load(cursor);
	return next(cursor);
}

int tree_seek_floor(const struct tree *tree, uint64_t key,
		    struct tree_cursor *cursor)
{
	int err = tree_visit_leaf(tree, key, cursor);
	unsigned top;
	int slot;

	if (err != 0)
		return err;
	top = cursor->depth - 1;
	slot = node_floor(cursor->at[top].node, key);
	if (slot < 0)
		return previous(cursor);
	cursor->at[top].slot = slot;
	return load(cursor);
}

int tree_next(struct tree_cursor *cursor)
{
	const extent_media *before = cursor->value;
	uint64_t end = 0;
	int err;

	if (cursor->tree->kind == TREE_EXTENTS && before != NULL)
		end = cursor->key + before->blocks;
	err = next(cursor);
	if (err != 0)
		return err;
	/* Across leaves only this sees it. Changes under way may overlap. */
	if (cursor->key < end && cursor->tree->txn == NULL)
		return -EUCLEAN;
	return 0;
}

int tree_walk_blocks(const struct tree *tree, tree_block_fn *fn, void *arg)
{
	struct tree_cursor cursor;
	int err = tree_visit_root(tree, &cursor);

	while (err == 0) {
		unsigned top = cursor.depth - 1;
		const node_media *node = cursor.at[top].node;

		if (node->level > 0 && cursor.at[top].slot < node->count) {
			err = tree_visit_child(&cursor);
			continue;
		}
		if (top == 0)
			break;
		cursor.depth--;
		cursor.at[top - 1].slot++;
		err = fn(cursor.at[top].addr, arg);
	}
	return err;
}
