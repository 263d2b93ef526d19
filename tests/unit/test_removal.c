/* SPDX-License-Identifier: BSD-3-Clause */
#include "dax/removal.h"

#include "dax/pgmap.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PAGES 4096
#define SOON_MS 5000
#define RACES 200

/* A holder that does as the test says. */
struct world {
	struct pgmap *pgmap;
	struct removal *removal;
	bool alive_when_told;
	atomic_int told, revoked, retired, closed;
	atomic_int mappings;	/* revoke answers -EAGAIN while any is left */
	atomic_int rounds;	/* what gives back one thing a round */
	atomic_int descriptors; /* reachable although nothing is counted */
	int retire_error;
	atomic_int visited[DEVICE_FAILED + 1];
};

static struct world world;

static void tell(void *arg, unsigned device)
{
	world.alive_when_told = !pgmap_is_dying(world.pgmap);
	atomic_fetch_add(&world.told, 1);
}

static int revoke(void *arg, unsigned device, enum removal_mode mode,
		  const struct removal_limits *limits)
{
	atomic_fetch_add(&world.revoked, 1);
	if (atomic_load(&world.rounds) > 0) {
		atomic_fetch_sub(&world.rounds, 1);
		removal_count(world.removal, 1, 0, 0);
		return -EAGAIN;
	}
	if (mode != REMOVAL_DRAIN)
		atomic_store(&world.mappings, 0);
	return atomic_load(&world.mappings) ? -EAGAIN : 0;
}

static bool reachable(void *arg, unsigned device)
{
	return atomic_load(&world.descriptors) > 0;
}

static int retire(void *arg, unsigned device)
{
	atomic_fetch_add(&world.retired, 1);
	return world.retire_error;
}

static void close_device(void *arg, unsigned device)
{
	ck_assert_int_eq(atomic_load(&world.retired), 1);
	atomic_fetch_add(&world.closed, 1);
}

static void changed(void *arg, unsigned device, enum removal_state state)
{
	atomic_fetch_add(&world.visited[state], 1);
}

static const struct removal_ops ops = {
	.tell = tell,
	.revoke = revoke,
	.reachable = reachable,
	.retire = retire,
	.close = close_device,
	.changed = changed,
};

static void setup(void)
{
	memset(&world, 0, sizeof(world));
	ck_assert_int_eq(
		pgmap_create(&world.pgmap, PAGES, PGMAP_COUNTER, NULL, NULL),
		0);
	ck_assert_int_eq(
		removal_create(&world.removal, 0, world.pgmap, &ops, NULL), 0);
}

static void teardown(void)
{
	removal_destroy(world.removal);
	pgmap_destroy(world.pgmap);
}

static void wait_for(enum removal_state state)
{
	ck_assert_int_eq(
		removal_wait(world.removal, state, deadline_in(SOON_MS)), 0);
}

static struct removal_report report(void)
{
	struct removal_report now;

	removal_report(world.removal, &now);
	return now;
}

static void wait_stopped(void)
{
	struct deadline deadline = deadline_in(SOON_MS);

	while (!report().stopped)
		ck_assert(!deadline_passed(deadline));
}

START_TEST(an_idle_device_goes_through_every_state_to_dead)
{
	int state;

	ck_assert_int_eq(
		removal_start(world.removal, REMOVAL_REVOKE, false, NULL), 0);
	wait_for(DEVICE_DEAD);
	removal_destroy(world.removal);
	world.removal = NULL;
	for (state = DEVICE_BLOCKING; state <= DEVICE_DEAD; state++)
		ck_assert_int_ge(atomic_load(&world.visited[state]), 1);
	ck_assert_int_eq(atomic_load(&world.retired), 1);
	ck_assert_int_eq(atomic_load(&world.closed), 1);
}
END_TEST

START_TEST(holders_are_told_while_the_device_is_alive)
{
	ck_assert_int_eq(
		removal_start(world.removal, REMOVAL_REVOKE, false, NULL), 0);
	wait_for(DEVICE_DEAD);
	ck_assert_int_eq(atomic_load(&world.told), 1);
	ck_assert(world.alive_when_told);
	ck_assert_int_ge(report().first_refusal_us, 0);
	ck_assert_int_ge(report().elapsed_us, report().first_refusal_us);
}
END_TEST

START_TEST(a_second_start_is_refused_and_one_on_a_dead_device_too)
{
	ck_assert_int_eq(pgmap_pin_live(world.pgmap, 7, 0), 0);
	ck_assert_int_eq(
		removal_start(world.removal, REMOVAL_REVOKE, false, NULL), 0);
	ck_assert_int_eq(
		removal_start(world.removal, REMOVAL_REVOKE, false, NULL),
		-EBUSY);
	pgmap_unpin(world.pgmap, 7, 0);
	wait_for(DEVICE_DEAD);
	ck_assert_int_eq(
		removal_start(world.removal, REMOVAL_REVOKE, false, NULL),
		-EALREADY);
	ck_assert_int_eq(removal_cancel(world.removal), -EALREADY);
}
END_TEST

START_TEST(a_pin_is_waited_for_and_a_deadline_ends_only_the_wait)
{
	ck_assert_int_eq(pgmap_pin_live(world.pgmap, 7, 0), 0);
	ck_assert_int_eq(
		removal_start(world.removal, REMOVAL_REVOKE, false, NULL), 0);
	wait_for(DEVICE_DRAINING);
	ck_assert_int_eq(pgmap_pin_live(world.pgmap, 8, 0), -ENXIO);
	ck_assert_int_eq(
		removal_wait(world.removal, DEVICE_DEAD, deadline_in(50)),
		-ETIMEDOUT);
	ck_assert_int_eq(removal_state(world.removal), DEVICE_DRAINING);
	ck_assert_int_eq(report().references, 1);
	pgmap_unpin(world.pgmap, 7, 0);
	wait_for(DEVICE_DEAD);
	ck_assert_int_eq(atomic_load(&world.retired), 1);
}
END_TEST

START_TEST(who_can_reach_it_uncounted_is_waited_for)
{
	atomic_store(&world.descriptors, 1);
	ck_assert_int_eq(
		removal_start(world.removal, REMOVAL_REVOKE, false, NULL), 0);
	wait_for(DEVICE_DRAINING);
	ck_assert_int_eq(
		removal_wait(world.removal, DEVICE_DEAD, deadline_in(50)),
		-ETIMEDOUT);
	ck_assert_int_eq(pgmap_references(world.pgmap), 0);
	ck_assert_int_eq(removal_cancel(world.removal), 0);
	wait_for(DEVICE_LIVE);
	ck_assert_int_eq(
		removal_start(world.removal, REMOVAL_REVOKE, false, NULL), 0);
	wait_for(DEVICE_DRAINING);
	atomic_store(&world.descriptors, 0);
	wait_for(DEVICE_DEAD);
}
END_TEST

START_TEST(drain_waits_for_mappings_to_go_by_themselves)
{
	atomic_store(&world.mappings, 1);
	ck_assert_int_eq(
		removal_start(world.removal, REMOVAL_DRAIN, false, NULL), 0);
	ck_assert_int_eq(
		removal_wait(world.removal, DEVICE_DRAINING, deadline_in(100)),
		-ETIMEDOUT);
	ck_assert_int_eq(removal_state(world.removal), DEVICE_REVOKING);
	atomic_store(&world.mappings, 0);
	wait_for(DEVICE_DEAD);
}
END_TEST

START_TEST(what_is_given_back_is_not_slept_over)
{
	atomic_store(&world.rounds, 1000); /* 20 s, if each were slept over */
	ck_assert_int_eq(
		removal_start(world.removal, REMOVAL_REVOKE, false, NULL), 0);
	wait_for(DEVICE_DEAD);
	ck_assert_uint_eq(report().entries_deleted, 1000);
}
END_TEST

START_TEST(dirty_pages_are_admitted_until_revoking_has_ended)
{
	ck_assert_int_eq(pgmap_pin_live(world.pgmap, 7, 0), 0);
	ck_assert_int_eq(
		removal_start(world.removal, REMOVAL_REVOKE, true, NULL), 0);
	wait_stopped(); /* end of blocking */
	ck_assert(removal_admits_writeback(world.removal));
	ck_assert_int_eq(pgmap_gate_enter(world.pgmap), -ENXIO);
	ck_assert_int_eq(pgmap_gate_enter_draining(world.pgmap), 0);
	pgmap_gate_exit(world.pgmap);
	ck_assert_int_eq(removal_continue(world.removal), 0);
	wait_for(DEVICE_REVOKING);
	wait_stopped();
	ck_assert(removal_admits_writeback(world.removal));
	ck_assert_int_eq(removal_continue(world.removal), 0);
	wait_for(DEVICE_DRAINING);
	pgmap_unpin(world.pgmap, 7, 0);
	wait_stopped();
	ck_assert(!removal_admits_writeback(world.removal));
	ck_assert_int_eq(removal_continue(world.removal), 0);
	wait_for(DEVICE_DEAD);
}
END_TEST

START_TEST(continue_needs_something_that_is_stopped)
{
	ck_assert_int_eq(removal_continue(world.removal), -EINVAL);
	ck_assert_int_eq(removal_cancel(world.removal), -EINVAL);
}
END_TEST

/* _i: how many stops to pass first. */
START_TEST(cancel_brings_the_device_back_from_every_state)
{
	int stops = _i;

	ck_assert_int_eq(
		removal_start(world.removal, REMOVAL_REVOKE, true, NULL), 0);
	wait_stopped();
	while (stops-- > 0) {
		ck_assert_int_eq(removal_continue(world.removal), 0);
		wait_stopped();
	}
	ck_assert_int_eq(removal_cancel(world.removal), 0);
	wait_for(DEVICE_LIVE);
	ck_assert_int_eq(pgmap_gate_enter(world.pgmap), 0);
	pgmap_gate_exit(world.pgmap);
	ck_assert_int_eq(atomic_load(&world.retired), 0);
	/* and it can be removed for good */
	ck_assert_int_eq(
		removal_start(world.removal, REMOVAL_REVOKE, false, NULL), 0);
	wait_for(DEVICE_DEAD);
}
END_TEST

START_TEST(cancel_and_release_never_both_win)
{
	int round, dead = 0;

	for (round = 0; round < RACES; round++) {
		int err;

		ck_assert_int_eq(removal_start(world.removal, REMOVAL_REVOKE,
					       false, NULL),
				 0);
		if (round % 2)
			wait_for(DEVICE_DRAINING);
		err = removal_cancel(world.removal);
		if (err == 0) {
			wait_for(DEVICE_LIVE);
			ck_assert_int_eq(atomic_load(&world.retired), 0);
			ck_assert_int_eq(pgmap_gate_enter(world.pgmap), 0);
			pgmap_gate_exit(world.pgmap);
			continue;
		}
		wait_for(DEVICE_DEAD);
		ck_assert_int_eq(atomic_load(&world.retired), 1);
		dead++;
		teardown();
		setup();
	}
	/* Half of them were given time to win. */
	ck_assert_int_gt(dead, 0);
}
END_TEST

START_TEST(a_device_that_fails_ends_as_failed)
{
	world.retire_error = -EIO;
	removal_device_failed(world.removal);
	ck_assert_int_eq(removal_wait(world.removal, DEVICE_FAILED,
				      deadline_in(SOON_MS)),
			 0);
	ck_assert_int_eq(report().error, -EIO);
	ck_assert_int_eq(pgmap_gate_enter(world.pgmap), -ENXIO);
}
END_TEST

START_TEST(states_have_their_words)
{
	enum removal_state state;

	ck_assert_int_eq(removal_state_of_name("draining", &state), 0);
	ck_assert_int_eq(state, DEVICE_DRAINING);
	ck_assert_int_eq(removal_state_of_name("gone", &state), -EINVAL);
	ck_assert_str_eq(removal_state_name(DEVICE_DEAD), "dead");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("removal");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(rules, 60);
	tcase_add_checked_fixture(rules, setup, teardown);
	tcase_add_test(rules, an_idle_device_goes_through_every_state_to_dead);
	tcase_add_test(rules, holders_are_told_while_the_device_is_alive);
	tcase_add_test(rules,
		       a_second_start_is_refused_and_one_on_a_dead_device_too);
	tcase_add_test(rules,
		       a_pin_is_waited_for_and_a_deadline_ends_only_the_wait);
	tcase_add_test(rules, who_can_reach_it_uncounted_is_waited_for);
	tcase_add_test(rules, drain_waits_for_mappings_to_go_by_themselves);
	tcase_add_test(rules,
		       dirty_pages_are_admitted_until_revoking_has_ended);
	tcase_add_test(rules, what_is_given_back_is_not_slept_over);
	tcase_add_test(rules, continue_needs_something_that_is_stopped);
	tcase_add_loop_test(
		rules, cancel_brings_the_device_back_from_every_state, 0, 3);
	tcase_add_test(rules, cancel_and_release_never_both_win);
	tcase_add_test(rules, a_device_that_fails_ends_as_failed);
	tcase_add_test(rules, states_have_their_words);
	suite_add_tcase(suite, rules);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
