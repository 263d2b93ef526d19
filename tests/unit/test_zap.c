/* SPDX-License-Identifier: BSD-3-Clause */
/* Mappings taken away from one process, and what it keeps. */
#include "lib/zap_fixture.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ended by SIGBUS, at the very address. */
static void expect_bus(struct victim *victim)
{
	uintptr_t at, mapping;
	int status, code;

	ck_wait(atomic_load(&victim->page->bus_code) != 0);
	at = atomic_load(&victim->page->bus_address);
	mapping = atomic_load(&victim->page->mapping);
	code = atomic_load(&victim->page->bus_code);
	status = victim_status(victim);
	ck_assert_int_eq(code, BUS_ADRERR);
	ck_assert_uint_eq(at, mapping + VICTIM_TOUCH);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), VICTIM_BUS);
}

START_TEST(a_stopped_process_stays_stopped_and_gets_its_sigbus_later)
{
	struct zap_report report;
	struct victim victim = { 0 };
	int i, status;

	victim_start(&victim, "spin");
	kill(victim.pid, SIGSTOP);
	ck_assert_int_eq(waitpid(victim.pid, &status, WUNTRACED), victim.pid);
	ck_assert_int_eq(victim_zap(&victim, &report), 0);
	ck_assert_uint_eq(report.mappings, 1);
	ck_assert_uint_eq(report.threads, 1);
	/* Stops anew, in the kernel, without a step of the program. */
	ck_wait(victim_state(&victim) == 'T');
	for (i = 0; i < 50; i++) {
		ck_assert_int_eq(victim_state(&victim), 'T');
		usleep(1000);
	}
	ck_assert_int_eq(victim_tracer(&victim), 0);
	ck_assert_int_eq(victim.page->bus_code, 0);
	kill(victim.pid, SIGCONT);
	expect_bus(&victim);
}
END_TEST

START_TEST(a_tight_loop_of_stores_ends_at_its_next_store)
{
	struct zap_report report;
	struct victim victim = { 0 };

	victim_start(&victim, "spin");
	ck_wait(atomic_load(&victim.page->stores) > 1000);
	ck_assert_int_eq(victim_zap(&victim, &report), 0);
	ck_assert_uint_eq(report.mappings, 1);
	expect_bus(&victim);
}
END_TEST

START_TEST(only_the_ranges_go)
{
	/* Out of order; the last reaches beyond the file. */
	struct zap_range ranges[] = {
		{ 200 * 4096, 1000 * 4096 },
		{ 20 * 4096, 4096 },
		{ 8 * 4096, 8 * 4096 },
	};
	struct zap_report report;
	struct zap_target target;
	struct victim victim = { 0 };
	unsigned int i;

	victim_start(&victim, "asked");
	target = victim_target(&victim);
	target.ranges = ranges;
	target.range_count = 3;
	ck_assert_int_eq(zap_process(&target, deadline_in(5000), &report), 0);
	ck_assert_uint_eq(report.mappings, 3);
	ck_assert_uint_eq(report.bytes,
			  (8 + 1 + VICTIM_DEVICE_PAGES - 200) * 4096);
	victim_ask(&victim);
	for (i = 0; i < VICTIM_DEVICE_PAGES; i++)
		ck_assert_int_eq(victim.page->gone[i],
				 (i >= 8 && i < 16) || i == 20 || i >= 200);
	/* Ranges of which there is nothing. */
	target.range_count = 0;
	ck_assert_int_eq(zap_process(&target, deadline_in(5000), &report), 0);
	ck_assert_uint_eq(report.mappings, 0);
	victim_ask(&victim);
	ck_assert_uint_eq(victim_pages_gone(&victim), 0);
	victim_end(&victim);
}
END_TEST

START_TEST(who_has_the_file_is_known)
{
	struct victim mapping = { 0 }, none = { 0 }, leaderless = { 0 };

	victim_start(&mapping, "asked");
	victim_start(&leaderless, "leader-gone");
	victim_start(&none, "unmapped");
	ck_assert(zap_process_has(mapping.pid, &mapping.file));
	ck_assert(zap_process_has(leaderless.pid, &leaderless.file));
	ck_assert(!zap_process_has(none.pid, &none.file));
	ck_assert(!zap_process_has(mapping.pid, &none.file));
	ck_assert(zap_process_has(getpid(), &none.file)); /* open */
	victim_end(&none);
	ck_assert(!zap_process_has(none.pid, &none.file));
	victim_end(&leaderless);
	victim_end(&mapping);
}
END_TEST

START_TEST(nothing_mapped_is_nothing_done)
{
	struct zap_report report;
	struct victim victim = { 0 };

	victim_start(&victim, "unmapped");
	ck_assert_int_eq(victim_zap(&victim, &report), 0);
	ck_assert_uint_eq(report.mappings, 0);
	ck_assert_uint_eq(report.fds, 0);
	victim_end(&victim);
}
END_TEST

/* Of two filesystems: there stat(2) and /proc/PID/maps do not agree on what a
 * file is. */
static bool mount_overlay(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", "/mnt", "tmpfs", 0, NULL) == 0 &&
	       mkdir("/mnt/lower", 0700) == 0 &&
	       mount("none", "/mnt/lower", "tmpfs", 0, NULL) == 0 &&
	       mkdir("/mnt/upper", 0700) == 0 &&
	       mkdir("/mnt/work", 0700) == 0 && mkdir("/mnt/at", 0700) == 0 &&
	       mount("none", "/mnt/at", "overlay", 0,
		     "lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/"
		     "work") == 0;
}

START_TEST(a_file_of_an_overlay_is_found)
{
	struct victim victim = { .path = "/mnt/at/device" };
	struct zap_report report;
	struct zap_target target;

	if (!mount_overlay())
		return; /* not root, or no overlayfs here */
	victim_start(&victim, "asked");
	ck_assert(zap_process_has(victim.pid, &victim.file));
	target = victim_target(&victim);
	target.close_fds = true;
	ck_assert_int_eq(zap_process(&target, deadline_in(5000), &report), 0);
	ck_assert_uint_eq(report.mappings, 1);
	ck_assert_uint_eq(report.fds, 1);
	kill(victim.pid, SIGKILL);
	victim_status(&victim);
}
END_TEST

static unsigned int count_fds(const struct victim *victim)
{
	char path[64];
	unsigned int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)victim->pid);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

START_TEST(descriptors_go_even_when_the_table_is_full)
{
	struct zap_report report;
	struct zap_target target;
	struct victim victim = { 0 };
	unsigned int before;

	victim_start(&victim, "many-fds");
	before = count_fds(&victim);
	target = victim_target(&victim);
	target.close_fds = true;
	ck_assert_int_eq(zap_process(&target, deadline_in(5000), &report), 0);
	ck_assert_uint_eq(report.mappings, 1);
	ck_assert_uint_ge(report.fds, 50);
	/* Nor is ours left behind. */
	ck_assert_uint_eq(count_fds(&victim), before - report.fds);
	kill(victim.pid, SIGKILL);
	ck_assert(WIFSIGNALED(victim_status(&victim)));
}
END_TEST

START_TEST(with_no_descriptor_to_be_had_it_says_so)
{
	struct zap_report report;
	struct victim victim = { 0 };

	victim_start(&victim, "many-fds");
	ck_assert_int_eq(victim_zap(&victim, &report), -EIO);
	ck_assert_uint_eq(report.mappings, 0);
	victim_ask(&victim);
	ck_assert_uint_eq(victim_pages_gone(&victim), 0);
	victim_end(&victim);
}
END_TEST

START_TEST(another_process_behind_the_number_is_left_alone)
{
	struct victim victim = { 0 }, other = { 0 };
	struct zap_report report;
	struct zap_target target;

	victim_start(&victim, "asked");
	victim_start(&other, "unmapped");
	target = victim_target(&victim);
	target.pidfd = (int)syscall(SYS_pidfd_open, other.pid, 0);
	ck_assert_int_ge(target.pidfd, 0);
	victim_end(&other);
	ck_assert_int_eq(zap_process(&target, deadline_in(5000), &report),
			 -ESRCH);
	victim_ask(&victim);
	ck_assert_uint_eq(victim_pages_gone(&victim), 0);
	victim_end(&victim);
	ck_assert_int_eq(zap_process(&target, deadline_in(5000), &report),
			 -ESRCH);
	close(target.pidfd);
}
END_TEST

/* A median: one in the dark may be long. */
static int compare(const void *a, const void *b)
{
	int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;

	return (one > other) - (one < other);
}

#define RUNS 21

START_TEST(it_takes_milliseconds)
{
	struct zap_report report;
	struct victim victim = { 0 };
	int64_t us[RUNS];
	int i, status;

	for (i = 0; i < RUNS; i++) {
		victim_start(&victim, "spin");
		if (_i) {
			kill(victim.pid, SIGSTOP);
			waitpid(victim.pid, &status, WUNTRACED);
		}
		ck_assert_int_eq(victim_zap(&victim, &report), 0);
		us[i] = report.elapsed_us;
		kill(victim.pid, SIGKILL);
		victim_status(&victim);
	}
	qsort(us, RUNS, sizeof(us[0]), compare);
	printf("# %s: median %.2f ms, longest %.2f ms\n",
	       _i ? "stopped" : "spinning", (double)us[RUNS / 2] / 1000,
	       (double)us[RUNS - 1] / 1000);
	ck_assert_int_lt(us[RUNS / 2], 200000); /* of a busy machine */
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("zap");
	TCase *tcase = tcase_create("zap");
	SRunner *runner = srunner_create(suite);
	int failed;

	victim_program(argv[0]);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(
		tcase,
		a_stopped_process_stays_stopped_and_gets_its_sigbus_later);
	tcase_add_test(tcase, a_tight_loop_of_stores_ends_at_its_next_store);
	tcase_add_test(tcase, only_the_ranges_go);
	tcase_add_test(tcase, who_has_the_file_is_known);
	tcase_add_test(tcase, a_file_of_an_overlay_is_found);
	tcase_add_test(tcase, nothing_mapped_is_nothing_done);
	tcase_add_test(tcase, descriptors_go_even_when_the_table_is_full);
	tcase_add_test(tcase, with_no_descriptor_to_be_had_it_says_so);
	tcase_add_test(tcase, another_process_behind_the_number_is_left_alone);
	tcase_add_loop_test(tcase, it_takes_milliseconds, 0, 2);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
