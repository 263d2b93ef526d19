/* SPDX-License-Identifier: BSD-3-Clause */
/* Tokens: good once, for a while, for who asked. */
#include "lib/device_fixture.h"
#include "lib/file_fixture.h"

#include "core/token.h"
#include "udax/protocol.h"

#include <check.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GROUP 4711
#define OTHER 4712

static struct token_caller me;
static int64_t clock_ahead_ns;

/* What util/clock.h asks, some time later. */
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	int err = __real_clock_gettime(clock, now);

	if (clock == CLOCK_MONOTONIC) {
		int64_t ns = now->tv_nsec + clock_ahead_ns;

		now->tv_sec += (time_t)(ns / 1000000000);
		now->tv_nsec = (long)(ns % 1000000000);
	}
	return err;
}

static void mount_as(enum direct_policy policy)
{
	struct fs_options options = { .dax = DAX_ALWAYS,
				      .direct = policy,
				      .direct_group = GROUP };

	ck_assert_int_eq(core_try_mount(1, &options), 0);
	fixture_open_file("file", true);
}

static void setup(void)
{
	fixture_make();
	core_format(1, "64M");
	mount_as(DIRECT_OWNER);
	me = (struct token_caller){ .pid = getpid(), .uid = geteuid() };
	clock_ahead_ns = 0;
}

static void teardown(void)
{
	if (fixture.file)
		fixture_close_file();
	core_unmount();
	core_fsck(1);
	fixture_remove();
}

static void mount_again(enum direct_policy policy)
{
	fixture_close_file();
	core_unmount();
	mount_as(policy);
}

static void issue(bool may_write, uint8_t token[16])
{
	ck_assert_int_eq(
		token_issue(core.fs, fixture.file, may_write, &me, token), 0);
}

static int redeem(const uint8_t token[16], const struct token_caller *caller,
		  bool *may_write)
{
	struct inode *inode;
	int err = token_redeem(core.fs, token, caller, &inode, may_write);

	if (!err) {
		ck_assert_ptr_eq(inode, fixture.file);
		inode_release_hold(core.fs, inode);
	}
	return err;
}

START_TEST(a_token_is_good_once)
{
	uint8_t one[16], two[16];
	bool may_write;

	issue(true, one);
	issue(false, two);
	ck_assert_mem_ne(one, two, 16);
	ck_assert_int_eq(redeem(two, &me, &may_write), 0);
	ck_assert(!may_write);
	ck_assert_int_eq(redeem(one, &me, &may_write), 0);
	ck_assert(may_write);
	ck_assert_int_eq(redeem(one, &me, &may_write), -EACCES);
	ck_assert_int_eq(redeem(two, &me, &may_write), -EACCES);
}
END_TEST

START_TEST(a_token_that_nobody_issued_is_refused)
{
	uint8_t zeros[16] = { 0 }, token[16];
	bool may_write;

	ck_assert_int_eq(redeem(zeros, &me, &may_write), -EACCES);
	issue(true, token);
	token[15] ^= 1;
	ck_assert_int_eq(redeem(token, &me, &may_write), -EACCES);
	token[15] ^= 1;
	ck_assert_int_eq(redeem(token, &me, &may_write), 0);
}
END_TEST

START_TEST(another_process_or_user_cannot_use_it_nor_use_it_up)
{
	struct token_caller other_pid = me, other_uid = me;
	uint8_t token[16];
	bool may_write;

	mount_again(DIRECT_ANY);
	other_pid.pid++;
	other_uid.uid++;
	issue(true, token);
	ck_assert_int_eq(redeem(token, &other_pid, &may_write), -EACCES);
	ck_assert_int_eq(redeem(token, &other_uid, &may_write), -EACCES);
	ck_assert_int_eq(redeem(token, &me, &may_write), 0);
}
END_TEST

START_TEST(a_token_lasts_ten_seconds)
{
	uint8_t one[16], two[16];
	bool may_write;

	issue(true, one);
	issue(true, two);
	clock_ahead_ns = (UDAX_TOKEN_MS - 1000) * INT64_C(1000000);
	ck_assert_int_eq(redeem(one, &me, &may_write), 0);
	clock_ahead_ns = (UDAX_TOKEN_MS + 1) * INT64_C(1000000);
	ck_assert_int_eq(redeem(two, &me, &may_write), -EACCES);
}
END_TEST

START_TEST(the_oldest_makes_way)
{
	uint8_t oldest[16], next[16], more[16];
	bool may_write;

	issue(true, oldest);
	issue(true, next);
	for (unsigned i = 0; i < TOKENS_MAX - 1; i++)
		issue(true, more);
	ck_assert_int_eq(redeem(oldest, &me, &may_write), -EACCES);
	ck_assert_int_eq(redeem(next, &me, &may_write), 0);
	ck_assert_int_eq(redeem(more, &me, &may_write), 0);
}
END_TEST

START_TEST(a_file_that_is_gone_is_not_found_again)
{
	uint8_t token[16];
	struct inode *inode;
	bool may_write;
	uint64_t ino;

	issue(true, token);
	ino = fixture.file->ino;
	fixture_unlink_file("file");
	/* Another one in its place. */
	fixture_open_file("another", true);
	ck_assert_uint_eq(fixture.file->ino, ino);
	ck_assert_int_eq(token_redeem(core.fs, token, &me, &inode, &may_write),
			 -EACCES);
}
END_TEST

START_TEST(what_is_redeemed_is_held)
{
	uint64_t free_blocks = core_free_blocks();
	static char bytes[1 << 20];
	uint8_t token[16];
	struct inode *inode;
	bool may_write;

	ck_assert_int_eq(fixture_write(bytes, sizeof(bytes), 0), sizeof(bytes));
	issue(true, token);
	ck_assert_int_eq(token_redeem(core.fs, token, &me, &inode, &may_write),
			 0);
	fixture_unlink_file("file");
	fixture.file = NULL;
	ck_assert_uint_lt(core_free_blocks(), free_blocks);
	ck_assert_ptr_nonnull(atomic_load(&inode->active));
	inode_release_hold(core.fs, inode);
	ck_assert_uint_ge(core_free_blocks(), free_blocks);
}
END_TEST

/* ------------------------------------------------------------------ policy */

static int allowed(uid_t uid, pid_t pid)
{
	const struct token_caller caller = { .pid = pid, .uid = uid };

	return token_allowed(core.fs, &caller);
}

START_TEST(the_owner_and_root_are_allowed)
{
	uint8_t token[16];
	struct token_caller other = { .pid = getpid(), .uid = geteuid() + 1 };

	ck_assert_int_eq(allowed(geteuid(), getpid()), 0);
	ck_assert_int_eq(allowed(0, getpid()), 0);
	ck_assert_int_eq(allowed(geteuid() + 1, getpid()), -EACCES);
	ck_assert_int_eq(
		token_issue(core.fs, fixture.file, false, &other, token),
		-EACCES);
}
END_TEST

START_TEST(off_is_for_everybody_and_any_too)
{
	uint8_t token[16];

	mount_again(DIRECT_OFF);
	ck_assert_int_eq(allowed(0, getpid()), -ENOTSUP);
	ck_assert_int_eq(token_issue(core.fs, fixture.file, false, &me, token),
			 -ENOTSUP);
	mount_again(DIRECT_ANY);
	ck_assert_int_eq(allowed(12345, getpid()), 0);
}
END_TEST

/* A process of that group, or with it as a supplementary one; its verdict. */
static int verdict_of(gid_t group, gid_t supplementary)
{
	int ready[2], status, err;
	pid_t pid;
	char byte;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (setgroups(1, &supplementary) || setgid(group))
			_exit(1);
		if (write(ready[1], "r", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	err = allowed(12345, pid);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return err;
}

START_TEST(a_group_is_looked_up_supplementary_ones_too)
{
	if (geteuid() != 0)
		return; /* nobody else can change his groups */
	mount_again(DIRECT_GROUP);
	ck_assert_int_eq(allowed(0, getpid()), 0);
	ck_assert_int_eq(verdict_of(GROUP, OTHER), 0);
	ck_assert_int_eq(verdict_of(OTHER, GROUP), 0);
	ck_assert_int_eq(verdict_of(OTHER, OTHER), -EACCES);
	/* Part of a number is not the number. */
	ck_assert_int_eq(verdict_of(GROUP / 10, GROUP * 10), -EACCES);
	ck_assert_int_eq(allowed(12345, 0), -EACCES);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("token");
	TCase *tokens = tcase_create("tokens");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tokens, setup, teardown);
	tcase_add_test(tokens, a_token_is_good_once);
	tcase_add_test(tokens, a_token_that_nobody_issued_is_refused);
	tcase_add_test(tokens,
		       another_process_or_user_cannot_use_it_nor_use_it_up);
	tcase_add_test(tokens, a_token_lasts_ten_seconds);
	tcase_add_test(tokens, the_oldest_makes_way);
	tcase_add_test(tokens, a_file_that_is_gone_is_not_found_again);
	tcase_add_test(tokens, what_is_redeemed_is_held);
	tcase_add_test(tokens, the_owner_and_root_are_allowed);
	tcase_add_test(tokens, off_is_for_everybody_and_any_too);
	tcase_add_test(tokens, a_group_is_looked_up_supplementary_ones_too);
	suite_add_tcase(suite, tokens);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
