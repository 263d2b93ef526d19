/* SPDX-License-Identifier: BSD-3-Clause */
#include "media/node.h"

#include "util/crc32c.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static node_slot_media *slots_of(node_media *node)
{
	return (node_slot_media *)(node + 1);
}

static const node_slot_media *slot_at(const node_media *node, unsigned slot)
{
	assert(slot < node->count);
	return (const node_slot_media *)(node + 1) + slot;
}

static unsigned slots_end(const node_media *node)
{
	return sizeof(*node) + node->count * sizeof(node_slot_media);
}

void node_init(node_media *node, unsigned capacity_bytes, unsigned level,
	       enum tree_kind kind)
{
	assert(capacity_bytes <= NODE_BLOCK_BYTES);
	assert(level < NODE_LEVELS_MAX);
	memset(node, 0, sizeof(*node));
	node->magic = NODE_MAGIC;
	node->level = level;
	node->kind = kind;
	node->heap_start = capacity_bytes;
}

void node_block_init(void *block, uint64_t owner, uint64_t self, unsigned level,
		     enum tree_kind kind)
{
	node_block_media *prefix = block;

	memset(block, 0, BLOCK_BYTES);
	prefix->magic = NODE_BLOCK_MAGIC;
	prefix->owner = owner;
	prefix->self = self;
	node_init(node_of_block(block), NODE_BLOCK_BYTES, level, kind);
}

void node_block_seal(void *block)
{
	node_block_media *prefix = block;

	prefix->crc = crc32c_skipping(block, BLOCK_BYTES,
				      offsetof(node_block_media, crc));
}

unsigned node_lower_bound(const node_media *node, uint64_t key)
{
	unsigned low = 0, high = node->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (node_key(node, middle) < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int node_floor(const node_media *node, uint64_t key)
{
	unsigned slot = node_lower_bound(node, key);

	if (slot < node->count && node_key(node, slot) == key)
		return (int)slot;
	if (slot == 0 && node->level > 0)
		return 0;
	return (int)slot - 1;
}

uint64_t node_key(const node_media *node, unsigned slot)
{
	return slot_at(node, slot)->key;
}

const void *node_value(const node_media *node, unsigned slot,
		       unsigned *length_bytes)
{
	const node_slot_media *at = slot_at(node, slot);

	*length_bytes = at->length;
	return (const char *)node + at->offset;
}

unsigned node_free_bytes(const node_media *node, unsigned capacity_bytes)
{
	return capacity_bytes - slots_end(node) - node->heap_used;
}

/* Close the holes: pack the values, in the order of their slots, at the end. */
static void compact(node_media *node, unsigned capacity_bytes)
{
	char packed[NODE_BLOCK_BYTES];
	node_slot_media *slots = slots_of(node);
	unsigned at = capacity_bytes;
	unsigned i;

	assert(node->heap_used <= capacity_bytes - slots_end(node));
	for (i = 0; i < node->count; i++) {
		at -= slots[i].length;
		memcpy(packed + at, (char *)node + slots[i].offset,
		       slots[i].length);
		slots[i].offset = at;
	}
	memcpy((char *)node + at, packed + at, capacity_bytes - at);
	node->heap_start = at;
}

int node_insert(node_media *node, unsigned capacity_bytes, uint64_t key,
		const void *value, unsigned length_bytes)
{
	node_slot_media *slots = slots_of(node);
	unsigned need = NODE_ENTRY_BYTES(length_bytes);
	unsigned slot = node_lower_bound(node, key);

	if (slot < node->count && slots[slot].key == key)
		return -EEXIST;
	if (length_bytes > capacity_bytes ||
	    need > node_free_bytes(node, capacity_bytes))
		return -ENOSPC;
	if (need > (unsigned)(node->heap_start - slots_end(node)))
		compact(node, capacity_bytes);

	memmove(&slots[slot + 1], &slots[slot],
		(node->count - slot) * sizeof(*slots));
	node->count++;
	node->heap_start -= length_bytes;
	node->heap_used += length_bytes;
	slots[slot].key = key;
	slots[slot].offset = node->heap_start;
	slots[slot].length = length_bytes;
	memcpy((char *)node + node->heap_start, value, length_bytes);
	return 0;
}

void node_remove(node_media *node, unsigned slot)
{
	node_slot_media *slots = slots_of(node);

	assert(slot < node->count);
	if (slots[slot].offset == node->heap_start)
		node->heap_start += slots[slot].length;
	node->heap_used -= slots[slot].length;
	node->count--;
	memmove(&slots[slot], &slots[slot + 1],
		(node->count - slot) * sizeof(*slots));
}

int node_replace(node_media *node, unsigned capacity_bytes, unsigned slot,
		 const void *value, unsigned length_bytes)
{
	const node_slot_media *at = slot_at(node, slot);
	uint64_t key = at->key;

	if (at->length == length_bytes) {
		memcpy((char *)node + at->offset, value, length_bytes);
		return 0;
	}
	if (length_bytes > node_free_bytes(node, capacity_bytes) + at->length)
		return -ENOSPC;
	node_remove(node, slot);
	return node_insert(node, capacity_bytes, key, value, length_bytes);
}

void node_rekey(node_media *node, unsigned slot, uint64_t key)
{
	assert(slot < node->count);
	assert(slot == 0 || node_key(node, slot - 1) < key);
	assert(slot + 1 == node->count || key < node_key(node, slot + 1));
	slots_of(node)[slot].key = key;
}

void node_split(node_media *node, unsigned capacity_bytes, unsigned slot,
		node_media *upper, unsigned upper_capacity_bytes)
{
	node_slot_media *slots = slots_of(node);
	unsigned moved_bytes = 0;
	unsigned i;

	assert(slot <= node->count && upper->count == 0);
	assert(node->heap_start <= capacity_bytes);
	for (i = slot; i < node->count; i++) {
		int err = node_insert(upper, upper_capacity_bytes, slots[i].key,
				      (char *)node + slots[i].offset,
				      slots[i].length);

		assert(err == 0);
		moved_bytes += slots[i].length;
	}
	/* The values left behind are holes; compact() closes them. */
	node->heap_used -= moved_bytes;
	node->count = slot;
}
