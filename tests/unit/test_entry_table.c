/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules of the entry table, one thread. */
#include "lib/entry_fixture.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct fixture fix;
static struct entry_table *const table = &fix.tables[0];

static void setup(void)
{
	fixture_init(&fix);
}

static void teardown(void)
{
	fixture_fini(&fix);
}

static struct entry_info grab(uint64_t index, unsigned order)
{
	struct entry_info info;

	ck_assert_int_eq(entry_grab(table, index, order, &info), 0);
	ck_assert(info.locked);
	return info;
}

static void insert(struct entry_info *locked, struct entry_new new)
{
	ck_assert_int_eq(entry_insert_locked(table, locked, &new), 0);
}

static void fill(uint64_t index, struct entry_new new)
{
	ck_assert_int_eq(entry_table_fill(table, index, &new), 0);
}

static void fill_run(uint64_t index, uint64_t npages, struct entry_new new)
{
	uint64_t filled;

	ck_assert_int_eq(
		entry_table_fill_run(table, index, npages, &new, &filled), 0);
	ck_assert_uint_eq(filled, npages);
}

static void put_empty(uint64_t index, unsigned order)
{
	struct entry_info info = grab(index, order);

	entry_unlock(table, &info);
}

static void check_same(const struct entry_info *a, const struct entry_info *b)
{
	ck_assert_uint_eq(a->index, b->index);
	ck_assert_uint_eq(a->order, b->order);
	ck_assert_int_eq(a->kind, b->kind);
	ck_assert_int_eq(a->holder, b->holder);
	ck_assert_uint_eq(a->device, b->device);
	ck_assert_uint_eq(a->device_page, b->device_page);
	ck_assert_uint_eq(a->associations, b->associations);
	ck_assert(a->locked == b->locked && a->dirty == b->dirty &&
		  a->towrite == b->towrite);
}

static int64_t references(void)
{
	return pgmap_references(fix.pgmaps[0]);
}

static int64_t delete_range(uint64_t first, uint64_t last)
{
	return entry_table_delete_range(table, first, last, ENTRY_OF_ALL);
}

/* ---------------------------------------------------------------- grab */

START_TEST(grab_of_nothing_makes_a_locked_empty_entry_without_a_reference)
{
	struct entry_info info = grab(5, PTE);

	ck_assert_int_eq(info.kind, ENTRY_EMPTY);
	ck_assert_int_eq(info.holder, ENTRY_UNHELD);
	ck_assert_uint_eq(info.index, 5);
	ck_assert_uint_eq(info.order, PTE);
	ck_assert_int_eq(references(), 0);
	ck_assert_uint_eq(entry_table_count(table), 1);
	entry_drop(table, &info);
	ck_assert_uint_eq(entry_table_count(table), 0);
	ck_assert_ptr_null(table->root);
}
END_TEST

START_TEST(insert_makes_it_real_with_one_reference)
{
	struct entry_info info = grab(5, PTE);

	insert(&info, kernel_page(77));
	ck_assert_int_eq(info.kind, ENTRY_REAL);
	ck_assert(info.locked);
	entry_unlock(table, &info);
	info = entry_at(table, 5);
	ck_assert(!info.locked);
	ck_assert_int_eq(info.holder, ENTRY_KERNEL);
	ck_assert_uint_eq(info.device_page, 77);
	ck_assert_uint_eq(info.associations, 1);
	ck_assert(!info.dirty);
	ck_assert_int_eq(references(), 1);
	ck_assert_uint_eq(pgmap_count(fix.pgmaps[0], 77), 1);
}
END_TEST

START_TEST(drop_leaves_what_was_inserted)
{
	struct entry_info info = grab(5, PTE);

	insert(&info, kernel_page(77));
	entry_drop(table, &info);
	ck_assert_int_eq(entry_at(table, 5).kind, ENTRY_REAL);
}
END_TEST

START_TEST(order_9_over_smaller_entries_falls_back)
{
	struct entry_info info;

	fill(UNIT + 3, kernel_page(3));
	ck_assert_int_eq(entry_grab(table, UNIT, PMD, &info), -EEXIST);
	/* a locked one, too, without waiting */
	info = grab(UNIT + 3, PTE);
	ck_assert_int_eq(entry_grab(table, UNIT, PMD, &info), -EEXIST);
	info = entry_at(table, UNIT + 3);
	entry_unlock(table, &info);
	/* the neighbours are free, also in a tree that is one leaf only */
	info = grab(0, PMD);
	entry_drop(table, &info);
	delete_range(0, TO_THE_END);
	fill(3, kernel_page(3));
	ck_assert_int_eq(entry_grab(table, 0, PMD, &info), -EEXIST);
	info = grab(UNIT, PMD);
	entry_drop(table, &info);
}
END_TEST

START_TEST(a_real_order_9_entry_is_used_as_it_is_for_order_0)
{
	struct entry_info info;

	fill_run(UNIT, UNIT, kernel_page(2 * UNIT));
	info = grab(UNIT + 9, PTE);
	ck_assert_uint_eq(info.order, PMD);
	ck_assert_uint_eq(info.index, UNIT);
	ck_assert_int_eq(info.kind, ENTRY_REAL);
	entry_unlock(table, &info);
	info = grab(UNIT, PMD);
	ck_assert_uint_eq(info.order, PMD);
	entry_unlock(table, &info);
	ck_assert_int_eq(references(), 1);
	ck_assert_uint_eq(entry_table_count(table), 1);
}
END_TEST

START_TEST(an_empty_order_9_entry_is_downgraded_to_one_page)
{
	struct entry_info info;

	put_empty(UNIT, PMD);
	info = grab(UNIT + 9, PTE);
	ck_assert_uint_eq(info.order, PTE);
	ck_assert_int_eq(info.kind, ENTRY_EMPTY);
	ck_assert_uint_eq(entry_table_count(table), 1);
	ck_assert(!entry_lookup(table, UNIT, &info));
	info = entry_at(table, UNIT + 9);
	entry_drop(table, &info);
}
END_TEST

START_TEST(a_zero_order_9_entry_is_downgraded_to_512_zero_ones)
{
	struct entry_info info;

	fill_run(UNIT, UNIT, zero_page());
	ck_assert_uint_eq(entry_at(table, UNIT + 7).order, PMD);
	info = grab(UNIT + 9, PTE);
	ck_assert_uint_eq(info.order, PTE);
	ck_assert_int_eq(info.kind, ENTRY_ZERO);
	insert(&info, kernel_page(9));
	entry_unlock(table, &info);
	ck_assert_uint_eq(entry_table_count(table), UNIT);
	ck_assert_int_eq(entry_at(table, UNIT + 8).kind, ENTRY_ZERO);
	ck_assert_int_eq(entry_at(table, UNIT + 9).kind, ENTRY_REAL);
	ck_assert_int_eq(references(), 1);
	/* it never goes back */
	ck_assert_int_eq(entry_grab(table, UNIT, PMD, &info), -EEXIST);
}
END_TEST

START_TEST(grab_finds_what_is_there)
{
	struct entry_info info;

	fill(4, zero_page());
	info = grab(4, PTE);
	ck_assert_int_eq(info.kind, ENTRY_ZERO);
	entry_drop(table, &info);
	ck_assert_int_eq(entry_at(table, 4).kind, ENTRY_ZERO);
	put_empty(6, PTE);
	ck_assert_int_eq(entry_at(table, 6).kind, ENTRY_EMPTY);
	info = grab(6, PTE);
	ck_assert_int_eq(info.kind, ENTRY_EMPTY);
	entry_drop(table, &info);
	ck_assert(!entry_lookup(table, 6, &info));
}
END_TEST

START_TEST(indexes_far_apart_live_in_one_table)
{
	static const uint64_t indexes[] = {
		0,	     UNIT - 1,		UNIT,
		UNIT * UNIT, UINT64_C(1) << 40, ENTRY_INDEX_MAX
	};
	const unsigned count = sizeof(indexes) / sizeof(indexes[0]);
	struct entry_info info;

	for (unsigned i = count; i-- > 0;)
		fill(indexes[i], kernel_page(i));
	for (unsigned i = 0; i < count; i++)
		ck_assert_uint_eq(entry_at(table, indexes[i]).device_page, i);
	ck_assert(!entry_lookup(table, 1, &info));
	ck_assert(!entry_lookup(table, (UINT64_C(1) << 40) + 1, &info));
	for (unsigned i = 0; i < count; i++)
		ck_assert_int_eq(delete_range(indexes[i], indexes[i]), 1);
	ck_assert_ptr_null(table->root);
}
END_TEST

START_TEST(unlock_of_an_unlocked_entry_aborts)
{
	struct entry_info info = grab(5, PTE);

	entry_unlock(table, &info);
	entry_unlock(table, &info);
}
END_TEST

/* -------------------------------------------------------------- insert */

START_TEST(real_replaces_zero_and_zero_does_not_replace_real)
{
	fill(5, zero_page());
	ck_assert_int_eq(references(), 0);
	fill(5, kernel_page(50));
	ck_assert_int_eq(references(), 1);
	fill(5, zero_page());
	ck_assert_int_eq(entry_at(table, 5).kind, ENTRY_REAL);
	ck_assert_int_eq(references(), 1);
}
END_TEST

START_TEST(a_kernel_refill_is_no_second_association)
{
	fill(5, kernel_page(50));
	fill(5, kernel_page(50));
	ck_assert_uint_eq(entry_at(table, 5).associations, 1);
	ck_assert_uint_eq(pgmap_count(fix.pgmaps[0], 50), 1);
}
END_TEST

START_TEST(every_lease_of_a_page_is_an_association)
{
	fill(5, lease_page(50));
	fill(5, lease_page(50));
	fill(5, lease_page(50));
	ck_assert_uint_eq(entry_at(table, 5).associations, 3);
	ck_assert_uint_eq(pgmap_count(fix.pgmaps[0], 50), 3);
	ck_assert_int_eq(references(), 1);
	ck_assert_int_eq(entry_table_disassociate(table, 5, 5), 0);
	ck_assert_uint_eq(entry_at(table, 5).associations, 2);
	ck_assert_int_eq(entry_table_disassociate(table, 0, TO_THE_END), 0);
	ck_assert_int_eq(entry_table_disassociate(table, 5, 5), 1);
	ck_assert_uint_eq(entry_table_count(table), 0);
}
END_TEST

START_TEST(associations_have_an_end)
{
	struct entry_new new = lease_page(50);

	for (unsigned i = 0; i < ENTRY_ASSOCIATIONS_MAX; i++)
		fill(5, new);
	ck_assert_int_eq(entry_table_fill(table, 5, &new), -EUSERS);
	ck_assert_uint_eq(entry_at(table, 5).associations,
			  ENTRY_ASSOCIATIONS_MAX);
}
END_TEST

START_TEST(another_place_takes_over_the_associations)
{
	struct entry_info info;

	fill(5, lease_page(50));
	fill(5, lease_page(50));
	info = grab(5, PTE);
	insert(&info, lease_page(60));
	entry_unlock(table, &info);
	info = entry_at(table, 5);
	ck_assert_uint_eq(info.device_page, 60);
	ck_assert_uint_eq(info.associations, 2);
	ck_assert_uint_eq(pgmap_count(fix.pgmaps[0], 50), 0);
	ck_assert_uint_eq(pgmap_count(fix.pgmaps[0], 60), 2);
	/* also to another device */
	info = grab(5, PTE);
	insert(&info, (struct entry_new){ .kind = ENTRY_REAL,
					  .holder = ENTRY_LEASE,
					  .device = 1,
					  .device_page = 1 });
	entry_unlock(table, &info);
	ck_assert_int_eq(references(), 0);
	ck_assert_uint_eq(pgmap_count(fix.pgmaps[1], 1), 2);
}
END_TEST

START_TEST(a_shared_block_is_idle_after_its_last_owner)
{
	struct entry_new new = kernel_page(50);

	fill(5, new);
	ck_assert_int_eq(entry_table_fill(&fix.tables[1], 9, &new), 0);
	ck_assert_uint_eq(pgmap_count(fix.pgmaps[0], 50), 2);
	ck_assert_int_eq(references(), 1);
	delete_range(0, TO_THE_END);
	ck_assert_uint_eq(pgmap_count(fix.pgmaps[0], 50), 1);
}
END_TEST

START_TEST(a_page_is_under_kernel_mappings_or_leases_never_both)
{
	struct entry_new lease = lease_page(50), kernel = kernel_page(50);
	struct entry_new zero = zero_page();
	struct entry_info info;
	uint64_t filled;

	fill(5, kernel);
	ck_assert_int_eq(entry_table_fill(table, 5, &lease), -EBUSY);
	info = grab(5, PTE);
	ck_assert_int_eq(entry_insert_locked(table, &info, &lease), -EBUSY);
	entry_drop(table, &info);
	ck_assert_int_eq(entry_at(table, 5).holder, ENTRY_KERNEL);
	/* a cached hole is a kernel mapping, too */
	fill(6, zero);
	ck_assert_int_eq(entry_table_fill(table, 6, &lease), -EBUSY);
	fill(7, lease);
	ck_assert_int_eq(entry_table_fill(table, 7, &kernel), -EBUSY);
	ck_assert_int_eq(entry_table_fill(table, 7, &zero), -EBUSY);
	/* order 9, whole and in part */
	fill_run(UNIT, UNIT, lease_page(UNIT));
	ck_assert_int_eq(entry_table_fill(table, UNIT + 1, &kernel), -EBUSY);
	ck_assert_int_eq(
		entry_table_fill_run(table, UNIT, UNIT, &zero, &filled),
		-EBUSY);
	ck_assert_uint_eq(filled, 0);
	ck_assert_uint_eq(entry_at(table, UNIT + 1).order, PMD);
	/* a run says how far it got */
	lease.device_page = 52;
	ck_assert_int_eq(entry_table_fill_run(table, 2, 6, &lease, &filled),
			 -EBUSY);
	ck_assert_uint_eq(filled, 3);
}
END_TEST

START_TEST(on_a_dying_device_a_failed_insert_changes_nothing)
{
	struct entry_new kernel = kernel_page(50), lease = lease_page(60);
	struct entry_info info, before;
	uint64_t filled;

	fill(5, kernel);
	lease.dirty = true;
	fill(6, lease);
	fill(7, zero_page());
	fill_run(UNIT, UNIT, kernel_page(UNIT));
	ck_assert_int_eq(pgmap_kill(fix.pgmaps[0]), 0);

	kernel.device_page = 51;
	info = before = grab(5, PTE);
	ck_assert_int_eq(entry_insert_locked(table, &info, &kernel), -ENXIO);
	check_same(&info, &before);
	entry_drop(table, &info);
	ck_assert_int_eq(entry_table_fill(table, 7, &kernel), -ENXIO);
	ck_assert_int_eq(entry_at(table, 7).kind, ENTRY_ZERO);
	ck_assert_int_eq(entry_table_fill(table, 8, &kernel), -ENXIO);
	ck_assert(!entry_lookup(table, 8, &info));
	/* what is there already is refused as well [R2] */
	kernel.device_page = 50;
	ck_assert_int_eq(entry_table_fill(table, 5, &kernel), -ENXIO);
	before = entry_at(table, 6);
	ck_assert_int_eq(entry_table_fill(table, 6, &lease), -ENXIO);
	info = entry_at(table, 6);
	check_same(&info, &before);
	kernel.device_page = UNIT + 3;
	ck_assert_int_eq(entry_table_fill(table, UNIT + 3, &kernel), -ENXIO);
	kernel.device_page = 2 * UNIT;
	ck_assert_int_eq(
		entry_table_fill_run(table, 2 * UNIT, UNIT, &kernel, &filled),
		-ENXIO);
	ck_assert_uint_eq(filled, 0);
	ck_assert_uint_eq(entry_table_count(table), 4);
	ck_assert_int_eq(references(), 3);
	/* other devices go on */
	kernel.device = 1;
	fill(8, kernel);
	ck_assert_int_eq(entry_table_delete_device(table, 0, ENTRY_OF_ALL), 3);
	ck_assert_int_eq(pgmap_wait_idle(fix.pgmaps[0], deadline_in(0)), 0);
}
END_TEST

START_TEST(a_device_that_is_gone_is_refused)
{
	struct pgmap *pgmap = fix.pgmaps[1];
	struct entry_new new = { .kind = ENTRY_REAL,
				 .holder = ENTRY_KERNEL,
				 .device = 1 };

	fix.pgmaps[1] = NULL;
	ck_assert_int_eq(entry_table_fill(table, 0, &new), -ENXIO);
	ck_assert(!entry_table_busy_range(table, 0, 1, 1, 0, NULL));
	fix.pgmaps[1] = pgmap;
}
END_TEST

/* ---------------------------------------------------------------- runs */

START_TEST(a_run_takes_order_9_where_file_and_device_agree)
{
	/* 100 pages before, three units, 20 pages after; congruent */
	fill_run(UNIT - 100, 100 + 3 * UNIT + 20, kernel_page(3 * UNIT - 100));
	ck_assert_uint_eq(entry_table_count(table), 100 + 3 + 20);
	ck_assert_int_eq(references(), 100 + 3 + 20);
	ck_assert_uint_eq(entry_at(table, UNIT - 1).order, PTE);
	ck_assert_uint_eq(entry_at(table, 3 * UNIT + 5).order, PMD);
	ck_assert_uint_eq(entry_at(table, 3 * UNIT + 5).device_page, 5 * UNIT);
	ck_assert_uint_eq(entry_at(table, 4 * UNIT + 19).device_page,
			  6 * UNIT + 19);
}
END_TEST

START_TEST(a_run_that_is_not_congruent_takes_pages)
{
	fill_run(0, UNIT, kernel_page(1));
	ck_assert_uint_eq(entry_table_count(table), UNIT);
	ck_assert_uint_eq(entry_at(table, 511).device_page, 512);
}
END_TEST

START_TEST(a_run_over_a_page_falls_back_to_pages)
{
	fill(100, kernel_page(UNIT + 100));
	fill_run(0, UNIT, kernel_page(UNIT));
	ck_assert_uint_eq(entry_table_count(table), UNIT);
	ck_assert_int_eq(references(), UNIT);
}
END_TEST

START_TEST(a_kernel_page_in_an_order_9_entry_is_there_already)
{
	fill_run(0, UNIT, kernel_page(UNIT));
	fill_run(100, 50, kernel_page(UNIT + 100));
	ck_assert_uint_eq(entry_table_count(table), 1);
	/* another place: cut to pages, one replaced */
	fill(100, kernel_page(5));
	ck_assert_uint_eq(entry_table_count(table), UNIT);
	ck_assert_uint_eq(entry_at(table, 100).device_page, 5);
	ck_assert_uint_eq(entry_at(table, 101).device_page, UNIT + 101);
	ck_assert_uint_eq(pgmap_count(fix.pgmaps[0], UNIT + 100), 0);
}
END_TEST

START_TEST(a_lease_of_a_part_cuts_an_order_9_lease)
{
	fill_run(0, UNIT, lease_page(UNIT));
	fill_run(0, UNIT, lease_page(UNIT));
	ck_assert_uint_eq(entry_at(table, 0).order, PMD);
	ck_assert_uint_eq(entry_at(table, 0).associations, 2);
	fill_run(10, 5, lease_page(UNIT + 10));
	ck_assert_uint_eq(entry_at(table, 9).associations, 2);
	ck_assert_uint_eq(entry_at(table, 10).associations, 3);
	fixture_check(&fix);
	/* each lease ends by its own range */
	ck_assert_int_eq(entry_table_disassociate(table, 0, UNIT - 1), 0);
	ck_assert_int_eq(entry_table_disassociate(table, 0, UNIT - 1),
			 UNIT - 5);
	ck_assert_int_eq(entry_table_disassociate(table, 10, 14), 5);
	ck_assert_int_eq(references(), 0);
}
END_TEST

START_TEST(half_a_lease_ends)
{
	fill_run(0, UNIT, lease_page(UNIT));
	ck_assert_int_eq(entry_table_disassociate(table, 0, 99), 100);
	ck_assert_uint_eq(entry_table_count(table), UNIT - 100);
	ck_assert_int_eq(references(), UNIT - 100);
	ck_assert_int_eq(entry_table_disassociate(table, 0, UNIT - 1),
			 UNIT - 100);
}
END_TEST

START_TEST(zero_runs_take_order_9_and_are_filled_in_part)
{
	fill_run(0, UNIT, zero_page());
	ck_assert_uint_eq(entry_table_count(table), 1);
	fill_run(8, 8, kernel_page(UNIT + 8));
	ck_assert_uint_eq(entry_table_count(table), UNIT);
	ck_assert_int_eq(entry_at(table, 7).kind, ENTRY_ZERO);
	ck_assert_int_eq(entry_at(table, 8).kind, ENTRY_REAL);
	ck_assert_int_eq(references(), 8);
	delete_range(0, TO_THE_END);
	/* a whole real one over a whole zero one stays whole */
	fill_run(0, UNIT, zero_page());
	fill_run(0, UNIT, kernel_page(UNIT));
	ck_assert_uint_eq(entry_table_count(table), 1);
	ck_assert_int_eq(references(), 1);
}
END_TEST

static struct entry_new leased_hole(void)
{
	return (struct entry_new){ .kind = ENTRY_ZERO, .holder = ENTRY_LEASE };
}

START_TEST(leases_of_a_hole_are_counted_without_a_reference)
{
	fill(5, leased_hole());
	fill(5, leased_hole());
	ck_assert_int_eq(entry_at(table, 5).kind, ENTRY_ZERO);
	ck_assert_int_eq(entry_at(table, 5).holder, ENTRY_LEASE);
	ck_assert_uint_eq(entry_at(table, 5).associations, 2);
	ck_assert_int_eq(references(), 0);
	ck_assert_uint_eq(entry_table_kernel(table), 0);
	entry_table_set_mark(table, 5, 5, ENTRY_DIRTY);
	ck_assert(!entry_at(table, 5).dirty);
	ck_assert_int_eq(entry_table_disassociate(table, 0, TO_THE_END), 0);
	ck_assert_int_eq(entry_table_disassociate(table, 0, TO_THE_END), 1);
	ck_assert_uint_eq(entry_table_count(table), 0);
}
END_TEST

START_TEST(a_hole_is_under_kernel_mappings_or_leases_or_has_a_block)
{
	const struct entry_new kernel = kernel_page(5), hole = zero_page(),
			       lease = lease_page(5), leased = leased_hole();

	fill(5, leased_hole());
	ck_assert_int_eq(entry_table_fill(table, 5, &kernel), -EBUSY);
	ck_assert_int_eq(entry_table_fill(table, 5, &hole), -EBUSY);
	ck_assert_int_eq(entry_table_fill(table, 5, &lease), -EBUSY);
	fill(6, zero_page());
	ck_assert_int_eq(entry_table_fill(table, 6, &leased), -EBUSY);
	fill(7, kernel_page(7));
	ck_assert_int_eq(entry_table_fill(table, 7, &leased), -EBUSY);
	fill(8, lease_page(8));
	ck_assert_int_eq(entry_table_fill(table, 8, &leased), -EBUSY);
	ck_assert_uint_eq(entry_table_count(table), 4);
	ck_assert_int_eq(references(), 2);
}
END_TEST

START_TEST(a_leased_unit_of_hole_is_cut_with_its_leases)
{
	fill_run(0, UNIT, leased_hole());
	fill_run(0, UNIT, leased_hole());
	ck_assert_uint_eq(entry_table_count(table), 1);
	fill_run(5, 10, leased_hole());
	ck_assert_uint_eq(entry_table_count(table), UNIT);
	ck_assert_uint_eq(entry_at(table, 4).associations, 2);
	ck_assert_uint_eq(entry_at(table, 5).associations, 3);
	ck_assert_int_eq(entry_table_disassociate(table, 0, UNIT - 1), 0);
	ck_assert_int_eq(entry_table_disassociate(table, 10, UNIT - 1),
			 UNIT - 15);
	ck_assert_int_eq(delete_range(0, TO_THE_END), 15);
}
END_TEST

static int add_run(const struct entry_run *run, void *arg)
{
	struct entry_run **next = arg;

	*(*next)++ = *run;
	return 0;
}

START_TEST(runs_are_joined_and_clipped)
{
	struct entry_run runs[100], *next = runs;

	fill_run(0, UNIT, lease_page(UNIT)); /* order 9 */
	fill_run(UNIT, 10, lease_page(2 * UNIT));
	fill(UNIT + 10, leased_hole());
	fill_run(UNIT + 11, 5, lease_page(2 * UNIT + 11));
	fill_run(UNIT + 20, 1, kernel_page(4 * UNIT));
	for (uint64_t i = 0; i < 70; i++) /* each its own */
		fill(2 * UNIT + i, lease_page(8 * UNIT - 2 * i));
	ck_assert_int_eq(entry_table_walk_leased(table, 3, 2 * UNIT + 69,
						 add_run, &next),
			 0);
	ck_assert_int_eq(next - runs, 2 + 70);
	ck_assert_uint_eq(runs[0].index, 3);
	ck_assert_uint_eq(runs[0].npages, UNIT + 7);
	ck_assert_uint_eq(runs[0].device_page, UNIT + 3);
	ck_assert_uint_eq(runs[1].index, UNIT + 11);
	ck_assert_uint_eq(runs[1].npages, 5);
	ck_assert_uint_eq(runs[71].device_page, 8 * UNIT - 138);
	next = runs;
	entry_table_walk_leased(table, 9, 9, add_run, &next);
	ck_assert_int_eq(next - runs, 1);
	ck_assert_uint_eq(runs[0].npages, 1);
}
END_TEST

/* ------------------------------------------------- from the kernel to leases
 */

START_TEST(what_was_not_filled_again_is_expelled)
{
	fill_run(0, 20, kernel_page(0));
	fill(20, zero_page());
	fill(30, lease_page(30));
	ck_assert_uint_eq(entry_table_kernel(table), 21);
	ck_assert_uint_eq(entry_table_kernel_zeros(table), 1);
	ck_assert(!entry_table_expel_begin(table, 21, TO_THE_END));
	ck_assert(entry_table_expel_begin(table, 10, 30));
	fill(5, kernel_page(5)); /* elsewhere */
	ck_assert_int_eq(entry_table_expel_end(table, 10, 30), 11);
	ck_assert_uint_eq(entry_table_kernel(table), 10);
	ck_assert_uint_eq(entry_table_kernel_zeros(table), 0);
	ck_assert_uint_eq(entry_table_count(table), 11);
}
END_TEST

START_TEST(what_was_filled_again_stays)
{
	fill_run(0, 20, kernel_page(0));
	fill(20, zero_page());
	ck_assert(entry_table_expel_begin(table, 0, 30));
	fill(7, kernel_page(7)); /* the same again */
	ck_assert_int_eq(entry_table_expel_end(table, 0, 30), -EAGAIN);
	ck_assert(entry_table_expel_begin(table, 0, 30));
	fill(20, zero_page());
	ck_assert_int_eq(entry_table_expel_end(table, 0, 30), -EAGAIN);
	ck_assert(entry_table_expel_begin(table, 0, 30));
	fill(25, zero_page()); /* a new one */
	ck_assert_int_eq(entry_table_expel_end(table, 0, 30), -EAGAIN);
	ck_assert(entry_table_expel_begin(table, 0, 30));
	ck_assert_int_eq(entry_table_expel_end(table, 0, 30), 22);
}
END_TEST

START_TEST(a_fill_of_a_part_keeps_an_order_9_entry)
{
	fill_run(0, UNIT, kernel_page(UNIT));
	ck_assert(entry_table_expel_begin(table, 100, 110));
	fill(3, kernel_page(UNIT + 3));
	ck_assert_int_eq(entry_table_expel_end(table, 100, 110), -EAGAIN);
	ck_assert(entry_table_expel_begin(table, 100, 110));
	ck_assert_int_eq(entry_table_expel_end(table, 100, 110), 11);
	ck_assert_uint_eq(entry_table_kernel(table), UNIT - 11);
}
END_TEST

START_TEST(leases_are_found_among_the_kernels)
{
	ck_assert(!entry_table_has_leases(table, 0, TO_THE_END));
	fill_run(0, 20, kernel_page(0));
	ck_assert(!entry_table_has_leases(table, 0, TO_THE_END));
	fill(30, leased_hole());
	ck_assert(entry_table_has_leases(table, 30, 30));
	ck_assert(!entry_table_has_leases(table, 0, 29));
	ck_assert(!entry_table_has_leases(table, 31, TO_THE_END));
}
END_TEST

/* -------------------------------------------------------------- delete */

START_TEST(delete_counts_entries_and_leaves_neighbours)
{
	fill_run(0, 20, kernel_page(0));
	ck_assert_int_eq(delete_range(5, 9), 5);
	ck_assert_int_eq(delete_range(5, 9), 0);
	ck_assert_uint_eq(entry_table_count(table), 15);
	ck_assert_int_eq(delete_range(15, TO_THE_END), 5);
	ck_assert_int_eq(references(), 10);
	ck_assert_int_eq(delete_range(0, TO_THE_END), 10);
	ck_assert_ptr_null(table->root);
}
END_TEST

START_TEST(delete_of_a_part_cuts_an_order_9_entry)
{
	struct entry_info info;

	fill_run(0, 2 * UNIT, kernel_page(UNIT));
	ck_assert_uint_eq(entry_table_count(table), 2);
	ck_assert_int_eq(delete_range(UNIT - 10, UNIT + 9), 20);
	ck_assert(entry_lookup(table, UNIT - 11, &info));
	ck_assert(!entry_lookup(table, UNIT - 10, &info));
	ck_assert(!entry_lookup(table, UNIT + 9, &info));
	ck_assert(entry_lookup(table, UNIT + 10, &info));
	ck_assert_uint_eq(entry_table_count(table), 2 * UNIT - 20);
	ck_assert_int_eq(references(), 2 * UNIT - 20);
	fixture_check(&fix);
	fill_run(2 * UNIT, UNIT, zero_page());
	ck_assert_int_eq(delete_range(2 * UNIT, 2 * UNIT), 1);
	ck_assert_int_eq(delete_range(2 * UNIT, 3 * UNIT - 1), UNIT - 1);
}
END_TEST

START_TEST(delete_asks_for_the_holder)
{
	struct entry_info info;

	fill(0, kernel_page(0));
	fill(1, zero_page());
	fill(2, lease_page(2));
	ck_assert_int_eq(
		entry_table_delete_range(table, 0, TO_THE_END, ENTRY_OF_LEASES),
		1);
	ck_assert(!entry_lookup(table, 2, &info));
	ck_assert_int_eq(
		entry_table_delete_range(table, 0, TO_THE_END, ENTRY_OF_KERNEL),
		2);
	put_empty(3, PTE);
	ck_assert_int_eq(delete_range(0, TO_THE_END), 1);
}
END_TEST

START_TEST(delete_takes_all_associations)
{
	fill(1, lease_page(1));
	fill(1, lease_page(1));
	ck_assert_int_eq(delete_range(1, 1), 1);
	ck_assert_int_eq(references(), 0);
}
END_TEST

START_TEST(delete_device_takes_its_entries_only)
{
	struct entry_new other = kernel_page(3);

	other.device = 1;
	fill_run(0, 3 * UNIT, kernel_page(0));
	fill(3 * UNIT, other);
	fill(3 * UNIT + 1, zero_page());
	fill(3 * UNIT + 2, lease_page(5 * UNIT));
	ck_assert_int_eq(entry_table_delete_device(table, 0, ENTRY_OF_KERNEL),
			 3);
	ck_assert_int_eq(entry_table_delete_device(table, 0, ENTRY_OF_ALL), 1);
	ck_assert_uint_eq(entry_table_count(table), 2);
	ck_assert_int_eq(references(), 0);
}
END_TEST

/* A client of 4 GiB goes, none of it in order-9 entries: aimed at in 100 ms. */
START_TEST(a_million_leased_pages_are_let_go)
{
	const uint64_t pages = 1000000;
	struct pgmap *pgmap, *pgmaps[1];
	struct timespec from, to;
	struct entry_table large;
	struct entry_new new = lease_page(1); /* out of phase */

	ck_assert_int_eq(
		pgmap_create(&pgmap, pages + 1, PGMAP_COUNTER, NULL, NULL), 0);
	pgmaps[0] = pgmap;
	ck_assert_int_eq(entry_table_init(&large, pgmaps), 0);
	new.dirty = true;
	ck_assert_int_eq(entry_table_fill_run(&large, 0, pages, &new, NULL), 0);
	ck_assert_int_eq(pgmap_references(pgmap), (int64_t)pages);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	ck_assert_int_eq(entry_table_disassociate(&large, 0, pages - 1), pages);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	printf("# 10^6 leased entries deleted in %.1f ms of a CPU\n",
	       (double)(to.tv_sec - from.tv_sec) * 1e3 +
		       (double)(to.tv_nsec - from.tv_nsec) / 1e6);
	ck_assert_int_eq(pgmap_references(pgmap), 0);
	ck_assert_int_eq(pgmap_stat(pgmap, PGMAP_LEASES), 0);
	entry_table_fini(&large);
	pgmap_destroy(pgmap);
}
END_TEST

/* --------------------------------------------------------------- marks */

struct flushed {
	unsigned count;
	uint64_t pages[8];
	unsigned orders[8];
	int err;
};

static int note_flush(void *arg, unsigned device, uint64_t device_page,
		      unsigned order)
{
	struct flushed *flushed = arg;
	struct entry_info info = entry_at(table, device_page); /* same here */

	/* R8: locked, TOWRITE cleared before, DIRTY not yet */
	ck_assert(info.locked && info.dirty && !info.towrite);
	flushed->pages[flushed->count] = device_page;
	flushed->orders[flushed->count++] = order;
	return flushed->err;
}

static void fill_dirty(uint64_t index, uint64_t npages)
{
	struct entry_new new = lease_page(index);

	new.dirty = true;
	fill_run(index, npages, new);
}

START_TEST(kernel_mappings_carry_no_dirty_mark)
{
	fill(5, kernel_page(5));
	fill(6, lease_page(6));
	entry_table_set_mark(table, 0, TO_THE_END, ENTRY_DIRTY);
	ck_assert(!entry_table_test_mark(table, 5, ENTRY_DIRTY));
	ck_assert(entry_table_test_mark(table, 6, ENTRY_DIRTY));
	ck_assert(!entry_table_test_mark(table, 7, ENTRY_DIRTY));
	entry_table_clear_mark(table, 6, 6, ENTRY_DIRTY);
	ck_assert(!entry_table_test_mark(table, 6, ENTRY_DIRTY));
}
END_TEST

START_TEST(writeback_flushes_dirty_entries_once)
{
	struct flushed flushed = { .count = 0 };

	fill_dirty(3, 1);
	fill_dirty(UNIT, UNIT);
	fill(7, lease_page(7));
	fill_dirty(3 * UNIT, 1);
	ck_assert_int_eq(entry_table_writeback_range(table, 0, 2 * UNIT,
						     note_flush, &flushed),
			 0);
	ck_assert_uint_eq(flushed.count, 2);
	ck_assert_uint_eq(flushed.pages[0], 3);
	ck_assert_uint_eq(flushed.pages[1], UNIT);
	ck_assert_uint_eq(flushed.orders[1], PMD);
	ck_assert(!entry_at(table, 3).dirty && !entry_at(table, 3).locked);
	ck_assert(entry_at(table, 3 * UNIT).dirty);
	ck_assert_int_eq(entry_table_writeback_range(table, 0, 2 * UNIT,
						     note_flush, &flushed),
			 0);
	ck_assert_uint_eq(flushed.count, 2);
}
END_TEST

START_TEST(a_failed_flush_leaves_its_entry_dirty_and_the_rest)
{
	struct flushed flushed = { .err = -EIO };

	fill_dirty(3, 2);
	ck_assert_int_eq(entry_table_writeback_range(table, 0, TO_THE_END,
						     note_flush, &flushed),
			 -EIO);
	ck_assert_uint_eq(flushed.count, 1);
	ck_assert(entry_at(table, 3).dirty && !entry_at(table, 3).locked);
	ck_assert(entry_at(table, 4).dirty);
	flushed.err = 0;
	ck_assert_int_eq(entry_table_writeback_range(table, 0, TO_THE_END,
						     note_flush, &flushed),
			 0);
	ck_assert_uint_eq(flushed.count, 3);
}
END_TEST

START_TEST(invalidate_keeps_dirty_entries_and_truncate_does_not)
{
	fill_dirty(3, 1);
	fill(4, lease_page(4));
	ck_assert_int_eq(
		entry_table_delete_range(table, 0, TO_THE_END,
					 ENTRY_OF_ALL | ENTRY_KEEP_DIRTY),
		1);
	ck_assert(entry_at(table, 3).dirty);
	fill(9, lease_page(9)); /* keeps the node */
	ck_assert_int_eq(delete_range(0, 8), 1);
	/* no mark outlives its entry */
	fill(3, lease_page(3));
	ck_assert(!entry_at(table, 3).dirty);
}
END_TEST

START_TEST(marks_follow_a_cut)
{
	fill_dirty(UNIT, UNIT);
	ck_assert_int_eq(delete_range(UNIT, UNIT), 1);
	ck_assert(entry_at(table, UNIT + 1).dirty);
	ck_assert(entry_at(table, 2 * UNIT - 1).dirty);
}
END_TEST

/* ---------------------------------------------------------------- scan */

START_TEST(leases_and_pins_are_busy_and_own_kernel_mappings_are_not)
{
	uint64_t busy;

	fill_run(10, 20, kernel_page(100));
	ck_assert(!entry_table_busy_range(table, 10, 20, 0, 100, &busy));
	ck_assert_int_eq(pgmap_pin_live(fix.pgmaps[0], 105, PTE), 0);
	ck_assert(entry_table_busy_range(table, 10, 20, 0, 100, &busy));
	ck_assert_uint_eq(busy, 15);
	ck_assert(!entry_table_busy_range(table, 16, 14, 0, 106, NULL));
	pgmap_unpin(fix.pgmaps[0], 105, PTE);
	fill(40, lease_page(130));
	ck_assert(entry_table_busy_range(table, 40, 1, 0, 130, &busy));
	ck_assert_uint_eq(busy, 40);
	fill_run(UNIT, UNIT, kernel_page(2 * UNIT));
	ck_assert(
		!entry_table_busy_range(table, UNIT, UNIT, 0, 2 * UNIT, NULL));
}
END_TEST

static int stop_at_three(const struct entry_info *info, void *arg)
{
	unsigned *seen = arg;

	return ++*seen == 3 ? -EINTR : 0;
}

START_TEST(a_walk_stops_where_it_is_told)
{
	unsigned seen = 0;

	fill_run(0, 100, kernel_page(0));
	ck_assert_int_eq(
		entry_table_walk(table, 0, TO_THE_END, stop_at_three, &seen),
		-EINTR);
	ck_assert_uint_eq(seen, 3);
}
END_TEST

static TCase *grab_case(void)
{
	TCase *grabs = tcase_create("grab");

	tcase_add_checked_fixture(grabs, setup, teardown);
	tcase_add_test(
		grabs,
		grab_of_nothing_makes_a_locked_empty_entry_without_a_reference);
	tcase_add_test(grabs, insert_makes_it_real_with_one_reference);
	tcase_add_test(grabs, drop_leaves_what_was_inserted);
	tcase_add_test(grabs, order_9_over_smaller_entries_falls_back);
	tcase_add_test(grabs,
		       a_real_order_9_entry_is_used_as_it_is_for_order_0);
	tcase_add_test(grabs, an_empty_order_9_entry_is_downgraded_to_one_page);
	tcase_add_test(grabs,
		       a_zero_order_9_entry_is_downgraded_to_512_zero_ones);
	tcase_add_test(grabs, grab_finds_what_is_there);
	tcase_add_test(grabs, indexes_far_apart_live_in_one_table);
	tcase_add_test_raise_signal(grabs, unlock_of_an_unlocked_entry_aborts,
				    SIGABRT);
	return grabs;
}

static TCase *insert_case(void)
{
	TCase *inserts = tcase_create("insert");

	tcase_add_checked_fixture(inserts, setup, teardown);
	tcase_add_test(inserts,
		       real_replaces_zero_and_zero_does_not_replace_real);
	tcase_add_test(inserts, a_kernel_refill_is_no_second_association);
	tcase_add_test(inserts, every_lease_of_a_page_is_an_association);
	tcase_add_test(inserts, associations_have_an_end);
	tcase_add_test(inserts, another_place_takes_over_the_associations);
	tcase_add_test(inserts, a_shared_block_is_idle_after_its_last_owner);
	tcase_add_test(inserts,
		       a_page_is_under_kernel_mappings_or_leases_never_both);
	tcase_add_test(inserts,
		       on_a_dying_device_a_failed_insert_changes_nothing);
	tcase_add_test(inserts, a_device_that_is_gone_is_refused);
	tcase_add_test(inserts,
		       a_run_takes_order_9_where_file_and_device_agree);
	tcase_add_test(inserts, a_run_that_is_not_congruent_takes_pages);
	tcase_add_test(inserts, a_run_over_a_page_falls_back_to_pages);
	tcase_add_test(inserts,
		       a_kernel_page_in_an_order_9_entry_is_there_already);
	tcase_add_test(inserts, a_lease_of_a_part_cuts_an_order_9_lease);
	tcase_add_test(inserts, half_a_lease_ends);
	tcase_add_test(inserts, zero_runs_take_order_9_and_are_filled_in_part);
	tcase_add_test(inserts,
		       leases_of_a_hole_are_counted_without_a_reference);
	tcase_add_test(
		inserts,
		a_hole_is_under_kernel_mappings_or_leases_or_has_a_block);
	tcase_add_test(inserts, a_leased_unit_of_hole_is_cut_with_its_leases);
	tcase_add_test(inserts, runs_are_joined_and_clipped);
	tcase_add_test(inserts, what_was_not_filled_again_is_expelled);
	tcase_add_test(inserts, what_was_filled_again_stays);
	tcase_add_test(inserts, a_fill_of_a_part_keeps_an_order_9_entry);
	tcase_add_test(inserts, leases_are_found_among_the_kernels);
	return inserts;
}

static TCase *range_case(void)
{
	TCase *ranges = tcase_create("ranges");

	tcase_add_checked_fixture(ranges, setup, teardown);
	tcase_add_test(ranges, delete_counts_entries_and_leaves_neighbours);
	tcase_add_test(ranges, delete_of_a_part_cuts_an_order_9_entry);
	tcase_add_test(ranges, delete_asks_for_the_holder);
	tcase_add_test(ranges, delete_takes_all_associations);
	tcase_add_test(ranges, delete_device_takes_its_entries_only);
	tcase_add_test(ranges, a_million_leased_pages_are_let_go);
	tcase_add_test(ranges, kernel_mappings_carry_no_dirty_mark);
	tcase_add_test(ranges, writeback_flushes_dirty_entries_once);
	tcase_add_test(ranges,
		       a_failed_flush_leaves_its_entry_dirty_and_the_rest);
	tcase_add_test(ranges,
		       invalidate_keeps_dirty_entries_and_truncate_does_not);
	tcase_add_test(ranges, marks_follow_a_cut);
	tcase_add_test(
		ranges,
		leases_and_pins_are_busy_and_own_kernel_mappings_are_not);
	tcase_add_test(ranges, a_walk_stops_where_it_is_told);
	return ranges;
}

int main(void)
{
	Suite *suite = suite_create("entry_table");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, grab_case());
	suite_add_tcase(suite, insert_case());
	suite_add_tcase(suite, range_case());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
