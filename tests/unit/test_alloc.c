/* SPDX-License-Identifier: BSD-3-Clause */
#include "alloc/alloc.h"
#include "media/addr.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define UNITS 20
#define BLOCKS (UNITS * PMD_BLOCKS + 77) /* the last unit is short */

static struct alloc *alloc;
static uint64_t start;
static uint64_t got;

static void setup(void)
{
	ck_assert_int_eq(alloc_create(&alloc, BLOCKS, 0), 0);
	ck_assert_int_eq(alloc_mark_free(alloc, 0, BLOCKS), 0);
}

static void teardown(void)
{
	alloc_destroy(alloc);
}

static int take(struct alloc_want want)
{
	return alloc_take(alloc, &want, &start, &got);
}

START_TEST(a_new_map_is_all_used)
{
	struct alloc *fresh;
	struct alloc_want want = { .blocks = 1 };

	ck_assert_int_eq(alloc_create(&fresh, 100, 0), 0);
	ck_assert_uint_eq(alloc_free_blocks(fresh), 0);
	ck_assert_int_eq(alloc_take(fresh, &want, &start, &got), -ENOSPC);
	alloc_destroy(fresh);
}
END_TEST

START_TEST(marks_off_the_device_are_refused)
{
	ck_assert_int_eq(alloc_mark_free(alloc, BLOCKS, 1), -ERANGE);
	ck_assert_int_eq(alloc_mark_free(alloc, BLOCKS - 1, 2), -ERANGE);
	ck_assert_int_eq(alloc_mark_used(alloc, 1, UINT64_MAX), -ERANGE);
	ck_assert_int_eq(alloc_mark_used(alloc, UINT64_MAX, 2), -ERANGE);
	ck_assert_uint_eq(alloc_free_blocks(alloc), BLOCKS);
}
END_TEST

START_TEST(marking_a_used_block_again_is_damage)
{
	ck_assert_int_eq(alloc_mark_used(alloc, 500, 100), 0);
	ck_assert_int_eq(alloc_mark_used(alloc, 599, 10), -EUCLEAN);
	ck_assert_int_eq(alloc_mark_used(alloc, 0, BLOCKS), -EUCLEAN);
	ck_assert_uint_eq(alloc_free_blocks(alloc), BLOCKS - 100);
	ck_assert_int_eq(alloc_mark_used(alloc, 600, 10), 0);
}
END_TEST

START_TEST(a_goal_that_is_free_is_continued)
{
	ck_assert_int_eq(take((struct alloc_want){ .blocks = 5 }), 0);
	ck_assert_int_eq(take((struct alloc_want){ .blocks = 7, .goal = 3000 }),
			 0);
	ck_assert_uint_eq(start, 3000);
	ck_assert_uint_eq(got, 7);
	/* Only as far as the next used block. */
	ck_assert_int_eq(
		take((struct alloc_want){ .blocks = 50, .goal = 2990 }), 0);
	ck_assert_uint_eq(start, 2990);
	ck_assert_uint_eq(got, 10);
	/* Used: a run somewhere else. */
	ck_assert_int_eq(take((struct alloc_want){ .blocks = 4, .goal = 3001 }),
			 0);
	ck_assert_uint_eq(got, 4);
	ck_assert(start >= 3007 || start + got <= 2990);
	/* Past the end: no wish. */
	ck_assert_int_eq(
		take((struct alloc_want){ .blocks = 1, .goal = BLOCKS }), 0);
}
END_TEST

START_TEST(aligned_wants_get_whole_units_in_phase)
{
	ck_assert_int_eq(alloc_mark_used(alloc, 10, 1), 0);
	ck_assert_int_eq(take((struct alloc_want){ .blocks = PMD_BLOCKS,
						   .aligned = true }),
			 0);
	ck_assert_uint_eq(start, PMD_BLOCKS);
	ck_assert_uint_eq(got, PMD_BLOCKS);
	ck_assert_int_eq(take((struct alloc_want){ .blocks = 700,
						   .phase = 100,
						   .aligned = true }),
			 0);
	ck_assert_uint_eq(start, 2 * PMD_BLOCKS + 100);
	ck_assert_uint_eq(got, 700);
	/* A goal in phase is continued, one out of phase is not. */
	ck_assert_int_eq(take((struct alloc_want){ .blocks = 8,
						   .goal = start + got,
						   .aligned = true,
						   .phase = (start + got) %
							    PMD_BLOCKS }),
			 0);
	ck_assert_uint_eq(start, 2 * PMD_BLOCKS + 800);
	ck_assert_int_eq(take((struct alloc_want){ .blocks = 8,
						   .goal = start + got,
						   .aligned = true }),
			 0);
	ck_assert_uint_eq(start % PMD_BLOCKS, 0);
}
END_TEST

START_TEST(aligned_wants_make_do_when_no_unit_is_whole)
{
	uint64_t unit;

	for (unit = 0; unit < UNITS; unit++)
		ck_assert_int_eq(alloc_mark_used(alloc, unit * PMD_BLOCKS, 1),
				 0);
	ck_assert_int_eq(take((struct alloc_want){ .blocks = PMD_BLOCKS,
						   .aligned = true }),
			 0);
	ck_assert_uint_eq(got, PMD_BLOCKS - 1);
}
END_TEST

START_TEST(small_wants_fill_broken_units_first)
{
	unsigned i;

	ck_assert_int_eq(take((struct alloc_want){ .blocks = 1 }), 0);
	for (i = 0; i < PMD_BLOCKS + 76; i++)
		ck_assert_int_eq(take((struct alloc_want){ .blocks = 1 }), 0);
	/* The short unit at the end and one more hold all of them. */
	for (i = 0; i < UNITS - 1; i++) {
		ck_assert_int_eq(take((struct alloc_want){ .blocks = PMD_BLOCKS,
							   .aligned = true }),
				 0);
		ck_assert_uint_eq(got, PMD_BLOCKS);
		ck_assert_uint_eq(start % PMD_BLOCKS, 0);
	}
}
END_TEST

START_TEST(a_file_is_not_cut_up_while_a_whole_unit_is_left)
{
	uint64_t block;

	/* Every second block of the first four units is used. */
	for (block = 0; block < 4 * PMD_BLOCKS; block += 2)
		ck_assert_int_eq(alloc_mark_used(alloc, block, 1), 0);
	ck_assert_int_eq(alloc_mark_used(alloc, BLOCKS - 77, 77), 0);
	ck_assert_int_eq(take((struct alloc_want){ .blocks = 64 }), 0);
	ck_assert_uint_eq(got, 64);
	ck_assert_int_eq(take((struct alloc_want){ .blocks = 1 }), 0);
	ck_assert_uint_eq(got, 1);
}
END_TEST

START_TEST(a_long_want_prefers_a_run_that_holds_it)
{
	ck_assert_int_eq(alloc_mark_used(alloc, 2 * PMD_BLOCKS, 1), 0);
	ck_assert_int_eq(take((struct alloc_want){ .blocks = 5 * PMD_BLOCKS,
						   .aligned = true }),
			 0);
	ck_assert_uint_eq(start, 3 * PMD_BLOCKS);
	ck_assert_uint_eq(got, 5 * PMD_BLOCKS);
}
END_TEST

START_TEST(the_reserve_is_for_metadata)
{
	struct alloc *small;
	struct alloc_want data = { .blocks = 1000 };
	struct alloc_want metadata = { .blocks = 1000, .metadata = true };

	ck_assert_int_eq(alloc_create(&small, 600, 100), 0);
	ck_assert_int_eq(alloc_mark_free(small, 0, 600), 0);
	ck_assert_uint_eq(alloc_reserve_blocks(small), 100);
	ck_assert_int_eq(alloc_take(small, &data, &start, &got), 0);
	ck_assert_uint_eq(got, 500);
	ck_assert_int_eq(alloc_take(small, &data, &start, &got), -ENOSPC);
	ck_assert_int_eq(alloc_take(small, &metadata, &start, &got), 0);
	ck_assert_uint_eq(alloc_free_blocks(small), 100 - got);
	alloc_destroy(small);
}
END_TEST

START_TEST(a_stopped_device_gives_nothing_but_takes_back)
{
	ck_assert_int_eq(take((struct alloc_want){ .blocks = 3 }), 0);
	alloc_stop(alloc, true);
	alloc_give(alloc, start, got);
	ck_assert_int_eq(take((struct alloc_want){ .blocks = 3 }), -ENXIO);
	alloc_stop(alloc, false);
	ck_assert_int_eq(take((struct alloc_want){ .blocks = 3 }), 0);
}
END_TEST

START_TEST(what_is_free_already_is_not_given)
{
	uint64_t free_blocks;

	ck_assert_int_eq(alloc_mark_used(alloc, 600, 10), 0);
	free_blocks = alloc_free_blocks(alloc);
	ck_assert(alloc_sound(alloc));
	alloc_give(alloc, 605, 10);
	ck_assert_uint_eq(alloc_free_blocks(alloc), free_blocks);
	ck_assert(!alloc_sound(alloc));
	alloc_give(alloc, BLOCKS - 1, 2);
	alloc_give(alloc, 600, 10);
	ck_assert_uint_eq(alloc_free_blocks(alloc), free_blocks + 10);
	ck_assert(!alloc_sound(alloc));
}
END_TEST

START_TEST(export_and_import_are_inverse)
{
	size_t length_bytes = (BLOCKS + 7) / 8;
	uint8_t *bitmap = malloc(length_bytes);
	uint8_t *again = malloc(length_bytes);
	struct alloc *copy;

	ck_assert_int_eq(take((struct alloc_want){ .blocks = 3 }), 0);
	ck_assert_int_eq(take((struct alloc_want){ .blocks = 1030, .goal = 9 }),
			 0);
	alloc_export(alloc, bitmap);
	ck_assert_int_eq(alloc_create(&copy, BLOCKS, 0), 0);
	ck_assert_int_eq(alloc_import(copy, bitmap), 0);
	ck_assert_uint_eq(alloc_free_blocks(copy), alloc_free_blocks(alloc));
	alloc_export(copy, again);
	ck_assert_mem_eq(bitmap, again, length_bytes);
	ck_assert_int_eq(alloc_mark_used(copy, 1038, 1), -EUCLEAN);
	ck_assert_int_eq(alloc_mark_used(copy, 1039, 1), 0);

	bitmap[length_bytes - 1] &= 0x7f;
	ck_assert_int_eq(alloc_import(copy, bitmap), -EUCLEAN);
	alloc_destroy(copy);
	free(again);
	free(bitmap);
}
END_TEST

/* ------------------------------------------------- against a plain array */

static uint8_t model[BLOCKS]; /* 1 = used */

static void model_take(void)
{
	struct alloc_want want = {
		.blocks = 1 + random() % (random() % 8 ? 40 : 1500),
		.goal = random() % 3 ? 0 : random() % (BLOCKS + 10),
		.aligned = random() % 4 == 0,
		.phase = random() % PMD_BLOCKS,
	};
	uint64_t left = alloc_free_blocks(alloc);
	int error = take(want);

	if (left == 0) {
		ck_assert_int_eq(error, -ENOSPC);
		return;
	}
	ck_assert_int_eq(error, 0);
	ck_assert(got >= 1 && got <= want.blocks && start + got <= BLOCKS);
	ck_assert_ptr_null(memchr(model + start, 1, got));
	memset(model + start, 1, got);
	ck_assert_uint_eq(alloc_free_blocks(alloc), left - got);
}

static void model_give(void)
{
	uint64_t block = random() % BLOCKS;
	uint64_t count = 0;
	uint64_t most = 1 + random() % 600;

	while (block + count < BLOCKS && count < most && model[block + count])
		model[block + count++] = 0;
	if (count > 0)
		alloc_give(alloc, block, count);
}

static void model_compare(void)
{
	static uint8_t expected[(BLOCKS + 7) / 8];
	static uint8_t bitmap[(BLOCKS + 7) / 8];
	uint64_t free_blocks = 0;
	uint64_t i;

	memset(expected, 0, sizeof(expected));
	expected[BLOCKS / 8] = (uint8_t)(0xff << BLOCKS % 8);
	for (i = 0; i < BLOCKS; i++) {
		expected[i / 8] |= model[i] << i % 8;
		free_blocks += !model[i];
	}
	alloc_export(alloc, bitmap);
	ck_assert_mem_eq(bitmap, expected, sizeof(bitmap));
	ck_assert_uint_eq(alloc_free_blocks(alloc), free_blocks);
}

START_TEST(random_use_agrees_with_a_plain_array)
{
	unsigned step;

	srandom(7);
	memset(model, 0, sizeof(model));
	for (step = 0; step < 40000; step++) {
		/* Lean to filling up, then to emptying, in turn. */
		if (random() % 16 < (step / 4000 % 2 ? 5 : 11))
			model_take();
		else
			model_give();
		if (step % 500 == 0)
			model_compare();
	}
	model_compare();
}
END_TEST

/* ---------------------------------------------------------- two threads */

static void *take_and_give(void *arg)
{
	unsigned seed = (uintptr_t)arg;
	unsigned i;

	for (i = 0; i < 20000; i++) {
		struct alloc_want want = { .blocks = 1 + rand_r(&seed) % 64 };
		uint64_t mine;
		uint64_t length;

		if (alloc_take(alloc, &want, &mine, &length) != 0)
			return arg;
		alloc_give(alloc, mine, length);
	}
	return NULL;
}

START_TEST(threads_never_share_a_block)
{
	pthread_t threads[2];
	uintptr_t i;

	for (i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
						take_and_give, (void *)(i + 1)),
				 0);
	for (i = 0; i < 2; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
	ck_assert_uint_eq(alloc_free_blocks(alloc), BLOCKS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("alloc");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(rules, setup, teardown);
	tcase_set_timeout(rules, 60);
	tcase_add_test(rules, a_new_map_is_all_used);
	tcase_add_test(rules, marks_off_the_device_are_refused);
	tcase_add_test(rules, marking_a_used_block_again_is_damage);
	tcase_add_test(rules, a_goal_that_is_free_is_continued);
	tcase_add_test(rules, aligned_wants_get_whole_units_in_phase);
	tcase_add_test(rules, aligned_wants_make_do_when_no_unit_is_whole);
	tcase_add_test(rules, small_wants_fill_broken_units_first);
	tcase_add_test(rules, a_file_is_not_cut_up_while_a_whole_unit_is_left);
	tcase_add_test(rules, a_long_want_prefers_a_run_that_holds_it);
	tcase_add_test(rules, the_reserve_is_for_metadata);
	tcase_add_test(rules, what_is_free_already_is_not_given);
	tcase_add_test(rules, a_stopped_device_gives_nothing_but_takes_back);
	tcase_add_test(rules, export_and_import_are_inverse);
	tcase_add_test(rules, random_use_agrees_with_a_plain_array);
	tcase_add_test(rules, threads_never_share_a_block);
	suite_add_tcase(suite, rules);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
