/* SPDX-License-Identifier: BSD-3-Clause */
#include "media/freemap.h"
#include "media/inode.h"
#include "media/name.h"
#include "media/node.h"
#include "media/record.h"
#include "media/superblock.h"
#include "util/crc32c.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MUTATIONS 100000
#define DEVICE_BLOCKS 64
#define DEVICE_BYTES ((uint64_t)DEVICE_BLOCKS * BLOCK_BYTES)

/* One field of a valid structure, made wrong. */
struct wrong {
	size_t offset;
	size_t bytes;
	uint64_t value;
};
#define WRONG(type, field, value)                                              \
	{                                                                      \
		offsetof(type, field), sizeof(((type *)0)->field), value       \
	}
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void make_wrong(void *at, const struct wrong *wrong)
{
	ck_assert_uint_le(wrong->bytes, sizeof(wrong->value));
	memcpy((char *)at + wrong->offset, &wrong->value, wrong->bytes);
}

/* A few bytes anywhere, or a bit, or a run of one value. */
static void mutate(unsigned char *at, size_t bytes)
{
	unsigned times = 1 + rand() % 4;

	while (times-- > 0) {
		size_t start = rand() % bytes;
		size_t run = 1 + rand() % 8;

		if (rand() % 2 == 0) {
			at[start] ^= 1u << rand() % 8;
			continue;
		}
		if (run > bytes - start)
			run = bytes - start;
		memset(at + start, rand() % 3 == 0 ? 0xff : rand(), run);
	}
}

/* ------------------------------------------------------------- superblock */

static superblock_media *good_superblock(void)
{
	superblock_media *sb = calloc(1, sizeof(*sb));

	ck_assert_ptr_nonnull(sb);
	sb->version = SUPERBLOCK_VERSION;
	memset(sb->fs_uuid, 0x11, 16);
	memset(sb->device_uuid, 0x22, 16);
	memcpy(sb->label, "scratch", 7);
	sb->device_count = 2;
	sb->metadata_mirror = SUPERBLOCK_MIRROR_NONE;
	sb->block_bytes = BLOCK_BYTES;
	sb->sequence = 7;
	sb->size_blocks = DEVICE_BLOCKS;
	sb->journal_start = 1;
	sb->journal_blocks = 8;
	sb->freemap_start = 9;
	sb->freemap_blocks = 2;
	sb->inode_root = addr_make(0, 11 * BLOCK_BYTES);
	memset(sb->roll[0].uuid, 0x22, 16);
	memset(sb->roll[1].uuid, 0x33, 16);
	sb->roll[0].size_blocks = sb->roll[1].size_blocks = DEVICE_BLOCKS;
	sb->roll[0].state = sb->roll[1].state = ROLL_PRESENT;
	superblock_seal(sb);
	return sb;
}

START_TEST(superblock_passes_once_sealed)
{
	superblock_media *sb = good_superblock();

	ck_assert_int_eq(superblock_check(sb, DEVICE_BYTES), 0);
	free(sb);
}
END_TEST

START_TEST(superblock_refuses_any_changed_byte)
{
	superblock_media *sb = good_superblock();
	size_t i;

	for (i = 0; i < sizeof(*sb); i++) {
		((char *)sb)[i] ^= 0x10;
		ck_assert_int_eq(superblock_check(sb, DEVICE_BYTES),
				 i < sizeof(sb->magic) ? -ENODATA : -EUCLEAN);
		((char *)sb)[i] ^= 0x10;
	}
	free(sb);
}
END_TEST

START_TEST(superblock_refuses_unknown_features)
{
	superblock_media *sb = good_superblock();

	sb->incompat = 1;
	superblock_seal(sb);
	ck_assert_int_eq(superblock_check(sb, DEVICE_BYTES), -EPROTONOSUPPORT);
	sb->incompat = 0;
	sb->version = SUPERBLOCK_VERSION + 1;
	superblock_seal(sb);
	ck_assert_int_eq(superblock_check(sb, DEVICE_BYTES), -EPROTONOSUPPORT);
	sb->version = SUPERBLOCK_VERSION;
	sb->compat = sb->ro_compat = 1;
	superblock_seal(sb);
	ck_assert_int_eq(superblock_check(sb, DEVICE_BYTES), 0);
	free(sb);
}
END_TEST

static const struct wrong wrong_superblocks[] = {
	WRONG(superblock_media, label[SUPERBLOCK_LABEL_BYTES - 1], 'x'),
	WRONG(superblock_media, device_index, 2),
	WRONG(superblock_media, device_index, 1),
	WRONG(superblock_media, device_count, 0),
	WRONG(superblock_media, device_count, 3),
	WRONG(superblock_media, device_count, ROLL_MAX + 1),
	WRONG(superblock_media, metadata_device, 2),
	WRONG(superblock_media, metadata_device, 1),
	WRONG(superblock_media, metadata_mirror, 0),
	WRONG(superblock_media, metadata_mirror, 2),
	WRONG(superblock_media, block_bytes, 512),
	WRONG(superblock_media, size_blocks, 0),
	WRONG(superblock_media, size_blocks, DEVICE_BLOCKS + 1),
	WRONG(superblock_media, size_blocks, UINT64_MAX),
	WRONG(superblock_media, journal_start, 0),
	WRONG(superblock_media, journal_start, 2),
	WRONG(superblock_media, journal_start, UINT64_MAX),
	WRONG(superblock_media, journal_blocks, 0),
	WRONG(superblock_media, journal_blocks, 1),
	WRONG(superblock_media, journal_blocks, UINT64_MAX),
	WRONG(superblock_media, freemap_start, DEVICE_BLOCKS - 2),
	WRONG(superblock_media, freemap_blocks, 1),
	WRONG(superblock_media, freemap_blocks, UINT64_MAX),
	WRONG(superblock_media, inode_root, 0),
	WRONG(superblock_media, inode_root, 11 * BLOCK_BYTES + 1),
	WRONG(superblock_media, inode_root, (DEVICE_BLOCKS - 1) * BLOCK_BYTES),
	WRONG(superblock_media, roll[0].uuid[0], 0),
	WRONG(superblock_media, roll[0].state, 0),
	WRONG(superblock_media, roll[1].state, 3),
	WRONG(superblock_media, roll[1].size_blocks, 0),
	WRONG(superblock_media, roll[1].size_blocks, UINT64_MAX),
};

START_TEST(superblock_refuses_wrong_fields)
{
	superblock_media *sb = good_superblock();

	make_wrong(sb, &wrong_superblocks[_i]);
	superblock_seal(sb);
	ck_assert_int_eq(superblock_check(sb, DEVICE_BYTES), -EUCLEAN);
	free(sb);
}
END_TEST

START_TEST(superblock_refuses_a_member_listed_twice)
{
	superblock_media *sb = good_superblock();

	memset(sb->roll[1].uuid, 0x22, 16);
	superblock_seal(sb);
	ck_assert_int_eq(superblock_check(sb, DEVICE_BYTES), -EUCLEAN);
	sb->roll[1].state = ROLL_REMOVED;
	superblock_seal(sb);
	ck_assert_int_eq(superblock_check(sb, DEVICE_BYTES), 0);
	free(sb);
}
END_TEST

static char *good_device(superblock_media **first, superblock_media **second)
{
	char *base = calloc(DEVICE_BLOCKS, BLOCK_BYTES);
	superblock_media *sb = good_superblock();

	ck_assert_ptr_nonnull(base);
	*first = (void *)base;
	*second = (void *)(base + superblock_second_offset(sb->size_blocks));
	**first = **second = *sb;
	free(sb);
	return base;
}

START_TEST(pick_takes_the_higher_sequence)
{
	superblock_media *first, *second;
	const superblock_media *out;
	char *base = good_device(&first, &second);
	bool damaged;

	ck_assert_int_eq(superblock_pick(base, DEVICE_BYTES, &out, &damaged),
			 0);
	ck_assert_ptr_eq(out, first);
	second->sequence++;
	superblock_seal(second);
	ck_assert_int_eq(superblock_pick(base, DEVICE_BYTES, &out, &damaged),
			 0);
	ck_assert_ptr_eq(out, second);
	ck_assert(!damaged);
	free(base);
}
END_TEST

START_TEST(pick_survives_either_copy)
{
	superblock_media *first, *second;
	const superblock_media *out;
	char *base = good_device(&first, &second);
	bool damaged;

	memset(first, 0, sizeof(*first));
	ck_assert_int_eq(superblock_pick(base, DEVICE_BYTES, &out, &damaged),
			 0);
	ck_assert_ptr_eq(out, second);
	ck_assert(damaged);
	*first = *second;
	second->sequence++;
	ck_assert_int_eq(superblock_pick(base, DEVICE_BYTES, &out, &damaged),
			 0);
	ck_assert_ptr_eq(out, first);
	ck_assert(damaged);
	first->sequence++;
	ck_assert_int_eq(superblock_pick(base, DEVICE_BYTES, &out, &damaged),
			 -EUCLEAN);
	memset(base, 0, DEVICE_BYTES);
	ck_assert_int_eq(superblock_pick(base, DEVICE_BYTES, &out, &damaged),
			 -ENODATA);
	free(base);
}
END_TEST

START_TEST(pick_finds_the_second_copy_of_a_part_of_the_device)
{
	superblock_media *first, *second;
	const superblock_media *out;
	char *base = good_device(&first, &second);
	bool damaged;

	first->size_blocks = DEVICE_BLOCKS - 8;
	superblock_seal(first);
	memset(second, 0, sizeof(*second));
	second = (void *)(base + superblock_second_offset(first->size_blocks));
	*second = *first;
	first->sequence++;
	ck_assert_int_eq(superblock_pick(base, DEVICE_BYTES, &out, &damaged),
			 0);
	ck_assert_ptr_eq(out, second);
	ck_assert(damaged);
	free(base);
}
END_TEST

START_TEST(pick_prefers_a_new_filesystem_to_an_old_copy)
{
	superblock_media *first, *second;
	const superblock_media *out;
	char *base = good_device(&first, &second);
	bool damaged;

	memset(first->fs_uuid, 0x44, 16);
	superblock_seal(first);
	second->sequence = 100;
	second->incompat = 1;
	superblock_seal(second);
	ck_assert_int_eq(superblock_pick(base, DEVICE_BYTES, &out, &damaged),
			 0);
	ck_assert_ptr_eq(out, first);
	ck_assert(damaged);
	free(base);
}
END_TEST

START_TEST(superblock_survives_random_damage)
{
	superblock_media *first, *second, *saved = good_superblock();
	const superblock_media *out;
	char *base = good_device(&first, &second);
	bool damaged;
	int i;

	for (i = 0; i < MUTATIONS; i++) {
		*first = *saved;
		*second = *saved;
		mutate((void *)first, i % 2 ? 512 : sizeof(*first));
		if (rand() % 2 == 0)
			superblock_seal(first);
		if (rand() % 4 == 0) {
			mutate((void *)second, 512);
			superblock_seal(second);
		}
		if (superblock_pick(base, DEVICE_BYTES, &out, &damaged) == 0)
			ck_assert(superblock_check(out, DEVICE_BYTES) == 0);
	}
	free(saved);
	free(base);
}
END_TEST

/* ------------------------------------------------------------------ inode */

static inode_media good_inode(unsigned format)
{
	static const unsigned modes[] = { S_IFIFO, S_IFLNK, S_IFREG, S_IFDIR };
	inode_media inode = { .ino = 5,
			      .format = format,
			      .mode = modes[format] | 0644,
			      .nlink = 1 };

	if (format == INODE_INLINE)
		inode.size = 10;
	if (format == INODE_EXTENTS)
		node_init((node_media *)inode.area, INODE_AREA_BYTES, 0,
			  TREE_EXTENTS);
	if (format == INODE_ENTRIES)
		node_init((node_media *)inode.area, INODE_AREA_BYTES, 0,
			  TREE_ENTRIES);
	inode_media_seal(&inode);
	return inode;
}

START_TEST(inode_passes_once_sealed)
{
	inode_media inode = good_inode(_i);

	ck_assert_int_eq(inode_media_check(&inode, 5), 0);
	ck_assert_int_eq(inode_media_check(&inode, 6), -EUCLEAN);
}
END_TEST

START_TEST(inode_refuses_any_changed_byte)
{
	inode_media inode = good_inode(INODE_EXTENTS);
	size_t i;

	for (i = 0; i < sizeof(inode); i++) {
		((char *)&inode)[i] ^= 0x80;
		ck_assert_int_eq(inode_media_check(&inode, 5), -EUCLEAN);
		((char *)&inode)[i] ^= 0x80;
	}
}
END_TEST

START_TEST(inode_slot_may_be_free_or_never_taken)
{
	inode_media inode = { 0 };

	ck_assert_int_eq(inode_media_check(&inode, 5), 0);
	inode.ino = 5;
	inode.generation = 3;
	inode_media_seal(&inode);
	ck_assert_int_eq(inode_media_check(&inode, 5), 0);
	inode.generation = 4;
	ck_assert_int_eq(inode_media_check(&inode, 5), -EUCLEAN);
}
END_TEST

static const struct wrong wrong_inodes[] = {
	WRONG(inode_media, format, INODE_NOTHING),
	WRONG(inode_media, format, INODE_ENTRIES),
	WRONG(inode_media, format, 4),
	WRONG(inode_media, mode, S_IFDIR | 0755),
	WRONG(inode_media, mode, 0644),
	WRONG(inode_media, mode, S_IFREG | 0200000),
	WRONG(inode_media, size, UINT64_C(1) << 63),
	WRONG(inode_media, atime_ns, 1000000000),
	WRONG(inode_media, mtime_ns, 1000000000),
	WRONG(inode_media, ctime_ns, 1000000000),
	WRONG(inode_media, btime_ns, UINT32_MAX),
	WRONG(inode_media, pending_start, 2),
	WRONG(inode_media, xattr_root, 5),
	WRONG(inode_media, xattr_root, UINT64_C(5) << ADDR_DEVICE_SHIFT),
	WRONG(inode_media, xattr_root, (UINT64_C(64) << 48) + BLOCK_BYTES),
	WRONG(inode_media, home_device, ADDR_DEVICES_MAX),
	WRONG(inode_media, area[0], 0),
	WRONG(inode_media, area[3], TREE_ENTRIES),
	WRONG(inode_media, area[4], 1),
};

START_TEST(inode_refuses_wrong_fields)
{
	inode_media inode = good_inode(INODE_EXTENTS);

	inode.pending_end = 1;
	make_wrong(&inode, &wrong_inodes[_i]);
	inode_media_seal(&inode);
	ck_assert_int_eq(inode_media_check(&inode, 5), -EUCLEAN);
}
END_TEST

START_TEST(inode_refuses_sizes_its_format_cannot_hold)
{
	inode_media inode = good_inode(INODE_INLINE);

	inode.size = INODE_AREA_BYTES + 1;
	inode_media_seal(&inode);
	ck_assert_int_eq(inode_media_check(&inode, 5), -EUCLEAN);
	inode = good_inode(INODE_NOTHING);
	inode.size = 1;
	inode_media_seal(&inode);
	ck_assert_int_eq(inode_media_check(&inode, 5), -EUCLEAN);
	inode = good_inode(INODE_EXTENTS);
	inode.mode = S_IFLNK | 0777;
	inode.size = 4096;
	inode_media_seal(&inode);
	ck_assert_int_eq(inode_media_check(&inode, 5), -EUCLEAN);
}
END_TEST

START_TEST(inode_survives_random_damage)
{
	inode_media *inode = malloc(sizeof(*inode));
	inode_media good[4];
	int i;

	ck_assert_ptr_nonnull(inode);
	for (i = 0; i < 4; i++)
		good[i] = good_inode(i);
	for (i = 0; i < MUTATIONS; i++) {
		*inode = good[i % 4];
		mutate((void *)inode, sizeof(*inode));
		if (i % 8 < 7)
			inode_media_seal(inode);
		if (inode_media_check(inode, 5) == 0 &&
		    inode->format == INODE_INLINE && inode->mode != 0)
			ck_assert_uint_le(inode->size, INODE_AREA_BYTES);
	}
	free(inode);
}
END_TEST

/* ----------------------------------------------------------------- record */

static const uint8_t lineage[16] = { 1, 2, 3 };

/* Items of 1, 8 and 300 bytes; room for padding behind. */
static record_media *good_record(void)
{
	static const unsigned lengths[] = { 1, 8, 300 };
	record_media *record = malloc(512);
	char *at = (char *)(record + 1);
	unsigned i;

	ck_assert_ptr_nonnull(record);
	memset(record, 0xee, 512);
	memset(record, 0, sizeof(*record));
	record->kind = RECORD_CHANGES;
	record->items = COUNT(lengths);
	record->length_bytes = 448;
	record->sequence = 9;
	record->generation = 2;
	memcpy(record->lineage, lineage, sizeof(lineage));
	for (i = 0; i < COUNT(lengths); i++) {
		record_item_media *item = (void *)at;

		item->addr = addr_make(i, 100 * i);
		item->length_bytes = lengths[i];
		item->pad = 0;
		memset(item + 1, 'a' + i, lengths[i]);
		at += record_item_room(lengths[i]);
	}
	record_seal(record);
	return record;
}

static int check_record(const record_media *record)
{
	return record_check(record, 512, 9, 2, lineage);
}

START_TEST(record_gives_its_items_back)
{
	record_media *record = good_record();
	const record_item_media *item = NULL;
	unsigned items = 0, bytes = 0;

	ck_assert_int_eq(check_record(record), 0);
	while ((item = record_next(record, item)) != NULL) {
		const char *at = record_item_bytes(item);

		ck_assert_uint_eq(addr_device(item->addr), items);
		ck_assert_int_eq(at[item->length_bytes - 1], 'a' + items);
		bytes += item->length_bytes;
		items++;
	}
	ck_assert_uint_eq(items, 3);
	ck_assert_uint_eq(bytes, 309);
	free(record);
}
END_TEST

START_TEST(record_refuses_any_changed_byte)
{
	record_media *record = good_record();
	unsigned i, length = record->length_bytes;

	for (i = 0; i < length; i++) {
		((char *)record)[i] ^= 0x01;
		ck_assert_int_eq(check_record(record), -ENODATA);
		((char *)record)[i] ^= 0x01;
	}
	free(record);
}
END_TEST

START_TEST(record_counts_only_where_it_is_expected)
{
	static const uint8_t other[16] = { 3 };
	record_media *record = good_record();

	ck_assert_int_eq(record_check(record, 447, 9, 2, lineage), -ENODATA);
	ck_assert_int_eq(record_check(record, 63, 9, 2, lineage), -ENODATA);
	ck_assert_int_eq(record_check(record, 512, 8, 2, lineage), -ENODATA);
	ck_assert_int_eq(record_check(record, 512, 9, 3, lineage), -ENODATA);
	ck_assert_int_eq(record_check(record, 512, 9, 2, other), -ENODATA);
	free(record);
}
END_TEST

static const struct wrong wrong_records[] = {
	WRONG(record_media, items, 4),
	WRONG(record_media, items, 2),
	WRONG(record_media, items, 65535),
	WRONG(record_media, kind, 0),
	WRONG(record_media, kind, RECORD_PAD),
	{ 64 + offsetof(record_item_media, length_bytes), 4, 0 },
	{ 64 + offsetof(record_item_media, length_bytes), 4, 9 },
	{ 64 + offsetof(record_item_media, length_bytes), 4, UINT32_MAX },
	{ 64 + offsetof(record_item_media, addr), 8, UINT64_MAX },
	{ 64 + offsetof(record_item_media, addr), 8, ADDR_OFFSET_MASK - 6 },
	{ 440, 1, 1 },
};

/* record_seal() asserts what it seals, so the checksum is found here. */
static void reseal_record(record_media *record)
{
	size_t bytes = record->kind == RECORD_PAD ? sizeof(*record)
						  : record->length_bytes;

	record->crc = crc32c_skipping(record, bytes,
				      offsetof(record_media, crc));
}

START_TEST(record_refuses_items_that_do_not_add_up)
{
	record_media *record = good_record();

	/* 8 bytes at the end of a device are one too many a byte later */
	((record_item_media *)(record + 1))->length_bytes = 8;
	make_wrong(record, &wrong_records[_i]);
	reseal_record(record);
	ck_assert_int_eq(check_record(record), -EUCLEAN);
	free(record);
}
END_TEST

START_TEST(pad_record_is_its_header)
{
	record_media *record = good_record();

	record->kind = RECORD_PAD;
	record->items = 0;
	record->length_bytes = 512;
	record_seal(record);
	((char *)record)[100] ^= 1;
	ck_assert_int_eq(check_record(record), 0);
	ck_assert_ptr_null(record_next(record, NULL));
	free(record);
}
END_TEST

START_TEST(record_survives_random_damage)
{
	record_media *record = good_record();
	char saved[512];
	int i;

	memcpy(saved, record, sizeof(saved));
	for (i = 0; i < MUTATIONS; i++) {
		const record_item_media *item = NULL;
		const char *end = (const char *)record + sizeof(saved);

		memcpy(record, saved, sizeof(saved));
		mutate((void *)record, record->length_bytes);
		if (record->length_bytes >= sizeof(*record) &&
		    record->length_bytes <= sizeof(saved))
			reseal_record(record);
		if (check_record(record) != 0)
			continue;
		while ((item = record_next(record, item)) != NULL)
			ck_assert(item->length_bytes <=
				  end - (const char *)(item + 1));
	}
	free(record);
}
END_TEST

START_TEST(anchor_with_the_higher_sequence_is_the_truth)
{
	char *area = calloc(1, BLOCK_BYTES);
	anchor_media *first = (void *)area;
	anchor_media *second = (void *)(area + ANCHOR_SECOND_OFFSET);
	const anchor_media *out;

	ck_assert_int_eq(anchor_pick(area, &out), -EUCLEAN);
	first->sequence = 5;
	anchor_seal(first);
	ck_assert_int_eq(anchor_pick(area, &out), 0);
	ck_assert_ptr_eq(out, first);
	second->sequence = 6;
	anchor_seal(second);
	ck_assert_int_eq(anchor_pick(area, &out), 0);
	ck_assert_ptr_eq(out, second);
	second->ring_offset = 63;
	anchor_seal(second);
	ck_assert_int_eq(anchor_pick(area, &out), 0);
	ck_assert_ptr_eq(out, first);
	first->generation ^= 1;
	ck_assert_int_eq(anchor_pick(area, &out), -EUCLEAN);
	free(area);
}
END_TEST

/* ---------------------------------------------------------- freemap, name */

START_TEST(freemap_holds_for_its_own_generation_only)
{
	uint64_t blocks = 40000, area = freemap_area_blocks(blocks);
	freemap_media *map = calloc(area, BLOCK_BYTES);

	ck_assert_uint_eq(area, 3);
	map->blocks = blocks;
	map->free_blocks = 77;
	map->generation = 4;
	memcpy(map->lineage, lineage, 16);
	freemap_bitmap(map)[4999] = 0x5a;
	freemap_seal(map);
	ck_assert_int_eq(freemap_check(map, area, blocks, 4, lineage), 0);
	ck_assert_int_eq(freemap_check(map, area, blocks, 5, lineage), -ESTALE);
	ck_assert_int_eq(freemap_check(map, area - 1, blocks, 4, lineage),
			 -EUCLEAN);
	ck_assert_int_eq(freemap_check(map, area, blocks - 1, 4, lineage),
			 -EUCLEAN);
	freemap_bitmap(map)[4999] = 0x5b;
	ck_assert_int_eq(freemap_check(map, area, blocks, 4, lineage),
			 -EUCLEAN);
	map->free_blocks = blocks + 1;
	freemap_seal(map);
	ck_assert_int_eq(freemap_check(map, area, blocks, 4, lineage),
			 -EUCLEAN);
	map->generation = 5;
	ck_assert_int_eq(freemap_check(map, area, blocks, 4, lineage),
			 -EUCLEAN);
	free(map);
}
END_TEST

START_TEST(freemap_area_has_room_for_the_last_bit)
{
	ck_assert_uint_eq(freemap_area_blocks(1), 2);
	ck_assert_uint_eq(freemap_area_blocks(8 * BLOCK_BYTES), 2);
	ck_assert_uint_eq(freemap_area_blocks(8 * BLOCK_BYTES + 1), 3);
}
END_TEST

START_TEST(name_keys_leave_room_for_collisions_and_dots)
{
	char name[16];
	int i;

	for (i = 0; i < 1000; i++) {
		uint64_t key;

		snprintf(name, sizeof(name), "file%d", i);
		key = name_key(42, name, strlen(name));
		ck_assert_uint_ge(key, NAME_KEY_FIRST);
		ck_assert_uint_lt(key, NAME_KEY_END);
		ck_assert_uint_eq(key % NAME_COLLISIONS, 0);
		ck_assert_uint_eq(key, name_key(42, name, strlen(name)));
		ck_assert_uint_ne(key, name_key(43, name, strlen(name)));
	}
}
END_TEST

static void add_superblock_tests(TCase *rules)
{
	tcase_add_test(rules, superblock_passes_once_sealed);
	tcase_add_test(rules, superblock_refuses_any_changed_byte);
	tcase_add_test(rules, superblock_refuses_unknown_features);
	tcase_add_loop_test(rules, superblock_refuses_wrong_fields, 0,
			    COUNT(wrong_superblocks));
	tcase_add_test(rules, superblock_refuses_a_member_listed_twice);
	tcase_add_test(rules, pick_takes_the_higher_sequence);
	tcase_add_test(rules, pick_survives_either_copy);
	tcase_add_test(rules,
		       pick_finds_the_second_copy_of_a_part_of_the_device);
	tcase_add_test(rules, pick_prefers_a_new_filesystem_to_an_old_copy);
	tcase_add_test(rules, superblock_survives_random_damage);
}

static void add_inode_tests(TCase *rules)
{
	tcase_add_loop_test(rules, inode_passes_once_sealed, 0, 4);
	tcase_add_test(rules, inode_refuses_any_changed_byte);
	tcase_add_test(rules, inode_slot_may_be_free_or_never_taken);
	tcase_add_loop_test(rules, inode_refuses_wrong_fields, 0,
			    COUNT(wrong_inodes));
	tcase_add_test(rules, inode_refuses_sizes_its_format_cannot_hold);
	tcase_add_test(rules, inode_survives_random_damage);
}

static void add_record_tests(TCase *rules)
{
	tcase_add_test(rules, record_gives_its_items_back);
	tcase_add_test(rules, record_refuses_any_changed_byte);
	tcase_add_test(rules, record_counts_only_where_it_is_expected);
	tcase_add_loop_test(rules, record_refuses_items_that_do_not_add_up, 0,
			    COUNT(wrong_records));
	tcase_add_test(rules, pad_record_is_its_header);
	tcase_add_test(rules, record_survives_random_damage);
	tcase_add_test(rules, anchor_with_the_higher_sequence_is_the_truth);
}

int main(void)
{
	Suite *suite = suite_create("media");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	srand(1);
	tcase_set_timeout(rules, 30);
	add_superblock_tests(rules);
	add_inode_tests(rules);
	add_record_tests(rules);
	tcase_add_test(rules, freemap_holds_for_its_own_generation_only);
	tcase_add_test(rules, freemap_area_has_room_for_the_last_bit);
	tcase_add_test(rules, name_keys_leave_room_for_collisions_and_dots);
	suite_add_tcase(suite, rules);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
