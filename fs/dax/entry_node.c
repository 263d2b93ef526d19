/* SPDX-License-Identifier: BSD-3-Clause */
#include "dax/entry_node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOWHERE ((struct entry_slot){ .node = NULL })

static unsigned shift_of(unsigned level)
{
	return level * ENTRY_SLOT_SHIFT;
}

static bool node_covers(const struct entry_node *node, uint64_t index)
{
	unsigned span_shift = shift_of(node->level + 1u);

	return index >> span_shift == node->first >> span_shift;
}

static unsigned offset_in(const struct entry_node *node, uint64_t index)
{
	return (index >> shift_of(node->level)) & (ENTRY_SLOTS - 1);
}

static bool is_value(uint64_t slot)
{
	return slot & ENTRY_VALUE;
}

static struct entry_node *child_of(uint64_t slot)
{
	return (struct entry_node *)(uintptr_t)slot;
}

bool entry_slot_marked(struct entry_slot slot, enum entry_mark mark)
{
	return slot.node->marks[mark][slot.offset / 64] >> (slot.offset % 64) &
	       1;
}

void entry_slot_mark(struct entry_slot slot, enum entry_mark mark, bool on)
{
	uint64_t *word = &slot.node->marks[mark][slot.offset / 64];
	uint64_t bit = UINT64_C(1) << (slot.offset % 64);

	*word = on ? *word | bit : *word & ~bit;
}

struct entry_slot entry_tree_find(struct entry_node *root, uint64_t index)
{
	struct entry_node *node = root;

	if (!node || !node_covers(node, index))
		return NOWHERE;
	while (node) {
		unsigned offset = offset_in(node, index);

		if (is_value(node->slots[offset]))
			return (struct entry_slot){ node, offset };
		node = child_of(node->slots[offset]);
	}
	return NOWHERE;
}

/* One level of recursion a level of the tree: six at most. */
struct entry_slot entry_tree_next(struct entry_node *root, uint64_t index,
				  uint64_t last)
{
	unsigned offset = 0;

	if (!root)
		return NOWHERE;
	if (index > root->first) {
		if (!node_covers(root, index))
			return NOWHERE;
		offset = offset_in(root, index);
	}
	for (; offset < ENTRY_SLOTS; offset++) {
		struct entry_slot slot = { root, offset };

		if (entry_slot_index(slot) > last)
			break;
		if (is_value(root->slots[offset]))
			return slot;
		slot = entry_tree_next(child_of(root->slots[offset]), index,
				       last);
		if (slot.node)
			return slot;
	}
	return NOWHERE;
}

bool entry_tree_has_smaller(struct entry_node *root, uint64_t index)
{
	struct entry_node *node = root;

	while (node && node_covers(node, index)) {
		uint64_t slot;

		if (node->level == 0)
			return true; /* it would not exist without entries */
		slot = node->slots[offset_in(node, index)];
		if (is_value(slot))
			return false;
		node = child_of(slot);
	}
	return false;
}

static struct entry_node *node_create(unsigned level, uint64_t index)
{
	struct entry_node *node = calloc(1, sizeof(*node));
	unsigned span_shift = shift_of(level + 1);

	if (!node)
		return NULL;
	node->level = (uint8_t)level;
	node->first = index >> span_shift << span_shift;
	return node;
}

static void node_attach(struct entry_node *parent, struct entry_node *node)
{
	unsigned offset = offset_in(parent, node->first);

	assert(parent->level == node->level + 1 && !parent->slots[offset]);
	parent->slots[offset] = (uintptr_t)node;
	parent->used++;
	node->parent = parent;
	node->parent_offset = (uint16_t)offset;
}

/* Free a node that is empty, and its parents that become so. */
static void prune(struct entry_node **root, struct entry_node *node)
{
	while (node && node->used == 0) {
		struct entry_node *parent = node->parent;

		if (parent) {
			parent->slots[node->parent_offset] = 0;
			parent->used--;
		} else {
			*root = NULL;
		}
		free(node);
		node = parent;
	}
}

/*
 * A root that covers index and stands at `level` or above. On failure a root
 * that grew stays grown, which is harmless: it is not empty.
 */
static int grow(struct entry_node **root, uint64_t index, unsigned level)
{
	if (!*root) {
		/* index 0 must be covered too: that is where growing starts */
		while (index >> shift_of(level + 1) != 0)
			level++;
		*root = node_create(level, 0);
		return *root ? 0 : -ENOMEM;
	}
	while (!node_covers(*root, index) || (*root)->level < level) {
		struct entry_node *taller = node_create((*root)->level + 1u, 0);

		if (!taller)
			return -ENOMEM;
		node_attach(taller, *root);
		*root = taller;
	}
	return 0;
}

int entry_tree_insert(struct entry_node **root, uint64_t index, uint64_t value,
		      struct entry_slot *out)
{
	unsigned level = value & ENTRY_PMD ? 1 : 0;
	struct entry_node *node;
	unsigned offset;

	if (grow(root, index, level))
		return -ENOMEM;
	for (node = *root; node->level > level;) {
		uint64_t slot = node->slots[offset_in(node, index)];
		struct entry_node *child = child_of(slot);

		assert(!is_value(slot));
		if (!child) {
			child = node_create(node->level - 1u, index);
			if (!child) {
				prune(root, node);
				return -ENOMEM;
			}
			node_attach(node, child);
		}
		node = child;
	}
	offset = offset_in(node, index);
	assert(node->slots[offset] == 0);
	node->slots[offset] = value;
	node->used++;
	*out = (struct entry_slot){ node, offset };
	return 0;
}

void entry_tree_erase(struct entry_node **root, struct entry_slot slot)
{
	for (unsigned mark = 0; mark < ENTRY_MARKS; mark++)
		entry_slot_mark(slot, (enum entry_mark)mark, false);
	slot.node->slots[slot.offset] = 0;
	slot.node->used--;
	prune(root, slot.node);
}

int entry_tree_split(struct entry_slot slot, uint64_t value, uint64_t step)
{
	struct entry_node *leaf = node_create(0, entry_slot_index(slot));

	if (!leaf)
		return -ENOMEM;
	assert(slot.node->level == 1);
	for (unsigned i = 0; i < ENTRY_SLOTS; i++)
		leaf->slots[i] = value + i * step;
	leaf->used = ENTRY_SLOTS;
	for (unsigned mark = 0; mark < ENTRY_MARKS; mark++) {
		bool on = entry_slot_marked(slot, (enum entry_mark)mark);

		memset(leaf->marks[mark], on ? 0xff : 0,
		       sizeof(leaf->marks[mark]));
		entry_slot_mark(slot, (enum entry_mark)mark, false);
	}
	slot.node->slots[slot.offset] = 0;
	slot.node->used--;
	node_attach(slot.node, leaf);
	return 0;
}
