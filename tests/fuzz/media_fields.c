/* SPDX-License-Identifier: BSD-3-Clause */
#include "media_map.h"

#include "media/freemap.h"
#include "media/inode.h"
#include "media/node.h"
#include "media/record.h"
#include "media/superblock.h"

#include <stddef.h>

#define FIELD(type, name)                                                      \
	{                                                                      \
		offsetof(type, name), sizeof(((type *)0)->name)                \
	}

static const struct field superblock_fields[] = {
	FIELD(superblock_media, magic),
	FIELD(superblock_media, version),
	FIELD(superblock_media, compat),
	FIELD(superblock_media, incompat),
	FIELD(superblock_media, ro_compat),
	FIELD(superblock_media, fs_uuid),
	FIELD(superblock_media, device_uuid),
	FIELD(superblock_media, label),
	FIELD(superblock_media, device_index),
	FIELD(superblock_media, device_count),
	FIELD(superblock_media, metadata_device),
	FIELD(superblock_media, metadata_mirror),
	FIELD(superblock_media, block_bytes),
	FIELD(superblock_media, flags),
	FIELD(superblock_media, sequence),
	FIELD(superblock_media, generation),
	FIELD(superblock_media, lineage),
	FIELD(superblock_media, size_blocks),
	FIELD(superblock_media, created_ns),
	FIELD(superblock_media, hash_seed),
	FIELD(superblock_media, journal_start),
	FIELD(superblock_media, journal_blocks),
	FIELD(superblock_media, freemap_start),
	FIELD(superblock_media, freemap_blocks),
	FIELD(superblock_media, inode_root),
	FIELD(superblock_media, inodes_used),
	FIELD(superblock_media, journal_sequence),
};

static const struct field roll_fields[] = {
	FIELD(roll_entry_media, uuid),
	FIELD(roll_entry_media, size_blocks),
	FIELD(roll_entry_media, generation),
	FIELD(roll_entry_media, state),
};

static const struct field anchor_fields[] = {
	FIELD(anchor_media, magic),	  FIELD(anchor_media, sequence),
	FIELD(anchor_media, ring_offset), FIELD(anchor_media, generation),
	FIELD(anchor_media, lineage),
};

static const struct field record_fields[] = {
	FIELD(record_media, magic),    FIELD(record_media, length_bytes),
	FIELD(record_media, kind),     FIELD(record_media, items),
	FIELD(record_media, sequence), FIELD(record_media, generation),
	FIELD(record_media, lineage),
};

/* And some of the bytes that it brings. */
static const struct field item_fields[] = {
	FIELD(record_item_media, addr),
	FIELD(record_item_media, length_bytes),
	{ sizeof(record_item_media), 8 },
	{ sizeof(record_item_media) + 16, 8 },
	{ sizeof(record_item_media) + 40, 8 },
	{ sizeof(record_item_media) + 48, 8 },
};

/* And some words of the bitmap. */
static const struct field freemap_fields[] = {
	FIELD(freemap_media, magic),	   FIELD(freemap_media, blocks),
	FIELD(freemap_media, free_blocks), FIELD(freemap_media, generation),
	FIELD(freemap_media, lineage),	   { BLOCK_BYTES, 8 },
	{ BLOCK_BYTES + 32, 8 },	   { BLOCK_BYTES + 64, 8 },
	{ BLOCK_BYTES + 72, 8 },	   { BLOCK_BYTES + 80, 8 },
	{ BLOCK_BYTES + 504, 8 },
};

static const struct field inode_fields[] = {
	FIELD(inode_media, magic),	   FIELD(inode_media, format),
	FIELD(inode_media, ino),	   FIELD(inode_media, generation),
	FIELD(inode_media, mode),	   FIELD(inode_media, uid),
	FIELD(inode_media, nlink),	   FIELD(inode_media, rdev),
	FIELD(inode_media, size),	   FIELD(inode_media, blocks),
	FIELD(inode_media, atime_s),	   FIELD(inode_media, atime_ns),
	FIELD(inode_media, parent_ino),	   FIELD(inode_media, parent_key),
	FIELD(inode_media, flags),	   FIELD(inode_media, xflags),
	FIELD(inode_media, pending_start), FIELD(inode_media, pending_end),
	FIELD(inode_media, xattr_root),	   FIELD(inode_media, home_device),
	FIELD(inode_media, area),
};

static const struct field prefix_fields[] = {
	FIELD(node_block_media, magic),
	FIELD(node_block_media, owner),
	FIELD(node_block_media, self),
};

static const struct field node_fields[] = {
	FIELD(node_media, magic),      FIELD(node_media, level),
	FIELD(node_media, kind),       FIELD(node_media, count),
	FIELD(node_media, heap_start), FIELD(node_media, heap_used),
};

static const struct field slot_fields[] = {
	FIELD(node_slot_media, key),
	FIELD(node_slot_media, offset),
	FIELD(node_slot_media, length),
};

static const struct field child_fields[] = { { 0, 8 } };

static const struct field extent_fields[] = {
	FIELD(extent_media, addr),
	FIELD(extent_media, blocks),
	FIELD(extent_media, flags),
};

static const struct field entry_fields[] = {
	FIELD(dirent_media, ino),
	FIELD(dirent_media, type),
	FIELD(dirent_media, name_length),
	{ sizeof(dirent_media), 1 },
};

static const struct field xattr_fields[] = {
	FIELD(xattr_media, addr),      FIELD(xattr_media, value_length),
	FIELD(xattr_media, value_crc), FIELD(xattr_media, name_length),
	{ sizeof(xattr_media), 1 },
};

static const struct field shared_fields[] = {
	FIELD(shared_media, blocks),
	FIELD(shared_media, owners),
};

#define FIELDS(kind, array)                                                    \
	[kind] = { array, sizeof(array) / sizeof((array)[0]) }

const struct field *media_fields(enum thing_kind kind, unsigned *count)
{
	static const struct {
		const struct field *fields;
		unsigned count;
	} all[THING_KINDS] = {
		FIELDS(THING_SUPERBLOCK, superblock_fields),
		FIELDS(THING_ROLL, roll_fields),
		FIELDS(THING_ANCHOR, anchor_fields),
		FIELDS(THING_RECORD, record_fields),
		FIELDS(THING_ITEM, item_fields),
		FIELDS(THING_FREEMAP, freemap_fields),
		FIELDS(THING_INODE_FILE, inode_fields),
		FIELDS(THING_INODE, inode_fields),
		FIELDS(THING_PREFIX, prefix_fields),
		FIELDS(THING_NODE, node_fields),
		FIELDS(THING_SLOT, slot_fields),
		FIELDS(THING_CHILD, child_fields),
		FIELDS(THING_EXTENT, extent_fields),
		FIELDS(THING_ENTRY, entry_fields),
		FIELDS(THING_XATTR, xattr_fields),
		FIELDS(THING_SHARED, shared_fields),
	};

	*count = all[kind].count;
	return all[kind].fields;
}
