/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Zaps of a process that is busy with other things: none of its threads sees
 * any of it, no signal is lost, whoever is born or ends meanwhile.
 */
#include "lib/zap_fixture.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A tenth where everything takes long. */
static int rounds(int n)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return n / 10;
#else
	return n;
#endif
}

static void zap_and_ask(struct victim *victim, struct zap_report *report)
{
	int err = victim_zap(victim, report);

	ck_assert_msg(err == 0, "%s", strerrorname_np(-err));
	ck_assert_uint_eq(report->mappings, 1);
	victim_ask(victim);
	ck_assert_uint_eq(victim_pages_gone(victim), VICTIM_DEVICE_PAGES);
}

/* The thread that the calls are injected into, whatever it is at. */
START_TEST(nor_the_one_that_does_it)
{
	struct victim victim = { 0 };
	struct zap_report report;
	char mode[16];
	int i, n = rounds(125);

	snprintf(mode, sizeof(mode), "first-%d", _i);
	victim_start(&victim, mode);
	for (i = 0; i < n; i++) {
		zap_and_ask(&victim, &report);
		ck_assert_msg(victim.page->wrong == 0, "zap %d: %s", i,
			      victim.page->what);
	}
	ck_wait(victim.page->turns[_i] > 1);
	victim_end(&victim);
}
END_TEST

START_TEST(a_thousand_zaps_harm_none_of_the_other_threads)
{
	int64_t total_us = 0, most_us = 0;
	struct zap_report report;
	struct victim victim = { 0 };
	int i, n = rounds(1000);

	victim_start(&victim, "harmless");
	for (i = 0; i < n; i++) {
		zap_and_ask(&victim, &report);
		ck_assert_uint_eq(report.threads, 10);
		ck_assert_msg(victim.page->wrong == 0, "zap %d: %s", i,
			      victim.page->what);
		total_us += report.elapsed_us;
		if (report.elapsed_us > most_us)
			most_us = report.elapsed_us;
	}
	for (i = 0; i < VICTIM_THREADS; i++)
		ck_assert_msg(victim.page->turns[i] > 0, "thread %d", i);
	victim_end(&victim);
	printf("# %d zaps of 10 threads: mean %.2f ms, longest %.2f ms\n", n,
	       (double)total_us / n / 1000, (double)most_us / 1000);
}
END_TEST

START_TEST(threads_being_born_are_caught)
{
	struct zap_report report;
	struct victim victim = { 0 };
	int i, n = rounds(200);

	victim_start(&victim, "births");
	for (i = 0; i < n; i++)
		zap_and_ask(&victim, &report);
	ck_assert_uint_gt(victim.page->born, (uint64_t)n);
	victim_end(&victim);
}
END_TEST

START_TEST(a_fork_storm_goes_on)
{
	struct zap_report report;
	struct victim victim = { 0 };
	int i, n = rounds(200);

	victim_start(&victim, "forks");
	for (i = 0; i < n; i++)
		zap_and_ask(&victim, &report);
	ck_assert_uint_gt(victim.page->born, 0);
	victim_end(&victim);
}
END_TEST

/* ----------------------------------------------------------------- signals */

struct sender {
	pid_t pid;
	int count;
	_Atomic int sent;
};

/* Queued ones: each counts. */
static void *send_signals(void *arg)
{
	struct sender *sender = arg;

	while (sender->sent < sender->count) {
		union sigval value = { .sival_int = sender->sent };

		if (sigqueue(sender->pid, SIGRTMIN, value) == 0)
			sender->sent++;
		usleep(500);
	}
	return NULL;
}

START_TEST(signals_in_flight_arrive_all_of_them)
{
	struct sender sender = { .count = 1500 };
	struct zap_report report;
	struct victim victim = { 0 };
	pthread_t thread;
	int zaps = 0;

	victim_start(&victim, "signals");
	sender.pid = victim.pid;
	pthread_create(&thread, NULL, send_signals, &sender);
	for (; victim.page->signals < (uint64_t)sender.count * 9 / 10; zaps++)
		zap_and_ask(&victim, &report);
	pthread_join(thread, NULL);
	ck_wait(victim.page->signals == (uint64_t)sender.count);
	ck_assert_int_gt(zaps, 10);
	victim_end(&victim);
}
END_TEST

static void *stop_and_continue(void *arg)
{
	struct sender *sender = arg;

	for (; sender->sent < sender->count; sender->sent++) {
		kill(sender->pid, sender->sent & 1 ? SIGCONT : SIGSTOP);
		usleep(700);
	}
	kill(sender->pid, SIGCONT);
	return NULL;
}

START_TEST(stopped_and_continued_all_the_time)
{
	struct sender sender = { .count = rounds(800) };
	struct zap_report report;
	struct victim victim = { 0 };
	pthread_t thread;

	victim_start(&victim, "harmless");
	sender.pid = victim.pid;
	pthread_create(&thread, NULL, stop_and_continue, &sender);
	while (sender.sent < sender.count - 20)
		zap_and_ask(&victim, &report);
	pthread_join(thread, NULL);
	zap_and_ask(&victim, &report);
	victim_end(&victim);
}
END_TEST

/* ------------------------------------------------------------- being no more
 */

/*
 * The parent is told by how its child ended, and nobody else: in one half of
 * the rounds the parent is ourselves, as a tracer, too.
 */
static void zap_until_ended(const char *mode, int status_expected)
{
	int i, n = rounds(200), gone = 0;

	for (i = 0; i < n; i++) {
		struct zap_report report;
		struct victim victim = { 0 };
		int err, status;

		victim_start(&victim, mode);
		usleep((useconds_t)(i * 37 % 2500));
		err = victim_zap(&victim, &report);
		ck_assert_msg(err == 0 || err == -ESRCH, "%s",
			      strerrorname_np(-err));
		gone += err == -ESRCH || report.mappings == 0;
		status = victim_status(&victim);
		ck_assert_msg(WIFEXITED(status) &&
				      WEXITSTATUS(status) == status_expected,
			      "round %d: wait status %#x", i, status);
	}
	ck_assert_int_gt(gone, 0); /* else it was not tried */
	ck_assert_int_lt(gone, n);
}

START_TEST(a_process_that_exits_meanwhile)
{
	zap_until_ended("short-lived", VICTIM_DONE);
}
END_TEST

START_TEST(a_process_that_execs_meanwhile)
{
	zap_until_ended("execs", 0);
}
END_TEST

START_TEST(another_ones_child_is_reported_to_its_parent)
{
	struct victim victim = { 0 };
	pid_t zapper;
	int i, status;

	for (i = 0; i < rounds(100); i++) {
		victim_start(&victim, "short-lived");
		zapper = fork();
		if (zapper == 0) {
			struct zap_report report;
			int err = victim_zap(&victim, &report);

			_exit(err != 0 && err != -ESRCH);
		}
		ck_assert_int_eq(waitpid(zapper, &status, 0), zapper);
		ck_assert_int_eq(status, 0);
		status = victim_status(&victim);
		ck_assert(WIFEXITED(status));
		ck_assert_int_eq(WEXITSTATUS(status), VICTIM_DONE);
	}
}
END_TEST

START_TEST(the_first_thread_has_ended)
{
	struct zap_report report;
	struct victim victim = { 0 };

	victim_start(&victim, "leader-gone");
	ck_assert_int_eq(victim_state(&victim), 'Z');
	zap_and_ask(&victim, &report);
	ck_assert_uint_eq(report.threads, 1);
	victim_end(&victim);
}
END_TEST

START_TEST(a_thread_in_vfork_is_not_waited_for)
{
	struct zap_report report;
	struct victim victim = { 0 };

	victim_start(&victim, "vfork-beside");
	zap_and_ask(&victim, &report);
	zap_and_ask(&victim, &report);
	ck_assert_int_eq(victim_tracer(&victim), 0);
	victim_end(&victim);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("zap_threads");
	TCase *tcase = tcase_create("threads");
	SRunner *runner = srunner_create(suite);
	int failed;

	victim_program(argv[0]);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, a_thousand_zaps_harm_none_of_the_other_threads);
	tcase_add_loop_test(tcase, nor_the_one_that_does_it, 0, VICTIM_THREADS);
	tcase_add_test(tcase, threads_being_born_are_caught);
	tcase_add_test(tcase, a_fork_storm_goes_on);
	tcase_add_test(tcase, signals_in_flight_arrive_all_of_them);
	tcase_add_test(tcase, stopped_and_continued_all_the_time);
	tcase_add_test(tcase, a_process_that_exits_meanwhile);
	tcase_add_test(tcase, a_process_that_execs_meanwhile);
	tcase_add_test(tcase, another_ones_child_is_reported_to_its_parent);
	tcase_add_test(tcase, the_first_thread_has_ended);
	tcase_add_test(tcase, a_thread_in_vfork_is_not_waited_for);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
