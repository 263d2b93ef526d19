/* SPDX-License-Identifier: BSD-3-Clause */
/* What a node must be before anything else may look at it: see node.h. */
#include "media/node.h"

#include "media/name.h"
#include "util/crc32c.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

typedef bool value_check_fn(uint64_t key, const void *value, unsigned length,
			    uint64_t next_key);

static bool child_valid(uint64_t key, const void *value, unsigned length,
			uint64_t next_key)
{
	uint64_t addr;

	if (length != sizeof(addr))
		return false;
	memcpy(&addr, value, sizeof(addr));
	return addr_run_valid(addr, 1);
}

static bool extent_valid(uint64_t key, const void *value, unsigned length,
			 uint64_t next_key)
{
	const extent_media *extent = value;

	if (length != sizeof(*extent) ||
	    (extent->flags != 0 && extent->flags != EXTENT_UNWRITTEN &&
	     extent->flags != EXTENT_SHARED) ||
	    !addr_run_valid(extent->addr, extent->blocks))
		return false;
	return key < FILE_BLOCKS_MAX &&
	       extent->blocks <= FILE_BLOCKS_MAX - key &&
	       extent->blocks <= next_key - key;
}

static bool type_valid(unsigned type)
{
	return type == DT_FIFO || type == DT_CHR || type == DT_DIR ||
	       type == DT_BLK || type == DT_REG || type == DT_LNK ||
	       type == DT_SOCK;
}

static bool dirent_valid(uint64_t key, const void *value, unsigned length,
			 uint64_t next_key)
{
	const dirent_media *dirent = value;

	if (length < sizeof(*dirent) || dirent->name_length == 0 ||
	    length != sizeof(*dirent) + dirent->name_length)
		return false;
	if (key < NAME_KEY_FIRST || key >= NAME_KEY_END)
		return false;
	return dirent->ino != 0 && type_valid(dirent->type) &&
	       memchr(dirent->name, '/', dirent->name_length) == NULL &&
	       memchr(dirent->name, '\0', dirent->name_length) == NULL;
}

static bool xattr_valid(uint64_t key, const void *value, unsigned length,
			uint64_t next_key)
{
	const xattr_media *xattr = value;
	uint64_t blocks;

	if (length < sizeof(*xattr) || xattr->name_length == 0 ||
	    length < sizeof(*xattr) + xattr->name_length ||
	    memchr(xattr->bytes, '\0', xattr->name_length) != NULL)
		return false;
	length -= sizeof(*xattr) + xattr->name_length;
	if (xattr->addr == ADDR_NONE)
		return xattr->value_length == length &&
		       length <= XATTR_INLINE_MAX;
	blocks = ((uint64_t)xattr->value_length + BLOCK_BYTES - 1) >>
		 BLOCK_SHIFT;
	return length == 0 && xattr->value_length <= XATTR_VALUE_MAX &&
	       addr_run_valid(xattr->addr, blocks);
}

static bool shared_valid(uint64_t key, const void *value, unsigned length,
			 uint64_t next_key)
{
	const shared_media *shared = value;

	return length == sizeof(*shared) && shared->owners >= 2 &&
	       key <= UINT64_MAX >> BLOCK_SHIFT &&
	       addr_run_valid(key << BLOCK_SHIFT, shared->blocks) &&
	       shared->blocks <= next_key - key;
}

static value_check_fn *value_check(unsigned level, enum tree_kind kind)
{
	if (level > 0)
		return child_valid;
	switch (kind) {
	case TREE_EXTENTS:
		return extent_valid;
	case TREE_ENTRIES:
		return dirent_valid;
	case TREE_XATTRS:
		return xattr_valid;
	case TREE_SHARED:
		return shared_valid;
	}
	return NULL;
}

int node_value_check(enum tree_kind kind, uint64_t key, const void *value,
		     unsigned length_bytes)
{
	value_check_fn *valid = value_check(0, kind);

	if (valid == NULL || !valid(key, value, length_bytes, UINT64_MAX))
		return -EUCLEAN;
	return 0;
}

int node_header_check(const node_media *node, unsigned capacity_bytes,
		      enum tree_kind kind)
{
	unsigned end = sizeof(*node) + node->count * sizeof(node_slot_media);

	if (node->magic != NODE_MAGIC || node->kind != kind ||
	    node->level >= NODE_LEVELS_MAX)
		return -EUCLEAN;
	if (node->level > 0 && node->count == 0)
		return -EUCLEAN;
	if (end > node->heap_start || node->heap_start > capacity_bytes)
		return -EUCLEAN;
	return 0;
}

static const node_slot_media *slots_of(const node_media *node)
{
	return (const node_slot_media *)(node + 1);
}

static bool in_heap(const node_media *node, unsigned capacity_bytes,
		    const node_slot_media *slot)
{
	return slot->offset >= node->heap_start &&
	       slot->offset + slot->length <= capacity_bytes;
}

int node_layout_check(const node_media *node, unsigned capacity_bytes,
		      enum tree_kind kind)
{
	const node_slot_media *slots = slots_of(node);
	unsigned used_bytes = 0;
	unsigned i;

	if (node_header_check(node, capacity_bytes, kind) != 0)
		return -EUCLEAN;
	for (i = 0; i < node->count; i++) {
		if (!in_heap(node, capacity_bytes, &slots[i]))
			return -EUCLEAN;
		if (i > 0 && slots[i].key <= slots[i - 1].key)
			return -EUCLEAN;
		used_bytes += slots[i].length;
	}
	/* Room for all of them, even where they overlap. */
	if (used_bytes != node->heap_used ||
	    used_bytes > capacity_bytes - node->heap_start)
		return -EUCLEAN;
	return 0;
}

static bool value_valid(const node_media *node, const node_slot_media *slot,
			uint64_t next_key)
{
	value_check_fn *valid = value_check(node->level, node->kind);

	return valid != NULL &&
	       valid(slot->key, (const char *)node + slot->offset, slot->length,
		     next_key);
}

int node_slot_check(const node_media *node, unsigned capacity_bytes,
		    unsigned slot)
{
	const node_slot_media *at = slots_of(node) + slot;

	if (slot >= node->count || !in_heap(node, capacity_bytes, at))
		return -EUCLEAN;
	return value_valid(node, at, UINT64_MAX) ? 0 : -EUCLEAN;
}

/* A byte of the heap belongs to one value: its first claim succeeds. */
static bool claim(char *claimed, unsigned offset, unsigned length)
{
	if (memchr(claimed + offset, 1, length) != NULL)
		return false;
	memset(claimed + offset, 1, length);
	return true;
}

int node_check(const node_media *node, unsigned capacity_bytes,
	       enum tree_kind kind)
{
	const node_slot_media *slots = slots_of(node);
	char claimed[NODE_BLOCK_BYTES];
	unsigned i;

	if (capacity_bytes > sizeof(claimed) ||
	    node_layout_check(node, capacity_bytes, kind) != 0)
		return -EUCLEAN;
	memset(claimed, 0, capacity_bytes);
	for (i = 0; i < node->count; i++) {
		uint64_t next_key = i + 1 < node->count ? slots[i + 1].key
							: UINT64_MAX;

		if (!claim(claimed, slots[i].offset, slots[i].length) ||
		    !value_valid(node, &slots[i], next_key))
			return -EUCLEAN;
	}
	return 0;
}

int node_block_identify(const void *block, uint64_t owner, uint64_t self)
{
	const node_block_media *prefix = block;

	if (prefix->magic != NODE_BLOCK_MAGIC || prefix->owner != owner ||
	    prefix->self != self)
		return -EUCLEAN;
	return 0;
}

int node_block_check(const void *block, uint64_t owner, uint64_t self,
		     enum tree_kind kind)
{
	const node_block_media *prefix = block;

	if (node_block_identify(block, owner, self) != 0)
		return -EUCLEAN;
	if (prefix->crc != crc32c_skipping(block, BLOCK_BYTES,
					   offsetof(node_block_media, crc)))
		return -EUCLEAN;
	return node_check((const node_media *)(prefix + 1), NODE_BLOCK_BYTES,
			  kind);
}
