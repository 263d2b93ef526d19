/* SPDX-License-Identifier: BSD-3-Clause */
#include "dax/percpu_ref.h"
#include "dax/read_side.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS 4
#define STRESS_OPERATIONS 10000000
#define RACE_ROUNDS 500

/* What happened to a ref. */
struct fate {
	struct percpu_ref ref;
	_Atomic int releases;
	_Atomic int confirms;
	_Atomic uint64_t operations;
};

static void note_release(struct percpu_ref *ref, void *arg)
{
	struct fate *fate = arg;

	atomic_fetch_add(&fate->releases, 1);
}

static void note_confirm(struct percpu_ref *ref, void *arg)
{
	struct fate *fate = arg;

	/* never at zero before [I2] */
	ck_assert_int_gt(percpu_ref_read(ref), 0);
	atomic_fetch_add(&fate->confirms, 1);
}

static void fate_init(struct fate *fate)
{
	*fate = (struct fate){ .releases = 0 };
	ck_assert_int_eq(percpu_ref_init(&fate->ref, note_release, fate), 0);
}

static int kill_ref(struct fate *fate)
{
	return percpu_ref_kill_and_confirm(&fate->ref, note_confirm);
}

static pthread_t start(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, run, arg), 0);
	return thread;
}

START_TEST(read_counts_every_reference)
{
	struct fate fate;

	fate_init(&fate);
	ck_assert_int_eq(percpu_ref_read(&fate.ref), 1);
	percpu_ref_get(&fate.ref);
	percpu_ref_get_many(&fate.ref, 511);
	ck_assert(percpu_ref_tryget(&fate.ref));
	ck_assert_int_eq(percpu_ref_read(&fate.ref), 514);
	percpu_ref_put_many(&fate.ref, 513);
	ck_assert_int_eq(percpu_ref_read(&fate.ref), 1);
	ck_assert_int_eq(fate.releases, 0);
	percpu_ref_fini(&fate.ref);
}
END_TEST

START_TEST(kill_of_an_unused_ref_releases_it_after_confirm)
{
	struct fate fate;

	fate_init(&fate);
	ck_assert_int_eq(kill_ref(&fate), 0);
	ck_assert_int_eq(fate.confirms, 1);
	ck_assert_int_eq(fate.releases, 1);
	ck_assert(percpu_ref_is_dying(&fate.ref));
	ck_assert(!percpu_ref_tryget(&fate.ref));
	ck_assert_int_eq(percpu_ref_read(&fate.ref), 0);
	percpu_ref_fini(&fate.ref);
}
END_TEST

START_TEST(kill_refuses_new_references_and_keeps_old_ones)
{
	struct fate fate;

	fate_init(&fate);
	percpu_ref_get(&fate.ref);
	ck_assert_int_eq(kill_ref(&fate), 0);
	ck_assert(!percpu_ref_tryget_live(&fate.ref));
	ck_assert_int_eq(percpu_ref_read(&fate.ref), 1);
	ck_assert(percpu_ref_tryget(&fate.ref));
	percpu_ref_put_many(&fate.ref, 1);
	ck_assert_int_eq(fate.releases, 0);
	percpu_ref_put(&fate.ref);
	ck_assert_int_eq(fate.releases, 1);
	percpu_ref_fini(&fate.ref);
}
END_TEST

START_TEST(kill_twice_is_refused)
{
	struct fate fate;

	fate_init(&fate);
	percpu_ref_get(&fate.ref);
	ck_assert_int_eq(kill_ref(&fate), 0);
	ck_assert_int_eq(kill_ref(&fate), -EALREADY);
	ck_assert_int_eq(fate.confirms, 1);
	ck_assert_int_eq(percpu_ref_read(&fate.ref), 1);
	percpu_ref_put(&fate.ref);
	ck_assert_int_eq(kill_ref(&fate), -EALREADY);
	ck_assert_int_eq(fate.releases, 1);
	percpu_ref_fini(&fate.ref);
}
END_TEST

START_TEST(resurrect_makes_it_live_and_a_kill_works_again)
{
	struct fate fate;

	fate_init(&fate);
	ck_assert_int_eq(percpu_ref_resurrect(&fate.ref), -EINVAL);
	percpu_ref_get(&fate.ref);
	ck_assert_int_eq(kill_ref(&fate), 0);
	ck_assert_int_eq(percpu_ref_resurrect(&fate.ref), 0);
	ck_assert(!percpu_ref_is_dying(&fate.ref));
	ck_assert_int_eq(percpu_ref_read(&fate.ref), 2);
	ck_assert(percpu_ref_tryget_live(&fate.ref));
	percpu_ref_put_many(&fate.ref, 2);
	ck_assert_int_eq(fate.releases, 0);
	ck_assert_int_eq(kill_ref(&fate), 0);
	ck_assert_int_eq(fate.releases, 1);
	percpu_ref_fini(&fate.ref);
}
END_TEST

START_TEST(after_the_release_only_reinit_brings_it_back)
{
	struct fate fate;

	fate_init(&fate);
	ck_assert_int_eq(percpu_ref_reinit(&fate.ref), -EINVAL);
	ck_assert_int_eq(kill_ref(&fate), 0);
	ck_assert_int_eq(percpu_ref_resurrect(&fate.ref), -ESHUTDOWN);
	ck_assert_int_eq(percpu_ref_reinit(&fate.ref), 0);
	ck_assert_int_eq(percpu_ref_read(&fate.ref), 1);
	ck_assert(percpu_ref_tryget_live(&fate.ref));
	percpu_ref_put(&fate.ref);
	ck_assert_int_eq(kill_ref(&fate), 0);
	ck_assert_int_eq(fate.releases, 2);
	percpu_ref_fini(&fate.ref);
}
END_TEST

START_TEST(put_below_zero_aborts)
{
	struct fate fate;

	fate_init(&fate);
	ck_assert_int_eq(kill_ref(&fate), 0);
	percpu_ref_put(&fate.ref);
}
END_TEST

START_TEST(put_below_zero_in_percpu_mode_aborts_at_the_kill)
{
	struct fate fate;

	fate_init(&fate);
	percpu_ref_put(&fate.ref);
	ck_assert_int_eq(kill_ref(&fate), 0);
}
END_TEST

START_TEST(get_from_zero_aborts)
{
	struct fate fate;

	fate_init(&fate);
	ck_assert_int_eq(kill_ref(&fate), 0);
	percpu_ref_get(&fate.ref);
}
END_TEST

static void *use_until_killed(void *arg)
{
	struct fate *fate = arg;

	for (unsigned turn = 1;; turn++) {
		bool confirmed = atomic_load(&fate->confirms);
		bool got = percpu_ref_tryget_live(&fate->ref);

		/* ck_assert() makes a note each time, too slow to ask here */
		if (confirmed && got)
			ck_abort_msg("got after confirm"); /* I1 */
		if (!got)
			return NULL;
		percpu_ref_get_many(&fate->ref, 2);
		if (atomic_load(&fate->releases))
			ck_abort_msg("released while held");
		percpu_ref_put_many(&fate->ref, 2);
		percpu_ref_put(&fate->ref);
		if (turn % 64 == 0)
			atomic_fetch_add(&fate->operations, 64 * 4);
	}
}

START_TEST(kill_against_tryget_loses_nothing_and_admits_nothing)
{
	uint64_t operations = 0;

	for (unsigned round = 0; operations < STRESS_OPERATIONS; round++) {
		uint64_t goal = round % 4 ? 1000 * (round % 64) : 500000;
		pthread_t threads[THREADS];
		struct fate fate;

		fate_init(&fate);
		for (int i = 0; i < THREADS; i++)
			threads[i] = start(use_until_killed, &fate);
		while (atomic_load(&fate.operations) < goal)
			usleep(500);
		ck_assert_int_eq(kill_ref(&fate), 0);
		ck_assert_int_eq(fate.confirms, 1);
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		ck_assert_int_eq(fate.releases, 1);
		ck_assert_int_eq(percpu_ref_read(&fate.ref), 0);
		operations += fate.operations;
		percpu_ref_fini(&fate.ref);
	}
}
END_TEST

static void *run_kill(void *arg)
{
	ck_assert_int_eq(kill_ref(arg), 0);
	return NULL;
}

struct cancel {
	struct fate *fate;
	_Atomic bool returned;
	int confirms_then;
	int err;
};

static void *run_cancel(void *arg)
{
	struct cancel *cancel = arg;

	cancel->err = percpu_ref_resurrect(&cancel->fate->ref);
	cancel->confirms_then = atomic_load(&cancel->fate->confirms);
	atomic_store(&cancel->returned, true);
	return NULL;
}

START_TEST(a_cancel_during_the_switch_waits_for_confirm)
{
	struct fate fate;
	struct cancel cancel = { .fate = &fate };
	pthread_t killer, canceller;

	fate_init(&fate);
	percpu_ref_get(&fate.ref);
	read_side_enter(); /* the switch has to wait for us */
	killer = start(run_kill, &fate);
	while (!percpu_ref_is_dying(&fate.ref))
		usleep(100);
	canceller = start(run_cancel, &cancel);
	usleep(20000);
	ck_assert(!atomic_load(&cancel.returned));
	ck_assert_int_eq(fate.confirms, 0);
	ck_assert_int_eq(kill_ref(&fate), -EALREADY); /* at once */
	read_side_exit();
	pthread_join(killer, NULL);
	pthread_join(canceller, NULL);
	ck_assert_int_eq(cancel.err, 0);
	ck_assert_int_eq(cancel.confirms_then, 1);
	ck_assert_int_eq(fate.releases, 0);
	ck_assert_int_eq(percpu_ref_read(&fate.ref), 2);
	percpu_ref_fini(&fate.ref);
}
END_TEST

START_TEST(cancel_and_release_exclude_each_other)
{
	unsigned cancelled = 0;

	for (unsigned round = 0; round < RACE_ROUNDS; round++) {
		struct fate fate;
		struct cancel cancel = { .fate = &fate };
		pthread_t killer, canceller;

		fate_init(&fate);
		killer = start(run_kill, &fate);
		while (!percpu_ref_is_dying(&fate.ref))
			;
		canceller = start(run_cancel, &cancel);
		pthread_join(killer, NULL);
		pthread_join(canceller, NULL);
		if (cancel.err == 0)
			cancelled++;
		else
			ck_assert_int_eq(cancel.err, -ESHUTDOWN);
		ck_assert_int_eq(fate.releases, cancel.err ? 1 : 0);
		ck_assert_int_eq(percpu_ref_read(&fate.ref),
				 cancel.err ? 0 : 1);
		percpu_ref_fini(&fate.ref);
	}
	ck_assert_uint_le(cancelled, RACE_ROUNDS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("percpu_ref");
	TCase *rules = tcase_create("rules");
	TCase *threads = tcase_create("threads");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(rules, read_counts_every_reference);
	tcase_add_test(rules, kill_of_an_unused_ref_releases_it_after_confirm);
	tcase_add_test(rules, kill_refuses_new_references_and_keeps_old_ones);
	tcase_add_test(rules, kill_twice_is_refused);
	tcase_add_test(rules, resurrect_makes_it_live_and_a_kill_works_again);
	tcase_add_test(rules, after_the_release_only_reinit_brings_it_back);
	tcase_add_test_raise_signal(rules, put_below_zero_aborts, SIGABRT);
	tcase_add_test_raise_signal(
		rules, put_below_zero_in_percpu_mode_aborts_at_the_kill,
		SIGABRT);
	tcase_add_test_raise_signal(rules, get_from_zero_aborts, SIGABRT);
	suite_add_tcase(suite, rules);
	tcase_set_timeout(threads, 120);
	tcase_add_test(threads,
		       kill_against_tryget_loses_nothing_and_admits_nothing);
	tcase_add_test(threads, a_cancel_during_the_switch_waits_for_confirm);
	tcase_add_test(threads, cancel_and_release_exclude_each_other);
	suite_add_tcase(suite, threads);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
