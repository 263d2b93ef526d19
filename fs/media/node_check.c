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
	    (extent->flags & ~EXTENT_UNWRITTEN) != 0 ||
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
	}
	return NULL;
}

static bool header_valid(const node_media *node, unsigned capacity_bytes,
			 enum tree_kind kind)
{
	unsigned end = sizeof(*node) + node->count * sizeof(node_slot_media);

	if (node->magic != NODE_MAGIC || node->kind != kind ||
	    node->level >= NODE_LEVELS_MAX)
		return false;
	if (node->level > 0 && node->count == 0)
		return false;
	return end <= node->heap_start && node->heap_start <= capacity_bytes;
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
	const node_slot_media *slots = (const node_slot_media *)(node + 1);
	value_check_fn *valid = value_check(node->level, kind);
	char claimed[NODE_BLOCK_BYTES] = { 0 };
	unsigned used_bytes = 0;
	unsigned i;

	if (valid == NULL || capacity_bytes > sizeof(claimed) ||
	    !header_valid(node, capacity_bytes, kind))
		return -EUCLEAN;
	for (i = 0; i < node->count; i++) {
		const node_slot_media *slot = &slots[i];
		uint64_t next_key = i + 1 < node->count ? slots[i + 1].key
							: UINT64_MAX;

		if (slot->offset < node->heap_start ||
		    slot->offset + slot->length > capacity_bytes)
			return -EUCLEAN;
		if (i + 1 < node->count && slot->key >= next_key)
			return -EUCLEAN;
		if (!claim(claimed, slot->offset, slot->length))
			return -EUCLEAN;
		if (!valid(slot->key, (const char *)node + slot->offset,
			   slot->length, next_key))
			return -EUCLEAN;
		used_bytes += slot->length;
	}
	return used_bytes == node->heap_used ? 0 : -EUCLEAN;
}

int node_block_check(const void *block, uint64_t owner, uint64_t self,
		     enum tree_kind kind)
{
	const node_block_media *prefix = block;

	if (prefix->magic != NODE_BLOCK_MAGIC || prefix->owner != owner ||
	    prefix->self != self)
		return -EUCLEAN;
	if (prefix->crc != crc32c_skipping(block, BLOCK_BYTES,
					   offsetof(node_block_media, crc)))
		return -EUCLEAN;
	return node_check((const node_media *)(prefix + 1), NODE_BLOCK_BYTES,
			  kind);
}
