/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A private copy without MAP_PRIVATE, which devdax needs: here libpmem2 says
 * of every device what it says of devdax.
 */
#include "device/device.h"
#include "device/guard.h"
#include "lib/device_fixture.h"

#include <check.h>
#include <libpmem2.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1ull << 20)
#define PAGE DEVICE_PAGE_BYTES
#define THREADS 4
#define PRIVATE_COPY ((struct device_options){ .private_copy = true })

int pmem2_config_set_sharing(struct pmem2_config *config,
			     enum pmem2_sharing_type type)
{
	return type == PMEM2_PRIVATE ? PMEM2_E_SRC_DEVDAX_PRIVATE : 0;
}

static struct device *open_copy(void)
{
	struct device *device = fixture_create_and_open("a");

	device_set(device, device->base, 7, FIXTURE_BYTES);
	device_drain(device);
	device_close(device);
	device = fixture_open("a", PRIVATE_COPY);
	return device;
}

static void close_and_check_file(struct device *device)
{
	uint64_t wrong = 0; /* an assertion a byte would take seconds */

	device_close(device);
	device = fixture_open("a",
			      (struct device_options){ .read_only = true });
	for (uint64_t at = 0; at < FIXTURE_BYTES; at += 512)
		wrong += device->base[at] != 7;
	ck_assert_uint_eq(wrong, 0);
	device_close(device);
}

START_TEST(stores_are_seen_and_never_reach_the_file)
{
	struct device *device = open_copy();

	ck_assert_int_eq(device->base[0], 7);
	device->base[5] = 8;
	device_set(device, device->base + MIB - 1, 9, PAGE + 2);
	device_copy_cached(device, device->base + 3 * MIB, "x", 1);
	device_persist(device, device->base, FIXTURE_BYTES);
	ck_assert_int_eq(device->base[4], 7);
	ck_assert_int_eq(device->base[5], 8);
	ck_assert_int_eq(device->base[MIB - 2], 7);
	ck_assert_int_eq(device->base[MIB + PAGE], 9);
	ck_assert_int_eq(device->base[MIB + PAGE + 1], 7);
	ck_assert_int_eq(device->base[3 * MIB], 'x');
	close_and_check_file(device);
}
END_TEST

struct writer {
	struct device *device;
	unsigned int number;
};

static void *write_own_bytes(void *arg)
{
	const struct writer *writer = arg;

	for (uint64_t at = writer->number; at < MIB; at += 64)
		writer->device->base[at] = (unsigned char)writer->number;
	return NULL;
}

START_TEST(threads_lose_no_store_to_a_shared_unit)
{
	struct device *device = open_copy();
	struct writer writer[THREADS];
	pthread_t thread[THREADS];
	uint64_t wrong = 0;

	for (unsigned int i = 0; i < THREADS; i++) {
		writer[i] = (struct writer){ device, i };
		ck_assert_int_eq(pthread_create(&thread[i], NULL,
						write_own_bytes, &writer[i]),
				 0);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (uint64_t at = 0; at < MIB; at++)
		wrong += device->base[at] != (at % 64 < THREADS ? at % 64 : 7);
	ck_assert_uint_eq(wrong, 0);
	close_and_check_file(device);
}
END_TEST

START_TEST(a_vanished_device_is_zero_also_to_a_copy)
{
	struct device *device;

	ck_assert_int_eq(device_guard_install(), 0);
	device = open_copy();
	device->base[0] = 1;
	ck_assert_int_eq(truncate(fixture_path("a"), 0), 0);
	ck_assert_int_eq(device->base[0], 1);
	device->base[MIB] = 2; /* SIGBUS inside the copy */
	ck_assert_int_eq(device->base[MIB], 2);
	ck_assert_int_eq(device->base[MIB + 1], 0);
	ck_assert(device_failed(device));
	device_close(device);
}
END_TEST

static int store_elsewhere(void)
{
	struct device *device;
	volatile char *at = mmap(NULL, PAGE, PROT_READ,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	signal(SIGSEGV, SIG_DFL); /* a sanitizer would report it */
	device = open_copy();
	device->base[0] = 1;
	*at = 1;
	return 0;
}

static int store_to_read_only_device(void)
{
	struct device *copy, *device;

	signal(SIGSEGV, SIG_DFL);
	copy = open_copy();
	copy->base[0] = 1;
	fixture_create("b");
	device = fixture_open("b",
			      (struct device_options){ .read_only = true });
	*(volatile unsigned char *)device->base = 1;
	return 0;
}

START_TEST(any_other_fault_kills_as_ever)
{
	ck_assert_int_eq(fixture_in_child(store_elsewhere), 1000 + SIGSEGV);
	ck_assert_int_eq(fixture_in_child(store_to_read_only_device),
			 1000 + SIGSEGV);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("device_cow");
	TCase *cow = tcase_create("cow");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(cow, fixture_make, fixture_remove);
	tcase_add_test(cow, stores_are_seen_and_never_reach_the_file);
	tcase_add_test(cow, threads_lose_no_store_to_a_shared_unit);
#ifndef __SANITIZE_THREAD__ /* which blocks SIGBUS in every handler */
	tcase_add_test(cow, a_vanished_device_is_zero_also_to_a_copy);
#else
	(void)a_vanished_device_is_zero_also_to_a_copy;
#endif
	tcase_add_test(cow, any_other_fault_kills_as_ever);
	suite_add_tcase(suite, cow);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
