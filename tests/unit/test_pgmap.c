/* SPDX-License-Identifier: BSD-3-Clause */
#include "dax/pgmap.h"
#include "dax/read_side.h"
#include "trace/pause.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PTE PGMAP_ORDER_PTE
#define PMD PGMAP_ORDER_PMD
#define UNIT PGMAP_PMD_PAGES
#define UNITS 4
#define NPAGES (UNITS * UNIT)
#define STRESS_THREADS 4
#define STRESS_ROUNDS 40000
#define STRESS_HELD 16

static _Atomic int releases;

static void note_release(struct pgmap *pgmap, void *arg)
{
	atomic_fetch_add(&releases, 1);
}

static struct pgmap *make(enum pgmap_policy policy)
{
	struct pgmap *pgmap;

	atomic_store(&releases, 0);
	ck_assert_int_eq(
		pgmap_create(&pgmap, NPAGES, policy, note_release, NULL), 0);
	return pgmap;
}

/* The ledger by both of its ways [R10]. */
static void check_ledger(struct pgmap *pgmap, uint64_t folios,
			 uint64_t page_references)
{
	uint64_t references;

	ck_assert_uint_eq(pgmap_active_folios_walk(pgmap, &references), folios);
	ck_assert_uint_eq(references, page_references);
	if (pgmap_policy(pgmap) == PGMAP_COUNTER)
		ck_assert_int_eq(pgmap_references(pgmap) - pgmap_gates(pgmap),
				 folios);
}

static void get(struct pgmap *pgmap, uint64_t page, unsigned order)
{
	ck_assert_int_eq(pgmap_get_live(pgmap, page, order), 0);
}

static void finish(struct pgmap *pgmap)
{
	check_ledger(pgmap, 0, 0);
	pgmap_destroy(pgmap);
}

START_TEST(first_get_takes_one_reference_and_last_put_drops_it)
{
	struct pgmap *pgmap = make(PGMAP_COUNTER);

	ck_assert_int_eq(pgmap_references(pgmap), 0);
	get(pgmap, 7, PTE);
	check_ledger(pgmap, 1, 1);
	get(pgmap, 7, PTE);
	pgmap_get(pgmap, 7, PTE);
	check_ledger(pgmap, 1, 3);
	ck_assert_uint_eq(pgmap_count(pgmap, 7), 3);
	ck_assert_uint_eq(pgmap_count(pgmap, 8), 0);
	get(pgmap, 8, PTE);
	check_ledger(pgmap, 2, 4);
	pgmap_put(pgmap, 8, PTE);
	for (int i = 0; i < 3; i++)
		pgmap_put(pgmap, 7, PTE);
	finish(pgmap);
}
END_TEST

START_TEST(an_order_9_folio_is_one_reference)
{
	struct pgmap *pgmap = make(PGMAP_COUNTER);

	get(pgmap, UNIT, PMD);
	get(pgmap, UNIT, PMD);
	check_ledger(pgmap, 1, 2 * UNIT);
	ck_assert_uint_eq(pgmap_count(pgmap, UNIT + 300), 2);
	pgmap_put(pgmap, UNIT, PMD);
	pgmap_put(pgmap, UNIT, PMD);
	finish(pgmap);
}
END_TEST

START_TEST(a_busy_folio_splits_by_plain_gets)
{
	struct pgmap *pgmap = make(PGMAP_COUNTER);

	get(pgmap, 0, PMD);
	get(pgmap, 0, PMD);
	get(pgmap, 5, PTE);
	check_ledger(pgmap, UNIT, 2 * UNIT + 1);
	ck_assert_uint_eq(pgmap_count(pgmap, 5), 3);
	ck_assert_uint_eq(pgmap_count(pgmap, 6), 2);
	/* order-9 references go as such, or page by page */
	pgmap_put(pgmap, 0, PMD);
	check_ledger(pgmap, UNIT, UNIT + 1);
	for (uint64_t page = 0; page < UNIT; page++)
		pgmap_put(pgmap, page, PTE);
	check_ledger(pgmap, 1, 1);
	pgmap_put(pgmap, 5, PTE);
	finish(pgmap);
}
END_TEST

START_TEST(a_busy_folio_splits_also_on_a_dying_device)
{
	struct pgmap *pgmap = make(PGMAP_COUNTER);

	get(pgmap, 0, PMD);
	ck_assert_int_eq(pgmap_kill(pgmap), 0);
	ck_assert_int_eq(pgmap_split(pgmap, 0), 0);
	check_ledger(pgmap, UNIT, UNIT);
	pgmap_put(pgmap, 0, PMD);
	ck_assert_int_eq(pgmap_wait_idle(pgmap, deadline_in(0)), 0);
	finish(pgmap);
}
END_TEST

START_TEST(an_idle_split_unit_merges_for_an_order_9_get)
{
	struct pgmap *pgmap = make(PGMAP_COUNTER);

	get(pgmap, 9, PTE);
	pgmap_put(pgmap, 9, PTE);
	get(pgmap, 0, PMD);
	check_ledger(pgmap, 1, UNIT);
	pgmap_put(pgmap, 0, PMD);
	/* and splits again */
	get(pgmap, 9, PTE);
	check_ledger(pgmap, 1, 1);
	pgmap_put(pgmap, 9, PTE);
	finish(pgmap);
}
END_TEST

START_TEST(an_order_9_get_beside_busy_pages_is_one_on_each)
{
	struct pgmap *pgmap = make(PGMAP_COUNTER);

	get(pgmap, 9, PTE);
	get(pgmap, 0, PMD);
	check_ledger(pgmap, UNIT, UNIT + 1);
	pgmap_get(pgmap, 0, PMD);
	check_ledger(pgmap, UNIT, 2 * UNIT + 1);
	pgmap_put(pgmap, 9, PTE);
	pgmap_put(pgmap, 0, PMD);
	pgmap_put(pgmap, 0, PMD);
	finish(pgmap);
}
END_TEST

START_TEST(after_the_kill_every_get_and_gate_is_refused_and_changes_nothing)
{
	struct pgmap *pgmap = make((enum pgmap_policy)_i);

	get(pgmap, 0, PTE);
	get(pgmap, UNIT, PMD);
	ck_assert_int_eq(pgmap_kill(pgmap), 0);
	ck_assert_int_eq(pgmap_kill(pgmap), -EALREADY);
	ck_assert_int_eq(pgmap_gate_enter(pgmap), -ENXIO);
	/* idle, busy [R2], order 9 on each shape */
	ck_assert_int_eq(pgmap_get_live(pgmap, 1, PTE), -ENXIO);
	ck_assert_int_eq(pgmap_get_live(pgmap, 0, PTE), -ENXIO);
	ck_assert_int_eq(pgmap_pin_live(pgmap, 0, PTE), -ENXIO);
	ck_assert_int_eq(pgmap_get_live(pgmap, 0, PMD), -ENXIO);
	ck_assert_int_eq(pgmap_get_live(pgmap, UNIT, PMD), -ENXIO);
	ck_assert_int_eq(pgmap_get_live(pgmap, 2 * UNIT, PMD), -ENXIO);
	check_ledger(pgmap, 2, UNIT + 1);
	ck_assert_int_eq(pgmap_stat(pgmap, PGMAP_PINS), 0);
	/* what is held may still be held once more */
	pgmap_get(pgmap, 0, PTE);
	pgmap_put(pgmap, 0, PTE);
	pgmap_put(pgmap, 0, PTE);
	pgmap_put(pgmap, UNIT, PMD);
	ck_assert_int_eq(pgmap_wait_idle(pgmap, deadline_in(0)), 0);
	ck_assert_int_eq(releases, 1);
	finish(pgmap);
}
END_TEST

START_TEST(the_mount_policy_blocks_at_the_gate_only)
{
	struct pgmap *pgmap = make(PGMAP_MOUNT);

	ck_assert_int_eq(pgmap_kill(pgmap), 0);
	ck_assert_int_eq(pgmap_gate_enter(pgmap), -ENXIO);
	get(pgmap, 3, PTE); /* what the design lacks */
	ck_assert_int_eq(pgmap_wait_idle(pgmap, deadline_in(1)), -ETIMEDOUT);
	pgmap_put(pgmap, 3, PTE);
	ck_assert_int_eq(pgmap_wait_idle(pgmap, deadline_in(1000)), 0);
	finish(pgmap);
}
END_TEST

START_TEST(references_are_known_to_the_counter_policy_only)
{
	for (int i = PGMAP_COUNTER; i <= PGMAP_MOUNT; i++) {
		enum pgmap_policy policy = (enum pgmap_policy)i, again;
		struct pgmap *pgmap = make(policy);

		get(pgmap, 0, PTE);
		ck_assert_int_eq(pgmap_references(pgmap),
				 policy == PGMAP_COUNTER ? 1 : -1);
		pgmap_put(pgmap, 0, PTE);
		ck_assert_int_eq(
			pgmap_policy_of_name(pgmap_policy_name(policy), &again),
			0);
		ck_assert_int_eq(again, policy);
		finish(pgmap);
	}
}
END_TEST

START_TEST(an_unknown_policy_and_a_device_too_large_are_refused)
{
	enum pgmap_policy policy;
	struct pgmap *pgmap;

	ck_assert_int_eq(pgmap_policy_of_name("counters", &policy), -EINVAL);
	ck_assert_int_eq(pgmap_create(&pgmap, PGMAP_PAGES_MAX + 1,
				      PGMAP_COUNTER, NULL, NULL),
			 -EFBIG);
}
END_TEST

START_TEST(a_put_too_many_aborts)
{
	struct pgmap *pgmap = make(PGMAP_COUNTER);

	get(pgmap, 0, PTE);
	pgmap_put(pgmap, 0, PTE);
	pgmap_put(pgmap, 0, PTE);
}
END_TEST

START_TEST(destroy_of_a_referenced_pgmap_aborts)
{
	struct pgmap *pgmap = make(PGMAP_COUNTER);

	get(pgmap, 0, PTE);
	pgmap_destroy(pgmap);
}
END_TEST

START_TEST(pins_are_counted_beside_the_folio)
{
	struct pgmap *pgmap = make(PGMAP_COUNTER);

	ck_assert_int_eq(pgmap_pin_live(pgmap, 0, PMD), 0);
	ck_assert_int_eq(pgmap_pin_live(pgmap, UNIT + 1, PTE), 0);
	ck_assert_int_eq(pgmap_stat(pgmap, PGMAP_PINS), 2);
	ck_assert_int_eq(pgmap_stat(pgmap, PGMAP_PINNED_PAGES), UNIT + 1);
	check_ledger(pgmap, 2, UNIT + 1);
	pgmap_unpin(pgmap, 0, PMD);
	pgmap_unpin(pgmap, UNIT + 1, PTE);
	ck_assert_int_eq(pgmap_stat(pgmap, PGMAP_PINS), 0);
	ck_assert_int_eq(pgmap_stat(pgmap, PGMAP_PINNED_PAGES), 0);
	finish(pgmap);
}
END_TEST

START_TEST(a_busy_page_is_found_in_whole_and_split_units)
{
	struct pgmap *pgmap = make(PGMAP_COUNTER);
	uint64_t busy;

	ck_assert(!pgmap_busy_range(pgmap, 0, NPAGES, &busy));
	get(pgmap, UNIT + 100, PTE);
	ck_assert(pgmap_busy_range(pgmap, 0, NPAGES, &busy));
	ck_assert_uint_eq(busy, UNIT + 100);
	ck_assert(!pgmap_busy_range(pgmap, 0, UNIT + 100, NULL));
	ck_assert(!pgmap_busy_range(pgmap, UNIT + 101, NPAGES - UNIT - 101,
				    NULL));
	ck_assert(!pgmap_busy_range(pgmap, UNIT + 100, 0, NULL));
	get(pgmap, 2 * UNIT, PMD);
	ck_assert(pgmap_busy_range(pgmap, 2 * UNIT + 17, 1, &busy));
	ck_assert_uint_eq(busy, 2 * UNIT + 17);
	pgmap_put(pgmap, UNIT + 100, PTE);
	pgmap_put(pgmap, 2 * UNIT, PMD);
	finish(pgmap);
}
END_TEST

/* ------------------------------------------------------------- removal */

START_TEST(without_a_wait_the_kill_releases_nothing)
{
	struct pgmap *pgmap = make((enum pgmap_policy)_i);

	ck_assert_int_eq(pgmap_kill(pgmap), 0);
	ck_assert(!pgmap_is_released(pgmap));
	/* writeback of what was dirty is still let in */
	ck_assert_int_eq(pgmap_gate_enter_draining(pgmap), 0);
	ck_assert_int_eq(pgmap_gates(pgmap), 1);
	ck_assert_int_eq(pgmap_wait_idle(pgmap, deadline_in(1)), -ETIMEDOUT);
	pgmap_gate_exit(pgmap);
	ck_assert_int_eq(pgmap_wait_idle(pgmap, deadline_in(0)), 0);
	ck_assert_int_eq(pgmap_gate_enter_draining(pgmap), -ENXIO);
	ck_assert_int_eq(releases, 1);
	finish(pgmap);
}
END_TEST

START_TEST(resurrect_works_from_every_stage_before_and_after_the_release)
{
	struct pgmap *pgmap = make((enum pgmap_policy)_i);

	ck_assert_int_eq(pgmap_resurrect(pgmap), -EINVAL);
	for (int stage = 0; stage < 3; stage++) {
		if (stage == 1)
			get(pgmap, 0, PTE);
		/* not killed: nothing to wait for, nothing dropped */
		ck_assert_int_eq(pgmap_wait_idle(pgmap, deadline_in(1)),
				 -ECANCELED);
		ck_assert_int_eq(pgmap_kill(pgmap), 0);
		ck_assert_int_eq(pgmap_gate_enter_draining(pgmap), 0);
		pgmap_gate_exit(pgmap);
		ck_assert(!pgmap_is_released(pgmap));
		if (stage == 1)
			ck_assert_int_eq(pgmap_wait_idle(pgmap, deadline_in(1)),
					 -ETIMEDOUT);
		if (stage == 2)
			ck_assert_int_eq(pgmap_wait_idle(pgmap, deadline_in(1)),
					 0);
		ck_assert_int_eq(pgmap_resurrect(pgmap), 0);
		ck_assert(!pgmap_is_dying(pgmap));
		ck_assert(!pgmap_is_released(pgmap));
		ck_assert_int_eq(pgmap_gate_enter(pgmap), 0);
		pgmap_gate_exit(pgmap);
		if (stage == 1)
			pgmap_put(pgmap, 0, PTE);
		check_ledger(pgmap, 0, 0);
	}
	ck_assert_int_eq(releases, 1);
	finish(pgmap);
}
END_TEST

struct waiting {
	struct pgmap *pgmap;
	_Atomic bool returned;
	int err;
};

static void *wait_for_idle(void *arg)
{
	struct waiting *waiting = arg;

	waiting->err = pgmap_wait_idle(waiting->pgmap, deadline_in(30000));
	atomic_store(&waiting->returned, true);
	return NULL;
}

static pthread_t start(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, run, arg), 0);
	return thread;
}

START_TEST(the_last_put_wakes_the_remover)
{
	struct pgmap *pgmap = make((enum pgmap_policy)_i);
	struct waiting waiting = { .pgmap = pgmap };
	pthread_t waiter;

	get(pgmap, 0, PMD);
	get(pgmap, NPAGES - 1, PTE);
	ck_assert_int_eq(pgmap_kill(pgmap), 0);
	waiter = start(wait_for_idle, &waiting);
	usleep(2000);
	pgmap_put(pgmap, 0, PMD);
	usleep(2000);
	ck_assert(!atomic_load(&waiting.returned));
	pgmap_put(pgmap, NPAGES - 1, PTE);
	pthread_join(waiter, NULL);
	ck_assert_int_eq(waiting.err, 0);
	ck_assert_int_eq(releases, 1);
	finish(pgmap);
}
END_TEST

START_TEST(a_cancel_wakes_the_remover)
{
	struct pgmap *pgmap = make((enum pgmap_policy)_i);
	struct waiting waiting = { .pgmap = pgmap };
	pthread_t waiter;

	get(pgmap, 3, PTE);
	ck_assert_int_eq(pgmap_kill(pgmap), 0);
	waiter = start(wait_for_idle, &waiting);
	usleep(2000);
	ck_assert_int_eq(pgmap_resurrect(pgmap), 0);
	pthread_join(waiter, NULL);
	ck_assert_int_eq(waiting.err, -ECANCELED);
	pgmap_put(pgmap, 3, PTE);
	finish(pgmap);
}
END_TEST

static void *wait_for_range(void *arg)
{
	struct waiting *waiting = arg;

	waiting->err = pgmap_wait_range_idle(waiting->pgmap, 10, 10,
					     deadline_in(30000));
	return NULL;
}

START_TEST(a_break_sleeps_until_the_range_is_idle)
{
	struct pgmap *pgmap = make(PGMAP_COUNTER);
	struct waiting waiting = { .pgmap = pgmap };
	pthread_t waiter;

	get(pgmap, 12, PTE);
	get(pgmap, 40, PTE); /* not in the range */
	ck_assert_int_eq(pgmap_wait_range_idle(pgmap, 10, 10, deadline_in(1)),
			 -ETIMEDOUT);
	waiter = start(wait_for_range, &waiting);
	usleep(2000);
	pgmap_put(pgmap, 12, PTE);
	pthread_join(waiter, NULL);
	ck_assert_int_eq(waiting.err, 0);
	pgmap_put(pgmap, 40, PTE);
	finish(pgmap);
}
END_TEST

/* ------------------------------------------- races, at the pause points */

static _Atomic int arrived; /* at pgmap-before-count */
static _Atomic int stop_at; /* which arrival waits for `go`; 0: none */
static _Atomic bool go;

static void stop_one(const char *point)
{
	if (strcmp(point, "pgmap-before-count") != 0)
		return;
	if (atomic_fetch_add(&arrived, 1) + 1 != atomic_load(&stop_at))
		return;
	while (!atomic_load(&go))
		usleep(100);
}

static void set_stop(int at)
{
	atomic_store(&arrived, 0);
	atomic_store(&stop_at, at);
	atomic_store(&go, false);
	pause_set_hook(stop_one);
}

static void await_arrivals(int n)
{
	while (atomic_load(&arrived) < n)
		usleep(100);
}

struct getting {
	struct pgmap *pgmap;
	uint64_t page;
	unsigned order;
	int err;
};

static void *run_get(void *arg)
{
	struct getting *getting = arg;

	getting->err = pgmap_get_live(getting->pgmap, getting->page,
				      getting->order);
	return NULL;
}

START_TEST(the_loser_of_the_first_get_puts_its_reference_back)
{
	struct pgmap *pgmap = make(PGMAP_COUNTER);
	struct getting slow = { .pgmap = pgmap, .page = 4, .order = PTE };
	pthread_t thread;

	set_stop(1);
	thread = start(run_get, &slow);
	await_arrivals(1);
	/* its reference is there before any count is */
	ck_assert_int_eq(pgmap_references(pgmap), 1);
	ck_assert_uint_eq(pgmap_count(pgmap, 4), 0);
	get(pgmap, 4, PTE);
	ck_assert_int_eq(pgmap_references(pgmap), 2);
	atomic_store(&go, true);
	pthread_join(thread, NULL);
	pause_set_hook(NULL);
	ck_assert_int_eq(slow.err, 0);
	check_ledger(pgmap, 1, 2);
	pgmap_put(pgmap, 4, PTE);
	pgmap_put(pgmap, 4, PTE);
	finish(pgmap);
}
END_TEST

static void *run_kill(void *arg)
{
	struct waiting *waiting = arg;

	waiting->err = pgmap_kill(waiting->pgmap);
	atomic_store(&waiting->returned, true);
	return NULL;
}

START_TEST(an_order_9_get_that_fails_half_way_leaves_the_counts)
{
	struct pgmap *pgmap = make(PGMAP_COUNTER);
	struct getting slow = { .pgmap = pgmap, .page = 0, .order = PMD };
	struct waiting kill = { .pgmap = pgmap };
	pthread_t getter, killer;

	get(pgmap, 200, PTE); /* so that it goes page by page */
	set_stop(100);
	getter = start(run_get, &slow);
	await_arrivals(100);
	killer = start(run_kill, &kill);
	while (!pgmap_is_dying(pgmap))
		usleep(100);
	atomic_store(&go, true);
	pthread_join(getter, NULL);
	pthread_join(killer, NULL);
	pause_set_hook(NULL);
	ck_assert_int_eq(slow.err, -ENXIO);
	ck_assert_int_eq(kill.err, 0);
	check_ledger(pgmap, 1, 1);
	pgmap_put(pgmap, 200, PTE);
	ck_assert_int_eq(pgmap_wait_idle(pgmap, deadline_in(1000)), 0);
	finish(pgmap);
}
END_TEST

/*
 * R3. A thread is stopped between its liveness check and the publication; the
 * device is killed. With the read-side section the kill is not confirmed before
 * the count is there to be seen.
 */
START_TEST(no_get_becomes_visible_after_the_kill_was_confirmed)
{
	struct pgmap *pgmap = make((enum pgmap_policy)_i);
	struct getting slow = { .pgmap = pgmap, .page = 4, .order = PTE };
	struct waiting kill = { .pgmap = pgmap };
	pthread_t getter, killer;

	set_stop(1);
	getter = start(run_get, &slow);
	await_arrivals(1);
	killer = start(run_kill, &kill);
	while (!pgmap_is_dying(pgmap))
		usleep(100);
	usleep(20000); /* time to return, if nothing held it back */
	ck_assert(!atomic_load(&kill.returned));
	atomic_store(&go, true);
	pthread_join(killer, NULL);
	ck_assert_uint_eq(pgmap_count(pgmap, 4), 1); /* published before */
	pthread_join(getter, NULL);
	pause_set_hook(NULL);
	ck_assert_int_eq(slow.err, 0);
	ck_assert_int_eq(pgmap_wait_idle(pgmap, deadline_in(1)), -ETIMEDOUT);
	pgmap_put(pgmap, 4, PTE);
	ck_assert_int_eq(pgmap_wait_idle(pgmap, deadline_in(1000)), 0);
	finish(pgmap);
}
END_TEST

/* What the flag would be without the section around check and publication. */
struct naive {
	_Atomic bool alive;
	_Atomic unsigned count;
};

static void *naive_get(void *arg)
{
	struct naive *naive = arg;

	if (atomic_load(&naive->alive)) {
		pause_point("pgmap-before-count");
		atomic_fetch_add(&naive->count, 1);
	}
	return NULL;
}

START_TEST(a_naive_flag_admits_a_mapping_after_removal)
{
	struct naive naive = { .alive = true };
	pthread_t getter;

	set_stop(1);
	getter = start(naive_get, &naive);
	await_arrivals(1);
	atomic_store(&naive.alive, false);
	read_side_synchronize(); /* has nothing to wait for */
	ck_assert_uint_eq(atomic_load(&naive.count), 0); /* swept: idle, gone */
	atomic_store(&go, true);
	pthread_join(getter, NULL);
	pause_set_hook(NULL);
	ck_assert_uint_eq(atomic_load(&naive.count), 1); /* and mapped */
}
END_TEST

/* --------------------------------------------------------------- stress */

struct held {
	uint64_t page;
	unsigned order;
};

static void *get_and_put(void *arg)
{
	struct pgmap *pgmap = arg;
	unsigned seed = (unsigned)(uintptr_t)&seed;
	struct held held[STRESS_HELD];
	unsigned count = 0;

	for (int round = 0; round < STRESS_ROUNDS; round++) {
		unsigned choice = (unsigned)rand_r(&seed);

		if (count > 0 && (count == STRESS_HELD || choice & 1)) {
			struct held one = held[choice / 2 % count];

			held[choice / 2 % count] = held[count - 1];
			count--;
			pgmap_put(pgmap, one.page, one.order);
			continue;
		}
		held[count].order = choice % 16 < 2 ? PMD : PTE;
		held[count].page = choice / 16 % UNITS * UNIT;
		if (held[count].order == PTE)
			held[count].page += choice / 64 % 8;
		if (pgmap_get_live(pgmap, held[count].page, held[count].order))
			break;
		if (pgmap_count(pgmap, held[count].page) == 0)
			ck_abort_msg("idle while held");
		count++;
	}
	while (count-- > 0)
		pgmap_put(pgmap, held[count].page, held[count].order);
	return NULL;
}

START_TEST(both_orders_from_many_threads_leave_no_reference)
{
	struct pgmap *pgmap = make((enum pgmap_policy)_i);
	pthread_t threads[STRESS_THREADS];

	for (int i = 0; i < STRESS_THREADS; i++)
		threads[i] = start(get_and_put, pgmap);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(pgmap_gate_enter(pgmap), 0);
		(void)pgmap_busy_range(pgmap, 0, NPAGES, NULL);
		pgmap_gate_exit(pgmap);
	}
	for (int i = 0; i < STRESS_THREADS; i++)
		pthread_join(threads[i], NULL);
	check_ledger(pgmap, 0, 0);
	ck_assert_int_eq(pgmap_kill(pgmap), 0);
	ck_assert_int_eq(pgmap_wait_idle(pgmap, deadline_in(0)), 0);
	ck_assert_int_eq(releases, 1);
	finish(pgmap);
}
END_TEST

START_TEST(a_kill_in_the_middle_is_waited_for_to_the_last_reference)
{
	for (int round = 0; round < 20; round++) {
		struct pgmap *pgmap = make((enum pgmap_policy)_i);
		pthread_t threads[STRESS_THREADS];

		for (int i = 0; i < STRESS_THREADS; i++)
			threads[i] = start(get_and_put, pgmap);
		usleep(500 * (useconds_t)round % 3000);
		ck_assert_int_eq(pgmap_kill(pgmap), 0);
		ck_assert_int_eq(pgmap_wait_idle(pgmap, deadline_in(30000)), 0);
		ck_assert_int_eq(releases, 1);
		ck_assert(!pgmap_busy_range(pgmap, 0, NPAGES, NULL));
		for (int i = 0; i < STRESS_THREADS; i++)
			pthread_join(threads[i], NULL);
		finish(pgmap);
	}
}
END_TEST

static TCase *rules_case(void)
{
	TCase *rules = tcase_create("rules");

	tcase_add_test(rules,
		       first_get_takes_one_reference_and_last_put_drops_it);
	tcase_add_test(rules, an_order_9_folio_is_one_reference);
	tcase_add_test(rules, a_busy_folio_splits_by_plain_gets);
	tcase_add_test(rules, a_busy_folio_splits_also_on_a_dying_device);
	tcase_add_test(rules, an_idle_split_unit_merges_for_an_order_9_get);
	tcase_add_test(rules, an_order_9_get_beside_busy_pages_is_one_on_each);
	tcase_add_loop_test(
		rules,
		after_the_kill_every_get_and_gate_is_refused_and_changes_nothing,
		PGMAP_COUNTER, PGMAP_MOUNT);
	tcase_add_test(rules, the_mount_policy_blocks_at_the_gate_only);
	tcase_add_test(rules, references_are_known_to_the_counter_policy_only);
	tcase_add_test(rules,
		       an_unknown_policy_and_a_device_too_large_are_refused);
	tcase_add_test_raise_signal(rules, a_put_too_many_aborts, SIGABRT);
	tcase_add_test_raise_signal(rules, destroy_of_a_referenced_pgmap_aborts,
				    SIGABRT);
	tcase_add_test(rules, pins_are_counted_beside_the_folio);
	tcase_add_test(rules, a_busy_page_is_found_in_whole_and_split_units);
	return rules;
}

static TCase *removal_case(void)
{
	TCase *removal = tcase_create("removal");

	tcase_add_loop_test(removal, without_a_wait_the_kill_releases_nothing,
			    PGMAP_COUNTER, PGMAP_MOUNT + 1);
	tcase_add_loop_test(
		removal,
		resurrect_works_from_every_stage_before_and_after_the_release,
		PGMAP_COUNTER, PGMAP_MOUNT + 1);
	tcase_add_loop_test(removal, the_last_put_wakes_the_remover,
			    PGMAP_COUNTER, PGMAP_MOUNT + 1);
	tcase_add_loop_test(removal, a_cancel_wakes_the_remover, PGMAP_COUNTER,
			    PGMAP_MOUNT + 1);
	tcase_add_test(removal, a_break_sleeps_until_the_range_is_idle);
	return removal;
}

static TCase *race_case(void)
{
	TCase *races = tcase_create("races");

	tcase_set_timeout(races, 120);
	tcase_add_test(races,
		       the_loser_of_the_first_get_puts_its_reference_back);
	tcase_add_test(races,
		       an_order_9_get_that_fails_half_way_leaves_the_counts);
	tcase_add_loop_test(races,
			    no_get_becomes_visible_after_the_kill_was_confirmed,
			    PGMAP_COUNTER, PGMAP_MOUNT);
	tcase_add_test(races, a_naive_flag_admits_a_mapping_after_removal);
	tcase_add_loop_test(races,
			    both_orders_from_many_threads_leave_no_reference,
			    PGMAP_COUNTER, PGMAP_MOUNT + 1);
	tcase_add_loop_test(
		races, a_kill_in_the_middle_is_waited_for_to_the_last_reference,
		PGMAP_COUNTER, PGMAP_MOUNT);
	return races;
}

int main(void)
{
	Suite *suite = suite_create("pgmap");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, rules_case());
	suite_add_tcase(suite, removal_case());
	suite_add_tcase(suite, race_case());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
