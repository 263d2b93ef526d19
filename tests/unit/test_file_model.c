/* SPDX-License-Identifier: BSD-3-Clause */
/* A file against a plain array: random calls, remounts, a full device; and
 * threads. */
#include "lib/device_fixture.h"
#include "lib/file_fixture.h"
#include "lib/file_model.h"

#include "core/attr.h"
#include "media/addr.h"

#include <check.h>
#include <errno.h>
#include <linux/falloc.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CALLS 4000
#else
#define CALLS 30000
#endif

static void close_and_unmount(void)
{
	fixture_close_file();
	core_unmount();
}

static void setup(void)
{
	fixture_make();
	core_format(2, "32M");
}

static void teardown(void)
{
	fixture_remove();
}

START_TEST(a_file_behaves_like_an_array)
{
	struct model model;
	unsigned i;

	model_seed = 0x9e3779b97f4a7c15u + (unsigned)_i;
	model_init(&model);
	core_mount(2);
	fixture_open_file("file", true);
	for (i = 0; i < CALLS / 3; i++) {
		struct call call = call_random(&model);

		ck_assert_int_eq(call_perform(&model, &call),
				 call_expected(&model, &call));
		model_apply(&model, &call);
		ck_assert_msg(fixture.file->media->size == model.size,
			      "call %u kind %d", i, call.kind);
		if (i % (CALLS / 12) == CALLS / 12 - 1) {
			model_check(&model);
			close_and_unmount();
			core_fsck(2);
			core_mount(2);
			fixture_open_file("file", i % 2);
			model_check(&model);
			if (!(i % 2)) {
				fixture_close_file();
				fixture_open_file("file", true);
			}
		}
	}
	model_check(&model);
	close_and_unmount();
	core_fsck(2);
	model_fini(&model);
}
END_TEST

/* -------------------------------------------------------------- full device */

/* Leaves about a quarter of what the model may take. */
static void fill_up(void)
{
	static unsigned char bytes[CALL_BYTES_MAX];
	off_t at = 0;
	ssize_t done;

	fixture_open_file("filler", true);
	while ((done = fixture_write(bytes, sizeof(bytes), at)) > 0)
		at += done;
	ck_assert_int_eq(done, -ENOSPC);
	ck_assert_int_eq(fixture_truncate((uint64_t)at - MODEL_BYTES / 4), 0);
	fixture_close_file();
}

START_TEST(a_full_device_refuses_and_spoils_nothing)
{
	unsigned i, refused = 0;
	struct model model;

	model_seed = 0xbf58476d1ce4e5b9u;
	model_init(&model);
	core_mount(2);
	core_make(core.root, "file", S_IFREG | 0644);
	fill_up();
	fixture_open_file("file", true);
	for (i = 0; i < CALLS / 6; i++) {
		struct call call = call_random(&model);
		ssize_t expected = call_expected(&model, &call);
		ssize_t done = call_perform(&model, &call);

		if (done == -ENOSPC) {
			refused++;
			ck_assert_int_ne(call.kind, PUNCH);
			ck_assert_int_ne(call.kind, READ);
			continue;
		}
		if (call.kind == WRITE || call.kind == APPEND)
			call.length = (uint64_t)done; /* may be short */
		else
			ck_assert_int_eq(done, expected);
		ck_assert_int_gt(done, call.kind <= APPEND ? 0 : -1);
		model_apply(&model, &call);
	}
	ck_assert_uint_gt(refused, 10);
	model_check(&model);
	close_and_unmount();
	core_fsck(2);
	model_fini(&model);
}
END_TEST

/* ------------------------------------------------------------------ threads */

#define THREADS_MS 700
#define SHARED_BYTES (256u << 10)
#define WORD UINT64_C(0x5a5a5a5a5a5a5a5a)

static struct fs *shared_fs;
static struct inode *shared_file;
static _Atomic bool stop;

typedef void turn_fn(struct request *request, uint64_t *state);

static uint64_t turn_random(uint64_t *state, uint64_t n)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (*state >> 33) % n;
}

static void turn_write(struct request *request, uint64_t *state)
{
	static const uint64_t words[4096] = { [0 ... 4095] = WORD };
	size_t length = 8 * (1 + turn_random(state, 4096));
	off_t offset = (off_t)(8 * turn_random(state, SHARED_BYTES / 8));

	ck_assert_int_eq(
		file_write(request, shared_file, words, length, offset, false),
		length);
}

/* Whatever happens, an aligned word is zero or whole. */
static void check_words(const struct iovec *iov, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		const uint64_t *word = iov[i].iov_base;
		size_t left = iov[i].iov_len / 8;

		for (; left; left--, word++) {
			uint64_t now = __atomic_load_n(word, __ATOMIC_RELAXED);

			if (now != 0 && now != WORD)
				ck_abort_msg("half a word");
		}
	}
}

static void turn_read(struct request *request, uint64_t *state)
{
	struct iovec iov[FILE_READ_IOVS];
	unsigned count;
	off_t offset = (off_t)(8 * turn_random(state, SHARED_BYTES / 8));
	bool fill = turn_random(state, 4) == 0;

	if (fill)
		offset &= ~(off_t)(BLOCK_BYTES - 1);
	ck_assert_int_ge((fill ? file_fill : file_read)(request, shared_file,
							32768, offset, iov,
							&count),
			 0);
	check_words(iov, count);
}

static void turn_resize(struct request *request, uint64_t *state)
{
	int mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
	off_t offset = (off_t)(8 * turn_random(state, SHARED_BYTES / 8));
	struct stat attr = { .st_size = offset };
	struct stat out;

	if (turn_random(state, 2))
		ck_assert_int_eq(
			attr_set(request, shared_file, &attr, ATTR_SIZE, &out),
			0);
	else
		ck_assert_int_eq(file_fallocate(request, shared_file, mode,
						offset, 20000),
				 0);
}

static void *take_turns(void *arg)
{
	turn_fn *turn = *(turn_fn **)arg;
	uint64_t state = (uintptr_t)arg;
	struct request request;

	ck_assert_int_eq(request_thread_init(shared_fs, &request), 0);
	while (!stop) {
		ck_assert_int_eq(request_begin(&request, "turn",
					       shared_file->ino, 0, false),
				 0);
		turn(&request, &state);
		request_end(&request);
	}
	request_thread_fini(&request);
	return NULL;
}

START_TEST(threads_never_see_half_a_word)
{
	static turn_fn *turns[] = { turn_write, turn_write, turn_read,
				    turn_resize };
	const unsigned count = sizeof(turns) / sizeof(turns[0]);
	struct timespec time = { .tv_nsec = THREADS_MS * 1000000l };
	pthread_t threads[4];
	unsigned i;

	core_mount(2);
	fixture_open_file("file", true);
	shared_fs = core.fs;
	shared_file = fixture.file;
	stop = false;
	for (i = 0; i < count; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_turns,
						&turns[i]),
				 0);
	nanosleep(&time, NULL);
	stop = true;
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	close_and_unmount();
	core_fsck(2);
}
END_TEST

static Suite *model_suite(void)
{
	Suite *suite = suite_create("file model");
	TCase *model = tcase_create("model");

	tcase_add_checked_fixture(model, setup, teardown);
	tcase_set_timeout(model, 120);
	tcase_add_loop_test(model, a_file_behaves_like_an_array, 0, 3);
	tcase_add_test(model, a_full_device_refuses_and_spoils_nothing);
	tcase_add_test(model, threads_never_see_half_a_word);
	suite_add_tcase(suite, model);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(model_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
