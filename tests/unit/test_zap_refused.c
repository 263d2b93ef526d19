/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes that cannot be zapped, or hardly: what is said, and no harm done.
 */
#include "lib/zap_fixture.h"
#include "util/clock.h"

#include <check.h>
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_ROOT 65534

static bool may(int capability)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2];

	ck_assert_int_eq(syscall(SYS_capget, &header, data), 0);
	return data[0].effective & 1u << capability;
}

static void drop(int capability)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		_exit(99);
	data[0].effective &= ~(1u << capability);
	data[0].permitted &= ~(1u << capability);
	if (syscall(SYS_capset, &header, data) < 0)
		_exit(99);
}

/* What a zap says in a child that has prepared itself so. */
static int zap_by_child(struct victim *victim, void (*prepare)(void))
{
	struct zap_report report;
	int status;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		prepare();
		_exit(-victim_zap(victim, &report));
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void expect_unharmed(struct victim *victim)
{
	victim_ask(victim);
	ck_assert_uint_eq(victim_pages_gone(victim), 0);
	victim_end(victim);
}

/* ------------------------------------------------------------------ seccomp */

static void without_admin(void)
{
	drop(CAP_SYS_ADMIN);
}

START_TEST(a_filter_that_kills_is_not_tried)
{
	struct victim victim = { 0 };

	victim_start(&victim, "seccomp");
	ck_assert_int_eq(zap_by_child(&victim, without_admin), -EIO);
	usleep(20000);
	ck_assert_int_eq(victim.page->wrong, 0);
	ck_assert_int_eq(victim_tracer(&victim), 0);
	ck_assert_int_eq(kill(victim.pid, 0), 0);
	kill(victim.pid, SIGKILL);
	victim_status(&victim);
}
END_TEST

START_TEST(with_the_right_to_the_filter_waits_and_is_there_again)
{
	struct zap_report report;
	struct victim victim = { 0 };
	int status, gone;

	if (!may(CAP_SYS_ADMIN))
		return;
	victim_start(&victim, "seccomp");
	ck_assert_int_eq(victim_zap(&victim, &report), 0);
	ck_assert_uint_eq(report.mappings, 1);
	atomic_store(&victim.page->quit, 1);
	ck_wait(victim.page->gone[0] || victim.page->wrong);
	gone = victim.page->gone[0];
	status = victim_status(&victim);
	ck_assert_int_eq(gone, 1);
	/* By its own memfd_create, which it may not. */
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGSYS);
}
END_TEST

/* --------------------------------------------------------------- not allowed
 */

static void as_nobody(void)
{
	if (setgid(NOT_ROOT) < 0 || setuid(NOT_ROOT) < 0)
		_exit(99);
}

START_TEST(another_users_process_is_refused)
{
	struct victim victim = { 0 };

	if (geteuid() != 0)
		return;
	victim_start(&victim, "asked");
	ck_assert_int_eq(zap_by_child(&victim, as_nobody), -EPERM);
	expect_unharmed(&victim);
}
END_TEST

static void trace(pid_t pid, int ready)
{
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		_exit(99);
	if (write(ready, "", 1) != 1)
		_exit(99);
	for (;;)
		pause();
}

START_TEST(one_that_is_traced_already_is_left_to_its_tracer)
{
	struct zap_report report;
	struct victim victim = { 0 };
	pid_t tracer;
	int ready[2];
	char byte;

	victim_start(&victim, "asked");
	ck_assert_int_eq(pipe(ready), 0);
	tracer = fork();
	if (tracer == 0)
		trace(victim.pid, ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_int_eq(victim_zap(&victim, &report), -EPERM);
	ck_assert_int_eq(victim_tracer(&victim), tracer);
	victim_ask(&victim);
	ck_assert_uint_eq(victim_pages_gone(&victim), 0);
	kill(tracer, SIGKILL);
	waitpid(tracer, NULL, 0);
	/* And once that one has gone: */
	ck_assert_int_eq(victim_zap(&victim, &report), 0);
	victim_ask(&victim);
	ck_assert_uint_eq(victim_pages_gone(&victim), VICTIM_DEVICE_PAGES);
	victim_end(&victim);
}
END_TEST

/* ------------------------------------------------------------------ deadline
 */

static int64_t zap_within_ms(struct victim *victim, int ms, int expected)
{
	struct zap_target target = victim_target(victim);
	int64_t start_ns = clock_monotonic_ns();
	struct zap_report report;

	ck_assert_int_eq(zap_process(&target, deadline_in(ms), &report),
			 expected);
	return (clock_monotonic_ns() - start_ns) / NS_PER_MS;
}

START_TEST(one_that_sleeps_uninterruptibly_is_waited_for_until_the_deadline)
{
	struct victim victim = { 0 };
	int64_t ms;

	victim_start(&victim, "vfork");
	ck_wait(victim_state(&victim) == 'D');
	ms = zap_within_ms(&victim, 150, -ETIMEDOUT);
	ck_assert_int_ge(ms, 150);
	ck_assert_int_lt(ms, 1000);
	ck_wait(victim_tracer(&victim) == 0);
	ck_assert_int_eq(victim_state(&victim), 'D');
	victim_end(&victim); /* and was not held by what we had asked for */
}
END_TEST

START_TEST(a_deadline_in_the_past_is_an_answer_at_once)
{
	struct victim victim = { 0 };

	victim_start(&victim, "asked");
	ck_assert_int_lt(zap_within_ms(&victim, 0, -ETIMEDOUT), 500);
	expect_unharmed(&victim);
}
END_TEST

START_TEST(nobody_has_that_number)
{
	struct zap_target target = { .pid = 0x3ffffff, .pidfd = -1 };
	struct zap_report report;

	ck_assert_int_eq(zap_process(&target, deadline_in(100), &report),
			 -ESRCH);
}
END_TEST

/* ------------------------------------------------------------- pid namespace
 */

START_TEST(numbers_of_another_pid_namespace_do_not_matter)
{
	struct zap_report report;
	struct victim victim = { .clone_flags = CLONE_NEWPID };

	if (!may(CAP_SYS_ADMIN))
		return;
	victim_start(&victim, "asked");
	ck_assert_int_eq(victim_zap(&victim, &report), 0);
	ck_assert_uint_eq(report.mappings, 1);
	victim_ask(&victim);
	ck_assert_uint_eq(victim_pages_gone(&victim), VICTIM_DEVICE_PAGES);
	victim_end(&victim);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("zap_refused");
	TCase *tcase = tcase_create("refused");
	SRunner *runner = srunner_create(suite);
	int failed;

	victim_program(argv[0]);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_filter_that_kills_is_not_tried);
	tcase_add_test(tcase,
		       with_the_right_to_the_filter_waits_and_is_there_again);
	tcase_add_test(tcase, another_users_process_is_refused);
	tcase_add_test(tcase, one_that_is_traced_already_is_left_to_its_tracer);
	tcase_add_test(
		tcase,
		one_that_sleeps_uninterruptibly_is_waited_for_until_the_deadline);
	tcase_add_test(tcase, a_deadline_in_the_past_is_an_answer_at_once);
	tcase_add_test(tcase, nobody_has_that_number);
	tcase_add_test(tcase, numbers_of_another_pid_namespace_do_not_matter);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
