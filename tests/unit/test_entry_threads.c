/* SPDX-License-Identifier: BSD-3-Clause */
/* The entry table under several threads: waiters, removal, the ledger. */
#include "lib/entry_fixture.h"

#include "trace/pause.h"

#include <check.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAITERS 8
#define STRESS_THREADS 2
#define STRESS_ROUNDS 60000
#define STRESS_UNITS 3

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

static pthread_t start(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, run, arg), 0);
	return thread;
}

static struct entry_info grab(uint64_t index, unsigned order)
{
	struct entry_info info;

	ck_assert_int_eq(entry_grab(table, index, order, &info), 0);
	return info;
}

/* ------------------------------------------------------------- waiters */

static _Atomic int inside; /* between grab and unlock: one at most */
static _Atomic int finished;

static void *grab_and_unlock(void *arg)
{
	const uint64_t *index = arg;
	struct entry_info info = grab(*index, PTE);

	ck_assert_int_eq(atomic_fetch_add(&inside, 1), 0);
	usleep(500);
	atomic_fetch_sub(&inside, 1);
	entry_unlock(table, &info);
	atomic_fetch_add(&finished, 1);
	return NULL;
}

START_TEST(every_waiter_gets_the_lock_bit_one_after_the_other)
{
	uint64_t index = 5;
	struct entry_info info = grab(index, PTE);
	pthread_t threads[WAITERS];

	for (int i = 0; i < WAITERS; i++)
		threads[i] = start(grab_and_unlock, &index);
	usleep(5000);
	ck_assert_int_eq(finished, 0);
	entry_unlock(table, &info);
	for (int i = 0; i < WAITERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(finished, WAITERS);
}
END_TEST

static void *grab_and_drop(void *arg)
{
	const uint64_t *index = arg;
	struct entry_info info = grab(*index, PTE);

	entry_drop(table, &info); /* deletes: the others find nothing */
	atomic_fetch_add(&finished, 1);
	return NULL;
}

START_TEST(a_deletion_wakes_all)
{
	uint64_t index = 5;
	struct entry_info info = grab(index, PTE);
	pthread_t threads[WAITERS];

	for (int i = 0; i < WAITERS; i++)
		threads[i] = start(grab_and_drop, &index);
	usleep(5000);
	ck_assert_int_eq(finished, 0);
	entry_drop(table, &info);
	for (int i = 0; i < WAITERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(entry_table_count(table), 0);
}
END_TEST

static void *fill_beside(void *arg)
{
	const uint64_t *index = arg;
	struct entry_new new = kernel_page(*index);

	ck_assert_int_eq(entry_table_fill(table, *index, &new), 0);
	atomic_fetch_add(&finished, 1);
	return NULL;
}

START_TEST(who_does_not_take_the_lock_passes_the_wake_on)
{
	uint64_t index = 5;
	struct entry_info info = grab(index, PTE);
	pthread_t threads[WAITERS];

	/* fills lock nothing: one wake must go through all of them */
	for (int i = 0; i < WAITERS; i++)
		threads[i] = start(i % 2 ? grab_and_unlock : fill_beside,
				   &index);
	usleep(5000);
	ck_assert_int_eq(finished, 0);
	entry_unlock(table, &info);
	for (int i = 0; i < WAITERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(finished, WAITERS);
}
END_TEST

START_TEST(a_page_waits_for_a_locked_order_9_entry)
{
	uint64_t index = UNIT + 9;
	struct entry_info info = grab(UNIT, PMD);
	struct entry_new new = kernel_page(UNIT);
	pthread_t thread = start(grab_and_unlock, &index);

	usleep(5000);
	ck_assert_int_eq(finished, 0);
	ck_assert_int_eq(entry_insert_locked(table, &info, &new), 0);
	entry_unlock(table, &info);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(entry_table_count(table), 1); /* used as it is */
}
END_TEST

static void *downgrade_and_drop(void *arg)
{
	const uint64_t *index = arg;
	struct entry_info info = grab(*index, PTE);

	ck_assert_uint_eq(info.order, PTE);
	entry_drop(table, &info);
	return NULL;
}

static void downgrade_under_waiters(struct entry_info *locked)
{
	static uint64_t indexes[WAITERS];
	pthread_t threads[WAITERS];

	for (int i = 0; i < WAITERS; i++) {
		indexes[i] = UNIT + 3 * (uint64_t)i;
		threads[i] = start(downgrade_and_drop, &indexes[i]);
	}
	usleep(5000);
	entry_unlock(table, locked);
	for (int i = 0; i < WAITERS; i++)
		pthread_join(threads[i], NULL);
}

START_TEST(waiters_for_an_order_9_entry_survive_its_downgrade)
{
	struct entry_info info = grab(UNIT, PMD);
	struct entry_new new = zero_page();

	downgrade_under_waiters(&info);
	ck_assert_uint_eq(entry_table_count(table), 0);
	info = grab(UNIT, PMD);
	ck_assert_int_eq(entry_insert_locked(table, &info, &new), 0);
	downgrade_under_waiters(&info);
	ck_assert_uint_eq(entry_table_count(table), UNIT);
}
END_TEST

static void *delete_leases(void *arg)
{
	ck_assert_int_eq(
		entry_table_delete_range(table, 0, TO_THE_END, ENTRY_OF_LEASES),
		0);
	return NULL;
}

static int flush_nothing(void *arg, unsigned device, uint64_t device_page,
			 unsigned order)
{
	return 0;
}

static void *write_back(void *arg)
{
	ck_assert_int_eq(entry_table_writeback_range(table, 0, TO_THE_END,
						     flush_nothing, NULL),
			 0);
	return NULL;
}

/* A second one waits behind `first`, for an entry that is none of first's. */
static void unlock_under_two(struct entry_info *locked, pthread_t first,
			     void (*turn)(struct entry_info *locked))
{
	uint64_t index = locked->index;
	pthread_t second;

	usleep(5000);
	second = start(grab_and_unlock, &index);
	usleep(5000);
	turn(locked);
	entry_unlock(table, locked);
	pthread_join(second, NULL);
	pthread_join(first, NULL);
}

static void insert_for_kernel(struct entry_info *locked)
{
	struct entry_new new = kernel_page(5);

	ck_assert_int_eq(entry_insert_locked(table, locked, &new), 0);
}

static void clear_towrite(struct entry_info *locked)
{
	while (!entry_table_test_mark(table, locked->index, ENTRY_TOWRITE))
		usleep(1000);
	entry_table_clear_mark(table, 0, TO_THE_END, ENTRY_TOWRITE);
}

START_TEST(who_wanted_something_else_passes_the_wake_on)
{
	struct entry_new new = lease_page(6);
	struct entry_info info = grab(5, PTE);

	unlock_under_two(&info, start(delete_leases, NULL), insert_for_kernel);
	ck_assert_int_eq(entry_at(table, 5).holder, ENTRY_KERNEL);
	new.dirty = true;
	ck_assert_int_eq(entry_table_fill(table, 6, &new), 0);
	info = grab(6, PTE);
	unlock_under_two(&info, start(write_back, NULL), clear_towrite);
	ck_assert(entry_at(table, 6).dirty);
}
END_TEST

static void *delete_all(void *arg)
{
	int64_t *deleted = arg;

	*deleted = entry_table_delete_range(table, 0, TO_THE_END, ENTRY_OF_ALL);
	atomic_fetch_add(&finished, 1);
	return NULL;
}

START_TEST(delete_waits_for_locked_entries)
{
	struct entry_info info = grab(5, PTE);
	struct entry_new new = kernel_page(5);
	int64_t deleted;
	pthread_t thread = start(delete_all, &deleted);

	usleep(5000);
	ck_assert_int_eq(finished, 0);
	ck_assert_int_eq(entry_insert_locked(table, &info, &new), 0);
	entry_unlock(table, &info);
	pthread_join(thread, NULL);
	ck_assert_int_eq(deleted, 1);
	ck_assert_int_eq(pgmap_references(fix.pgmaps[0]), 0);
}
END_TEST

static void *set_dirty(void *arg)
{
	entry_table_set_mark(table, 0, TO_THE_END, ENTRY_DIRTY);
	atomic_fetch_add(&finished, 1);
	return NULL;
}

static int flush_while_dirtied(void *arg, unsigned device, uint64_t device_page,
			       unsigned order)
{
	pthread_t *thread = arg;

	*thread = start(set_dirty, NULL);
	usleep(5000);
	ck_assert_int_eq(finished, 0); /* waits for the end of the flush */
	return 0;
}

START_TEST(dirty_set_during_a_flush_is_not_lost)
{
	struct entry_new new = lease_page(5);
	pthread_t thread;

	new.dirty = true;
	ck_assert_int_eq(entry_table_fill(table, 5, &new), 0);
	ck_assert_int_eq(entry_table_writeback_range(table, 0, TO_THE_END,
						     flush_while_dirtied,
						     &thread),
			 0);
	pthread_join(thread, NULL);
	ck_assert(entry_at(table, 5).dirty);
}
END_TEST

/* ------------------------------------------------------------- removal */

static _Atomic bool stopped, go;

static void stop_before_publish(const char *point)
{
	if (strcmp(point, "entry-insert-before-publish") != 0)
		return;
	atomic_store(&stopped, true);
	while (!atomic_load(&go))
		usleep(100);
}

static void *run_fill(void *arg)
{
	struct entry_new new = kernel_page(5);

	*(int *)arg = entry_table_fill(table, 5, &new);
	return NULL;
}

static void *run_kill(void *arg)
{
	ck_assert_int_eq(pgmap_kill(fix.pgmaps[0]), 0);
	atomic_fetch_add(&finished, 1);
	return NULL;
}

START_TEST(an_entry_is_published_before_the_kill_is_confirmed_or_never)
{
	struct entry_info info;
	pthread_t filler, killer;
	int err = 1;

	pause_set_hook(stop_before_publish);
	filler = start(run_fill, &err);
	while (!atomic_load(&stopped))
		usleep(100);
	killer = start(run_kill, NULL);
	while (!pgmap_is_dying(fix.pgmaps[0]))
		usleep(100);
	usleep(20000); /* time to return, if nothing held it back */
	ck_assert_int_eq(finished, 0); /* not confirmed: we are in a section */
	atomic_store(&go, true);
	pthread_join(killer, NULL);
	/* whoever sweeps from here on finds it */
	ck_assert(entry_lookup(table, 5, &info));
	pthread_join(filler, NULL);
	pause_set_hook(NULL);
	ck_assert_int_eq(err, 0);
	run_fill(&err);
	ck_assert_int_eq(err, -ENXIO);
	ck_assert_int_eq(entry_table_delete_device(table, 0, ENTRY_OF_ALL), 1);
	ck_assert_int_eq(pgmap_wait_idle(fix.pgmaps[0], deadline_in(1000)), 0);
}
END_TEST

/* -------------------------------------------------------------- stress */

/* Fails the test but for what the rules allow. */
static void allow(int64_t ret, int one, int other)
{
	if (ret < 0 && ret != one && ret != other)
		ck_abort_msg("failed with %d", (int)ret);
}

static void stress_grab(struct entry_table *one, uint64_t index, unsigned order,
			const struct entry_new *new)
{
	struct entry_info info;
	struct entry_new at = *new;
	int err = entry_grab(one, index, order, &info);

	allow(err, -EEXIST, -EEXIST);
	if (err)
		return;
	at.device_page = info.index; /* identity, so that places agree */
	allow(entry_insert_locked(one, &info, &at), -EBUSY, -ENXIO);
	entry_drop(one, &info);
}

static void stress_turn(struct entry_table *one, unsigned choice)
{
	uint64_t unit = choice / 8 % STRESS_UNITS * UNIT;
	uint64_t index = unit + choice / 32 % 16;
	uint64_t npages = choice / 512 % 3 ? 1 + choice / 2048 % 20 : UNIT;
	struct entry_new new = choice / 64 % 2 ? kernel_page(index)
					       : lease_page(index);

	new.dirty = new.holder == ENTRY_LEASE &&choice / 128 % 2;
	if (npages == UNIT)
		new.device_page = index = unit;
	switch (choice % 8) {
	case 0:
	case 1:
	case 2:
		allow(entry_table_fill_run(one, index, npages, &new, NULL),
		      -EBUSY, -ENXIO);
		break;
	case 3:
		stress_grab(one, index, PTE, &new);
		break;
	case 4:
		stress_grab(one, unit, PMD, &new);
		break;
	case 5:
		allow(entry_table_delete_range(one, index, index + npages - 1,
					       choice / 256 % 3 + 1),
		      0, 0);
		break;
	case 6:
		allow(entry_table_disassociate(one, index, index + npages - 1),
		      0, 0);
		break;
	default:
		allow(entry_table_writeback_range(one, index, index + npages,
						  flush_nothing, NULL),
		      0, 0);
		break;
	}
}

static _Atomic int turns;

static void *stress(void *arg)
{
	unsigned seed = *(unsigned *)arg;

	for (int i = 0; i < STRESS_ROUNDS; i++) {
		unsigned choice = (unsigned)rand_r(&seed);

		stress_turn(&fix.tables[choice % 5 == 0], choice / 5);
		atomic_fetch_add(&turns, 1);
	}
	return NULL;
}

START_TEST(overlapping_orders_from_two_threads_keep_the_ledger)
{
	unsigned seeds[STRESS_THREADS];
	pthread_t threads[STRESS_THREADS];

	for (unsigned i = 0; i < STRESS_THREADS; i++) {
		seeds[i] = i + 1;
		threads[i] = start(stress, &seeds[i]);
	}
	for (int i = 0; i < STRESS_THREADS; i++)
		pthread_join(threads[i], NULL);
	fixture_check(&fix);
}
END_TEST

START_TEST(a_removal_in_the_middle_of_it_ends_with_no_reference)
{
	unsigned seeds[STRESS_THREADS];
	pthread_t threads[STRESS_THREADS];

	for (unsigned i = 0; i < STRESS_THREADS; i++) {
		seeds[i] = i + 7;
		threads[i] = start(stress, &seeds[i]);
	}
	while (atomic_load(&turns) < STRESS_ROUNDS)
		usleep(500);
	ck_assert_int_eq(pgmap_kill(fix.pgmaps[0]), 0);
	/* nothing comes any more: one pass takes all */
	for (int i = 0; i < TABLES; i++)
		entry_table_delete_device(&fix.tables[i], 0, ENTRY_OF_ALL);
	ck_assert_int_eq(pgmap_wait_idle(fix.pgmaps[0], deadline_in(0)), 0);
	ck_assert_int_lt(atomic_load(&turns), STRESS_THREADS * STRESS_ROUNDS);
	for (int i = 0; i < STRESS_THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(pgmap_references(fix.pgmaps[0]), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("entry_threads");
	TCase *waits = tcase_create("waiters");
	TCase *removal = tcase_create("removal");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(waits, setup, teardown);
	tcase_add_test(waits,
		       every_waiter_gets_the_lock_bit_one_after_the_other);
	tcase_add_test(waits, a_deletion_wakes_all);
	tcase_add_test(waits, who_does_not_take_the_lock_passes_the_wake_on);
	tcase_add_test(waits, a_page_waits_for_a_locked_order_9_entry);
	tcase_add_test(waits,
		       waiters_for_an_order_9_entry_survive_its_downgrade);
	tcase_add_test(waits, who_wanted_something_else_passes_the_wake_on);
	tcase_add_test(waits, delete_waits_for_locked_entries);
	tcase_add_test(waits, dirty_set_during_a_flush_is_not_lost);
	suite_add_tcase(suite, waits);

	tcase_add_checked_fixture(removal, setup, teardown);
	tcase_set_timeout(removal, 120);
	tcase_add_test(
		removal,
		an_entry_is_published_before_the_kill_is_confirmed_or_never);
	tcase_add_test(removal,
		       overlapping_orders_from_two_threads_keep_the_ledger);
	tcase_add_test(removal,
		       a_removal_in_the_middle_of_it_ends_with_no_reference);
	suite_add_tcase(suite, removal);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
