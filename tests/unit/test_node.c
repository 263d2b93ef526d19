/* SPDX-License-Identifier: BSD-3-Clause */
#include "media/node.h"

#include "media/name.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MUTATIONS 100000
#define OWNER 7
#define SELF addr_make(0, 5 * BLOCK_BYTES)
#define VALUE_MAX 1400

/* A valid value of the kind, at most a block for each extent. */
static unsigned make_value(enum tree_kind kind, unsigned level, char *value)
{
	uint64_t child = addr_make(0, (1 + rand() % 100) * BLOCK_BYTES);
	extent_media *extent = (void *)value;
	dirent_media *dirent = (void *)value;
	shared_media *shared = (void *)value;
	xattr_media *xattr = (void *)value;

	memset(value, 'v', VALUE_MAX);
	if (level > 0) {
		memcpy(value, &child, sizeof(child));
		return sizeof(child);
	}
	switch (kind) {
	case TREE_EXTENTS:
		*extent = (extent_media){ .addr = child, .blocks = 1 };
		return sizeof(*extent);
	case TREE_ENTRIES:
		dirent->ino = 9;
		dirent->type = DT_REG;
		dirent->name_length = 1 + rand() % 255;
		return sizeof(*dirent) + dirent->name_length;
	case TREE_SHARED:
		*shared = (shared_media){ .blocks = 1, .owners = 2 };
		return sizeof(*shared);
	case TREE_XATTRS:
		xattr->addr = rand() % 2 ? child : ADDR_NONE;
		xattr->value_length = 1 + rand() % XATTR_INLINE_MAX;
		xattr->name_length = 1 + rand() % 255;
		return sizeof(*xattr) + xattr->name_length +
		       (xattr->addr ? 0 : xattr->value_length);
	}
	return 0;
}

static uint64_t random_key(void)
{
	return NAME_KEY_FIRST + (unsigned)rand() % 1000000;
}

static void fill(node_media *node, unsigned capacity_bytes)
{
	char value[VALUE_MAX];
	unsigned refused = 0;

	while (refused < 3) {
		unsigned length = make_value(node->kind, node->level, value);

		if (node_insert(node, capacity_bytes, random_key(), value,
				length) != 0)
			refused++;
	}
}

static char *good_block(enum tree_kind kind, unsigned level)
{
	char *block = malloc(BLOCK_BYTES);

	ck_assert_ptr_nonnull(block);
	node_block_init(block, OWNER, SELF, level, kind);
	fill(node_of_block(block), NODE_BLOCK_BYTES);
	node_block_seal(block);
	return block;
}

START_TEST(block_passes_once_sealed)
{
	enum tree_kind kind = 1 + _i % 3;
	char *block = good_block(kind, _i / 3);

	ck_assert_uint_gt(node_of_block(block)->count, 1);
	ck_assert_int_eq(node_block_check(block, OWNER, SELF, kind), 0);
	ck_assert_int_eq(node_block_check(block, OWNER + 1, SELF, kind),
			 -EUCLEAN);
	ck_assert_int_eq(
		node_block_check(block, OWNER, SELF + BLOCK_BYTES, kind),
		-EUCLEAN);
	ck_assert_int_eq(node_block_check(block, OWNER, SELF, 1 + kind % 3),
			 -EUCLEAN);
	free(block);
}
END_TEST

START_TEST(block_refuses_any_changed_byte)
{
	char *block = good_block(TREE_ENTRIES, 0);
	size_t i;

	for (i = 0; i < BLOCK_BYTES; i++) {
		block[i] ^= 0x04;
		ck_assert_int_eq(
			node_block_check(block, OWNER, SELF, TREE_ENTRIES),
			-EUCLEAN);
		block[i] ^= 0x04;
	}
	free(block);
}
END_TEST

/* ----------------------------------------------- what node_check() refuses */

static node_media *node_with(enum tree_kind kind, const void *value,
			     unsigned length_bytes)
{
	node_media *node = calloc(1, NODE_BLOCK_BYTES);
	int err;

	ck_assert_ptr_nonnull(node);
	node_init(node, NODE_BLOCK_BYTES, 0, kind);
	err = node_insert(node, NODE_BLOCK_BYTES, 1000, value, length_bytes);
	ck_assert_int_eq(err, 0);
	return node;
}

static void expect(enum tree_kind kind, const void *value, unsigned length,
		   int err)
{
	node_media *node = node_with(kind, value, length);

	ck_assert_int_eq(node_check(node, NODE_BLOCK_BYTES, kind), err);
	free(node);
}

START_TEST(extents_are_checked)
{
	extent_media good = { addr_make(1, 8 * BLOCK_BYTES), 3,
			      EXTENT_UNWRITTEN };
	extent_media bad;

	expect(TREE_EXTENTS, &good, sizeof(good), 0);
	expect(TREE_EXTENTS, &good, sizeof(good) - 1, -EUCLEAN);
	bad = good;
	bad.addr++;
	expect(TREE_EXTENTS, &bad, sizeof(bad), -EUCLEAN);
	bad.addr = addr_make(1, 0);
	expect(TREE_EXTENTS, &bad, sizeof(bad), -EUCLEAN);
	bad.addr = addr_make(ADDR_DEVICES_MAX, BLOCK_BYTES);
	expect(TREE_EXTENTS, &bad, sizeof(bad), -EUCLEAN);
	bad.addr = addr_make(1, ADDR_OFFSET_MASK + 1 - 2 * BLOCK_BYTES);
	expect(TREE_EXTENTS, &bad, sizeof(bad), -EUCLEAN);
	bad = good;
	bad.blocks = 0;
	expect(TREE_EXTENTS, &bad, sizeof(bad), -EUCLEAN);
	bad = good;
	bad.flags = EXTENT_SHARED;
	expect(TREE_EXTENTS, &bad, sizeof(bad), 0);
	bad.flags |= EXTENT_UNWRITTEN;
	expect(TREE_EXTENTS, &bad, sizeof(bad), -EUCLEAN);
	bad.flags = 4;
	expect(TREE_EXTENTS, &bad, sizeof(bad), -EUCLEAN);
}
END_TEST

START_TEST(extents_do_not_overlap_or_pass_the_largest_file)
{
	extent_media extent = { addr_make(1, 8 * BLOCK_BYTES), 3, 0 };
	node_media *node = node_with(TREE_EXTENTS, &extent, sizeof(extent));

	ck_assert_int_eq(node_insert(node, NODE_BLOCK_BYTES, 1003, &extent,
				     sizeof(extent)),
			 0);
	ck_assert_int_eq(node_check(node, NODE_BLOCK_BYTES, TREE_EXTENTS), 0);
	node_rekey(node, 1, 1002);
	ck_assert_int_eq(node_check(node, NODE_BLOCK_BYTES, TREE_EXTENTS),
			 -EUCLEAN);
	node_rekey(node, 1, FILE_BLOCKS_MAX - 3);
	ck_assert_int_eq(node_check(node, NODE_BLOCK_BYTES, TREE_EXTENTS), 0);
	node_rekey(node, 1, FILE_BLOCKS_MAX - 2);
	ck_assert_int_eq(node_check(node, NODE_BLOCK_BYTES, TREE_EXTENTS),
			 -EUCLEAN);
	free(node);
}
END_TEST

START_TEST(entries_are_checked)
{
	char value[VALUE_MAX] = { 0 };
	dirent_media *dirent = (void *)value;
	const unsigned length = sizeof(*dirent) + 3;
	node_media *node;

	dirent->ino = 2;
	dirent->type = DT_DIR;
	dirent->name_length = 3;
	memcpy(dirent->name, "abc", 3);
	expect(TREE_ENTRIES, value, length, 0);
	expect(TREE_ENTRIES, value, length - 1, -EUCLEAN);
	expect(TREE_ENTRIES, value, length + 1, -EUCLEAN);
	expect(TREE_ENTRIES, value, 2, -EUCLEAN);
	node = node_with(TREE_ENTRIES, value, length);
	node_rekey(node, 0, NAME_KEY_FIRST - 1);
	ck_assert_int_eq(node_check(node, NODE_BLOCK_BYTES, TREE_ENTRIES),
			 -EUCLEAN);
	node_rekey(node, 0, NAME_KEY_END);
	ck_assert_int_eq(node_check(node, NODE_BLOCK_BYTES, TREE_ENTRIES),
			 -EUCLEAN);
	free(node);
	dirent->name[1] = '/';
	expect(TREE_ENTRIES, value, length, -EUCLEAN);
	dirent->name[1] = '\0';
	expect(TREE_ENTRIES, value, length, -EUCLEAN);
	dirent->name[1] = 'b';
	dirent->type = DT_UNKNOWN;
	expect(TREE_ENTRIES, value, length, -EUCLEAN);
	dirent->type = DT_REG;
	dirent->ino = 0;
	expect(TREE_ENTRIES, value, length, -EUCLEAN);
	dirent->ino = 2;
	dirent->name_length = 0;
	expect(TREE_ENTRIES, value, sizeof(*dirent), -EUCLEAN);
}
END_TEST

START_TEST(shared_runs_are_checked)
{
	shared_media run = { .blocks = 1, .owners = 2 };
	const uint64_t end = UINT64_C(1) << (ADDR_DEVICE_SHIFT - BLOCK_SHIFT);
	const uint64_t keys[] = { 1, end - 1, end + 1, 63 * end + 1 };
	const uint64_t wrong[] = { 0, end, 64 * end + 1, UINT64_MAX };
	unsigned i;

	for (i = 0; i < 4; i++) {
		ck_assert_int_eq(node_value_check(TREE_SHARED, keys[i], &run,
						  sizeof(run)),
				 0);
		ck_assert_int_eq(node_value_check(TREE_SHARED, wrong[i], &run,
						  sizeof(run)),
				 -EUCLEAN);
	}
	expect(TREE_SHARED, &run, sizeof(run) - 1, -EUCLEAN);
	run.owners = 1;
	expect(TREE_SHARED, &run, sizeof(run), -EUCLEAN);
	run = (shared_media){ .blocks = 0, .owners = 2 };
	expect(TREE_SHARED, &run, sizeof(run), -EUCLEAN);
	run.blocks = 2;
	ck_assert_int_eq(
		node_value_check(TREE_SHARED, end - 1, &run, sizeof(run)),
		-EUCLEAN);
}
END_TEST

START_TEST(xattrs_are_checked)
{
	char value[VALUE_MAX] = { 0 };
	xattr_media *xattr = (void *)value;
	const unsigned length = sizeof(*xattr) + 6;

	xattr->name_length = 6;
	memcpy(xattr->bytes, "user.a", 6);
	expect(TREE_XATTRS, value, length, 0);
	expect(TREE_XATTRS, value, length + 1, -EUCLEAN);
	xattr->value_length = 1;
	expect(TREE_XATTRS, value, length + 1, 0);
	expect(TREE_XATTRS, value, length, -EUCLEAN);
	expect(TREE_XATTRS, value, length - 1, -EUCLEAN);
	expect(TREE_XATTRS, value, 3, -EUCLEAN);
	xattr->value_length = XATTR_INLINE_MAX + 1;
	expect(TREE_XATTRS, value, length + XATTR_INLINE_MAX + 1, -EUCLEAN);
	xattr->addr = BLOCK_BYTES;
	expect(TREE_XATTRS, value, length, 0);
	xattr->value_length = XATTR_VALUE_MAX + 1;
	expect(TREE_XATTRS, value, length, -EUCLEAN);
	xattr->value_length = 0;
	expect(TREE_XATTRS, value, length, -EUCLEAN);
	xattr->value_length = 5;
	xattr->addr = 1;
	expect(TREE_XATTRS, value, length, -EUCLEAN);
	xattr->addr = BLOCK_BYTES;
	xattr->bytes[2] = '\0';
	expect(TREE_XATTRS, value, length, -EUCLEAN);
}
END_TEST

START_TEST(layout_is_checked)
{
	extent_media extent = { addr_make(1, 8 * BLOCK_BYTES), 1, 0 };
	node_media *good = node_with(TREE_EXTENTS, &extent, sizeof(extent));
	node_media *node = malloc(NODE_BLOCK_BYTES);
	node_slot_media *slots = (void *)(node + 1);
	int err, i;

	err = node_insert(good, NODE_BLOCK_BYTES, 2000, &extent,
			  sizeof(extent));
	ck_assert_int_eq(err, 0);
	for (i = 0; i < 14; i++) {
		memcpy(node, good, NODE_BLOCK_BYTES);
		switch (i) {
		case 0:
			node->magic ^= 1;
			break;
		case 1:
			node->level = NODE_LEVELS_MAX;
			break;
		case 2:
			node->level = 1;
			break;
		case 3:
			node->kind = 0;
			break;
		case 4:
			node->kind = 4;
			break;
		case 5:
			node->count = 65535;
			break;
		case 6:
			node->count = 1;
			break;
		case 7:
			node->heap_start = NODE_BLOCK_BYTES + 1;
			break;
		case 8:
			node->heap_start = 16 + 2 * 12 - 1;
			break;
		case 9:
			node->heap_used--;
			break;
		case 10:
			slots[1].offset = slots[0].offset;
			break;
		case 11:
			slots[0].offset++;
			break;
		case 12:
			slots[1].offset = node->heap_start - 1;
			break;
		case 13:
			slots[1].key = slots[0].key;
			break;
		}
		err = node_check(node, NODE_BLOCK_BYTES,
				 i == 4 ? 4 : TREE_EXTENTS);
		ck_assert_msg(err == -EUCLEAN, "case %d passed", i);
	}
	free(node);
	free(good);
}
END_TEST

START_TEST(internal_nodes_need_a_child)
{
	node_media *node = calloc(1, NODE_BLOCK_BYTES);
	uint64_t child = BLOCK_BYTES;

	node_init(node, NODE_BLOCK_BYTES, 1, TREE_ENTRIES);
	ck_assert_int_eq(node_check(node, NODE_BLOCK_BYTES, TREE_ENTRIES),
			 -EUCLEAN);
	ck_assert_int_eq(node_insert(node, NODE_BLOCK_BYTES, 0, &child, 8), 0);
	ck_assert_int_eq(node_check(node, NODE_BLOCK_BYTES, TREE_ENTRIES), 0);
	child = BLOCK_BYTES + 8;
	ck_assert_int_eq(node_replace(node, NODE_BLOCK_BYTES, 0, &child, 8), 0);
	ck_assert_int_eq(node_check(node, NODE_BLOCK_BYTES, TREE_ENTRIES),
			 -EUCLEAN);
	free(node);
}
END_TEST

/* ---------------------------------------------------------------- editing */

START_TEST(floor_and_lower_bound_agree)
{
	extent_media extent = { BLOCK_BYTES, 1, 0 };
	node_media *node = node_with(TREE_EXTENTS, &extent, sizeof(extent));
	uint64_t child = BLOCK_BYTES;

	ck_assert_int_eq(node_insert(node, NODE_BLOCK_BYTES, 2000, &extent,
				     sizeof(extent)),
			 0);
	ck_assert_int_eq(node_insert(node, NODE_BLOCK_BYTES, 2000, &extent,
				     sizeof(extent)),
			 -EEXIST);
	ck_assert_uint_eq(node_lower_bound(node, 0), 0);
	ck_assert_uint_eq(node_lower_bound(node, 1001), 1);
	ck_assert_uint_eq(node_lower_bound(node, 2000), 1);
	ck_assert_uint_eq(node_lower_bound(node, 2001), 2);
	ck_assert_int_eq(node_floor(node, 999), -1);
	ck_assert_int_eq(node_floor(node, 1000), 0);
	ck_assert_int_eq(node_floor(node, 1999), 0);
	ck_assert_int_eq(node_floor(node, UINT64_MAX), 1);
	node_init(node, NODE_BLOCK_BYTES, 1, TREE_EXTENTS);
	ck_assert_int_eq(node_insert(node, NODE_BLOCK_BYTES, 5, &child, 8), 0);
	ck_assert_int_eq(node_floor(node, 4), 0);
	free(node);
}
END_TEST

/* One random change; -ENOSPC must leave every byte as it was. */
static void change(node_media *node, unsigned capacity_bytes)
{
	char value[VALUE_MAX], before[NODE_BLOCK_BYTES];
	unsigned length = make_value(node->kind, node->level, value);
	unsigned slot = node->count ? rand() % node->count : 0;
	int err = 0;

	memcpy(before, node, capacity_bytes);
	switch (rand() % 4) {
	case 0:
		if (node->count > (node->level > 0))
			node_remove(node, slot);
		break;
	case 1:
		if (node->count > 0)
			err = node_replace(node, capacity_bytes, slot, value,
					   length);
		break;
	default:
		err = node_insert(node, capacity_bytes, random_key(), value,
				  length);
		ck_assert(err == 0 || err == -ENOSPC || err == -EEXIST);
	}
	if (err != 0)
		ck_assert_mem_eq(before, node, capacity_bytes);
}

START_TEST(random_changes_keep_a_node_valid)
{
	static const unsigned capacities[] = { 344, NODE_BLOCK_BYTES };
	unsigned capacity = capacities[_i % 2];
	enum tree_kind kind = 1 + _i / 2 % 3;
	node_media *node = calloc(1, capacity);
	int i;

	node_init(node, capacity, _i / 6, kind);
	for (i = 0; i < 5000; i++) {
		change(node, capacity);
		if (node->level > 0 && node->count == 0)
			continue;
		ck_assert_int_eq(node_check(node, capacity, kind), 0);
	}
	free(node);
}
END_TEST

START_TEST(split_moves_the_upper_part)
{
	char *block = good_block(TREE_ENTRIES, 0);
	node_media *node = node_of_block(block);
	node_media *upper = calloc(1, NODE_BLOCK_BYTES);
	unsigned count = node->count, slot = count / 2;
	uint64_t key = node_key(node, slot);

	node_init(upper, NODE_BLOCK_BYTES, 0, TREE_ENTRIES);
	node_split(node, NODE_BLOCK_BYTES, slot, upper, NODE_BLOCK_BYTES);
	ck_assert_uint_eq(node->count, slot);
	ck_assert_uint_eq(upper->count, count - slot);
	ck_assert_uint_eq(node_key(upper, 0), key);
	ck_assert_int_eq(node_check(node, NODE_BLOCK_BYTES, TREE_ENTRIES), 0);
	ck_assert_int_eq(node_check(upper, NODE_BLOCK_BYTES, TREE_ENTRIES), 0);
	fill(node, NODE_BLOCK_BYTES);
	ck_assert_int_eq(node_check(node, NODE_BLOCK_BYTES, TREE_ENTRIES), 0);
	free(upper);
	free(block);
}
END_TEST

/* ----------------------------------------------------------------- damage */

static void mutate(unsigned char *at, size_t bytes)
{
	unsigned times = 1 + rand() % 3;

	while (times-- > 0) {
		/* mostly where the header and the slots are */
		size_t start = rand() % (rand() % 4 ? 128 : bytes);

		if (rand() % 2)
			at[start] ^= 1u << rand() % 8;
		else
			at[start] = rand() % 3 ? rand() : 0xff;
	}
}

START_TEST(block_survives_random_damage)
{
	char *good[6], *block = malloc(BLOCK_BYTES);
	node_media *upper = malloc(NODE_BLOCK_BYTES);
	unsigned passed = 0;
	int i;

	for (i = 0; i < 6; i++)
		good[i] = good_block(1 + i % 3, i / 3);
	for (i = 0; i < MUTATIONS; i++) {
		node_media *node = node_of_block(block);
		enum tree_kind kind = 1 + i % 3;
		int step;

		memcpy(block, good[i % 6], BLOCK_BYTES);
		mutate((void *)(block + (i % 7 ? 32 : 0)), BLOCK_BYTES - 32);
		if (i % 16 != 0)
			node_block_seal(block);
		passed += node_block_check(block, OWNER, SELF, kind) == 0;
		if (node_layout_check(node, NODE_BLOCK_BYTES, kind) != 0)
			continue;
		for (step = 0; step < 4; step++)
			change(node, NODE_BLOCK_BYTES);
		node_init(upper, NODE_BLOCK_BYTES, node->level, kind);
		node_split(node, NODE_BLOCK_BYTES, node->count / 2, upper,
			   NODE_BLOCK_BYTES);
	}
	ck_assert_uint_gt(passed, MUTATIONS / 100);
	for (i = 0; i < 6; i++)
		free(good[i]);
	free(upper);
	free(block);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	srand(1);
	tcase_set_timeout(rules, 30);
	tcase_add_loop_test(rules, block_passes_once_sealed, 0, 6);
	tcase_add_test(rules, block_refuses_any_changed_byte);
	tcase_add_test(rules, extents_are_checked);
	tcase_add_test(rules, extents_do_not_overlap_or_pass_the_largest_file);
	tcase_add_test(rules, entries_are_checked);
	tcase_add_test(rules, shared_runs_are_checked);
	tcase_add_test(rules, xattrs_are_checked);
	tcase_add_test(rules, layout_is_checked);
	tcase_add_test(rules, internal_nodes_need_a_child);
	tcase_add_test(rules, floor_and_lower_bound_agree);
	tcase_add_loop_test(rules, random_changes_keep_a_node_valid, 0, 12);
	tcase_add_test(rules, split_moves_the_upper_part);
	tcase_add_test(rules, block_survives_random_damage);
	suite_add_tcase(suite, rules);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
