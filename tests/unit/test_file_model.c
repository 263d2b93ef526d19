/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file against a plain array: random calls, remounts, and crashes, at the
 * end of a call and in the middle of one.
 */
#include "lib/device_fixture.h"
#include "lib/file_fixture.h"

#include "core/attr.h"
#include "media/addr.h"

#include <check.h>
#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT (8u << 20) /* no byte of the file from here on */
#define LENGTH_MAX (1u << 20)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CALLS 4000
#define CRASHES 20
#else
#define CALLS 30000
#define CRASHES 60
#endif

/* ------------------------------------------------------------------- model */

struct model {
	unsigned char *bytes; /* LIMIT of them, zeros from size on */
	uint64_t size;
};

enum call_kind {
	WRITE,
	APPEND,
	READ,
	FILL,
	TRUNCATE,
	PUNCH,
	ZERO,
	ALLOCATE,
	SEEK,
	KINDS
};
static const unsigned weights[KINDS] = { 35, 6, 18, 6, 9, 9, 7, 6, 4 };

struct call {
	enum call_kind kind;
	uint64_t offset;
	uint64_t length;
	bool keep_size;
	unsigned char salt;
};

static uint64_t random_state;
static unsigned char *buffer;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t random_below(uint64_t n)
{
	return random_next() % n;
}

static void model_init(struct model *model)
{
	model->bytes = mmap(NULL, LIMIT, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(model->bytes, MAP_FAILED);
	model->size = 0;
}

static void model_fini(struct model *model)
{
	munmap(model->bytes, LIMIT);
}

static struct call random_call(const struct model *model)
{
	struct call call = { .kind = WRITE };
	unsigned pick = (unsigned)random_below(100);

	while (pick >= weights[call.kind])
		pick -= weights[call.kind++];
	call.offset = random_below(LIMIT);
	if (random_below(3) == 0)
		call.offset = model->size -
			      random_below(model->size < 9000 ? model->size + 1
							      : 9000);
	if (random_below(3) == 0)
		call.offset &= ~(uint64_t)(BLOCK_BYTES - 1);
	if (random_below(20) == 0)
		call.offset = random_below(400);
	switch (random_below(8)) {
	case 0:
		call.length = 1 + random_below(LENGTH_MAX);
		break;
	case 1:
	case 2:
		call.length = BLOCK_BYTES * (1 + random_below(4));
		break;
	case 3:
		call.length = 1 + random_below(200);
		break;
	default:
		call.length = 1 + random_below(65536);
	}
	if (call.kind == APPEND && model->size < LIMIT)
		call.offset = model->size;
	else if (call.kind == APPEND)
		call.kind = READ;
	if (call.offset >= LIMIT)
		call.offset = LIMIT - 1;
	if (call.length > LIMIT - call.offset)
		call.length = LIMIT - call.offset;
	call.keep_size = random_below(2);
	call.salt = (unsigned char)random_next();
	return call;
}

static void call_bytes(const struct call *call)
{
	uint64_t i;

	for (i = 0; i < call->length; i++)
		buffer[i] = (unsigned char)(call->salt + i * 7 + (i >> 8));
}

static void model_zero(struct model *model, uint64_t start, uint64_t end)
{
	if (end > model->size)
		end = model->size;
	if (start < end)
		memset(model->bytes + start, 0, end - start);
}

static void model_apply(struct model *model, const struct call *call)
{
	uint64_t end = call->offset + call->length;

	switch (call->kind) {
	case WRITE:
	case APPEND:
		call_bytes(call);
		memcpy(model->bytes + call->offset, buffer, call->length);
		if (end > model->size)
			model->size = end;
		break;
	case TRUNCATE:
		model_zero(model, call->offset, LIMIT);
		model->size = call->offset;
		break;
	case PUNCH:
		model_zero(model, call->offset, end);
		break;
	case ZERO:
		model_zero(model, call->offset, end);
		/* fall through */
	case ALLOCATE:
		if (!call->keep_size && end > model->size)
			model->size = end;
		break;
	default:
		break;
	}
}

/* -------------------------------------------------------------- filesystem */

static uint64_t model_clip(const struct model *model, const struct call *call)
{
	if (call->offset >= model->size)
		return 0;
	return call->length < model->size - call->offset
		       ? call->length
		       : model->size - call->offset;
}

static bool all_zeros(const struct model *model, uint64_t start, uint64_t end)
{
	for (; start < end && start < model->size; start++)
		if (model->bytes[start])
			return false;
	return true;
}

static void check_seek(const struct model *model, uint64_t offset)
{
	off_t data = fixture_seek((off_t)offset, SEEK_DATA);
	off_t hole = fixture_seek((off_t)offset, SEEK_HOLE);

	if (data < 0) {
		ck_assert_int_eq(data, -ENXIO);
		ck_assert(all_zeros(model, offset, model->size));
	} else {
		ck_assert_int_ge(data, offset);
		ck_assert(all_zeros(model, offset, (uint64_t)data));
	}
	if (offset >= model->size) {
		ck_assert_int_eq(hole, -ENXIO);
		return;
	}
	ck_assert_int_ge(hole, offset);
	ck_assert_int_le(hole, model->size);
	ck_assert(all_zeros(model, (uint64_t)hole,
			    ((uint64_t)hole | (BLOCK_BYTES - 1)) + 1));
}

static void perform(const struct model *model, const struct call *call)
{
	int mode = call->keep_size ? FALLOC_FL_KEEP_SIZE : 0;
	off_t offset = (off_t)call->offset, length = (off_t)call->length;
	ssize_t done;

	switch (call->kind) {
	case WRITE:
	case APPEND:
		call_bytes(call);
		done = fixture_write(buffer, call->length,
				     call->kind == APPEND ? FILE_APPEND
							  : offset);
		ck_assert_int_eq(done, length);
		break;
	case READ:
	case FILL:
		done = (call->kind == READ ? fixture_read : fixture_fill)(
			buffer, call->length, offset);
		ck_assert_int_eq(done, model_clip(model, call));
		ck_assert_mem_eq(buffer, model->bytes + offset, (size_t)done);
		break;
	case TRUNCATE:
		ck_assert_int_eq(fixture_truncate(call->offset), 0);
		break;
	case PUNCH:
		mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
		ck_assert_int_eq(fixture_fallocate(mode, offset, length), 0);
		break;
	case ZERO:
		mode |= FALLOC_FL_ZERO_RANGE;
		/* fall through */
	case ALLOCATE:
		ck_assert_int_eq(fixture_fallocate(mode, offset, length), 0);
		break;
	default:
		check_seek(model, call->offset);
	}
}

static void check_all(const struct model *model)
{
	struct call whole = { .kind = READ, .length = LENGTH_MAX };

	ck_assert_int_eq(fixture.file->media->size, model->size);
	ck_assert_int_eq(fixture.file->media->pending_end, 0);
	for (; whole.offset < LIMIT; whole.offset += LENGTH_MAX)
		perform(model, &whole);
}

static void close_and_unmount(void)
{
	fixture_close_file();
	core_unmount();
}

static void setup(void)
{
	buffer = malloc(LENGTH_MAX);
	fixture_make();
	core_format(2, "32M");
}

static void teardown(void)
{
	fixture_remove();
	free(buffer);
}

START_TEST(a_file_behaves_like_an_array)
{
	struct model model;
	unsigned i;

	random_state = 0x9e3779b97f4a7c15u + (unsigned)_i;
	model_init(&model);
	core_mount(2);
	fixture_open_file("file", true);
	for (i = 0; i < CALLS / 3; i++) {
		struct call call = random_call(&model);

		perform(&model, &call);
		model_apply(&model, &call);
		ck_assert_msg(fixture.file->media->size == model.size,
			      "call %u kind %d", i, call.kind);
		if (i % (CALLS / 12) == CALLS / 12 - 1) {
			check_all(&model);
			close_and_unmount();
			core_fsck(2);
			core_mount(2);
			fixture_open_file("file", i % 2);
			check_all(&model);
			if (!(i % 2)) {
				fixture_close_file();
				fixture_open_file("file", true);
			}
		}
	}
	check_all(&model);
	close_and_unmount();
	core_fsck(2);
	model_fini(&model);
}
END_TEST

/* ------------------------------------------------------------------ crashes */

struct progress {
	_Atomic unsigned done; /* calls that have returned */
};

static unsigned stores_left;

static void cut_stored(struct device *device, const void *to,
		       size_t length_bytes, bool cached)
{
	if (--stores_left == 0)
		_exit(0);
}

static const struct device_recorder cutter = { .stored = cut_stored };

/* Calls, until their number or that of stores is reached; then gone. */
static void run_and_die(struct model *model, struct progress *progress,
			unsigned calls, unsigned stores)
{
	unsigned i;

	core_mount(2);
	fixture_open_file("file", true);
	stores_left = stores;
	device_set_recorder(&cutter);
	for (i = 0; i < calls; i++) {
		struct call call = random_call(model);

		perform(model, &call);
		model_apply(model, &call);
		progress->done = i + 1;
	}
	_exit(0);
}

/* Each byte is as it was before the call or after it. */
static void adopt(struct model *model, const struct model *before,
		  const struct model *after)
{
	uint64_t size = fixture.file->media->size;
	uint64_t low = before->size < after->size ? before->size : after->size;
	uint64_t high = before->size + after->size - low;
	uint64_t at, i;

	ck_assert(size >= low && size <= high);
	memset(model->bytes, 0, LIMIT);
	for (at = 0; at < size; at += LENGTH_MAX) {
		ssize_t n = fixture_read(buffer, LENGTH_MAX, (off_t)at);

		ck_assert_int_gt(n, 0);
		for (i = 0; i < (uint64_t)n; i++)
			if (buffer[i] != before->bytes[at + i] &&
			    buffer[i] != after->bytes[at + i])
				ck_abort_msg("byte %zu of %zu",
					     (size_t)(at + i), (size_t)size);
		memcpy(model->bytes + at, buffer, (size_t)n);
	}
	model->size = size;
}

static void crash_once(struct model *model, struct progress *progress,
		       unsigned calls, unsigned stores)
{
	uint64_t seed = random_state;
	struct model before, after;
	struct call call;
	unsigned i;
	int status;
	pid_t pid;

	model_init(&before);
	model_init(&after);
	memcpy(before.bytes, model->bytes, LIMIT);
	before.size = model->size;
	progress->done = 0;
	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		run_and_die(model, progress, calls, stores);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);

	random_state = seed;
	for (i = 0; i < progress->done; i++) {
		call = random_call(&before);
		model_apply(&before, &call);
	}
	memcpy(after.bytes, before.bytes, LIMIT);
	after.size = before.size;
	if (progress->done < calls) {
		call = random_call(&before);
		model_apply(&after, &call);
	}
	core_mount(2);
	fixture_open_file("file", true);
	adopt(model, &before, &after);
	close_and_unmount();
	model_fini(&before);
	model_fini(&after);
}

START_TEST(a_crash_leaves_the_state_before_or_after)
{
	struct progress *progress = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct model model;
	unsigned i;

	random_state = 0xd1b54a32d192ed03u;
	model_init(&model);
	for (i = 0; i < CRASHES; i++) {
		crash_once(&model, progress, 5 + (unsigned)random_below(50),
			   1 + (unsigned)random_below(i % 4 ? 300 : 5000));
		if (i % 4 == 3)
			core_fsck(2);
	}
	model_fini(&model);
	munmap(progress, 4096);
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
	tcase_add_test(model, a_crash_leaves_the_state_before_or_after);
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
