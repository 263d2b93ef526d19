/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Durability at page granularity. msync is ours here, so that a test sees what
 * libpmem2 and the device layer sync, and can make it fail.
 */
#include "device/device.h"
#include "lib/device_fixture.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB (1ull << 20)
#define PAGE DEVICE_PAGE_BYTES

static const char *const granularities[] = { "byte", "cache_line", "page" };

#define SYNCS_MAX 64

static struct {
	_Atomic unsigned int count;
	uintptr_t from[SYNCS_MAX], to[SYNCS_MAX];
	_Atomic int fail; /* errno of the next one */
} syncs;

int msync(void *at, size_t length, int flags)
{
	unsigned int slot = atomic_fetch_add(&syncs.count, 1);
	int fail = atomic_exchange(&syncs.fail, 0);

	if (slot < SYNCS_MAX) {
		syncs.from[slot] = (uintptr_t)at;
		syncs.to[slot] = (uintptr_t)at + length;
	}
	if (fail) {
		errno = fail;
		return -1;
	}
	return (int)syscall(SYS_msync, at, length, flags);
}

static bool was_synced(const void *at, size_t length)
{
	uintptr_t from = (uintptr_t)at, to = from + length;

	for (unsigned int i = 0; i < syncs.count && i < SYNCS_MAX; i++)
		if (syncs.from[i] <= from && to <= syncs.to[i])
			return true;
	return false;
}

static struct device *open_as(const char *granularity, const char *name)
{
	struct device *device;

	setenv("PMEM2_FORCE_GRANULARITY", granularity, 1);
	device = fixture_create_and_open(name);
	ck_assert_str_eq(device_granularity_name(device->granularity),
			 granularity);
	syncs.count = 0;
	return device;
}

START_TEST(only_page_granularity_syncs)
{
	struct device *device = open_as(granularities[_i], "a");

	device_copy(device, device->base, "abc", 3);
	device_set(device, device->base + PAGE, 1, PAGE);
	device_persist(device, device->base, 3);
	ck_assert_uint_eq(syncs.count, _i == DEVICE_PAGE ? 1 : 0);
	device_close(device);
}
END_TEST

START_TEST(at_page_granularity_all_kinds_of_store_are_synced_by_the_drain)
{
	struct device *device = open_as("page", "a");
	unsigned char *at = device->base;

	device_copy(device, at + PAGE - 2, "abcd", 4);
	device_set(device, at + 4 * MIB, 1, MIB);
	device_copy_cached(device, at + 6 * MIB, "x", 1);
	device_flush(device, at + 6 * MIB, 1);
	device_store64(device, (uint64_t *)(at + 8 * MIB), 1);
	device_flush(device, at + 8 * MIB, 8);
	ck_assert_uint_eq(syncs.count, 0); /* all of it is the drain's */
	device_drain(device);
	ck_assert(was_synced(at + PAGE - 2, 4));
	ck_assert(was_synced(at + 4 * MIB, MIB));
	ck_assert(was_synced(at + 6 * MIB, 1));
	ck_assert(was_synced(at + 8 * MIB, 8));
	ck_assert_uint_eq(syncs.count, 4);
	device_drain(device); /* nothing is left of it */
	ck_assert_uint_eq(syncs.count, 4);
	device_close(device);
}
END_TEST

START_TEST(small_stores_to_one_place_are_one_sync)
{
	struct device *device = open_as("page", "a");

	for (unsigned int i = 0; i < 1000; i++)
		device_copy(device, device->base + 64 * i, "0123456789", 10);
	device_drain(device);
	ck_assert_uint_eq(syncs.count, 1);
	device_close(device);
}
END_TEST

START_TEST(scattered_stores_stay_bounded_and_are_all_synced)
{
	struct device *device = open_as("page", "a");

	for (unsigned int i = 0; i < 50; i++)
		device_copy(device, device->base + (i * 37 % 50) * 8 * PAGE,
			    "x", 1);
	device_drain(device);
	ck_assert_uint_le(syncs.count, 16);
	for (unsigned int i = 0; i < 50; i++)
		ck_assert(was_synced(device->base + i * 8 * PAGE, 1));
	device_close(device);
}
END_TEST

START_TEST(a_drain_is_for_its_device_and_other_stores_are_kept)
{
	struct device *one = open_as("page", "a");
	struct device *two = open_as("page", "b");

	for (unsigned int i = 0; i < 16; i++)
		device_copy(one, one->base + i * 8 * PAGE, "x", 1);
	device_copy(two, two->base, "y", 1); /* no room: one is synced early */
	device_drain(two);
	ck_assert(was_synced(two->base, 1));
	device_drain(one);
	for (unsigned int i = 0; i < 16; i++)
		ck_assert(was_synced(one->base + i * 8 * PAGE, 1));
	device_close(one);
	device_close(two);
}
END_TEST

START_TEST(a_failed_sync_fails_the_device_and_not_the_process)
{
	struct device *device = open_as("page", "a");
	char byte;

	atomic_store(&syncs.fail, EINTR);
	device_persist(device, device->base, 1);
	ck_assert(!device_failed(device)); /* just again */
	ck_assert_uint_eq(syncs.count, 2);
	atomic_store(&syncs.fail, EIO);
	device_persist(device, device->base + PAGE, 1);
	ck_assert(device_failed(device));
	ck_assert_uint_eq(device->failed_offset, PAGE);
	ck_assert_int_eq(device_read_guarded(device, &byte, 0, 1), -EIO);
	ck_assert_int_eq(device_deep_flush(device, device->base, 1), -EIO);
	device_close(device);
}
END_TEST

START_TEST(a_failed_early_sync_fails_the_device_it_was_for)
{
	struct device *one = open_as("page", "a");
	struct device *two = open_as("page", "b");

	for (unsigned int i = 0; i < 16; i++)
		device_copy(one, one->base + i * 8 * PAGE, "x", 1);
	atomic_store(&syncs.fail, EIO);
	device_copy(two, two->base, "y", 1);
	ck_assert(device_failed(one));
	ck_assert(!device_failed(two));
	device_drain(two);
	/* what a device left behind is harmless once it is closed */
	device_close(one);
	for (unsigned int i = 0; i < 50; i++)
		device_copy(two, two->base + i * 8 * PAGE, "y", 1);
	device_drain(two);
	ck_assert(!device_failed(two));
	device_close(two);
}
END_TEST

START_TEST(a_private_copy_is_never_synced)
{
	struct device *device = open_as("page", "a");

	device_close(device);
	device = fixture_open("a",
			      (struct device_options){ .private_copy = true });
	syncs.count = 0;
	device_copy(device, device->base, "x", 1);
	device_persist(device, device->base, 1);
	ck_assert_uint_eq(syncs.count, 0);
	device_close(device);
}
END_TEST

static void add_page(Suite *suite)
{
	TCase *page = tcase_create("page granularity");

	tcase_add_checked_fixture(page, fixture_make, fixture_remove);
	tcase_add_test(
		page,
		at_page_granularity_all_kinds_of_store_are_synced_by_the_drain);
	tcase_add_test(page, small_stores_to_one_place_are_one_sync);
	tcase_add_test(page, scattered_stores_stay_bounded_and_are_all_synced);
	tcase_add_test(page,
		       a_drain_is_for_its_device_and_other_stores_are_kept);
	tcase_add_test(page,
		       a_failed_sync_fails_the_device_and_not_the_process);
	tcase_add_test(page, a_failed_early_sync_fails_the_device_it_was_for);
	tcase_add_test(page, a_private_copy_is_never_synced);
	tcase_add_loop_test(page, only_page_granularity_syncs, 0, 3);
	suite_add_tcase(suite, page);
}

int main(void)
{
	Suite *suite = suite_create("device_page");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_page(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
