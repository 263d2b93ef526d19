/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect.h"

#include "alloc/bits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct collection {
	struct fsck *fsck;
	uint64_t ino;
	enum tree_kind kind;
	struct values *values;
	uint64_t *visited; /* blocks of nodes */
	size_t visited_count, visited_room;
};

/* ----------------------------------------------------------------- values */

static int values_push(struct values *values, struct leaf_value value)
{
	if (values->count == values->room) {
		size_t room = values->room ? values->room * 2 : 64;
		struct leaf_value *more = reallocarray(values->at, room,
						       sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		values->at = more;
		values->room = room;
	}
	values->at[values->count++] = value;
	return 0;
}

int values_add(struct values *values, uint64_t key, const void *bytes,
	       unsigned length)
{
	return values_push(values, (struct leaf_value){
					   .key = key,
					   .bytes = bytes,
					   .length = (uint16_t)length,
				   });
}

static int compare(const void *one, const void *other)
{
	const struct leaf_value *a = one, *b = other;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return (int)a->suspect - (int)b->suspect;
}

void values_sort(struct values *values)
{
	if (values->count > 1)
		qsort(values->at, values->count, sizeof(values->at[0]),
		      compare);
}

void values_fini(struct values *values)
{
	free(values->at);
	*values = (struct values){ .at = NULL };
}

/* ------------------------------------------------------------------ nodes */

/* Once each; 0 for a block that was visited, or is no place for a node. */
static int visit(struct collection *collection, uint64_t addr)
{
	struct fsck *fsck = collection->fsck;
	uint64_t block = addr_block(addr);

	if (addr_device(addr) != fsck->metadata_device || addr % BLOCK_BYTES ||
	    block >= fsck->device[fsck->metadata_device].sb.size_blocks ||
	    bits_test(fsck->seen, block))
		return 0;
	if (collection->visited_count == collection->visited_room) {
		size_t room = collection->visited_room * 2 + 64;
		uint64_t *more = reallocarray(collection->visited, room,
					      sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		collection->visited = more;
		collection->visited_room = room;
	}
	collection->visited[collection->visited_count++] = block;
	bits_fill(fsck->seen, block, 1, true);
	return 1;
}

/* Is it ours at all, checksum or not? */
static bool plausible(const struct collection *collection, const void *block,
		      uint64_t addr)
{
	const node_block_media *prefix = block;
	int signs = (prefix->magic == NODE_BLOCK_MAGIC) +
		    (prefix->owner == collection->ino) + (prefix->self == addr);

	return signs >= 2 &&
	       node_header_check((const node_media *)(prefix + 1),
				 NODE_BLOCK_BYTES, collection->kind) == 0;
}

static int collect_node(struct collection *collection, const node_media *node,
			unsigned capacity, bool suspect);

/* Of any level below the parent's. */
static int collect_child(struct collection *collection, uint64_t addr,
			 unsigned levels)
{
	struct device *device =
		collection->fsck->device[collection->fsck->metadata_device]
			.device;
	const node_media *node;
	const void *block;
	bool sound;
	int err = visit(collection, addr);

	if (err <= 0)
		return err;
	block = device_at(device, addr_offset(addr));
	sound = node_block_check(block, collection->ino, addr,
				 collection->kind) == 0;
	if (!sound && !plausible(collection, block, addr))
		return 0;
	node = (const node_media *)((const char *)block +
				    sizeof(node_block_media));
	if (node->level >= levels)
		return 0;
	return collect_node(collection, node, NODE_BLOCK_BYTES, !sound);
}

static int collect_node(struct collection *collection, const node_media *node,
			unsigned capacity, bool suspect)
{
	unsigned slot, length;
	int err = 0;

	for (slot = 0; slot < node->count && err == 0; slot++) {
		const void *value;
		uint64_t addr;

		if (node_slot_check(node, capacity, slot) != 0)
			continue;
		value = node_value(node, slot, &length);
		if (node->level == 0) {
			err = values_push(collection->values,
					  (struct leaf_value){
						  node_key(node, slot), value,
						  (uint16_t)length, suspect });
			continue;
		}
		memcpy(&addr, value, sizeof(addr));
		err = collect_child(collection, addr, node->level);
	}
	return err;
}

static void collection_fini(struct collection *collection)
{
	size_t i;

	for (i = 0; i < collection->visited_count; i++)
		bits_fill(collection->fsck->seen, collection->visited[i], 1,
			  false);
	free(collection->visited);
}

int collect_inode(struct fsck *fsck, const inode_media *inode,
		  enum tree_kind kind, struct values *out)
{
	struct collection collection = {
		.fsck = fsck, .ino = inode->ino, .kind = kind, .values = out
	};
	const node_media *root = (const node_media *)inode->area;
	int err = 0;

	if (node_header_check(root, INODE_AREA_BYTES, kind) == 0)
		err = collect_node(&collection, root, INODE_AREA_BYTES, false);
	collection_fini(&collection);
	values_sort(out);
	return err;
}

int collect_block(struct fsck *fsck, uint64_t ino, uint64_t addr,
		  enum tree_kind kind, struct values *out)
{
	struct collection collection = {
		.fsck = fsck, .ino = ino, .kind = kind, .values = out
	};
	int err = collect_child(&collection, addr, NODE_LEVELS_MAX);

	collection_fini(&collection);
	values_sort(out);
	return err;
}

/* ---------------------------------------------------------------- protect */

static void protect(struct fsck *fsck, uint64_t addr, uint64_t blocks)
{
	struct fsck_device *device = &fsck->device[addr_device(addr)];
	uint64_t size = device->sb.size_blocks, start = addr_block(addr);

	if (!is_member(fsck, addr_device(addr)) || start >= size)
		return;
	if (blocks > size - start)
		blocks = size - start;
	bits_fill(device->maybe, start, blocks, true);
}

/* An extent cannot be what reaches into the next one: it may be all there is.
 */
static uint64_t blocks_until_next(const struct values *values, size_t i)
{
	const extent_media *extent = values->at[i].bytes;
	uint64_t most = UINT64_MAX;

	if (i + 1 < values->count)
		most = values->at[i + 1].key - values->at[i].key;
	return extent->blocks < most ? extent->blocks : most;
}

int collect_protect(struct fsck *fsck, uint64_t ino, uint64_t addr,
		    enum tree_kind kind)
{
	struct values values = { .at = NULL };
	struct collection collection = {
		.fsck = fsck, .ino = ino, .kind = kind, .values = &values
	};
	int err = collect_child(&collection, addr, NODE_LEVELS_MAX);
	size_t i;

	for (i = 0; i < collection.visited_count; i++)
		bits_fill(fsck->device[fsck->metadata_device].maybe,
			  collection.visited[i], 1, true);
	values_sort(&values);
	for (i = 0; i < values.count; i++) {
		const extent_media *extent = values.at[i].bytes;
		const xattr_media *xattr = values.at[i].bytes;

		if (kind == TREE_EXTENTS)
			protect(fsck, extent->addr,
				blocks_until_next(&values, i));
		else if (kind == TREE_XATTRS && xattr->addr != ADDR_NONE)
			protect(fsck, xattr->addr,
				(xattr->value_length + BLOCK_BYTES - 1) /
					BLOCK_BYTES);
	}
	collection_fini(&collection);
	values_fini(&values);
	return err;
}
