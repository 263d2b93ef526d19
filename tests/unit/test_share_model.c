/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that share blocks, each against a plain array: random calls and copies
 * between them, owners counted by walking; remounts, a full device, threads. */
#include "lib/device_fixture.h"
#include "lib/file_fixture.h"
#include "lib/file_model.h"
#include "lib/share_fixture.h"

#include "core/survey.h"
#include "media/addr.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CALLS 1500
#else
#define CALLS 8000
#endif

#define FILES 4

struct one {
	struct model model;
	struct inode *file;
	bool writable;
};

static struct one files[FILES];

static void setup(void)
{
	fixture_make();
	core_format(2, "32M");
}

static void teardown(void)
{
	fixture_remove();
}

static void choose(struct one *one)
{
	fixture.file = one->file;
	fixture.writable = one->writable;
}

static void open_all(void)
{
	char name[] = "file0";
	unsigned i;

	for (i = 0; i < FILES; i++) {
		name[4] = (char)('0' + i);
		fixture_open_file(name, true);
		files[i].file = fixture.file;
		files[i].writable = true;
	}
}

static void close_all(void)
{
	unsigned i;

	for (i = 0; i < FILES; i++) {
		choose(&files[i]);
		fixture_close_file();
	}
}

/* With or without a moment in which it is open both ways. */
static void open_again(struct one *one)
{
	bool writable = !one->writable || model_random(4) == 0;

	if (model_random(2)) {
		inode_close(core.fs, one->file, one->writable);
		ck_assert_int_eq(inode_open(core.fs, one->file, writable), 0);
	} else {
		ck_assert_int_eq(inode_open(core.fs, one->file, writable), 0);
		inode_close(core.fs, one->file, one->writable);
	}
	one->writable = writable;
}

/* ------------------------------------------------------------------- copies */

struct range {
	struct one *from, *to;
	uint64_t from_offset, to_offset, length;
};

static uint64_t random_offset(uint64_t below)
{
	uint64_t offset = model_random(below + 1);

	return model_random(5) ? offset & ~(uint64_t)(BLOCK_BYTES - 1) : offset;
}

static struct range random_range(void)
{
	struct range range = { .from = &files[model_random(FILES)],
			       .to = &files[model_random(FILES)] };

	range.from_offset = random_offset(range.from->model.size);
	range.to_offset = random_offset(range.to->model.size);
	range.length = 1 + model_random(model_random(3) ? 100000 : 3000000);
	if (model_random(2))
		range.length = (range.length + BLOCK_BYTES - 1) &
			       ~(uint64_t)(BLOCK_BYTES - 1);
	if (model_random(10) == 0)
		range.to_offset += model_random(500000);
	if (model_random(8) == 0)
		range.from_offset = range.to_offset = 0, range.length = 1 << 24;
	if (range.to_offset > MODEL_BYTES)
		range.to_offset = MODEL_BYTES;
	if (range.length > MODEL_BYTES - range.to_offset)
		range.length = MODEL_BYTES - range.to_offset;
	return range;
}

static uint64_t range_clip(const struct range *range)
{
	uint64_t size = range->from->model.size;

	if (range->from_offset >= size)
		return 0;
	return range->length < size - range->from_offset
		       ? range->length
		       : size - range->from_offset;
}

static bool overlaps(const struct range *range, uint64_t length)
{
	return range->from == range->to &&
	       range->from_offset < range->to_offset + length &&
	       range->to_offset < range->from_offset + length;
}

static void model_move(const struct range *range, uint64_t length)
{
	struct model *to = &range->to->model;

	memmove(to->bytes + range->to_offset,
		range->from->model.bytes + range->from_offset, length);
	if (length && range->to_offset + length > to->size)
		to->size = range->to_offset + length;
}

/* Bytes until all is copied or an error comes. */
static int64_t copy_range(struct range range)
{
	uint64_t length = range_clip(&range);

	if (length && overlaps(&range, length)) {
		ck_assert_int_eq(share_copy(range.from->file, range.from_offset,
					    range.to->file, range.to_offset,
					    range.length),
				 -EINVAL);
		return 0;
	}
	while (length) {
		ssize_t n = share_copy(range.from->file, range.from_offset,
				       range.to->file, range.to_offset,
				       range.length);

		if (n < 0)
			return n;
		ck_assert_int_gt(n, 0);
		ck_assert_uint_le((uint64_t)n, length);
		model_move(&range, (uint64_t)n);
		range.from_offset += (uint64_t)n;
		range.to_offset += (uint64_t)n;
		range.length -= (uint64_t)n;
		length -= (uint64_t)n;
	}
	return 0;
}

/* -------------------------------------------------------------------- calls */

static bool only_reads(const struct call *call)
{
	return call->kind == READ || call->kind == FILL || call->kind == SEEK;
}

/* What the call, or a part of it, answered: 0 it was refused for want of
 * space. */
static bool random_call(bool full)
{
	struct one *one = &files[model_random(FILES)];
	struct call call = call_random(&one->model);
	ssize_t done, expected = call_expected(&one->model, &call);

	if (!one->writable && !only_reads(&call)) {
		open_again(one);
		return true;
	}
	/* Many fills make every source one that is copied. */
	if (call.kind == FILL && one->writable && model_random(4))
		call.kind = READ;
	choose(one);
	done = call_perform(&one->model, &call);
	if (full && done == -ENOSPC)
		return false;
	if (full && call.kind <= APPEND && done > 0)
		call.length = (uint64_t)done;
	else
		ck_assert_int_eq(done, expected);
	model_apply(&one->model, &call);
	ck_assert_uint_eq(one->file->media->size, one->model.size);
	return true;
}

static bool random_step(bool full)
{
	struct range range;
	int64_t err;

	if (model_random(100) < 3)
		open_again(&files[model_random(FILES)]);
	if (model_random(100) >= 45)
		return random_call(full);
	range = random_range();
	if (!range.to->writable)
		open_again(range.to);
	if (!range.to->writable)
		return true;
	err = copy_range(range);
	if (full && err == -ENOSPC)
		return false;
	ck_assert_int_eq(err, 0);
	return true;
}

static void check_all(void)
{
	unsigned i;

	for (i = 0; i < FILES; i++) {
		choose(&files[i]);
		model_check(&files[i].model);
	}
	share_check_owners();
	share_check_references();
}

static void models_init(void)
{
	unsigned i;

	for (i = 0; i < FILES; i++)
		model_init(&files[i].model);
}

static void models_fini(void)
{
	unsigned i;

	for (i = 0; i < FILES; i++)
		model_fini(&files[i].model);
}

START_TEST(files_that_share_behave_like_arrays)
{
	uint64_t most = 0;
	unsigned i;

	model_seed = 0x2545f4914f6cdd1du + (unsigned)_i;
	models_init();
	core_mount(2);
	open_all();
	for (i = 0; i < CALLS; i++) {
		uint64_t shared;

		ck_assert(random_step(false));
		if (i % 50 == 0) {
			shared = share_check_owners();
			share_check_references();
			most = shared > most ? shared : most;
		}
		if (i % (CALLS / 4) == CALLS / 4 - 1) {
			check_all();
			close_all();
			core_unmount();
			core_fsck(2);
			core_mount(2);
			open_all();
			check_all();
		}
	}
	ck_assert_uint_gt(most, 500); /* it was about something */
	close_all();
	core_unmount();
	core_fsck(2);
	models_fini();
}
END_TEST

START_TEST(a_full_device_refuses_and_spoils_nothing)
{
	static unsigned char bytes[CALL_BYTES_MAX];
	unsigned i, refused = 0;
	off_t at = 0;

	model_seed = 0x9fb21c651e98df25u;
	models_init();
	core_mount(2);
	open_all();
	fixture_open_file("filler", true);
	while (fixture_write(bytes, sizeof(bytes), at) > 0)
		at += sizeof(bytes);
	ck_assert_int_eq(fixture_truncate((uint64_t)at - (6u << 20)), 0);
	fixture_close_file();
	for (i = 0; i < CALLS / 2; i++) {
		refused += !random_step(true);
		if (i % 100 == 0)
			check_all();
	}
	ck_assert_uint_gt(refused, 10);
	check_all();
	close_all();
	core_unmount();
	core_fsck(2);
	models_fini();
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
	struct inode *from = files[turn_random(state, FILES)].file;
	struct inode *to = files[turn_random(state, FILES)].file;
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
	open_all();
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
	close_all();
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
