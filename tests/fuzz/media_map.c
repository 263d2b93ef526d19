/* SPDX-License-Identifier: BSD-3-Clause */
#include "media_map.h"

#include "media/freemap.h"
#include "media/inode.h"
#include "media/node.h"
#include "media/record.h"
#include "media/superblock.h"
#include "util/crc32c.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* As many inodes of one sort as are of interest. */
#define PIPES_MAPPED 6

struct mapping {
	struct base *base;
	struct media_map *map;
	unsigned metadata;
	enum seal_kind seal;
	uint64_t sealed;
};

static void add(struct mapping *mapping, enum thing_kind kind, const void *at,
		unsigned device, size_t length_bytes)
{
	struct media_map *map = mapping->map;
	unsigned char *image = mapping->base->image[device];
	struct thing *thing;

	if (!map->things[kind])
		map->things[kind] = calloc(THINGS_MAX, sizeof(*thing));
	if (!map->things[kind])
		fuzz_fail("no memory");
	if (map->count[kind] == THINGS_MAX)
		return;
	thing = &map->things[kind][map->count[kind]++];
	thing->addr = addr_make(device,
				(uint64_t)((unsigned char *)at - image));
	thing->length_bytes = (uint32_t)length_bytes;
	thing->seal = mapping->seal;
	thing->sealed = mapping->sealed;
}

/* It has a checksum of its own. */
static void add_sealed(struct mapping *mapping, enum thing_kind kind,
		       const void *at, unsigned device, size_t length_bytes,
		       enum seal_kind seal)
{
	unsigned char *image = mapping->base->image[device];

	mapping->seal = seal;
	mapping->sealed = addr_make(device,
				    (uint64_t)((unsigned char *)at - image));
	add(mapping, kind, at, device, length_bytes);
}

static void map_node(struct mapping *mapping, node_media *node);

static void map_child(struct mapping *mapping, uint64_t addr)
{
	const struct mapping outer = *mapping;
	char *block = base_at(mapping->base, addr);

	add_sealed(mapping, THING_PREFIX, block, mapping->metadata,
		   sizeof(node_block_media), SEAL_BLOCK);
	map_node(mapping, node_of_block(block));
	*mapping = outer;
}

static void map_node(struct mapping *mapping, node_media *node)
{
	static const enum thing_kind leaves[] = {
		[TREE_EXTENTS] = THING_EXTENT,
		[TREE_ENTRIES] = THING_ENTRY,
		[TREE_XATTRS] = THING_XATTR,
		[TREE_SHARED] = THING_SHARED,
	};
	node_slot_media *slots = (node_slot_media *)(node + 1);

	add(mapping, THING_NODE, node, mapping->metadata, sizeof(*node));
	for (unsigned i = 0; i < node->count; i++) {
		enum thing_kind kind = node->level ? THING_CHILD
						   : leaves[node->kind];
		unsigned length;
		const void *value = node_value(node, i, &length);
		uint64_t child;

		add(mapping, THING_SLOT, &slots[i], mapping->metadata,
		    sizeof(slots[i]));
		add(mapping, kind, value, mapping->metadata, length);
		memcpy(&child, value, sizeof(child));
		if (node->level)
			map_child(mapping, child);
	}
}

static void map_inode(struct mapping *mapping, enum thing_kind kind,
		      inode_media *inode)
{
	add_sealed(mapping, kind, inode, mapping->metadata, sizeof(*inode),
		   SEAL_INODE);
	if (inode->mode == 0 && kind == THING_INODE)
		return;
	if (inode->format >= INODE_EXTENTS)
		map_node(mapping, (node_media *)inode->area);
	if (inode->xattr_root)
		map_child(mapping, inode->xattr_root);
}

static void map_inodes(struct mapping *mapping, uint64_t inode_root)
{
	struct base *base = mapping->base;
	inode_media *file = base_at(base, inode_root);
	node_media *root = (node_media *)file->area;
	unsigned pipes = 0;

	map_inode(mapping, THING_INODE_FILE, file);
	for (unsigned i = 0; i < root->count; i++) {
		unsigned length;
		const extent_media *extent = node_value(root, i, &length);
		inode_media *slot = base_at(base, extent->addr);
		unsigned slots = extent->blocks * (BLOCK_BYTES / INODE_BYTES);

		for (unsigned k = 0; k < slots; k++)
			if (slot[k].format != INODE_NOTHING ||
			    pipes++ % 128 < PIPES_MAPPED)
				map_inode(mapping, THING_INODE, &slot[k]);
	}
}

static void map_journal(struct mapping *mapping, const superblock_media *sb)
{
	char *area = (char *)mapping->base->image[mapping->metadata] +
		     sb->journal_start * BLOCK_BYTES;
	char *ring = area + BLOCK_BYTES;
	uint64_t room = (sb->journal_blocks - 1) * BLOCK_BYTES;
	const anchor_media *anchor;
	uint64_t at, sequence;

	add_sealed(mapping, THING_ANCHOR, area, mapping->metadata,
		   sizeof(anchor_media), SEAL_ANCHOR);
	add_sealed(mapping, THING_ANCHOR, area + ANCHOR_SECOND_OFFSET,
		   mapping->metadata, sizeof(anchor_media), SEAL_ANCHOR);
	if (anchor_pick(area, &anchor))
		fuzz_fail("the base has no anchor");
	sequence = anchor->sequence;
	for (at = anchor->ring_offset; at < room;) {
		record_media *record = (void *)(ring + at);
		const record_item_media *item = NULL;

		if (record_check(record, room - at, sequence++, sb->generation,
				 sb->lineage) ||
		    record->kind != RECORD_CHANGES)
			return;
		add_sealed(mapping, THING_RECORD, record, mapping->metadata,
			   sizeof(*record), SEAL_RECORD);
		while ((item = record_next(record, item)) != NULL)
			add(mapping, THING_ITEM, item, mapping->metadata,
			    sizeof(*item) + item->length_bytes);
		at += record->length_bytes;
	}
}

static void map_device(struct mapping *mapping, unsigned device)
{
	char *image = (char *)mapping->base->image[device];
	char *copies[2];
	superblock_media *sb = (void *)image;

	copies[0] = image;
	copies[1] = image + superblock_second_offset(sb->size_blocks);
	for (unsigned i = 0; i < 2; i++) {
		superblock_media *copy = (void *)copies[i];

		add_sealed(mapping, THING_SUPERBLOCK, copy, device,
			   sizeof(*copy), SEAL_SUPERBLOCK);
		for (unsigned k = 0; k < mapping->base->devices; k++)
			add(mapping, THING_ROLL, &copy->roll[k], device,
			    sizeof(copy->roll[k]));
	}
	add_sealed(mapping, THING_FREEMAP,
		   image + sb->freemap_start * BLOCK_BYTES, device,
		   sb->freemap_blocks * BLOCK_BYTES, SEAL_FREEMAP);
}

const struct media_map *media_map_get(struct base *base, unsigned which)
{
	static struct media_map maps[BASES];
	struct media_map *map = &maps[which];
	struct mapping mapping = { .base = base, .map = map };
	const superblock_media *sb = (const void *)base->image[0];

	if (map->count[THING_SUPERBLOCK])
		return map;
	mapping.metadata = sb->metadata_device;
	for (unsigned i = 0; i < base->devices; i++)
		map_device(&mapping, i);
	map_journal(&mapping, sb);
	map_inodes(&mapping, sb->inode_root);
	return map;
}

/* ---------------------------------------------------------------- checksums */

static void seal(void *at, size_t length_bytes, size_t offset)
{
	uint32_t crc = crc32c_skipping(at, length_bytes, offset);

	memcpy((char *)at + offset, &crc, sizeof(crc));
}

static void seal_record(struct base *base, const struct thing *thing)
{
	record_media *record = base_at(base, thing->sealed);
	size_t length = record->length_bytes;

	if (record->kind == RECORD_PAD || length < sizeof(*record) ||
	    length > RECORD_BYTES_MAX ||
	    length > BASE_BYTES - addr_offset(thing->sealed))
		length = sizeof(*record);
	seal(record, length, offsetof(record_media, crc));
}

/* As freemap_seal() does it, but by the size that the base has. */
static void seal_freemap(struct base *base, const struct thing *thing)
{
	freemap_media *map = base_at(base, thing->sealed);

	map->bitmap_crc = crc32c(0, map + 1, BASE_BLOCKS / 8);
	seal(map, sizeof(*map), offsetof(freemap_media, crc));
}

void media_seal(struct base *base, const struct thing *thing)
{
	void *at = base_at(base, thing->sealed);

	switch (thing->seal) {
	case SEAL_SUPERBLOCK:
		seal(at, BLOCK_BYTES, offsetof(superblock_media, crc));
		break;
	case SEAL_ANCHOR:
		seal(at, sizeof(anchor_media), offsetof(anchor_media, crc));
		break;
	case SEAL_RECORD:
		seal_record(base, thing);
		break;
	case SEAL_FREEMAP:
		seal_freemap(base, thing);
		break;
	case SEAL_INODE:
		seal(at, INODE_BYTES, offsetof(inode_media, crc));
		break;
	case SEAL_BLOCK:
		seal(at, BLOCK_BYTES, offsetof(node_block_media, crc));
		break;
	}
	base_touch(base, thing->sealed, BLOCK_BYTES);
}
