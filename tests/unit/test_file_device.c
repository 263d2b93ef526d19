/* SPDX-License-Identifier: BSD-3-Clause */
/* Files and the devices under them: entries, pins, devices that go. */
#include "lib/device_fixture.h"
#include "lib/file_fixture.h"

#include "dax/pgmap.h"
#include "media/addr.h"
#include "media/inode.h"

#include <check.h>
#include <errno.h>
#include <linux/falloc.h>
#include <string.h>

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define MIB (1u << 20)

static unsigned char bytes[MIB];
static unsigned char answer[MIB];

static void make_bytes(void)
{
	size_t i;

	for (i = 0; i < MIB; i++)
		bytes[i] = (unsigned char)(i ^ i >> 8 ^ i >> 12) | 1;
}

static void setup_one(void)
{
	make_bytes();
	fixture_make();
	core_format(1, "64M");
	core_mount(1);
	fixture_open_file("file", true);
}

static void teardown_one(void)
{
	fixture_close_file();
	core_unmount();
	core_fsck(1);
	fixture_remove();
}

static void expect_bytes(off_t offset, size_t length, size_t from)
{
	ck_assert_int_eq(fixture_read(answer, length, offset), length);
	ck_assert_mem_eq(answer, bytes + from, length);
}

static int64_t references(void)
{
	return pgmap_references(core.fs->devices[0].pgmap);
}

/* ---------------------------------------------------------------- entries */

START_TEST(a_fill_holds_the_device_until_the_last_close)
{
	int64_t before = references();

	ck_assert_int_eq(fixture_write(bytes, 131072, 0), 131072);
	ck_assert_int_eq(references(), before);
	ck_assert_int_eq(fixture_fill(answer, 131072, 0), 131072);
	ck_assert_mem_eq(answer, bytes, 131072);
	ck_assert_int_eq(references(), before + 32);
	ck_assert_int_eq(fixture_fill(answer, 65536, 0), 65536);
	ck_assert_int_eq(references(), before + 32);
	ck_assert_int_eq(fixture_truncate(65536), 0);
	ck_assert_int_eq(references(), before + 16);
	ck_assert_int_eq(fixture_fallocate(PUNCH, 0, 32768), 0);
	ck_assert_int_eq(references(), before + 8);
	fixture_close_file();
	ck_assert_int_eq(references(), before);
	fixture_open_file("file", true);
}
END_TEST

START_TEST(a_fill_for_writing_makes_real_blocks)
{
	int64_t before = references();
	unsigned i;

	ck_assert_int_eq(fixture_truncate(100000), 0);
	ck_assert_int_eq(fixture_fallocate(0, 8192, 8192), 0);
	ck_assert_int_eq(fixture_fill(answer, 131072, 0), 100000);
	ck_assert_int_eq(fixture_map().blocks, 25);
	ck_assert_int_eq(fixture_map().unwritten, 0);
	ck_assert_int_eq(references(), before + 25);
	ck_assert_int_eq(fixture_read(answer, 100000, 0), 100000);
	for (i = 0; i < 100000; i++)
		if (answer[i])
			ck_abort_msg("byte %u", i);
}
END_TEST

START_TEST(a_fill_for_reading_leaves_holes)
{
	int64_t before = references();

	ck_assert_int_eq(fixture_truncate(100000), 0);
	fixture_close_file();
	fixture_open_file("file", false);
	ck_assert_int_eq(fixture_fill(answer, 131072, 0), 100000);
	ck_assert_int_eq(fixture_map().blocks, 0);
	ck_assert_int_eq(references(), before);
	/* A zero entry gives way to a real one. */
	fixture_close_file();
	fixture_open_file("file", true);
	ck_assert_int_eq(fixture_fill(answer, 4096, 0), 4096);
	ck_assert_int_eq(references(), before + 1);
}
END_TEST

START_TEST(a_fill_takes_a_file_out_of_its_inode)
{
	int64_t before = references();

	ck_assert_int_eq(fixture_write(bytes, 100, 0), 100);
	ck_assert_int_eq(fixture_fill(answer, 4096, 0), 100);
	ck_assert_mem_eq(answer, bytes, 100);
	ck_assert_int_eq(fixture.file->media->format, INODE_EXTENTS);
	ck_assert_int_eq(references(), before + 1);
}
END_TEST

START_TEST(a_pinned_page_is_not_freed)
{
	struct pgmap *pgmap = core.fs->devices[0].pgmap;
	uint64_t page;

	ck_assert_int_eq(fixture_write(bytes, 65536, 0), 65536);
	page = fixture_map().first_device_offset / BLOCK_BYTES + 10;
	ck_assert_int_eq(fixture_fill(answer, 65536, 0), 65536);
	ck_assert_int_eq(pgmap_pin_live(pgmap, page, PGMAP_ORDER_PTE), 0);
	ck_assert_int_eq(fixture_truncate(0), -EBUSY);
	ck_assert_int_eq(fixture_fallocate(PUNCH, 40960, 4096), -EBUSY);
	ck_assert_int_eq(pgmap_stat(pgmap, PGMAP_ENTRIES), 16);
	ck_assert_int_eq(fixture.file->media->size, 65536);
	expect_bytes(0, 65536, 0);
	ck_assert_int_eq(fixture_fallocate(PUNCH, 0, 40960), 0);
	ck_assert_int_eq(fixture_truncate(45056), 0);
	pgmap_unpin(pgmap, page, PGMAP_ORDER_PTE);
	ck_assert_int_eq(fixture_truncate(0), 0);
	ck_assert_int_eq(pgmap_stat(pgmap, PGMAP_ENTRIES), 0);
}
END_TEST

/* ------------------------------------------------------------- two devices */

static void setup_two(void)
{
	make_bytes();
	fixture_make();
	core_format(2, "32M");
	core_mount(2);
}

static void teardown_two(void)
{
	core_unmount();
	core_fsck(2);
	fixture_remove();
}

/* New files go to the devices in turn: the next one whose home is that. */
static void open_file_on(unsigned device)
{
	unsigned i;

	for (i = 0; i < 2; i++) {
		const char *name = i ? "second" : "first";

		fixture_open_file(name, true);
		if (fixture.file->media->home_device == device)
			return;
		fixture_close_file();
	}
	ck_abort_msg("no file has its home on device %u", device);
}

START_TEST(a_file_spills_over_when_its_home_is_full)
{
	struct fixture_map map;
	off_t at;

	open_file_on(1);
	for (at = 0; at < 40 * (off_t)MIB; at += MIB)
		ck_assert_int_eq(fixture_write(bytes, MIB, at), MIB);
	map = fixture_map();
	ck_assert_uint_eq(map.blocks, 40 * MIB / BLOCK_BYTES);
	ck_assert_uint_eq(map.devices, 3);
	expect_bytes(0, MIB, 0);
	expect_bytes(39 * (off_t)MIB, MIB, 0);
	fixture_close_file();
}
END_TEST

START_TEST(a_blocked_device_answers_eio_and_lets_go)
{
	struct pgmap *pgmap = core.fs->devices[1].pgmap;

	open_file_on(1);
	ck_assert_int_eq(fixture_write(bytes, 65536, 0), 65536);
	ck_assert_uint_eq(fixture_map().devices, 2);
	ck_assert_int_eq(pgmap_gate_enter(pgmap), 0); /* the remover's */
	ck_assert_int_eq(pgmap_kill(pgmap), 0);

	ck_assert_int_eq(fixture_read(answer, 4096, 0), -EIO);
	ck_assert_int_eq(fixture_fill(answer, 4096, 0), -EIO);
	ck_assert_int_eq(fixture_write(bytes, 4096, 0), -EIO);
	ck_assert_int_eq(fixture_write(bytes, 4096, 65536), -EIO);
	ck_assert_int_eq(fixture_fallocate(PUNCH, 100, 8192), -EIO);
	ck_assert_uint_eq(fixture.file->media->pending_end, 0);
	ck_assert_uint_eq(fixture.file->media->size, 65536);
	ck_assert_int_eq(fixture_fallocate(PUNCH, 4096, 8192), 0);
	ck_assert_int_eq(fixture_truncate(40960), 0);
	fixture_close_file();
	open_file_on(0);
	ck_assert_int_eq(fixture_write(bytes, 65536, 0), 65536);
	expect_bytes(0, 65536, 0);
	fixture_close_file();

	ck_assert_int_eq(pgmap_resurrect(pgmap), 0);
	pgmap_gate_exit(pgmap);
	open_file_on(1);
	expect_bytes(0, 4096, 0);
	expect_bytes(12288, 28672, 12288);
	fixture_close_file();
}
END_TEST

START_TEST(an_empty_file_finds_another_home)
{
	struct pgmap *pgmap = core.fs->devices[1].pgmap;

	open_file_on(1);
	ck_assert_int_eq(pgmap_gate_enter(pgmap), 0);
	ck_assert_int_eq(pgmap_kill(pgmap), 0);
	ck_assert_int_eq(fixture_write(bytes, 65536, 0), 65536);
	ck_assert_uint_eq(fixture.file->media->home_device, 0);
	ck_assert_int_eq(pgmap_resurrect(pgmap), 0);
	pgmap_gate_exit(pgmap);
	ck_assert_int_eq(fixture_write(bytes + 65536, 65536, 65536), 65536);
	ck_assert_uint_eq(fixture_map().devices, 1);
	expect_bytes(0, 131072, 0);
	fixture_close_file();
}
END_TEST

START_TEST(a_missing_device_takes_its_blocks_with_it)
{
	struct fs_options degraded = { .degraded = true };

	open_file_on(1);
	ck_assert_int_eq(fixture_write(bytes, 65536, 0), 65536);
	fixture_close_file();
	core_unmount();
	ck_assert_int_eq(core_try_mount(1, &degraded), 0);
	open_file_on(1);
	ck_assert_int_eq(fixture_read(answer, 4096, 0), -EIO);
	ck_assert_int_eq(fixture_write(bytes, 4096, 0), -EIO);
	ck_assert_int_eq(fixture_write(bytes, 4096, MIB), -EIO);
	ck_assert_int_eq(fixture_fallocate(PUNCH, 100, 200), -EIO);
	ck_assert_int_eq(fixture_truncate(8192), 0);
	ck_assert_int_eq(fixture_truncate(0), 0);
	ck_assert_int_eq(fixture_write(bytes, 65536, 0), 65536);
	expect_bytes(0, 65536, 0);
	fixture_close_file();
	core_unmount();
	fixture_remove();
}
END_TEST

static Suite *device_suite(void)
{
	Suite *suite = suite_create("file device");
	TCase *entries = tcase_create("entries");
	TCase *two = tcase_create("two devices");
	TCase *missing = tcase_create("missing device");

	tcase_add_checked_fixture(entries, setup_one, teardown_one);
	tcase_set_timeout(entries, 30);
	tcase_add_test(entries, a_fill_holds_the_device_until_the_last_close);
	tcase_add_test(entries, a_fill_for_writing_makes_real_blocks);
	tcase_add_test(entries, a_fill_for_reading_leaves_holes);
	tcase_add_test(entries, a_fill_takes_a_file_out_of_its_inode);
	tcase_add_test(entries, a_pinned_page_is_not_freed);
	suite_add_tcase(suite, entries);

	tcase_add_checked_fixture(two, setup_two, teardown_two);
	tcase_set_timeout(two, 30);
	tcase_add_test(two, a_file_spills_over_when_its_home_is_full);
	tcase_add_test(two, a_blocked_device_answers_eio_and_lets_go);
	tcase_add_test(two, an_empty_file_finds_another_home);
	suite_add_tcase(suite, two);

	tcase_add_checked_fixture(missing, setup_two, NULL);
	tcase_set_timeout(missing, 30);
	tcase_add_test(missing, a_missing_device_takes_its_blocks_with_it);
	suite_add_tcase(suite, missing);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(device_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
