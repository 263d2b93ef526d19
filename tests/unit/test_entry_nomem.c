/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every allocation of the entry table and the pgmap fails once: the call says
 * -ENOMEM, nothing has changed, and the next attempt goes through. The linker
 * sends malloc and calloc of the code under test here (--wrap).
 */
#include "lib/entry_fixture.h"

#include <check.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);

static int until_failure = -1; /* allocations; negative: never */

static bool fails_now(void)
{
	return until_failure >= 0 && until_failure-- == 0;
}

void *__wrap_malloc(size_t bytes)
{
	return fails_now() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
	return fails_now() ? NULL : __real_calloc(count, bytes);
}

static struct fixture fix;
static struct entry_table *const table = &fix.tables[0];

static void setup(void)
{
	until_failure = -1;
	fixture_init(&fix);
}

static void teardown(void)
{
	fixture_fini(&fix);
}

/* The call under test; 0 or more, or an error. */
typedef int64_t attempt_fn(void);

static int64_t fail_each_allocation(attempt_fn *attempt)
{
	for (int allocations = 0;; allocations++) {
		uint64_t count = entry_table_count(table);
		int64_t ret;

		until_failure = allocations;
		ret = attempt();
		if (until_failure >= 0) { /* it needed no more than these */
			until_failure = -1;
			ck_assert_int_gt(allocations, 0);
			return ret;
		}
		until_failure = -1;
		ck_assert_int_eq(ret, -ENOMEM);
		ck_assert_uint_eq(entry_table_count(table), count);
		fixture_check(&fix);
	}
}

static void fill_run(uint64_t index, uint64_t npages, struct entry_new new)
{
	ck_assert_int_eq(entry_table_fill_run(table, index, npages, &new, NULL),
			 0);
}

static int64_t fill_far_away(void)
{
	struct entry_new new = kernel_page(7);

	return entry_table_fill(table, UINT64_C(1) << 45, &new);
}

START_TEST(an_entry_that_needs_a_taller_tree)
{
	ck_assert_int_eq(fail_each_allocation(fill_far_away), 0);
	ck_assert_uint_eq(entry_at(table, UINT64_C(1) << 45).device_page, 7);
}
END_TEST

START_TEST(an_entry_that_needs_a_taller_tree_over_others)
{
	fill_run(3, 1, kernel_page(3));
	ck_assert_int_eq(fail_each_allocation(fill_far_away), 0);
	ck_assert_uint_eq(entry_at(table, 3).device_page, 3);
}
END_TEST

static int64_t delete_a_page(void)
{
	return entry_table_delete_range(table, UNIT + 5, UNIT + 5,
					ENTRY_OF_ALL);
}

START_TEST(a_deletion_that_cuts_an_order_9_entry)
{
	fill_run(UNIT, UNIT, kernel_page(UNIT));
	ck_assert_int_eq(fail_each_allocation(delete_a_page), 1);
	ck_assert_uint_eq(entry_table_count(table), UNIT - 1);
}
END_TEST

static int64_t lease_a_page(void)
{
	struct entry_new new = lease_page(UNIT + 5);

	return entry_table_fill(table, UNIT + 5, &new);
}

START_TEST(a_lease_that_cuts_an_order_9_lease)
{
	fill_run(UNIT, UNIT, lease_page(UNIT));
	ck_assert_int_eq(fail_each_allocation(lease_a_page), 0);
	ck_assert_uint_eq(entry_at(table, UNIT + 5).associations, 2);
	ck_assert_uint_eq(entry_at(table, UNIT + 6).associations, 1);
}
END_TEST

static int64_t end_half_a_lease(void)
{
	return entry_table_disassociate(table, UNIT + 256, 2 * UNIT - 1);
}

START_TEST(the_end_of_half_a_lease)
{
	fill_run(UNIT, UNIT, lease_page(UNIT));
	ck_assert_int_eq(fail_each_allocation(end_half_a_lease), 256);
}
END_TEST

static int64_t grab_a_page(void)
{
	struct entry_info info;
	int err = entry_grab(table, UNIT + 5, PTE, &info);

	if (!err)
		entry_drop(table, &info);
	return err;
}

START_TEST(a_grab_that_downgrades_a_zero_entry)
{
	fill_run(UNIT, UNIT, zero_page());
	ck_assert_int_eq(fail_each_allocation(grab_a_page), 0);
	ck_assert_uint_eq(entry_table_count(table), UNIT);
}
END_TEST

static int64_t pin_a_page(void)
{
	return pgmap_pin_live(fix.pgmaps[0], UNIT + 5, PTE);
}

START_TEST(a_pin_that_splits_a_busy_folio)
{
	fill_run(UNIT, UNIT, kernel_page(UNIT));
	ck_assert_int_eq(fail_each_allocation(pin_a_page), 0);
	ck_assert_uint_eq(pgmap_count(fix.pgmaps[0], UNIT + 5), 2);
	pgmap_unpin(fix.pgmaps[0], UNIT + 5, PTE);
}
END_TEST

static int64_t create_pgmap(void)
{
	struct pgmap *pgmap;
	int err = pgmap_create(&pgmap, UNIT, PGMAP_COUNTER, NULL, NULL);

	if (!err)
		pgmap_destroy(pgmap);
	return err;
}

START_TEST(a_new_pgmap)
{
	ck_assert_int_eq(fail_each_allocation(create_pgmap), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("entry_nomem");
	TCase *each = tcase_create("every_allocation_of");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(each, setup, teardown);
	tcase_add_test(each, an_entry_that_needs_a_taller_tree);
	tcase_add_test(each, an_entry_that_needs_a_taller_tree_over_others);
	tcase_add_test(each, a_deletion_that_cuts_an_order_9_entry);
	tcase_add_test(each, a_lease_that_cuts_an_order_9_lease);
	tcase_add_test(each, the_end_of_half_a_lease);
	tcase_add_test(each, a_grab_that_downgrades_a_zero_entry);
	tcase_add_test(each, a_pin_that_splits_a_busy_folio);
	tcase_add_test(each, a_new_pgmap);
	suite_add_tcase(suite, each);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
