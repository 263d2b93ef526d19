/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that share blocks, each against a plain array: random calls and copies
 * between them, owners counted by walking; remounts, a full device, threads. */
#include "lib/device_fixture.h"
#include "lib/file_fixture.h"
#include "lib/file_model.h"
#include "lib/share_fixture.h"
#include "lib/share_model.h"

#include "media/addr.h"

#include <check.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CALLS 1000
#else
#define CALLS 4000
#endif

static void setup(void)
{
	fixture_make();
	core_format(2, "32M");
}

static void teardown(void)
{
	fixture_remove();
}

/* False: it was refused for want of space. */
static bool random_step(bool full)
{
	struct share_step step = share_step_random();
	int err = share_step_perform(&step, full);

	ck_assert(!err || (full && err == -ENOSPC));
	if (!err)
		share_step_apply(&step);
	return !err;
}

START_TEST(files_that_share_behave_like_arrays)
{
	uint64_t most = 0;
	unsigned i;

	model_seed = 0x2545f4914f6cdd1du + (unsigned)_i;
	share_models_init();
	core_mount(2);
	share_open_all();
	for (i = 0; i < CALLS; i++) {
		uint64_t shared;

		ck_assert(random_step(false));
		if (i % 50 == 0) {
			shared = share_check_owners();
			share_check_references();
			most = shared > most ? shared : most;
		}
		if (i % (CALLS / 4) == CALLS / 4 - 1) {
			share_check_all();
			share_close_all();
			core_unmount();
			core_fsck(2);
			core_mount(2);
			share_open_all();
			share_check_all();
		}
	}
	ck_assert_uint_gt(most, 500); /* it was about something */
	share_close_all();
	core_unmount();
	core_fsck(2);
	share_models_fini();
}
END_TEST

START_TEST(a_full_device_refuses_and_spoils_nothing)
{
	static unsigned char bytes[CALL_BYTES_MAX];
	unsigned i, refused = 0;
	off_t at = 0;

	model_seed = 0x9fb21c651e98df25u;
	share_models_init();
	core_mount(2);
	share_open_all();
	fixture_open_file("filler", true);
	while (fixture_write(bytes, sizeof(bytes), at) > 0)
		at += sizeof(bytes);
	ck_assert_int_eq(fixture_truncate((uint64_t)at - (6u << 20)), 0);
	fixture_close_file();
	for (i = 0; i < CALLS / 2; i++) {
		refused += !random_step(true);
		if (i % 100 == 0)
			share_check_all();
	}
	ck_assert_uint_gt(refused, 10);
	share_check_all();
	share_close_all();
	core_unmount();
	core_fsck(2);
	share_models_fini();
}
END_TEST

/* ------------------------------------------------------------------ threads */

#define THREADS 4
#define THREADS_MS 700
#define FILE_BYTES (UINT64_C(512) << 10)

static _Atomic bool stop;

static uint64_t turn_random(uint64_t *state, uint64_t n)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (*state >> 33) % n;
}

/* Each block is of one letter, whoever wrote it and however it came. */
static void turn(struct request *request, uint64_t *state)
{
	static _Thread_local unsigned char bytes[BLOCK_BYTES];
	struct inode *from = share_files[turn_random(state, SHARE_FILES)].file;
	struct inode *to = share_files[turn_random(state, SHARE_FILES)].file;
	uint64_t blocks = FILE_BYTES / BLOCK_BYTES;
	off_t at = (off_t)(turn_random(state, blocks) * BLOCK_BYTES);
	off_t from_at = (off_t)(turn_random(state, blocks) * BLOCK_BYTES);
	struct iovec iov[FILE_READ_IOVS];
	unsigned count;
	ssize_t n = 0;

	switch (turn_random(state, 4)) {
	case 0:
		memset(bytes, 'a' + (int)turn_random(state, 26), sizeof(bytes));
		n = file_write(request, to, bytes, sizeof(bytes), at, false);
		break;
	case 1:
		n = file_fallocate(request, to, 3, at, BLOCK_BYTES * 3);
		break;
	case 2:
		n = file_read(request, to, BLOCK_BYTES, at, iov, &count);
		if (n == BLOCK_BYTES)
			ck_assert(!memcmp(iov[0].iov_base,
					  (char *)iov[0].iov_base + 1,
					  BLOCK_BYTES - 1));
		break;
	default:
		n = file_copy(request, from, from_at, to, at,
			      BLOCK_BYTES * (1 + turn_random(state, 40)),
			      false);
		if (n == -EINVAL)
			n = 0;
	}
	ck_assert_int_ge(n, 0);
}

static void *take_turns(void *arg)
{
	uint64_t state = (uintptr_t)arg;
	struct request request;

	ck_assert_int_eq(request_thread_init(core.fs, &request), 0);
	while (!stop) {
		ck_assert_int_eq(request_begin(&request, "turn", 9, 0, false),
				 0);
		turn(&request, &state);
		request_end(&request);
	}
	request_thread_fini(&request);
	return NULL;
}

START_TEST(threads_share_and_write_at_once)
{
	struct timespec time = { .tv_nsec = THREADS_MS * 1000000l };
	pthread_t threads[THREADS];
	uintptr_t i;

	core_mount(2);
	share_open_all();
	stop = false;
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_turns,
						(void *)(i + 1)),
				 0);
	nanosleep(&time, NULL);
	stop = true;
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	share_check_owners();
	share_check_references();
	share_close_all();
	core_unmount();
	core_fsck(2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("share model");
	TCase *model = tcase_create("model");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(model, setup, teardown);
	tcase_set_timeout(model, 120);
	tcase_add_loop_test(model, files_that_share_behave_like_arrays, 0, 3);
	tcase_add_test(model, a_full_device_refuses_and_spoils_nothing);
	tcase_add_test(model, threads_share_and_write_at_once);
	suite_add_tcase(suite, model);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
