/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuse/worker.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALLOW_MMAP (1ULL << 36)

static struct session session;
static struct {
	struct fuse_in_header header;
	struct fuse_init_in init;
} message;
static struct fuse_out_header header;
static struct fuse_init_out libfuse_says;
static struct iovec iov[2];
static struct fuse_init_out out;

static void offer(uint64_t flags, size_t init_bytes)
{
	memset(&session, 0, sizeof(session));
	session.config.wanted = SESSION_DIRECT_MMAP | SESSION_KILLPRIV_V2;
	message.header.unique = 77;
	message.header.len = (uint32_t)(sizeof(message.header) + init_bytes);
	message.init.flags = (uint32_t)flags;
	message.init.flags2 = (uint32_t)(flags >> 32);
	header = (struct fuse_out_header){ .unique = 77 };
	libfuse_says = (struct fuse_init_out){ .flags = FUSE_BIG_WRITES };
	if (flags & FUSE_INIT_EXT)
		libfuse_says.flags |= FUSE_INIT_EXT;
	iov[0] = (struct iovec){ &header, sizeof(header) };
	iov[1] = (struct iovec){ &libfuse_says, sizeof(libfuse_says) };
	negotiate_seen(&session, &message.header);
}

START_TEST(what_is_wanted_and_offered_is_granted)
{
	offer(FUSE_INIT_EXT | FUSE_HANDLE_KILLPRIV_V2 | ALLOW_MMAP,
	      sizeof(message.init));
	ck_assert(negotiate_reply(&session, iov, 2, &out));
	ck_assert_uint_eq(session.granted,
			  SESSION_DIRECT_MMAP | SESSION_KILLPRIV_V2);
	ck_assert_uint_eq(out.flags2, ALLOW_MMAP >> 32);
	ck_assert_uint_eq(out.flags, FUSE_BIG_WRITES | FUSE_INIT_EXT |
					     FUSE_HANDLE_KILLPRIV_V2);
}
END_TEST

START_TEST(what_is_not_offered_is_not_granted)
{
	offer(FUSE_HANDLE_KILLPRIV_V2, sizeof(message.init));
	ck_assert(negotiate_reply(&session, iov, 2, &out));
	ck_assert_uint_eq(session.granted, SESSION_KILLPRIV_V2);
	ck_assert_uint_eq(out.flags2, 0);
}
END_TEST

START_TEST(what_is_not_wanted_is_not_asked_for)
{
	offer(FUSE_INIT_EXT | FUSE_HANDLE_KILLPRIV_V2 | ALLOW_MMAP,
	      sizeof(message.init));
	session.config.wanted = 0;
	ck_assert(negotiate_reply(&session, iov, 2, &out));
	ck_assert_uint_eq(session.granted, 0);
	ck_assert_uint_eq(out.flags, FUSE_BIG_WRITES | FUSE_INIT_EXT);
}
END_TEST

/* flags2 is not there, whatever lies behind the message. */
START_TEST(a_short_init_has_no_second_word)
{
	offer(FUSE_INIT_EXT | ALLOW_MMAP, 16);
	ck_assert(negotiate_reply(&session, iov, 2, &out));
	ck_assert_uint_eq(session.granted, 0);
}
END_TEST

START_TEST(other_replies_pass_unchanged)
{
	offer(FUSE_INIT_EXT | ALLOW_MMAP, sizeof(message.init));
	header.unique = 78;
	ck_assert(!negotiate_reply(&session, iov, 2, &out));
	header.unique = 77;
	header.error = -EPROTO;
	ck_assert(!negotiate_reply(&session, iov, 1, &out));
	header.error = 0;
	ck_assert(negotiate_reply(&session, iov, 2, &out));
	ck_assert(!negotiate_reply(&session, iov, 2, &out));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("negotiate");
	TCase *tc = tcase_create("INIT");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, what_is_wanted_and_offered_is_granted);
	tcase_add_test(tc, what_is_not_offered_is_not_granted);
	tcase_add_test(tc, what_is_not_wanted_is_not_asked_for);
	tcase_add_test(tc, a_short_init_has_no_second_word);
	tcase_add_test(tc, other_replies_pass_unchanged);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
