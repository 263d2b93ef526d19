/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/device.h"
#include "device/members.h"
#include "lib/device_fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define MIB (1ull << 20)
#define READ_ONLY ((struct device_options){ .read_only = true })
#define PRIVATE_COPY ((struct device_options){ .private_copy = true })
#define NO_LOCK ((struct device_options){ .no_lock = true })
#define PLAIN ((struct device_options){ 0 })

/* ----------------------------------------------------------------- opening */

START_TEST(open_maps_the_whole_file_aligned)
{
	struct device *device = fixture_create_and_open("a");
	struct stat file;

	ck_assert_uint_eq((uintptr_t)device->base % DEVICE_MAP_ALIGN, 0);
	ck_assert_uint_eq(device->size_bytes, FIXTURE_BYTES);
	ck_assert_int_eq(device->kind, DEVICE_EMULATED);
	ck_assert_int_eq(stat(fixture_path("a"), &file), 0);
	ck_assert(device->file_ino == file.st_ino);
	ck_assert_str_eq(device->path, fixture_path("a"));
	ck_assert(device_at(device, MIB) == device->base + MIB);
	ck_assert_uint_eq(device_offset(device, device->base + MIB), MIB);
	ck_assert(!device_failed(device));
	ck_assert(device_still_there(device));
	ck_assert_int_eq(device_bad_blocks(device, NULL, NULL), 0);
	device_close(device);
	device_close(NULL);
}
END_TEST

START_TEST(size_is_rounded_down_to_a_page)
{
	struct device *device;

	fixture_create("a");
	ck_assert_int_eq(truncate(fixture_path("a"), 20 * MIB + 5000), 0);
	device = fixture_open("a", PLAIN);
	ck_assert_uint_eq(device->size_bytes, 20 * MIB + 4096);
	device_close(device);
}
END_TEST

START_TEST(too_small_is_refused_with_its_size)
{
	fixture_create("a");
	ck_assert_int_eq(truncate(fixture_path("a"), 8 * MIB), 0);
	ck_assert_int_eq(fixture_open_error(fixture_path("a")), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fixture_why, "too small: 8388608"));
	ck_assert_int_eq(truncate(fixture_path("a"), 0), 0);
	ck_assert_int_eq(fixture_open_error(fixture_path("a")), -EINVAL);
}
END_TEST

START_TEST(what_is_no_device_is_refused)
{
	ck_assert_int_eq(mkfifo(fixture_path("fifo"), 0600), 0);
	ck_assert_int_eq(fixture_open_error(fixture_path("fifo")), -ENOTBLK);
	ck_assert_int_eq(fixture_open_error("/dev/null"), -ENOTBLK);
	ck_assert_int_eq(fixture_open_error("/dev"), -EISDIR);
	ck_assert_int_eq(fixture_open_error(fixture_path("none")), -ENOENT);
	ck_assert_str_eq(fixture_why, "no such device or file");
}
END_TEST

START_TEST(failed_opens_leave_no_descriptor_and_no_lock)
{
	int before = dup(STDIN_FILENO), after;

	close(before);
	fixture_create("a");
	ck_assert_int_eq(truncate(fixture_path("a"), 8 * MIB), 0);
	for (int i = 0; i < 2 * DEVICES_MAX; i++)
		fixture_open_error(fixture_path("a"));
	after = dup(STDIN_FILENO);
	ck_assert_int_eq(before, after);
	close(after);
}
END_TEST

static int store_one(void)
{
	struct device *device = fixture_open("a", READ_ONLY);

	signal(SIGSEGV, SIG_DFL); /* a sanitizer would report it */
	*(volatile unsigned char *)device->base = 1;
	return 0;
}

START_TEST(read_only_reads_and_its_stores_fault)
{
	struct device *device = fixture_create_and_open("a");

	device_persist(device, memset(device->base, 7, 64), 64);
	device_close(device);
	device = fixture_open("a", READ_ONLY);
	ck_assert_int_eq(device->base[63], 7);
	device_close(device);
	ck_assert_int_eq(fixture_in_child(store_one), 1000 + SIGSEGV);
}
END_TEST

START_TEST(private_copy_leaves_the_file_as_it_was)
{
	struct device *device = fixture_create_and_open("a");

	device_set(device, device->base, 7, MIB);
	device_drain(device);
	device_close(device);
	device = fixture_open("a", PRIVATE_COPY);
	ck_assert_int_eq(device->base[0], 7);
	device_set(device, device->base, 9, MIB);
	device_persist(device, device->base, MIB);
	ck_assert_int_eq(device_deep_flush(device, device->base, MIB), 0);
	ck_assert_int_eq(device->base[MIB - 1], 9);
	device_close(device);
	device = fixture_open("a", READ_ONLY);
	ck_assert_int_eq(device->base[0], 7);
	ck_assert_int_eq(device->base[MIB - 1], 7);
	device_close(device);
}
END_TEST

/* Twice what the kernel would promise. */
START_TEST(private_copy_of_a_device_larger_than_memory)
{
	struct sysinfo info;
	struct device *device;
	uint64_t bytes;

	ck_assert_int_eq(sysinfo(&info), 0);
	bytes = 2 * ((uint64_t)info.totalram + info.totalswap) * info.mem_unit;
	fixture_create("a");
	ck_assert_int_eq(truncate(fixture_path("a"), (off_t)bytes), 0);
	device = fixture_open("a", PRIVATE_COPY);
	device->base[5] = 1;
	device->base[bytes - DEVICE_PAGE_BYTES] = 2;
	ck_assert_int_eq(device->base[5], 1);
	device_close(device);
	device = fixture_open("a", READ_ONLY);
	ck_assert_int_eq(device->base[5], 0);
	ck_assert_int_eq(device->base[bytes - DEVICE_PAGE_BYTES], 0);
	device_close(device);
}
END_TEST

START_TEST(read_guarded_stays_inside_the_device)
{
	struct device *device = fixture_create_and_open("a");
	char bytes[8];

	ck_assert_int_eq(device_read_guarded(device, bytes, 0, 8), 0);
	ck_assert_int_eq(
		device_read_guarded(device, bytes, FIXTURE_BYTES - 8, 8), 0);
	ck_assert_int_eq(
		device_read_guarded(device, bytes, FIXTURE_BYTES - 7, 8),
		-EINVAL);
	ck_assert_int_eq(device_read_guarded(device, bytes, UINT64_MAX, 8),
			 -EINVAL);
	device_close(device);
}
END_TEST

/* ---------------------------------------------------------------- emulated */

static int create_bytes(const char *name, uint64_t size_bytes)
{
	return device_create_emulated(fixture_path(name), size_bytes,
				      fixture_why, sizeof(fixture_why));
}

START_TEST(an_emulated_device_has_its_space_from_the_start)
{
	struct stat file;

	ck_assert_int_eq(create_bytes("a", 16 * MIB), 0);
	ck_assert_int_eq(stat(fixture_path("a"), &file), 0);
	ck_assert_int_eq(file.st_size, 16 * MIB);
	ck_assert_int_ge(file.st_blocks * 512, 16 * MIB);
	ck_assert_int_eq(file.st_mode & 0777, 0600);
}
END_TEST

START_TEST(an_existing_file_loses_nothing)
{
	int fd;

	ck_assert_int_eq(create_bytes("a", 16 * MIB), 0);
	fd = open(fixture_path("a"), O_RDWR);
	ck_assert_int_eq(pwrite(fd, "x", 1, 4096), 1);
	close(fd);
	ck_assert_int_eq(create_bytes("a", 32 * MIB), -EEXIST);
	ck_assert_int_eq(create_bytes("a", 16 * MIB), 0);
	fd = open(fixture_path("a"), O_RDONLY);
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), 16 * MIB);
	close(fd);
	ck_assert_int_eq(truncate(fixture_path("a"), 0), 0);
	ck_assert_int_eq(create_bytes("a", 32 * MIB), 0);
	ck_assert_int_eq(mkfifo(fixture_path("fifo"), 0600), 0);
	ck_assert_int_eq(create_bytes("fifo", 16 * MIB), -EEXIST);
}
END_TEST

START_TEST(no_space_is_said_at_once_and_leaves_no_file)
{
	ck_assert_int_eq(create_bytes("a", MIB), -EINVAL);
	ck_assert_int_lt(create_bytes("a", 1ull << 50), 0);
	ck_assert_int_eq(access(fixture_path("a"), F_OK), -1);
}
END_TEST

/* ----------------------------------------------------------------- members */

START_TEST(members_open_all_or_none)
{
	const char *paths[] = { fixture_path("a"), fixture_path("b"),
				fixture_path("none") };
	struct members members;
	unsigned int bad;

	fixture_create("a");
	fixture_create("b");
	ck_assert_int_eq(members_open(&members, paths, 3, NULL, &bad,
				      fixture_why, sizeof(fixture_why)),
			 -ENOENT);
	ck_assert_uint_eq(bad, 2);
	ck_assert_uint_eq(members.count, 0);
	paths[2] = paths[0];
	ck_assert_int_eq(members_open(&members, paths, 3, NULL, &bad,
				      fixture_why, sizeof(fixture_why)),
			 -EINVAL);
	ck_assert_str_eq(fixture_why, "given twice");
	ck_assert_int_eq(members_open(&members, paths, 2, NULL, &bad,
				      fixture_why, sizeof(fixture_why)),
			 0);
	ck_assert_uint_eq(members.count, 2);
	members_close(&members);
	members_close(&members);
}
END_TEST

START_TEST(members_are_found_by_what_they_are)
{
	const char *paths[] = { fixture_path("a"), fixture_path("b") };
	struct members members;
	struct device *second;

	fixture_create("a");
	fixture_create("b");
	ck_assert_int_eq(members_open(&members, paths, 2, NULL, NULL,
				      fixture_why, sizeof(fixture_why)),
			 0);
	second = members.device[1];
	ck_assert_int_eq(symlink(second->path, fixture_path("link")), 0);
	ck_assert_int_eq(members_find_path(&members, fixture_path("link")), 1);
	ck_assert_int_eq(members_find_path(&members, "/dev/null"), -ENOENT);
	ck_assert_int_eq(members_find_identity(&members, second->file_dev,
					       second->file_ino),
			 1);
	ck_assert_int_eq(members_find_address(&members, second->base + MIB), 1);
	ck_assert_int_eq(members_find_address(&members, &members), -ENOENT);
	/* gone from its directory it still answers to its path */
	unlink(second->path);
	ck_assert_int_eq(members_find_path(&members, second->path), 1);

	/* a slot may be empty */
	device_close(members.device[0]);
	members.device[0] = NULL;
	ck_assert_int_eq(members_find_path(&members, second->path), 1);
	ck_assert_int_eq(members_find_path(&members, fixture_path("a")),
			 -ENOENT);
	members_close(&members);
}
END_TEST

START_TEST(no_more_than_devices_max)
{
	struct device *device[DEVICES_MAX];

	fixture_create("a");
	for (int i = 0; i < DEVICES_MAX; i++)
		device[i] = fixture_open("a", NO_LOCK);
	ck_assert_int_eq(device_open(&device[0], fixture_path("a"), &NO_LOCK,
				     fixture_why, sizeof(fixture_why)),
			 -EMFILE);
	for (int i = 0; i < DEVICES_MAX; i++)
		device_close(device[i]);
}
END_TEST

static void add_opening(Suite *suite)
{
	TCase *opening = tcase_create("opening");

	tcase_add_checked_fixture(opening, fixture_make, fixture_remove);
	tcase_add_test(opening, open_maps_the_whole_file_aligned);
	tcase_add_test(opening, size_is_rounded_down_to_a_page);
	tcase_add_test(opening, too_small_is_refused_with_its_size);
	tcase_add_test(opening, what_is_no_device_is_refused);
	tcase_add_test(opening, failed_opens_leave_no_descriptor_and_no_lock);
	tcase_add_test(opening, read_only_reads_and_its_stores_fault);
	tcase_add_test(opening, private_copy_leaves_the_file_as_it_was);
	tcase_add_test(opening, private_copy_of_a_device_larger_than_memory);
	tcase_add_test(opening, read_guarded_stays_inside_the_device);
	tcase_add_test(opening,
		       an_emulated_device_has_its_space_from_the_start);
	tcase_add_test(opening, an_existing_file_loses_nothing);
	tcase_add_test(opening, no_space_is_said_at_once_and_leaves_no_file);
	suite_add_tcase(suite, opening);
}

static void add_members(Suite *suite)
{
	TCase *members = tcase_create("members");

	tcase_add_checked_fixture(members, fixture_make, fixture_remove);
	tcase_add_test(members, members_open_all_or_none);
	tcase_add_test(members, members_are_found_by_what_they_are);
	tcase_add_test(members, no_more_than_devices_max);
	suite_add_tcase(suite, members);
}

int main(void)
{
	Suite *suite = suite_create("device");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_opening(suite);
	add_members(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
