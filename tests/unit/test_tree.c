/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree_model.h"

#include "journal/journal.h"
#include "media/inode.h"
#include "media/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(random_changes_agree_with_a_sorted_array)
{
	static const unsigned targets[] = { 2000, 20, 300, 0 };
	uint64_t sequential = 100000;
	int i;

	srand(_i + 1);
	model_setup(shapes[_i].kind, shapes[_i].root_bytes);
	for (i = 0; i < 16000;) {
		struct tree tree = model_writer();
		int batch = 1 + rand() % 4;

		for (; batch-- > 0; i++)
			model_change(&tree, targets[i / 4000 % 4],
				     shapes[_i].sequential ? &sequential
							   : NULL);
		if (rand() % 8 == 0)
			model_expect_seeks(&tree, model_some_key());
		model_commit(&tree);
		if (rand() % 500 == 0)
			model_expect();
	}
	model_expect();
	model_teardown();
}
END_TEST

START_TEST(aborted_changes_leave_no_trace)
{
	static unsigned char before[BLOCK_BYTES];
	static struct model_key saved[MODEL_KEYS_MAX];
	unsigned i;

	srand(1);
	model_setup(shapes[_i].kind, shapes[_i].root_bytes);
	for (i = 0; i < 600; i++) {
		struct tree tree = model_writer();
		unsigned count = model.count, j;

		memcpy(saved, model.at, sizeof(saved));
		memcpy(before, model_root(), BLOCK_BYTES);
		for (j = 0; j < 8; j++)
			model_change(&tree, 400, NULL);
		if (rand() % 2) {
			model_commit(&tree);
			continue;
		}
		txn_abort(tree.txn);
		memcpy(model.at, saved, sizeof(saved));
		model.count = count;
		ck_assert_mem_eq(before, model_root(), BLOCK_BYTES);
		if (i % 20 == 0)
			model_expect();
	}
	model_expect();
	model_teardown();
}
END_TEST

START_TEST(no_space_for_a_split_changes_nothing)
{
	unsigned refused = 0, i;

	srand(2);
	model_setup(shapes[_i].kind, shapes[_i].root_bytes);
	model.fake.spare_blocks = 0;
	for (i = 0; i < 3000; i++) {
		struct tree tree = model_writer();
		uint64_t key = NAME_KEY_FIRST + i * 7919 % 60000;
		int err = model_put(&tree, key);

		if (err == 0) {
			model_commit(&tree);
			continue;
		}
		ck_assert_int_eq(err, -ENOSPC);
		ck_assert_int_eq(tree.blocks_delta, 0);
		model_expect_seeks(&tree, key);
		if (refused++ % 2)
			txn_abort(tree.txn);
		else
			model_commit(&tree);
		if (refused % 16 == 0)
			model_expect();
		/* sometimes one block, where two may be needed */
		model.fake.spare_blocks += rand() % 3;
	}
	ck_assert_uint_gt(refused, 10);
	model_expect();
	model_teardown();
}
END_TEST
START_TEST(growth_at_the_end_fills_nodes)
{
	const unsigned per_leaf = (NODE_BLOCK_BYTES - sizeof(node_media)) /
				  NODE_ENTRY_BYTES(sizeof(extent_media));

	model_setup(TREE_EXTENTS, INODE_AREA_BYTES);
	model_fill(5000, 0, 10);
	model_expect();
	ck_assert_uint_le(model.fake.used_blocks, 5000 / per_leaf + 4);
	model_teardown();
}
END_TEST

START_TEST(growth_at_the_front_splits_in_the_middle)
{
	model_setup(TREE_EXTENTS, INODE_AREA_BYTES);
	model_fill(5000, 500000, -10);
	model_expect();
	ck_assert_uint_le(model.fake.used_blocks, 5000 / 70 + 4);
	model_teardown();
}
END_TEST

static void empty_it(int order)
{
	while (model.count > 0) {
		struct tree tree = model_writer();
		unsigned at = order == 0   ? 0
			      : order == 1 ? model.count - 1
					   : rand() % model.count;

		model_delete(&tree, model.at[at].key);
		/* one copy a level at most, and here the root's */
		ck_assert_uint_le(fake_copies(tree.txn), 2);
		model_commit(&tree);
	}
}

START_TEST(an_emptied_tree_is_a_root_again)
{
	srand(3);
	model_setup(model.kind = _i / 3 ? TREE_ENTRIES : TREE_EXTENTS,
		    INODE_AREA_BYTES);
	model_fill(3000, 1000, 10);
	ck_assert_uint_gt(model_root()->level, 0);
	empty_it(_i % 3);
	model_expect();
	ck_assert_uint_eq(model_root()->level, 0);
	ck_assert_uint_eq(model_root()->count, 0);
	ck_assert_uint_eq(model.fake.used_blocks, 0);
	model_fill(1000, 1000, 3);
	model_expect();
	model_teardown();
}
END_TEST

START_TEST(a_truncated_tree_goes_back_into_the_root)
{
	model_setup(TREE_EXTENTS, INODE_AREA_BYTES);
	model_fill(4000, 0, 10);
	ck_assert_uint_ge(model_root()->level, 2);
	while (model.count > 4) {
		struct tree tree = model_writer();

		model_delete(&tree, model.at[model.count - 1].key);
		model_commit(&tree);
	}
	ck_assert_uint_eq(model_root()->level, 0);
	ck_assert_uint_eq(model.fake.used_blocks, 0);
	model_expect();
	model_teardown();
}
END_TEST

START_TEST(one_insert_edits_two_nodes_a_level_at_most)
{
	unsigned i;

	srand(4);
	model_setup(TREE_XATTRS, INODE_AREA_BYTES);
	for (i = 0; i < 3000; i++) {
		struct tree tree = model_writer();
		unsigned levels = tree.root->level + 1u;

		model_insert(&tree, 1000 + i * 7919 % 60000);
		ck_assert_uint_le(fake_copies(tree.txn), 2 * levels + 1);
		model_commit(&tree);
	}
	model_teardown();
}
END_TEST

START_TEST(a_cursors_value_may_be_given_back)
{
	struct tree_cursor cursor;
	struct tree tree;
	unsigned i;

	model_setup(TREE_ENTRIES, INODE_AREA_BYTES);
	model_fill(300, 1000, 7);
	tree = model_writer();
	for (i = 0; i < 300; i += 3) {
		ck_assert_int_eq(tree_seek(&tree, model.at[i].key, &cursor), 0);
		ck_assert_int_eq(tree_replace(&tree, model.at[i].key,
					      cursor.value,
					      cursor.length_bytes),
				 0);
		ck_assert_int_eq(tree_seek(&tree, model.at[i].key, &cursor), 0);
		ck_assert_int_eq(tree_insert(&tree, model.at[i].key + 1,
					     cursor.value, cursor.length_bytes),
				 0);
		ck_assert_int_eq(tree_delete(&tree, model.at[i].key + 1), 0);
	}
	model_commit(&tree);
	model_expect();
	model_teardown();
}
END_TEST

START_TEST(values_of_another_kind_are_refused)
{
	extent_media extent = { BLOCK_BYTES, 0, 0 };
	static const char large[NODE_BLOCK_BYTES];
	struct tree tree;

	model_setup(TREE_EXTENTS, INODE_AREA_BYTES);
	tree = model_writer();
	ck_assert_int_eq(tree_insert(&tree, 5, &extent, sizeof(extent)),
			 -EINVAL);
	ck_assert_int_eq(tree_insert(&tree, 5, &extent, 8), -EINVAL);
	ck_assert_int_eq(tree_insert(&tree, 5, large, sizeof(large)), -EINVAL);
	extent.blocks = 1;
	ck_assert_int_eq(tree_insert(&tree, 5, &extent, sizeof(extent)), 0);
	extent.blocks = 0;
	ck_assert_int_eq(tree_replace(&tree, 5, &extent, sizeof(extent)),
			 -EINVAL);
	txn_abort(tree.txn);
	model_teardown();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tree");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(rules, 60);
	tcase_add_loop_test(rules, random_changes_agree_with_a_sorted_array, 0,
			    SHAPES);
	tcase_add_loop_test(rules, aborted_changes_leave_no_trace, 0, SHAPES);
	tcase_add_loop_test(rules, no_space_for_a_split_changes_nothing, 0,
			    SHAPES);
	tcase_add_test(rules, growth_at_the_end_fills_nodes);
	tcase_add_test(rules, growth_at_the_front_splits_in_the_middle);
	tcase_add_loop_test(rules, an_emptied_tree_is_a_root_again, 0, 6);
	tcase_add_test(rules, a_truncated_tree_goes_back_into_the_root);
	tcase_add_test(rules, one_insert_edits_two_nodes_a_level_at_most);
	tcase_add_test(rules, a_cursors_value_may_be_given_back);
	tcase_add_test(rules, values_of_another_kind_are_refused);
	suite_add_tcase(suite, rules);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
