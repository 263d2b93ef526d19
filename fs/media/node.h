/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * node.h -- one node of a B+tree: sorted 64-bit keys, values of any length
 *
 * The same layout serves the root inside an inode (INODE_AREA_BYTES, under
 * the inode's checksum) and a block of its own (NODE_BLOCK_BYTES after a
 * node_block_media prefix with checksum, owner and own address). Slots grow
 * up from the header, values grow down from the end; a hole that a removed
 * value leaves is closed when room is needed.
 *
 * Level 0 is a leaf; above it each value is a child's address (8 bytes) and
 * each key the smallest key the child may hold. The first child takes all that
 * belongs to the node and is smaller: its key counts as the node's own bound.
 * Keys are unique. Nodes are not merged: a node that becomes empty is freed.
 *
 * Pure: works on a buffer, no I/O, no locks, no allocation.
 * Errors: -ENOSPC no room for the value, -EUCLEAN damage, -EEXIST, -ENOENT.
 */
#ifndef UDAX_MEDIA_NODE_H
#define UDAX_MEDIA_NODE_H

#include "media/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODE_MAGIC 0x4544u
#define NODE_LEVELS_MAX 12

enum tree_kind {
	TREE_EXTENTS = 1,
	TREE_ENTRIES = 2,
	TREE_XATTRS = 3,
	TREE_SHARED = 4,
};

typedef struct __attribute__((packed)) {
	uint16_t magic;
	uint8_t level;
	uint8_t kind;	     /* enum tree_kind */
	uint16_t count;	     /* slots in use */
	uint16_t heap_start; /* values lie in [heap_start, capacity) */
	uint16_t heap_used;  /* bytes of them that are alive */
	uint16_t pad[3];
} node_media;

typedef struct __attribute__((packed)) {
	uint64_t key;
	uint16_t offset; /* of the value, from the node header */
	uint16_t length;
} node_slot_media;

typedef struct __attribute__((packed)) {
	uint32_t crc; /* CRC-32C of the block, this field as 0 */
	uint32_t magic;
	uint64_t owner; /* inode number */
	uint64_t self;	/* the block's own address */
	uint64_t pad;
} node_block_media;

#define NODE_BLOCK_MAGIC 0x4b4c4244u
#define NODE_BLOCK_BYTES (BLOCK_BYTES - sizeof(node_block_media))
/* What an entry takes in a node. */
#define NODE_ENTRY_BYTES(length_bytes)                                         \
	(sizeof(node_slot_media) + (length_bytes))

_Static_assert(sizeof(node_media) == 16, "node header");
_Static_assert(sizeof(node_slot_media) == 12, "node slot");
_Static_assert(sizeof(node_block_media) == 32, "node block prefix");

/* Values of the four kinds, in leaves. */

/* TREE_EXTENTS: key = first file block. Neighbours that continue each other on
 * the device are one extent. */
#define EXTENT_UNWRITTEN 0x1u /* reads as zeros */
#define EXTENT_SHARED 0x2u    /* may have other owners: see TREE_SHARED */
#define FILE_BLOCKS_MAX (UINT64_C(1) << 48)
typedef struct __attribute__((packed)) {
	uint64_t addr;
	uint32_t blocks;
	uint32_t flags;
} extent_media;

/* TREE_ENTRIES: key = name hash, see media/name.h; readdir's cookie. */
typedef struct __attribute__((packed)) {
	uint64_t ino;
	uint8_t type; /* DT_* */
	uint8_t name_length;
	uint8_t name[];
} dirent_media;

/* TREE_XATTRS: key = hash of the full name. A value that does not fit in a
 * node stands in blocks of its own: addr != 0, value[] empty. */
#define XATTR_INLINE_MAX 1024
#define XATTR_VALUE_MAX 65536 /* XATTR_SIZE_MAX of the kernel */
typedef struct __attribute__((packed)) {
	uint64_t addr; /* contiguous blocks, or ADDR_NONE */
	uint32_t value_length;
	uint32_t value_crc; /* of an out-of-line value */
	uint8_t name_length;
	uint8_t bytes[]; /* name, then the value if inline */
} xattr_media;

/* TREE_SHARED: key = address >> BLOCK_SHIFT of a run of data blocks. */
typedef struct __attribute__((packed)) {
	uint32_t blocks;
	uint32_t owners; /* extents that have each of them: at least 2 */
} shared_media;

void node_init(node_media *node, unsigned capacity_bytes, unsigned level,
	       enum tree_kind kind);
void node_block_init(void *block, uint64_t owner, uint64_t self, unsigned level,
		     enum tree_kind kind);
static inline node_media *node_of_block(void *block)
{
	return (node_media *)((char *)block + sizeof(node_block_media));
}
void node_block_seal(void *block);

/*
 * 0 or -EUCLEAN; every later call relies on it. What it promises of a leaf's
 * values: extents do not overlap in the file and lie on a device, below its
 * possible end; a name is 1 to 255 bytes without '/' and NUL, with a key and
 * type a directory may have; an xattr's parts fill its length exactly; shared
 * runs do not overlap. An internal node has at least one child.
 * node_block_check: the checksum, too.
 */
int node_check(const node_media *node, unsigned capacity_bytes,
	       enum tree_kind kind) __attribute__((warn_unused_result));
int node_block_check(const void *block, uint64_t owner, uint64_t self,
		     enum tree_kind kind) __attribute__((warn_unused_result));

/* Part of that, in constant time: whose it is, and where. */
int node_block_identify(const void *block, uint64_t owner, uint64_t self)
	__attribute__((warn_unused_result));

/*
 * Parts of node_check(), for a node that passed it and may have been written
 * to since: the header alone, which makes searching safe (constant time); one
 * slot, which makes its value safe (constant time); where all values lie, which
 * makes changes safe, if not right: values may overlap or mean nothing.
 */
int node_header_check(const node_media *node, unsigned capacity_bytes,
		      enum tree_kind kind) __attribute__((warn_unused_result));
int node_slot_check(const node_media *node, unsigned capacity_bytes,
		    unsigned slot) __attribute__((warn_unused_result));
int node_layout_check(const node_media *node, unsigned capacity_bytes,
		      enum tree_kind kind) __attribute__((warn_unused_result));
/* A leaf's value that is not in a node yet. */
int node_value_check(enum tree_kind kind, uint64_t key, const void *value,
		     unsigned length_bytes) __attribute__((warn_unused_result));

/* Index of the first slot with a key >= key, or count. */
unsigned node_lower_bound(const node_media *node, uint64_t key);
/* Index of the last slot with a key <= key (children: at least 0), or -1. */
int node_floor(const node_media *node, uint64_t key);
uint64_t node_key(const node_media *node, unsigned slot);
const void *node_value(const node_media *node, unsigned slot,
		       unsigned *length_bytes);
unsigned node_free_bytes(const node_media *node, unsigned capacity_bytes);

/* The value must not lie in the node. */
int node_insert(node_media *node, unsigned capacity_bytes, uint64_t key,
		const void *value, unsigned length_bytes)
	__attribute__((warn_unused_result));
void node_remove(node_media *node, unsigned slot);
/* Same length: in place; else remove and insert (-ENOSPC changes nothing). */
int node_replace(node_media *node, unsigned capacity_bytes, unsigned slot,
		 const void *value, unsigned length_bytes)
	__attribute__((warn_unused_result));
/* Change a key without changing the order. */
void node_rekey(node_media *node, unsigned slot, uint64_t key);
/* Move the upper part, from slot on, to an empty node with room for it. */
void node_split(node_media *node, unsigned capacity_bytes, unsigned slot,
		node_media *upper, unsigned upper_capacity_bytes);

#endif
