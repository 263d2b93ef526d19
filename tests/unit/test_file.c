/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/device_fixture.h"
#include "lib/file_fixture.h"

#include "alloc/alloc.h"
#include "media/addr.h"
#include "media/inode.h"

#include <check.h>
#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define MIB (1u << 20)

static unsigned char *bytes; /* 1 MiB, no two blocks alike */
static unsigned char *answer;

static void setup(void)
{
	size_t i;

	bytes = malloc(MIB);
	answer = malloc(MIB);
	for (i = 0; i < MIB; i++)
		bytes[i] = (unsigned char)(i ^ i >> 8 ^ i >> 12) | 1;
	fixture_make();
	core_format(1, "64M");
	core_mount(1);
	fixture_open_file("file", true);
}

static void teardown(void)
{
	if (fixture.file)
		fixture_close_file();
	core_unmount();
	core_fsck(1);
	fixture_remove();
	free(bytes);
	free(answer);
}

static void expect_bytes(off_t offset, size_t length, size_t from)
{
	ck_assert_int_eq(fixture_read(answer, length, offset), length);
	ck_assert_mem_eq(answer, bytes + from, length);
}

static void expect_zeros(off_t offset, size_t length)
{
	size_t i;

	ck_assert_int_eq(fixture_read(answer, length, offset), length);
	for (i = 0; i < length; i++)
		if (answer[i])
			ck_abort_msg("byte %zu", (size_t)offset + i);
}

START_TEST(small_files_are_inline)
{
	ck_assert_int_eq(fixture_write(bytes, 100, 0), 100);
	ck_assert_int_eq(fixture_write(bytes, 44, 300), 44);
	ck_assert_int_eq(fixture.file->media->format, INODE_INLINE);
	ck_assert_int_eq(fixture.file->media->blocks, 0);
	expect_bytes(0, 100, 0);
	expect_zeros(100, 200);
	expect_bytes(300, 44, 0);
	ck_assert_int_eq(fixture_read(answer, 4096, 340), 4);
	ck_assert_int_eq(fixture_read(answer, 4096, 344), 0);
}
END_TEST

START_TEST(growth_leaves_inline_and_keeps_the_bytes)
{
	ck_assert_int_eq(fixture_write(bytes, 100, 0), 100);
	ck_assert_int_eq(fixture_write(bytes, 10, 8190), 10);
	ck_assert_int_eq(fixture.file->media->format, INODE_EXTENTS);
	expect_bytes(0, 100, 0);
	expect_zeros(100, 8090);
	expect_bytes(8190, 10, 0);
	ck_assert_int_eq(fixture_truncate(50), 0);
	ck_assert_int_eq(fixture.file->media->format, INODE_EXTENTS);
	expect_bytes(0, 50, 0);
}
END_TEST

START_TEST(an_inline_file_truncates_in_place)
{
	ck_assert_int_eq(fixture_write(bytes, 100, 0), 100);
	ck_assert_int_eq(fixture_truncate(50), 0);
	ck_assert_int_eq(fixture_truncate(200), 0);
	ck_assert_int_eq(fixture.file->media->format, INODE_INLINE);
	expect_bytes(0, 50, 0);
	expect_zeros(50, 150);
	ck_assert_int_eq(fixture_truncate(5000), 0);
	expect_zeros(50, 4950);
}
END_TEST

START_TEST(small_appends_become_one_extent)
{
	size_t at;

	for (at = 0; at < MIB; at += BLOCK_BYTES)
		ck_assert_int_eq(fixture_write(bytes + at, BLOCK_BYTES, at),
				 BLOCK_BYTES);
	ck_assert_int_eq(fixture_map().extents, 1);
	ck_assert_int_eq(fixture.file->media->blocks, MIB / BLOCK_BYTES);
	expect_bytes(0, MIB, 0);
}
END_TEST

START_TEST(a_sparse_large_file_fills_up_to_one_extent)
{
	size_t at;

	ck_assert_int_eq(fixture_truncate(4 * MIB), 0);
	for (at = BLOCK_BYTES; at < MIB; at += 2 * BLOCK_BYTES)
		ck_assert_int_eq(fixture_write(bytes + at, BLOCK_BYTES, at),
				 BLOCK_BYTES);
	for (at = 0; at < MIB; at += 2 * BLOCK_BYTES)
		ck_assert_int_eq(fixture_write(bytes + at, BLOCK_BYTES, at),
				 BLOCK_BYTES);
	ck_assert_int_eq(fixture_map().extents, 1);
	ck_assert_int_eq(fixture_map().out_of_phase, 0);
	expect_bytes(0, MIB, 0);
}
END_TEST

START_TEST(large_files_agree_with_the_device_modulo_2m)
{
	struct fixture_map map;
	off_t at;

	for (at = 0; at < 10 * (off_t)MIB; at += MIB)
		ck_assert_int_eq(fixture_write(bytes, MIB, at), MIB);
	map = fixture_map();
	ck_assert_int_eq(map.out_of_phase, 0);
	ck_assert_int_eq(map.extents, 1);
	expect_bytes(9 * (off_t)MIB, MIB, 0);
}
END_TEST

START_TEST(small_appends_agree_from_2m_on)
{
	struct fixture_map map;
	off_t at;

	/* Something is in the way where the first unit ends. */
	ck_assert_int_eq(fixture_write(bytes, BLOCK_BYTES, 0), BLOCK_BYTES);
	for (at = BLOCK_BYTES; at < 5 * (off_t)MIB; at += 4 * BLOCK_BYTES)
		ck_assert_int_eq(fixture_write(bytes, 4 * BLOCK_BYTES, at),
				 4 * BLOCK_BYTES);
	map = fixture_map();
	ck_assert_int_le(map.extents, 2);
	ck_assert_int_le(map.out_of_phase, 1);
}
END_TEST

START_TEST(fallocate_aligns_and_reads_as_zeros)
{
	struct fixture_map map;

	ck_assert_int_eq(fixture_fallocate(0, 0, 8 * (off_t)MIB), 0);
	map = fixture_map();
	ck_assert_int_eq(map.blocks, 8 * MIB / BLOCK_BYTES);
	ck_assert_int_eq(map.unwritten, map.blocks);
	ck_assert_int_eq(map.out_of_phase, 0);
	ck_assert_int_eq(fixture.file->media->size, 8 * MIB);
	expect_zeros(3 * (off_t)MIB, MIB);
	ck_assert_int_eq(fixture_write(bytes, 100, 3 * (off_t)MIB + 50), 100);
	expect_zeros(3 * (off_t)MIB, 50);
	expect_bytes(3 * (off_t)MIB + 50, 100, 0);
	expect_zeros(3 * (off_t)MIB + 150, BLOCK_BYTES);
	ck_assert_int_eq(fixture_map().unwritten, map.blocks - 1);
	ck_assert_int_eq(fixture_map().extents, 3);
}
END_TEST

START_TEST(keep_size_keeps_the_size)
{
	ck_assert_int_eq(fixture_fallocate(FALLOC_FL_KEEP_SIZE, 0, MIB), 0);
	ck_assert_int_eq(fixture.file->media->size, 0);
	ck_assert_int_eq(fixture_map().blocks, MIB / BLOCK_BYTES);
	ck_assert_int_eq(fixture_truncate(0), 0);
	ck_assert_int_eq(fixture_map().blocks, 0);
	ck_assert_int_eq(fixture.file->media->blocks, 0);
}
END_TEST

START_TEST(extension_shows_zeros_never_what_was_cut_off)
{
	ck_assert_int_eq(fixture_write(bytes, 8192, 0), 8192);
	ck_assert_int_eq(fixture_truncate(5000), 0);
	ck_assert_int_eq(fixture_truncate(8192), 0);
	expect_bytes(0, 5000, 0);
	expect_zeros(5000, 3192);
	ck_assert_int_eq(fixture_write(bytes, 8192, 0), 8192);
	ck_assert_int_eq(fixture_truncate(5000), 0);
	ck_assert_int_eq(fixture_write(bytes, 10, 8000), 10);
	expect_zeros(5000, 3000);
	ck_assert_int_eq(fixture_truncate(5000), 0);
	ck_assert_int_eq(fixture_fallocate(0, 6000, 100), 0);
	expect_zeros(5000, 1100);
}
END_TEST

START_TEST(punch_frees_blocks_and_zeroes_edges)
{
	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	ck_assert_int_eq(fixture_fallocate(PUNCH, 5000, 20000), 0);
	expect_bytes(0, 5000, 0);
	expect_zeros(5000, 20000);
	expect_bytes(25000, 40000, 25000);
	ck_assert_int_eq(fixture_map().blocks, MIB / BLOCK_BYTES - 4);
	ck_assert_int_eq(fixture_fallocate(PUNCH, 100, 200), 0);
	expect_zeros(100, 200);
	expect_bytes(300, 4000, 300);
	/* Up to EOF and beyond: no block of it is left. */
	ck_assert_int_eq(fixture_truncate(MIB - 100), 0);
	ck_assert_int_eq(fixture_fallocate(PUNCH, 40960, 2 * MIB), 0);
	ck_assert_int_eq(fixture_map().blocks, 6);
	ck_assert_int_eq(fixture.file->media->size, MIB - 100);
	ck_assert_int_eq(fixture.file->media->pending_end, 0);
}
END_TEST

START_TEST(zero_range_keeps_blocks)
{
	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	ck_assert_int_eq(fixture_fallocate(FALLOC_FL_ZERO_RANGE, 5000, 20000),
			 0);
	expect_bytes(0, 5000, 0);
	expect_zeros(5000, 20000);
	expect_bytes(25000, 40000, 25000);
	ck_assert_int_eq(fixture_map().blocks, MIB / BLOCK_BYTES);
	ck_assert_int_eq(fixture_map().unwritten, 4);
	ck_assert_int_eq(
		fixture_fallocate(FALLOC_FL_ZERO_RANGE, MIB - 100, BLOCK_BYTES),
		0);
	ck_assert_int_eq(fixture.file->media->size, MIB + BLOCK_BYTES - 100);
	ck_assert_int_eq(fixture_map().blocks, MIB / BLOCK_BYTES + 1);
}
END_TEST

START_TEST(seek_tells_holes_from_data)
{
	ck_assert_int_eq(fixture_write(bytes, 100, 100 * BLOCK_BYTES), 100);
	ck_assert_int_eq(fixture_fallocate(0, 0, 50 * BLOCK_BYTES), 0);
	ck_assert_int_eq(fixture_seek(0, SEEK_DATA), 100 * BLOCK_BYTES);
	ck_assert_int_eq(fixture_seek(10, SEEK_HOLE), 10);
	ck_assert_int_eq(fixture_seek(100 * BLOCK_BYTES + 7, SEEK_DATA),
			 100 * BLOCK_BYTES + 7);
	ck_assert_int_eq(fixture_seek(100 * BLOCK_BYTES + 7, SEEK_HOLE),
			 100 * BLOCK_BYTES + 100);
	ck_assert_int_eq(fixture_seek(100 * BLOCK_BYTES + 100, SEEK_DATA),
			 -ENXIO);
	ck_assert_int_eq(fixture_seek(-1, SEEK_DATA), -ENXIO);
	ck_assert_int_eq(fixture_seek(0, SEEK_SET), -EINVAL);
}
END_TEST

START_TEST(wrong_calls_are_refused)
{
	ck_assert_int_eq(fixture_write(bytes, 10, -2), -EINVAL);
	ck_assert_int_eq(fixture_write(bytes, 10, FILE_BYTES_MAX), -EFBIG);
	ck_assert_int_eq(fixture_write(bytes, 10, FILE_BYTES_MAX - 9), -EFBIG);
	ck_assert_int_eq(fixture_write(bytes, 0, 0), 0);
	ck_assert_int_eq(fixture_read(answer, 10, -1), -EINVAL);
	ck_assert_int_eq(fixture_read(answer, 10, INT64_MAX), 0);
	ck_assert_int_eq(fixture_truncate(UINT64_MAX), -EFBIG);
	ck_assert_int_eq(fixture_fallocate(0, 0, 0), -EINVAL);
	ck_assert_int_eq(fixture_fallocate(0, 1, INT64_MAX), -EFBIG);
	ck_assert_int_eq(fixture_fallocate(FALLOC_FL_PUNCH_HOLE, 0, 1),
			 -EOPNOTSUPP);
	ck_assert_int_eq(fixture_fallocate(FALLOC_FL_COLLAPSE_RANGE, 0, 4096),
			 -EOPNOTSUPP);
}
END_TEST

START_TEST(the_last_byte_of_the_largest_file)
{
	ck_assert_int_eq(fixture_write(bytes, 1, FILE_BYTES_MAX - 1), 1);
	ck_assert_int_eq(fixture_read(answer, 10, FILE_BYTES_MAX - 1), 1);
	ck_assert_int_eq(answer[0], bytes[0]);
	ck_assert_int_eq(fixture_seek(0, SEEK_DATA),
			 FILE_BYTES_MAX - BLOCK_BYTES);
	ck_assert_int_eq(fixture_truncate(0), 0);
	ck_assert_int_eq(fixture.file->media->blocks, 0);
}
END_TEST

START_TEST(append_goes_to_the_end)
{
	ck_assert_int_eq(fixture_write(bytes, 5000, 0), 5000);
	ck_assert_int_eq(fixture_write(bytes + 5000, 5000, FILE_APPEND), 5000);
	expect_bytes(0, 10000, 0);
}
END_TEST

START_TEST(an_overwrite_takes_one_fence_an_append_two)
{
	uint64_t before;

	ck_assert_int_eq(fixture_write(bytes, 65536, 0), 65536);
	before = device_fences();
	ck_assert_int_eq(fixture_write(bytes, 4096, 4096), 4096);
	ck_assert_int_eq(device_fences() - before, 1);
	before = device_fences();
	ck_assert_int_eq(fixture_write(bytes, 4096, 65536), 4096);
	ck_assert_int_eq(device_fences() - before, 2);
	before = device_fences();
	ck_assert_int_eq(fixture_write(bytes, MIB, 69632), MIB);
	ck_assert_int_eq(device_fences() - before, 2);
}
END_TEST

START_TEST(a_write_clears_suid_when_told_to)
{
	struct inode *file = fixture.file;

	ck_assert_int_eq(fixture_write(bytes, 8192, 0), 8192);
	file->media->mode |= S_ISUID | S_ISGID; /* never fenced: of no matter */
	ck_assert_int_eq(
		request_begin(&core.request, "write", file->ino, 0, false), 0);
	ck_assert_int_eq(file_write(&core.request, file, bytes, 10, 0, false),
			 10);
	ck_assert_int_eq(file->media->mode, S_IFREG | 06644);
	ck_assert_int_eq(file_write(&core.request, file, bytes, 10, 0, true),
			 10);
	ck_assert_int_eq(file->media->mode, S_IFREG | 02644);
	request_end(&core.request);
	file->media->mode &= ~(uint32_t)S_ISGID;
	ck_assert_int_eq(fixture_truncate(100), 0); /* a whole checksum again */
}
END_TEST

START_TEST(no_space_leaves_what_was_written_and_comes_back)
{
	uint64_t free_before = alloc_free_blocks(core.fs->allocs[0]);
	off_t at = 0;
	ssize_t done;

	while ((done = fixture_write(bytes, MIB, at)) == MIB)
		at += MIB;
	if (done > 0)
		at += done;
	else
		ck_assert_int_eq(done, -ENOSPC);
	ck_assert_int_gt(at, 32 * MIB);
	ck_assert_int_eq(fixture.file->media->size, at);
	ck_assert_int_eq(fixture_write(bytes, BLOCK_BYTES, at + MIB), -ENOSPC);
	ck_assert_int_eq(fixture.file->media->size, at);
	ck_assert_int_eq(fixture_fallocate(0, 0, 128 * (off_t)MIB), -ENOSPC);
	ck_assert_int_eq(fixture.file->media->size, at);
	expect_bytes(0, MIB, 0);
	expect_bytes(31 * (off_t)MIB, MIB, 0);
	/* Overwrites and truncates still work. */
	ck_assert_int_eq(fixture_write(bytes, MIB, 4096), MIB);
	ck_assert_int_eq(fixture_truncate(0), 0);
	ck_assert_int_eq(alloc_free_blocks(core.fs->allocs[0]), free_before);
	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	fixture_unlink_file("file");
	ck_assert_int_eq(alloc_free_blocks(core.fs->allocs[0]), free_before);
}
END_TEST

static Suite *file_suite(void)
{
	Suite *suite = suite_create("file");
	TCase *basic = tcase_create("basic");

	tcase_add_checked_fixture(basic, setup, teardown);
	tcase_set_timeout(basic, 30);
	tcase_add_test(basic, small_files_are_inline);
	tcase_add_test(basic, growth_leaves_inline_and_keeps_the_bytes);
	tcase_add_test(basic, an_inline_file_truncates_in_place);
	tcase_add_test(basic, small_appends_become_one_extent);
	tcase_add_test(basic, a_sparse_large_file_fills_up_to_one_extent);
	tcase_add_test(basic, large_files_agree_with_the_device_modulo_2m);
	tcase_add_test(basic, small_appends_agree_from_2m_on);
	tcase_add_test(basic, fallocate_aligns_and_reads_as_zeros);
	tcase_add_test(basic, keep_size_keeps_the_size);
	tcase_add_test(basic, extension_shows_zeros_never_what_was_cut_off);
	tcase_add_test(basic, punch_frees_blocks_and_zeroes_edges);
	tcase_add_test(basic, zero_range_keeps_blocks);
	tcase_add_test(basic, seek_tells_holes_from_data);
	tcase_add_test(basic, wrong_calls_are_refused);
	tcase_add_test(basic, the_last_byte_of_the_largest_file);
	tcase_add_test(basic, append_goes_to_the_end);
	tcase_add_test(basic, an_overwrite_takes_one_fence_an_append_two);
	tcase_add_test(basic, a_write_clears_suid_when_told_to);
	tcase_add_test(basic, no_space_leaves_what_was_written_and_comes_back);
	suite_add_tcase(suite, basic);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(file_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
