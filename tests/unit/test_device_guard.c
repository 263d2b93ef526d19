/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/device.h"
#include "device/guard.h"
#include "lib/device_fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1ull << 20)
#define PAGE DEVICE_PAGE_BYTES
#define THREADS 4

static void make(void)
{
	fixture_make();
	ck_assert_int_eq(device_guard_install(), 0);
}

static int load(const struct device *device, uint64_t offset)
{
	return *(volatile unsigned char *)device_at(device, offset);
}

static bool eventfd_readable(void)
{
	struct pollfd poll_fd = { .fd = device_guard_eventfd(),
				  .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

static struct device *vanished(const char *name, off_t left_bytes)
{
	struct device *device = fixture_create_and_open(name);

	device_set(device, device->base, 7, FIXTURE_BYTES);
	device_drain(device);
	ck_assert_int_eq(truncate(fixture_path(name), left_bytes), 0);
	return device;
}

START_TEST(a_load_from_a_vanished_page_is_zero_and_marks_the_device)
{
	struct device *device = vanished("a", MIB);
	uint64_t count;

	ck_assert_int_eq(load(device, MIB - 1), 7);
	ck_assert(!device_failed(device));
	ck_assert(!eventfd_readable());
	ck_assert_int_eq(load(device, 2 * MIB + 5), 0);
	ck_assert(device_failed(device));
	ck_assert_uint_eq(device->failed_offset, 2 * MIB + 5);
	ck_assert(eventfd_readable());
	ck_assert_int_eq(read(device_guard_eventfd(), &count, 8), 8);
	ck_assert_uint_eq(count, 1);
	ck_assert(!eventfd_readable());
	/* what is left of it is still there */
	ck_assert_int_eq(load(device, 0), 7);
	device_close(device);
}
END_TEST

START_TEST(stores_to_a_vanished_device_do_no_harm)
{
	static const char *const granularities[] = { "byte", "cache_line",
						     "page" };
	struct device *device;

	setenv("PMEM2_FORCE_GRANULARITY", granularities[_i], 1);
	device = vanished("a", 0);
	device_copy(device, device->base + 100, "abc", 3);
	ck_assert(device_failed(device));
	device_set(device, device->base + MIB + 1, 1, 2 * MIB);
	device_copy_cached(device, device->base + 5 * MIB - 1, "abc", 3);
	device_store64(device, (uint64_t *)(device->base + 7 * MIB), 1);
	device_persist(device, device->base, FIXTURE_BYTES);
	device_close(device);
}
END_TEST

START_TEST(a_guarded_read_says_io_error)
{
	struct device *device = vanished("a", MIB);
	char bytes[16];

	ck_assert_int_eq(device_read_guarded(device, bytes, MIB - 16, 16), 0);
	ck_assert_int_eq(device_read_guarded(device, bytes, MIB - 8, 16), -EIO);
	device_close(device);
}
END_TEST

START_TEST(one_device_fails_and_the_others_do_not)
{
	struct device *one = fixture_create_and_open("a");
	struct device *two = vanished("b", 0);
	struct device *three = fixture_create_and_open("c");

	ck_assert_int_eq(load(two, 0), 0);
	ck_assert(device_failed(two));
	ck_assert(!device_failed(one));
	ck_assert(!device_failed(three));
	ck_assert_int_eq(load(one, 0), 0);
	ck_assert_int_eq(load(three, 0), 0);
	ck_assert(device_guard_find(two->base + FIXTURE_BYTES - 1) == two);
	device_close(two);
	ck_assert_ptr_null(device_guard_find(&two));
	device_close(one);
	/* a slot that was given back serves again */
	two = vanished("b", 0);
	ck_assert_int_eq(load(two, 0), 0);
	ck_assert(device_failed(two));
	device_close(two);
	device_close(three);
}
END_TEST

START_TEST(a_system_call_on_a_vanished_page_says_efault)
{
	struct device *device = vanished("a", 0);
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], device->base, 16), -1);
	ck_assert_int_eq(errno, EFAULT);
	ck_assert(!device_failed(device));
	ck_assert(!device_still_there(device));
	ck_assert(device_failed(device));
	ck_assert(eventfd_readable());
	device_close(device);
}
END_TEST

START_TEST(a_private_copy_and_a_read_only_map_are_guarded)
{
	struct device_options options = { .private_copy = _i == 0,
					  .read_only = _i == 1 };
	struct device *device;

	fixture_create("a");
	device = fixture_open("a", options);
	ck_assert_int_eq(truncate(fixture_path("a"), 0), 0);
	ck_assert_int_eq(load(device, MIB), 0);
	ck_assert(device_failed(device));
	device_close(device);
}
END_TEST

/* More separate pages than the kernel allows mappings. */
START_TEST(any_number_of_pages_may_vanish)
{
	const uint64_t size_bytes = 640 * MIB;
	uint64_t wrong = 0;
	struct device *device;

	fixture_create("a");
	ck_assert_int_eq(truncate(fixture_path("a"), (off_t)size_bytes), 0);
	device = fixture_open("a", (struct device_options){ 0 });
	ck_assert_int_eq(truncate(fixture_path("a"), 0), 0);
	for (uint64_t at = 0; at < size_bytes; at += 2 * PAGE)
		wrong += load(device, at) != 0;
	ck_assert_uint_eq(wrong, 0);
	ck_assert(device_failed(device));
	device_close(device);
}
END_TEST

static void *load_all(void *arg)
{
	const struct device *device = arg;
	unsigned int wrong = 0;

	for (uint64_t at = 0; at < FIXTURE_BYTES; at += PAGE)
		wrong += load(device, at) != 0;
	return (void *)(uintptr_t)wrong;
}

START_TEST(threads_may_fault_at_once)
{
	struct device *device = vanished("a", 0);
	pthread_t thread[THREADS];

	for (unsigned int i = 0; i < THREADS; i++)
		ck_assert_int_eq(
			pthread_create(&thread[i], NULL, load_all, device), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		void *wrong;

		pthread_join(thread[i], &wrong);
		ck_assert_ptr_null(wrong);
	}
	ck_assert(device_failed(device));
	device_close(device);
}
END_TEST

static int touch_other_memory(void)
{
	int fd = open(fixture_path("other"), O_RDWR | O_CREAT, 0600);
	volatile char *at;

	if (ftruncate(fd, PAGE) != 0)
		return 1;
	at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED || ftruncate(fd, 0) != 0)
		return 2;
	return 3 + *at;
}

static int send_to_self(void)
{
	kill(getpid(), SIGBUS);
	return 1;
}

START_TEST(any_other_sigbus_kills_as_ever)
{
	struct device *device = fixture_create_and_open("a");

	ck_assert_int_eq(fixture_in_child(touch_other_memory), 1000 + SIGBUS);
	ck_assert_int_eq(fixture_in_child(send_to_self), 1000 + SIGBUS);
	device_close(device);
}
END_TEST

START_TEST(a_closed_device_is_guarded_no_more)
{
	struct device *device = fixture_create_and_open("a");
	unsigned char *base = device->base;

	ck_assert(device_guard_find(base) == device);
	device_close(device);
	ck_assert_ptr_null(device_guard_find(base));
}
END_TEST

START_TEST(installing_twice_keeps_the_eventfd)
{
	int fd = device_guard_eventfd();

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(device_guard_install(), 0);
	ck_assert_int_eq(device_guard_eventfd(), fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("device_guard");
	TCase *guard = tcase_create("guard");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(guard, make, fixture_remove);
	tcase_set_timeout(guard, 30);
	tcase_add_test(
		guard,
		a_load_from_a_vanished_page_is_zero_and_marks_the_device);
	tcase_add_loop_test(guard, stores_to_a_vanished_device_do_no_harm, 0,
			    3);
	tcase_add_test(guard, a_guarded_read_says_io_error);
	tcase_add_test(guard, one_device_fails_and_the_others_do_not);
	tcase_add_test(guard, a_system_call_on_a_vanished_page_says_efault);
	tcase_add_loop_test(
		guard, a_private_copy_and_a_read_only_map_are_guarded, 0, 2);
	tcase_add_test(guard, any_number_of_pages_may_vanish);
	tcase_add_test(guard, threads_may_fault_at_once);
	tcase_add_test(guard, any_other_sigbus_kills_as_ever);
	tcase_add_test(guard, a_closed_device_is_guarded_no_more);
	tcase_add_test(guard, installing_twice_keeps_the_eventfd);
	suite_add_tcase(suite, guard);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
