/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree_model.h"

#include "journal/journal.h"
#include "media/inode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *block_of_child(unsigned slot)
{
	unsigned length;
	uint64_t addr;

	memcpy(&addr, node_value(model_root(), slot, &length), sizeof(addr));
	return device_at(&model.fake.device, addr_offset(addr));
}

/* Every reading call; those that end must, the rest say -EUCLEAN. */
static void read_all(const struct tree *tree)
{
	struct tree_cursor cursor;
	unsigned steps = 0, i;
	int err;

	err = tree_seek(tree, 0, &cursor);
	while (err == 0) {
		must(steps++ < 100000);
		err = tree_next(&cursor);
	}
	must(err == -ENOENT || err == -EUCLEAN);
	for (i = 0; i < 3; i++) {
		err = tree_seek(tree, model_some_key(), &cursor);
		must(err == 0 || err == -ENOENT || err == -EUCLEAN);
		err = tree_seek_floor(tree, model_some_key(), &cursor);
		must(err == 0 || err == -ENOENT || err == -EUCLEAN);
	}
}

static void change_all(struct tree *tree)
{
	char value[TREE_VALUE_MAX];
	unsigned i;

	for (i = 0; i < 4; i++) {
		uint64_t key = model_some_key();
		unsigned length = model_value(key, rand(), value);
		int err;

		switch (rand() % 3) {
		case 0:
			err = tree_insert(tree, key, value, length);
			break;
		case 1:
			err = tree_replace(tree, key, value, length);
			break;
		default:
			err = tree_delete(tree, key);
		}
		if (err == -EUCLEAN)
			return;
		must(err == 0 || err == -ENOENT || err == -EEXIST ||
		     err == -ENOSPC);
	}
}

static int count_block(uint64_t addr, void *arg)
{
	unsigned *count = arg;

	must(*count < MODEL_BLOCKS);
	(*count)++;
	return 0;
}

static void expect_damage(void)
{
	struct tree tree = model_reader();
	unsigned count = 0;

	ck_assert_int_eq(tree_walk_blocks(&tree, count_block, &count),
			 -EUCLEAN);
}

START_TEST(a_node_is_checked_when_first_seen)
{
	struct tree tree;
	unsigned count = 0;
	char *block;

	model_setup(TREE_EXTENTS, INODE_AREA_BYTES);
	model_fill(400, 0, 10);
	block = block_of_child(0);
	block[BLOCK_BYTES - 1] ^= 1;
	model_forget_seen();
	expect_damage();
	block[BLOCK_BYTES - 1] ^= 1;
	tree = model_reader();
	ck_assert_int_eq(tree_walk_blocks(&tree, count_block, &count), 0);
	ck_assert_uint_eq(count, model.fake.used_blocks);
	model_teardown();
}
END_TEST

static void swap_owner(char *block)
{
	((node_block_media *)block)->owner++;
}

static void swap_self(char *block)
{
	((node_block_media *)block)->self += BLOCK_BYTES;
}

static void swap_level(char *block)
{
	node_of_block(block)->level++;
}

static void swap_kind(char *block)
{
	node_of_block(block)->kind = TREE_ENTRIES;
}

static void empty_node(char *block)
{
	node_block_init(block, MODEL_OWNER, ((node_block_media *)block)->self,
			0, TREE_EXTENTS);
}

static void low_key(char *block)
{
	node_rekey(node_of_block(block), 0, 1);
}

static void high_key(char *block)
{
	node_media *node = node_of_block(block);

	node_rekey(node, node->count - 1, 1u << 30);
}

START_TEST(a_node_in_the_wrong_place_is_refused)
{
	static void (*const damage[])(char *) = {
		swap_owner, swap_self, swap_level, swap_kind,
		empty_node, low_key,   high_key,
	};
	static char saved[BLOCK_BYTES];
	char *block;
	unsigned i;

	model_setup(TREE_EXTENTS, INODE_AREA_BYTES);
	model_fill(600, 0, 10);
	block = block_of_child(1);
	memcpy(saved, block, BLOCK_BYTES);
	for (i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		model_forget_seen();
		damage[i](block);
		node_block_seal(block);
		expect_damage();
		memcpy(block, saved, BLOCK_BYTES);
	}
	model_expect();
	model_teardown();
}
END_TEST

START_TEST(a_child_off_the_device_or_twice_is_refused)
{
	static const uint64_t wrong[] = {
		(uint64_t)MODEL_BLOCKS * BLOCK_BYTES,
		UINT64_C(1) << ADDR_DEVICE_SHIFT | BLOCK_BYTES,
		BLOCK_BYTES,
		BLOCK_BYTES + 1,
		0,
	};
	static char saved[BLOCK_BYTES];
	unsigned i, length;
	uint64_t addr;
	int err;

	model_setup(TREE_EXTENTS, INODE_AREA_BYTES);
	model_fill(600, 0, 10);
	memcpy(saved, model_root(), model.root_bytes);
	memcpy(&addr, node_value(model_root(), 0, &length), sizeof(addr));
	for (i = 0; i <= sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (i > 0)
			addr = wrong[i - 1];
		err = node_replace(model_root(), model.root_bytes, 1, &addr,
				   sizeof(addr));
		ck_assert_int_eq(err, 0);
		expect_damage();
		memcpy(model_root(), saved, model.root_bytes);
	}
	model_expect();
	model_teardown();
}
END_TEST

START_TEST(extents_that_overlap_across_leaves_are_refused)
{
	struct tree tree;
	struct tree_cursor cursor;
	extent_media extent;
	node_media *leaf;
	int err;

	model_setup(TREE_EXTENTS, INODE_AREA_BYTES);
	model_fill(600, 0, 10);
	leaf = node_of_block(block_of_child(0));
	extent = (extent_media){ BLOCK_BYTES, 11, 0 };
	err = node_replace(leaf, NODE_BLOCK_BYTES, leaf->count - 1, &extent,
			   sizeof(extent));
	ck_assert_int_eq(err, 0);
	node_block_seal(block_of_child(0));
	model_forget_seen();
	tree = model_reader();
	err = tree_seek(&tree, 0, &cursor);
	while (err == 0)
		err = tree_next(&cursor);
	ck_assert_int_eq(err, -EUCLEAN);
	model_teardown();
}
END_TEST

/*
 * Bytes of nodes change under the tree: before it saw them, with a good
 * checksum or a bad one; and after, as when another file shares the block.
 */
START_TEST(no_damage_is_ever_followed)
{
	unsigned char *saved = malloc(MODEL_BLOCKS * BLOCK_BYTES);
	unsigned i, blocks;

	srand(5);
	model_setup(shapes[_i].kind, shapes[_i].root_bytes);
	model_fill(500, 1000, 37);
	blocks = model.fake.used_blocks + MODEL_ROOT_BLOCK + 1;
	fake_trim(&model.fake, blocks);
	model_forget_seen();
	memcpy(saved, model.fake.device.base, blocks * BLOCK_BYTES);
	for (i = 0; i < 1500; i++) {
		unsigned at = MODEL_ROOT_BLOCK + 1 + rand() % (blocks - 2);
		char *block = (char *)model.fake.device.base + at * BLOCK_BYTES;
		unsigned times = 1 + rand() % 6;
		struct tree tree;

		if (i % 3 != 0)
			model_forget_seen();
		while (times-- > 0)
			block[32 + rand() % (rand() % 4 ? 160 : 4064)] =
				rand() % 4 ? rand() : 0xff;
		if (i % 3 != 2)
			node_block_seal(block);
		tree = model_reader();
		read_all(&tree);
		tree = model_writer();
		change_all(&tree);
		read_all(&tree);
		txn_abort(tree.txn);
		memcpy(block, saved + at * BLOCK_BYTES, BLOCK_BYTES);
	}
	model_forget_seen();
	model_expect();
	free(saved);
	model_teardown();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tree damage");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(rules, 60);
	tcase_add_test(rules, a_node_is_checked_when_first_seen);
	tcase_add_test(rules, a_node_in_the_wrong_place_is_refused);
	tcase_add_test(rules, a_child_off_the_device_or_twice_is_refused);
	tcase_add_test(rules, extents_that_overlap_across_leaves_are_refused);
	tcase_add_loop_test(rules, no_damage_is_ever_followed, 0, SHAPES);
	suite_add_tcase(suite, rules);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
