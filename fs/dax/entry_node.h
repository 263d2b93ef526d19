/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * entry_node.h -- the tree of an entry table: 512 slots a level
 *
 * Level 0 is a leaf of order-0 entries; a slot of level 1 has a leaf or an
 * order-9 entry; above are nodes only. The root is as high as the highest index
 * needs. A node with no slot in use does not exist.
 *
 * Knows places, not meanings: it stores values and marks, and takes no
 * reference and no lock. Locking: the table's.
 * Errors: NULL, -ENOMEM; the tree is as it was.
 */
#ifndef UDAX_DAX_ENTRY_NODE_H
#define UDAX_DAX_ENTRY_NODE_H

#include "dax/entry.h"

#define ENTRY_SLOT_SHIFT 9
#define ENTRY_SLOTS (1u << ENTRY_SLOT_SHIFT)
_Static_assert(ENTRY_SLOTS == PGMAP_PMD_PAGES, "a leaf spans an order-9 entry");

struct entry_node {
	struct entry_node *parent;
	uint64_t first; /* index of slot 0 */
	uint16_t parent_offset;
	uint16_t used; /* slots */
	uint8_t level;
	uint64_t marks[ENTRY_MARKS][ENTRY_SLOTS / 64];
	uint64_t slots[ENTRY_SLOTS]; /* value, node's address, or 0 */
};

/* Where an entry is; node NULL: nowhere. Valid until the tree changes. */
struct entry_slot {
	struct entry_node *node;
	unsigned offset;
};

static inline uint64_t entry_slot_value(struct entry_slot slot)
{
	return slot.node->slots[slot.offset];
}

static inline uint64_t entry_slot_index(struct entry_slot slot)
{
	return slot.node->first +
	       ((uint64_t)slot.offset << (slot.node->level * ENTRY_SLOT_SHIFT));
}

/* The entry there stays an entry of its order. */
static inline void entry_slot_set(struct entry_slot slot, uint64_t value)
{
	slot.node->slots[slot.offset] = value;
}

bool entry_slot_marked(struct entry_slot slot, enum entry_mark mark);
void entry_slot_mark(struct entry_slot slot, enum entry_mark mark, bool on);

/* The entry that covers index. */
struct entry_slot entry_tree_find(struct entry_node *root, uint64_t index);

/* The first entry that covers a page of [index, last]. */
struct entry_slot entry_tree_next(struct entry_node *root, uint64_t index,
				  uint64_t last);

/* Do entries of order 0 stand in the way of one of order 9? */
bool entry_tree_has_smaller(struct entry_node *root, uint64_t index);

/*
 * Put a value where nothing covers the range of its order; the nodes on the
 * way are made. 0, -ENOMEM.
 */
int entry_tree_insert(struct entry_node **root, uint64_t index, uint64_t value,
		      struct entry_slot *out)
	__attribute__((warn_unused_result));

/* Take the entry out, with its marks, and the nodes that it leaves empty. */
void entry_tree_erase(struct entry_node **root, struct entry_slot slot);

/*
 * Replace an order-9 entry by 512 of order 0 with its marks: page i gets
 * value + i * step. 0, -ENOMEM.
 */
int entry_tree_split(struct entry_slot slot, uint64_t value, uint64_t step)
	__attribute__((warn_unused_result));

#endif
