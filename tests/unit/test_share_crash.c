/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Crashes in the midst of copies and writes to what is shared. The daemon dies:
 * all it has stored is there. The power goes: what was not drained may be there
 * or not.
 */
#include "lib/crash_child.h"
#include "lib/device_fixture.h"
#include "lib/file_fixture.h"
#include "lib/power_loss.h"
#include "lib/share_fixture.h"
#include "lib/share_model.h"

#include "media/addr.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CRASHES 8
#define LOSSES 4
#else
#define CRASHES 30
#define LOSSES 20
#endif

/* ------------------------------------------------------------- random steps */

struct run {
	unsigned devices;
	unsigned steps;
	unsigned stores;
	void (*watch)(unsigned stores);
};

/* Steps, until their number or that of stores is reached; then gone. */
static void run_and_die(void *arg)
{
	const struct run *run = arg;
	unsigned i;

	core_mount(run->devices);
	share_open_all();
	run->watch(run->stores);
	for (i = 0; i < run->steps; i++) {
		struct share_step step = share_step_random();

		ck_assert_int_eq(share_step_perform(&step, false), 0);
		share_step_apply(&step);
		crash_child->done = i + 1;
	}
}

static void copy_models(struct model *to, bool back)
{
	unsigned i;

	for (i = 0; i < SHARE_FILES; i++) {
		share_files[i].writable = true; /* as a run begins */
		if (back)
			model_copy(&share_files[i].model, &to[i]);
		else
			model_copy(&to[i], &share_files[i].model);
	}
}

/* The models go where the child went; `before` is without the step it died in,
 * which may be or not. */
static void catch_up(const struct run *run, struct model *before)
{
	struct share_step step;
	unsigned i;

	for (i = 0; i < crash_child->done; i++) {
		step = share_step_random();
		share_step_apply(&step);
	}
	for (i = 0; i < SHARE_FILES; i++)
		model_copy(&before[i], &share_files[i].model);
	if (crash_child->done < run->steps) {
		step = share_step_random();
		share_step_apply(&step);
	}
}

static void adopt(const struct model *before)
{
	struct model after;
	unsigned i;

	model_init(&after);
	for (i = 0; i < SHARE_FILES; i++) {
		share_choose(i);
		model_copy(&after, &share_files[i].model);
		model_adopt(&share_files[i].model, &before[i], &after);
	}
	model_fini(&after);
}

static void crash_once(struct run *run, void (*between)(void))
{
	uint64_t seed = model_seed;
	struct model before[SHARE_FILES];
	unsigned i;

	for (i = 0; i < SHARE_FILES; i++)
		model_init(&before[i]);
	copy_models(before, false);
	crash_child_run(run_and_die, run);
	/* The child had a seed of its own; its models are shared with us. */
	copy_models(before, true);
	model_seed = seed;
	catch_up(run, before);
	if (between)
		between();
	core_mount(run->devices);
	share_open_all();
	adopt(before);
	share_check_all();
	share_close_all();
	core_unmount();
	for (i = 0; i < SHARE_FILES; i++)
		model_fini(&before[i]);
}

START_TEST(a_crash_leaves_the_state_before_or_after)
{
	struct run run = { .devices = 2, .watch = crash_child_watch };
	unsigned i;

	core_format(2, "32M");
	model_seed = 0xc2b2ae3d27d4eb4fu;
	share_models_init();
	for (i = 0; i < CRASHES; i++) {
		run.steps = 5 + (unsigned)model_random(50);
		run.stores = 1 + (unsigned)model_random(i % 4 ? 300 : 5000);
		crash_once(&run, NULL);
		if (i % 4 == 3)
			core_fsck(2);
	}
	share_models_fini();
}
END_TEST

/* --------------------------------------------------------------- power loss */

#define LOSS_DEVICE_BYTES (64u << 20)

static unsigned char *image;

static void write_image(const char *name)
{
	int fd = open(fixture_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	size_t at = 0;

	ck_assert_int_ge(fd, 0);
	while (at < LOSS_DEVICE_BYTES) {
		ssize_t n = write(fd, image + at, LOSS_DEVICE_BYTES - at);

		ck_assert_int_gt(n, 0);
		at += (size_t)n;
	}
	close(fd);
}

/* Chosen before the fork: the child's random numbers are for its steps. */
static unsigned kept, unit_bytes;
static unsigned events_left;

static void on_event(struct device *device, enum power_loss_event event)
{
	if (events_left == 0 || --events_left)
		return;
	power_loss_image(device, image, kept, unit_bytes);
	write_image("image");
	_exit(0);
}

static void watch_power(unsigned events)
{
	events_left = events;
	power_loss_watch(core.fs->members.device[0], LOSS_DEVICE_BYTES,
			 on_event);
}

/* The image is the device now; a run that ended had nothing in doubt. */
static void lose_power(void)
{
	if (access(fixture_path("image"), F_OK) == 0)
		ck_assert_int_eq(
			rename(fixture_path("image"), fixture_path("0")), 0);
}

START_TEST(a_power_loss_leaves_what_was_answered)
{
	struct run run = { .devices = 1, .watch = watch_power };
	unsigned i;

	core_format(1, "64M");
	image = malloc(LOSS_DEVICE_BYTES);
	model_seed = 0x165667b19e3779f9u;
	share_models_init();
	for (i = 0; i < LOSSES; i++) {
		run.steps = 5 + (unsigned)model_random(30);
		run.stores = 1 + (unsigned)model_random(300);
		kept = (unsigned)model_random(3) * 127;
		unit_bytes = model_random(2) ? 8 : 64;
		crash_once(&run, lose_power);
		if (i % 4 == 3)
			core_fsck(1);
	}
	share_models_fini();
	free(image);
}
END_TEST

/* ------------------------------------------------------------- long chains */

/* Every other block of a file: more extents than one transaction reaches. */
#define ISLANDS 6000
#define ISLAND_BYTES (2 * (off_t)BLOCK_BYTES)
#define END_BYTES (ISLANDS * ISLAND_BYTES)
#define CUTS 6

static void make_islands(void)
{
	unsigned char bytes[BLOCK_BYTES];
	off_t i;

	core_mount(1);
	fixture_open_file("islands", true);
	for (i = 0; i < ISLANDS; i++) {
		memset(bytes, 1 + (int)(i % 255), sizeof(bytes));
		ck_assert_int_eq(
			fixture_write(bytes, sizeof(bytes), i * ISLAND_BYTES),
			sizeof(bytes));
	}
	fixture_close_file();
	core_unmount();
}

static void copy_islands(void *arg)
{
	struct inode *islands;
	uint64_t done = 0, length = END_BYTES - BLOCK_BYTES;

	core_mount(1);
	fixture_open_file("islands", false);
	islands = fixture.file;
	fixture_open_file("target", true);
	crash_child_watch(*(unsigned *)arg);
	while (done < length) {
		ssize_t n = share_copy(islands, done, fixture.file, done,
				       length - done);

		ck_assert_int_gt(n, 0);
		done += (uint64_t)n;
		crash_child->done++;
	}
}

/* The target is a first part of the islands. Its size. */
static uint64_t check_prefix(void)
{
	unsigned char bytes[BLOCK_BYTES];
	uint64_t size, at;

	fixture_open_file("target", false);
	size = fixture.file->media->size;
	for (at = 0; at < size; at += BLOCK_BYTES) {
		uint64_t island = at / (uint64_t)ISLAND_BYTES;
		unsigned char want =
			at % (uint64_t)ISLAND_BYTES
				? 0
				: (unsigned char)(1 + island % 255);

		ck_assert_int_eq(fixture_read(bytes, BLOCK_BYTES, (off_t)at),
				 BLOCK_BYTES);
		ck_assert_int_eq(bytes[0], want);
		ck_assert_int_eq(bytes[BLOCK_BYTES - 1], want);
	}
	fixture_close_file();
	return size;
}

START_TEST(a_long_copy_leaves_a_first_part)
{
	unsigned stores = 0, total, part, partly = 0;

	core_format(1, "64M");
	make_islands();
	crash_child_copy("0", "saved");
	crash_child_run(copy_islands, &stores);
	total = crash_child->stores;
	for (part = 0; part < CUTS; part++) {
		uint64_t size;

		crash_child_copy("saved", "0");
		stores = 1 + (total - 1) * part / (CUTS - 1);
		crash_child_run(copy_islands, &stores);
		core_mount(1);
		size = check_prefix();
		partly += size > 0 && size < END_BYTES - BLOCK_BYTES;
		share_check_owners();
		core_unmount();
		core_fsck(1);
	}
	ck_assert_uint_ge(partly, 2); /* it has several links */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("share crash");
	TCase *crash = tcase_create("crash");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(crash, crash_child_make, crash_child_remove);
	tcase_set_timeout(crash, 120);
	tcase_add_test(crash, a_crash_leaves_the_state_before_or_after);
	tcase_add_test(crash, a_power_loss_leaves_what_was_answered);
	tcase_add_test(crash, a_long_copy_leaves_a_first_part);
	suite_add_tcase(suite, crash);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
