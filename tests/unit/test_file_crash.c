/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon dies in the middle of calls: all it has stored is there. What a
 * power loss may leave is tests/crash's.
 */
#include "lib/crash_child.h"
#include "lib/file_fixture.h"
#include "lib/file_model.h"

#include "media/addr.h"

#include <check.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CRASHES 20
#else
#define CRASHES 60
#endif

static void close_and_unmount(void)
{
	fixture_close_file();
	core_unmount();
}

/* ------------------------------------------------------------- random calls */

struct run {
	struct model *model;
	unsigned devices;
	unsigned calls;
	unsigned stores;
};

/* Calls, until their number or that of stores is reached; then gone. */
static void run_and_die(void *arg)
{
	struct run *run = arg;
	unsigned i;

	core_mount(run->devices);
	fixture_open_file("file", true);
	crash_child_watch(run->stores);
	for (i = 0; i < run->calls; i++) {
		struct call call = call_random(run->model);

		ck_assert_int_eq(call_perform(run->model, &call),
				 call_expected(run->model, &call));
		model_apply(run->model, &call);
		crash_child->done = i + 1;
	}
}

/* The model goes where the child went; the call it died in may be or not. */
static void catch_up(struct run *run, struct model *after)
{
	struct call call;
	unsigned i;

	for (i = 0; i < crash_child->done; i++) {
		call = call_random(run->model);
		model_apply(run->model, &call);
	}
	model_copy(after, run->model);
	if (crash_child->done < run->calls) {
		call = call_random(run->model);
		model_apply(after, &call);
	}
}

static void crash_once(struct run *run)
{
	uint64_t seed = model_seed;
	struct model before, after;

	model_init(&before);
	model_init(&after);
	model_copy(&before, run->model);
	crash_child_run(run_and_die, run);
	/* The child had a seed of its own; its model is shared with us. */
	model_copy(run->model, &before);
	model_seed = seed;
	catch_up(run, &after);
	model_copy(&before, run->model);
	core_mount(run->devices);
	fixture_open_file("file", true);
	model_adopt(run->model, &before, &after);
	close_and_unmount();
	model_fini(&before);
	model_fini(&after);
}

START_TEST(a_crash_leaves_the_state_before_or_after)
{
	struct model model;
	struct run run = { .model = &model, .devices = 2 };
	unsigned i;

	core_format(2, "32M");
	model_seed = 0xd1b54a32d192ed03u;
	model_init(&model);
	for (i = 0; i < CRASHES; i++) {
		run.calls = 5 + (unsigned)model_random(50);
		run.stores = 1 + (unsigned)model_random(i % 4 ? 300 : 5000);
		crash_once(&run);
		if (i % 4 == 3)
			core_fsck(2);
	}
	model_fini(&model);
}
END_TEST

/* ------------------------------------------------------------- long chains */

/* Every other block of a file: more extents than one transaction reaches. */
#define ISLANDS 7000
#define ISLAND_BYTES (2 * (off_t)BLOCK_BYTES)
#define END_BYTES (ISLANDS * ISLAND_BYTES)

enum chain { CHAIN_TRUNCATE, CHAIN_PUNCH, CHAIN_ZERO, CHAIN_UNLINK, CHAINS };

struct chain_run {
	enum chain chain;
	unsigned stores;
};

static void make_islands(void)
{
	unsigned char bytes[BLOCK_BYTES];
	off_t i;

	memset(bytes, 0xa5, sizeof(bytes));
	core_mount(1);
	fixture_open_file("file", true);
	for (i = 0; i < ISLANDS; i++)
		ck_assert_int_eq(
			fixture_write(bytes, sizeof(bytes), i * ISLAND_BYTES),
			sizeof(bytes));
	ck_assert_uint_ge(fixture_map().extents, ISLANDS);
	close_and_unmount();
}

static void run_chain(void *arg)
{
	const struct chain_run *run = arg;
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	int err = 0;

	core_mount(1);
	fixture_open_file("file", true);
	crash_child_watch(run->stores);
	if (run->chain == CHAIN_TRUNCATE)
		err = fixture_truncate(100);
	else if (run->chain == CHAIN_UNLINK)
		fixture_unlink_file("file");
	else
		err = fixture_fallocate(
			run->chain == CHAIN_ZERO ? FALLOC_FL_ZERO_RANGE : mode,
			100, END_BYTES - 100);
	ck_assert_int_eq(err, 0);
}

/* All of it happened, or nothing. True: it did. */
static bool check_chain(enum chain chain)
{
	static const unsigned char zeros[BLOCK_BYTES];
	unsigned char bytes[BLOCK_BYTES];
	unsigned i, gone = 0;

	if (chain == CHAIN_UNLINK && !core_exists(core.root, "file"))
		return true;
	fixture_open_file("file", true);
	ck_assert_uint_eq(fixture.file->media->pending_end, 0);
	if (chain == CHAIN_TRUNCATE && fixture.file->media->size == 100) {
		ck_assert_uint_eq(fixture_map().blocks, 1);
		fixture_close_file();
		return true;
	}
	for (i = 1; i < ISLANDS; i++) {
		ck_assert_int_eq(
			fixture_read(bytes, BLOCK_BYTES, i * ISLAND_BYTES),
			BLOCK_BYTES);
		gone += memcmp(bytes, zeros, BLOCK_BYTES) == 0;
	}
	ck_assert_int_eq(fixture_read(bytes, 200, 0), 200);
	ck_assert_int_eq(bytes[99], 0xa5);
	ck_assert_int_eq(bytes[100], gone ? 0 : 0xa5);
	ck_assert(gone == 0 || gone == ISLANDS - 1);
	fixture_close_file();
	return gone != 0;
}

START_TEST(the_next_mount_finishes_a_long_chain)
{
	struct chain_run run = { .chain = (enum chain)_i };
	unsigned total, part, finished = 0;

	core_format(1, "64M");
	make_islands();
	crash_child_copy("0", "saved");
	crash_child_run(run_chain, &run);
	total = crash_child->stores;
	ck_assert_uint_ge(crash_child->drains, 2); /* so many links */
	for (part = 0; part < 7; part++) {
		crash_child_copy("saved", "0");
		run.stores = 1 + (total - 1) * part / 6;
		crash_child_run(run_chain, &run);
		core_mount(1);
		finished += check_chain(run.chain);
		core_unmount();
		core_fsck(1);
	}
	ck_assert_uint_ge(finished, 2);
}
END_TEST

static Suite *crash_suite(void)
{
	Suite *suite = suite_create("file crash");
	TCase *crash = tcase_create("crash");

	tcase_add_checked_fixture(crash, crash_child_make, crash_child_remove);
	tcase_set_timeout(crash, 120);
	tcase_add_test(crash, a_crash_leaves_the_state_before_or_after);
	tcase_add_loop_test(crash, the_next_mount_finishes_a_long_chain, 0,
			    CHAINS);
	suite_add_tcase(suite, crash);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(crash_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
