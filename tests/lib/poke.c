/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poke.c -- damage with a valid checksum: what a flipped bit cannot make
 *
 *   poke DEVICE super FIELD VALUE         both superblocks
 *   poke DEVICE roll INDEX uuid|size_blocks|generation|state VALUE  of both
 *   poke DEVICE anchor sequence|ring_offset|generation VALUE  both anchors
 *   poke DEVICE key INO SLOT VALUE        in the first leaf, or the root
 *   poke DEVICE xattr INO SLOT addr|value_length|value_crc VALUE  in the root
 *   poke DEVICE flip OFFSET               the lowest bit of that byte
 *   poke DEVICE fill OFFSET LENGTH BYTE   BYTE random: noise
 *   poke DEVICE inode INO FIELD VALUE     0: the inode file's own
 *   poke DEVICE entry DIR NAME ino|type VALUE
 *   poke DEVICE extent INO BLOCK addr|blocks|flags VALUE
 *   poke DEVICE where inode INO           byte offset on the device
 *   poke DEVICE where node INO            ... of a tree node below the root
 *   poke DEVICE where super|second|journal|freemap|xattr INO  ... of that
 *   poke DEVICE lookup DIR NAME           inode number
 *   poke DEVICE get inode INO FIELD
 *   poke DEVICE get extent INO BLOCK addr|blocks|flags
 *   poke DEVICE shared blocks|owners VALUE   the first run of inode 2
 *   poke DEVICE mutate SEED COUNT         anything, anywhere in the metadata
 *
 * DEVICE is the metadata device; for super and roll any. VALUE: a number, or
 * +N, -N.
 */
#include "device/device.h"
#include "device/members.h"
#include "media/inode.h"
#include "media/name.h"
#include "media/node.h"
#include "media/record.h"
#include "media/superblock.h"
#include "tree/tree.h"
#include "util/crc32c.h"

#include <err.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct field {
	const char *name;
	size_t offset;
	size_t bytes;
};

#define FIELD(type, name)                                                      \
	{                                                                      \
#name, offsetof(type, name), sizeof(((type *)0)->name)         \
	}

static const struct field inode_fields[] = {
	FIELD(inode_media, ino),
	FIELD(inode_media, mode),
	FIELD(inode_media, format),
	FIELD(inode_media, nlink),
	FIELD(inode_media, size),
	FIELD(inode_media, blocks),
	FIELD(inode_media, parent_ino),
	FIELD(inode_media, parent_key),
	FIELD(inode_media, pending_end),
	FIELD(inode_media, xattr_root),
	FIELD(inode_media, generation),
	FIELD(inode_media, pending_start),
	FIELD(inode_media, home_device),
	FIELD(inode_media, mtime_ns),
	{ NULL, 0, 0 },
};

static const struct field super_fields[] = {
	FIELD(superblock_media, flags),
	FIELD(superblock_media, generation),
	FIELD(superblock_media, sequence),
	FIELD(superblock_media, incompat),
	FIELD(superblock_media, inodes_used),
	FIELD(superblock_media, journal_start),
	FIELD(superblock_media, journal_blocks),
	FIELD(superblock_media, freemap_start),
	FIELD(superblock_media, inode_root),
	FIELD(superblock_media, device_index),
	FIELD(superblock_media, device_count),
	FIELD(superblock_media, hash_seed),
	FIELD(superblock_media, version),
	FIELD(superblock_media, ro_compat),
	FIELD(superblock_media, metadata_device),
	FIELD(superblock_media, size_blocks),
	FIELD(superblock_media, freemap_blocks),
	FIELD(superblock_media, journal_sequence),
	FIELD(superblock_media, lineage),
	{ NULL, 0, 0 },
};

static const struct field shared_fields[] = {
	FIELD(shared_media, blocks),
	FIELD(shared_media, owners),
	{ NULL, 0, 0 },
};

static const struct field roll_fields[] = {
	FIELD(roll_entry_media, uuid),
	FIELD(roll_entry_media, size_blocks),
	FIELD(roll_entry_media, generation),
	FIELD(roll_entry_media, state),
	{ NULL, 0, 0 },
};

static const struct field anchor_fields[] = {
	FIELD(anchor_media, sequence),
	FIELD(anchor_media, ring_offset),
	FIELD(anchor_media, generation),
	{ NULL, 0, 0 },
};

static const struct field xattr_fields[] = {
	FIELD(xattr_media, addr),
	FIELD(xattr_media, value_length),
	FIELD(xattr_media, value_crc),
	{ NULL, 0, 0 },
};

static const struct field extent_fields[] = {
	FIELD(extent_media, addr),
	FIELD(extent_media, blocks),
	FIELD(extent_media, flags),
	{ NULL, 0, 0 },
};

static const struct field entry_fields[] = {
	FIELD(dirent_media, ino),
	FIELD(dirent_media, type),
	{ NULL, 0, 0 },
};

static struct device *device;
static struct members members;
static struct tree_env env;
static superblock_media sb_copy;
static const superblock_media *sb = &sb_copy;

static const struct field *field_of(const struct field *fields,
				    const char *name)
{
	for (; fields->name; fields++)
		if (strcmp(fields->name, name) == 0)
			return fields;
	errx(2, "no field %s", name);
}

static void set(void *at, const struct field *fields, const char *name,
		const char *text)
{
	const struct field *field = field_of(fields, name);
	uint64_t value = strtoull(text, NULL, 0), old = 0;

	size_t bytes = field->bytes < 8 ? field->bytes : 8;

	memcpy(&old, (char *)at + field->offset, bytes);
	if (text[0] == '+' || text[0] == '-')
		value += old;
	memcpy((char *)at + field->offset, &value, bytes);
}

static enum tree_kind kind_of(const inode_media *inode)
{
	if (inode->format == INODE_SHARED)
		return TREE_SHARED;
	return inode->format == INODE_ENTRIES ? TREE_ENTRIES : TREE_EXTENTS;
}

static struct tree tree_of(uint64_t ino, inode_media *inode)
{
	return (struct tree){
		.env = &env,
		.owner = ino,
		.kind = kind_of(inode),
		.root = (node_media *)inode->area,
		.root_capacity_bytes = INODE_AREA_BYTES,
	};
}

static inode_media *inode_file(void)
{
	return device_at(device, addr_offset(sb->inode_root));
}

static inode_media *inode_at(uint64_t ino)
{
	struct tree tree = tree_of(INO_INODE_FILE, inode_file());
	uint64_t block = ino * INODE_BYTES / BLOCK_BYTES;
	const extent_media *extent;
	struct tree_cursor cursor;

	if (ino == INO_INODE_FILE)
		return inode_file();
	if (tree_seek_floor(&tree, block, &cursor) != 0)
		errx(1, "no inode %ju", (uintmax_t)ino);
	extent = cursor.value;
	if (block - cursor.key >= extent->blocks)
		errx(1, "no inode %ju", (uintmax_t)ino);
	return device_at(device, addr_offset(extent->addr) +
					 (block - cursor.key) * BLOCK_BYTES +
					 ino * INODE_BYTES % BLOCK_BYTES);
}

/* After a value below the cursor was changed. */
static void seal(const struct tree_cursor *cursor, inode_media *inode)
{
	unsigned i;

	for (i = 0; i < NODE_LEVELS_MAX && cursor->at[i].node; i++)
		if (cursor->at[i].addr != ADDR_NONE)
			node_block_seal(device_at(
				device, addr_offset(cursor->at[i].addr)));
	inode_media_seal(inode);
}

static void find_entry(uint64_t dir, const char *name, struct tree *tree,
		       struct tree_cursor *cursor)
{
	uint64_t key = name_key(sb->hash_seed, name, strlen(name));
	int error;

	*tree = tree_of(dir, inode_at(dir));
	memset(cursor, 0, sizeof(*cursor));
	error = tree_seek(tree, key, cursor);
	while (error == 0 && cursor->key - key < NAME_COLLISIONS) {
		const dirent_media *entry = cursor->value;

		if (entry->name_length == strlen(name) &&
		    memcmp(entry->name, name, strlen(name)) == 0)
			return;
		error = tree_next(cursor);
	}
	errx(1, "no entry %s", name);
}

static void store_supers(superblock_media *copy)
{
	uint64_t second = superblock_second_offset(sb->size_blocks);

	superblock_seal(copy);
	memcpy(device_at(device, 0), copy, sizeof(*copy));
	memcpy(device_at(device, second), copy, sizeof(*copy));
}

static void poke_super(char **args)
{
	superblock_media copy = *sb;

	set(&copy, super_fields, args[0], args[1]);
	store_supers(&copy);
}

static void poke_roll(char **args)
{
	superblock_media copy = *sb;

	set(&copy.roll[strtoul(args[0], NULL, 0) % ROLL_MAX], roll_fields,
	    args[1], args[2]);
	store_supers(&copy);
}

static void poke_anchor(char **args)
{
	char *area = device_at(device, sb->journal_start * BLOCK_BYTES);
	unsigned i;

	for (i = 0; i < 2; i++, area += ANCHOR_SECOND_OFFSET) {
		set(area, anchor_fields, args[0], args[1]);
		anchor_seal((anchor_media *)area);
	}
}

static int first_node(uint64_t addr, void *arg)
{
	memcpy(arg, &addr, sizeof(addr));
	return 1;
}

static void poke_key(char **args)
{
	inode_media *inode = inode_at(strtoull(args[0], NULL, 0));
	struct tree tree = tree_of(inode->ino, inode);
	node_media *node = (node_media *)inode->area;
	uint64_t addr = ADDR_NONE, key = strtoull(args[2], NULL, 0);
	unsigned slot = (unsigned)strtoul(args[1], NULL, 0);

	if (tree_walk_blocks(&tree, first_node, &addr) == 1)
		node = node_of_block(device_at(device, addr_offset(addr)));
	if (slot >= node->count)
		errx(1, "no slot %u", slot);
	memcpy((char *)(node + 1) + slot * sizeof(node_slot_media), &key,
	       sizeof(key));
	if (addr != ADDR_NONE)
		node_block_seal(device_at(device, addr_offset(addr)));
	inode_media_seal(inode);
}

static void poke_xattr(char **args)
{
	inode_media *inode = inode_at(strtoull(args[0], NULL, 0));
	char *block = device_at(device, addr_offset(inode->xattr_root));
	node_media *node = node_of_block(block);
	unsigned slot = (unsigned)strtoul(args[1], NULL, 0), length;

	if (node->level > 0 || slot >= node->count)
		errx(1, "no slot %u", slot);
	set((void *)node_value(node, slot, &length), xattr_fields, args[2],
	    args[3]);
	node_block_seal(block);
}

static void poke_flip(char **args)
{
	*(unsigned char *)device_at(device, strtoull(args[0], NULL, 0)) ^= 1;
}

static void poke_fill(char **args)
{
	unsigned char *at = device_at(device, strtoull(args[0], NULL, 0));
	uint64_t length = strtoull(args[1], NULL, 0), i;

	srand(1);
	for (i = 0; i < length; i++)
		at[i] = (unsigned char)(strcmp(args[2], "random") == 0
						? (unsigned long)rand() >> 8
						: strtoul(args[2], NULL, 0));
}

static void poke_inode(char **args)
{
	inode_media *inode = inode_at(strtoull(args[0], NULL, 0));

	set(inode, inode_fields, args[1], args[2]);
	inode_media_seal(inode);
}

static void poke_entry(char **args)
{
	uint64_t dir = strtoull(args[0], NULL, 0);
	struct tree_cursor cursor;
	struct tree tree;

	find_entry(dir, args[1], &tree, &cursor);
	set((void *)cursor.value, entry_fields, args[2], args[3]);
	seal(&cursor, inode_at(dir));
}

static void poke_extent(char **args)
{
	inode_media *inode = inode_at(strtoull(args[0], NULL, 0));
	struct tree tree = tree_of(strtoull(args[0], NULL, 0), inode);
	struct tree_cursor cursor = { .depth = 0 };

	if (tree_seek_floor(&tree, strtoull(args[1], NULL, 0), &cursor) != 0)
		errx(1, "no extent there");
	set((void *)cursor.value, extent_fields, args[2], args[3]);
	seal(&cursor, inode);
}

static int print_node(uint64_t addr, void *arg)
{
	(void)arg;
	printf("%ju\n", (uintmax_t)addr_offset(addr));
	return 1;
}

static void where(char **args)
{
	uint64_t ino = strtoull(args[1], NULL, 0);
	inode_media *inode = inode_at(ino);
	struct tree tree = tree_of(ino, inode);

	if (strcmp(args[0], "super") == 0)
		puts("0");
	else if (strcmp(args[0], "second") == 0)
		printf("%ju\n",
		       (uintmax_t)superblock_second_offset(sb->size_blocks));
	else if (strcmp(args[0], "journal") == 0)
		printf("%ju\n", (uintmax_t)(sb->journal_start * BLOCK_BYTES));
	else if (strcmp(args[0], "freemap") == 0)
		printf("%ju\n", (uintmax_t)(sb->freemap_start * BLOCK_BYTES));
	else if (strcmp(args[0], "xattr") == 0)
		printf("%ju\n", (uintmax_t)addr_offset(inode->xattr_root));
	else if (strcmp(args[0], "inode") == 0)
		printf("%ju\n", (uintmax_t)device_offset(device, inode));
	else if (tree_walk_blocks(&tree, print_node, NULL) != 1)
		errx(1, "no node below the root");
}

static void get_extent(char **args)
{
	inode_media *inode = inode_at(strtoull(args[1], NULL, 0));
	struct tree tree = tree_of(inode->ino, inode);
	const struct field *field = field_of(extent_fields, args[3]);
	struct tree_cursor cursor;
	uint64_t value = 0;

	if (tree_seek_floor(&tree, strtoull(args[2], NULL, 0), &cursor) != 0)
		errx(1, "no extent there");
	memcpy(&value, (const char *)cursor.value + field->offset,
	       field->bytes);
	printf("%ju\n", (uintmax_t)value);
}

static void poke_shared(char **args)
{
	inode_media *inode = inode_at(INO_SHARED);
	struct tree tree = tree_of(INO_SHARED, inode);
	struct tree_cursor cursor;

	if (tree_seek(&tree, 0, &cursor) != 0)
		errx(1, "nothing is shared");
	set((void *)cursor.value, shared_fields, args[0], args[1]);
	seal(&cursor, inode);
}

static void get_inode(char **args)
{
	const inode_media *inode = inode_at(strtoull(args[1], NULL, 0));
	const struct field *field = field_of(inode_fields, args[2]);
	uint64_t value = 0;

	memcpy(&value, (const char *)inode + field->offset, field->bytes);
	printf("%ju\n", (uintmax_t)value);
}

static void lookup(char **args)
{
	struct tree_cursor cursor;
	struct tree tree;

	find_entry(strtoull(args[0], NULL, 0), args[1], &tree, &cursor);
	printf("%ju\n", (uintmax_t)((const dirent_media *)cursor.value)->ino);
}

/* ------------------------------------------------------------- mutations */

/* A few bytes of it: a bit, a value that is often wrong, or another field. */
static void spoil(unsigned char *at, size_t bytes)
{
	static const uint64_t values[] = {
		0, 1, 255, 4096, UINT32_MAX, INT64_MAX, 0x100, UINT64_MAX - 1
	};
	size_t to = (size_t)rand() % bytes, from = (size_t)rand() % bytes;
	size_t length = (size_t)1 << rand() % 4;

	to -= to % length;
	from -= from % length;
	switch (rand() % 4) {
	case 0:
		at[to] ^= (unsigned char)(1u << rand() % 8);
		break;
	case 1:
		memcpy(at + to, &values[rand() % 8], length);
		break;
	case 2:
		memmove(at + to, at + from, length);
		break;
	default:
		at[to] = (unsigned char)(at[to] + rand() % 5 - 2);
	}
}

static void mutate_super(void)
{
	uint64_t second = superblock_second_offset(sb->size_blocks);
	superblock_media copy = *sb;

	spoil((unsigned char *)&copy + 12, 556);
	superblock_seal(&copy);
	memcpy(device_at(device, 0), &copy, sizeof(copy));
	if (rand() % 2)
		memcpy(device_at(device, second), &copy, sizeof(copy));
}

static void mutate_inode(void)
{
	inode_media *inode = inode_at(rand() % 4 ? (uint64_t)rand() % 64
						 : (uint64_t)rand() % 512);

	spoil((unsigned char *)inode + 4, INODE_BYTES - 4);
	inode_media_seal(inode);
}

/* Some node: found by its magic. */
static void mutate_node(void)
{
	uint64_t blocks = device->size_bytes / BLOCK_BYTES;
	uint64_t start = (uint64_t)rand() % blocks, i;

	for (i = 0; i < blocks; i++) {
		char *block = device_at(device,
					(start + i) % blocks * BLOCK_BYTES);
		node_block_media prefix;

		memcpy(&prefix, block, sizeof(prefix));
		if (prefix.magic != NODE_BLOCK_MAGIC)
			continue;
		if (rand() % 4 == 0)
			spoil((unsigned char *)block + 4, 44);
		else
			spoil((unsigned char *)block + 32, 4064);
		node_block_seal(block);
		return;
	}
}

static void mutate_journal(void)
{
	unsigned char *area = device_at(device,
					sb->journal_start * BLOCK_BYTES);

	spoil(area + (rand() % 2 ? 0 : 2048), 64);
	spoil(area + BLOCK_BYTES, 65536);
	anchor_seal((anchor_media *)area);
	if (((record_media *)(area + BLOCK_BYTES))->length_bytes < 65536 &&
	    ((record_media *)(area + BLOCK_BYTES))->length_bytes >= 64)
		((record_media *)(area + BLOCK_BYTES))->crc = crc32c_skipping(
			area + BLOCK_BYTES,
			((record_media *)(area + BLOCK_BYTES))->length_bytes,
			offsetof(record_media, crc));
}

static void mutate(char **args)
{
	unsigned count = (unsigned)strtoul(args[1], NULL, 0);

	srand((unsigned)strtoul(args[0], NULL, 0));
	while (count-- > 0) {
		unsigned which = (unsigned)rand() % 20;

		if (which < 2)
			mutate_super();
		else if (which < 4)
			mutate_journal();
		else if (which < 12)
			mutate_inode();
		else
			mutate_node();
	}
}

static const struct {
	const char *name;
	int args;
	void (*fn)(char **args);
} verbs[] = {
	{ "super", 2, poke_super }, { "inode", 3, poke_inode },
	{ "roll", 3, poke_roll },   { "anchor", 2, poke_anchor },
	{ "key", 3, poke_key },	    { "xattr", 4, poke_xattr },
	{ "flip", 1, poke_flip },   { "fill", 3, poke_fill },
	{ "entry", 4, poke_entry }, { "extent", 4, poke_extent },
	{ "where", 2, where },	    { "get", 3, get_inode },
	{ "get", 4, get_extent },   { "shared", 2, poke_shared },
	{ "lookup", 2, lookup },    { "mutate", 2, mutate },
};

int main(int argc, char **argv)
{
	const struct device_options options = { .read_only = false };
	char why[DEVICE_WHY_BYTES];
	const superblock_media *picked;
	bool damaged;
	size_t i;

	if (argc < 3)
		errx(2, "poke DEVICE VERB ARGUMENT...");
	if (device_open(&device, argv[1], &options, why, sizeof(why)) != 0)
		errx(1, "%s: %s", argv[1], why);
	if (superblock_pick(device->base, device->size_bytes, &picked,
			    &damaged))
		errx(1, "%s: no superblock", argv[1]);
	sb_copy = *picked;
	members.device[sb->device_index] = device;
	members.count = sb->device_index + 1u;
	if (sb->device_index == sb->metadata_device &&
	    tree_env_init(&env, &members, sb->metadata_device) != 0)
		errx(1, "out of memory");
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, argv[2]) == 0 &&
		    argc == 3 + verbs[i].args) {
			verbs[i].fn(argv + 3);
			device_close(device);
			tree_env_fini(&env);
			return 0;
		}
	errx(2, "what is %s?", argv[2]);
}
