/* SPDX-License-Identifier: BSD-3-Clause */
/* The stores of device.h at each granularity; page has more in _page. */
#include "device/device.h"
#include "lib/device_fixture.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (1ull << 20)
#define PAGE DEVICE_PAGE_BYTES
#define THREADS 4

static const char *const granularities[] = { "byte", "cache_line", "page" };

static struct device *open_as(const char *granularity, const char *name)
{
	struct device *device;

	setenv("PMEM2_FORCE_GRANULARITY", granularity, 1);
	device = fixture_create_and_open(name);
	ck_assert_str_eq(device_granularity_name(device->granularity),
			 granularity);
	return device;
}

/* What the file holds, not what the map shows. */
static void ck_assert_file(const char *name, const void *bytes, size_t length,
			   off_t offset)
{
	unsigned char *found = malloc(length);
	int fd = open(fixture_path(name), O_RDONLY);

	ck_assert_int_eq(pread(fd, found, length, offset), length);
	ck_assert_mem_eq(found, bytes, length);
	close(fd);
	free(found);
}

static void fill(unsigned char *bytes, size_t length, unsigned int seed)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (unsigned char)(i * 31 + seed);
}

START_TEST(stores_survive_reopen_at_each_granularity)
{
	static const size_t lengths[] = {
		1, 8, 63, 64, 65, 4096, 5001, MIB + 3
	};
	static unsigned char bytes[MIB + 64];
	const char *granularity = granularities[_i];
	struct device *device = open_as(granularity, "a");
	size_t at;

	fill(bytes, sizeof(bytes), 1);
	at = 3; /* unaligned on purpose */
	for (unsigned int i = 0; i < 8; at += 2 * lengths[i++] + 5) {
		device_copy(device, device->base + at, bytes, lengths[i]);
		device_copy_cached(device, device->base + at + lengths[i],
				   bytes + 1, lengths[i]);
		device_flush(device, device->base + at + lengths[i],
			     lengths[i]);
		device_drain(device);
	}
	device_set(device, device->base + 8 * MIB, 0x5a, 2 * MIB);
	device_drain(device);
	device_store64(device, (uint64_t *)(device->base + 11 * MIB), 42);
	device_persist(device, device->base + 11 * MIB, 8);
	device_close(device);

	device = fixture_open("a",
			      (struct device_options){ .read_only = true });
	at = 3;
	for (unsigned int i = 0; i < 8; at += 2 * lengths[i++] + 5) {
		ck_assert_mem_eq(device->base + at, bytes, lengths[i]);
		ck_assert_file("a", bytes, lengths[i], (off_t)at);
		ck_assert_file("a", bytes + 1, lengths[i],
			       (off_t)(at + lengths[i]));
	}
	ck_assert_int_eq(device->base[8 * MIB], 0x5a);
	ck_assert_int_eq(device->base[10 * MIB - 1], 0x5a);
	ck_assert_int_eq(device->base[10 * MIB], 0);
	ck_assert_uint_eq(*(uint64_t *)(device->base + 11 * MIB), 42);
	device_close(device);
}
END_TEST

START_TEST(empty_stores_do_nothing)
{
	struct device *device = open_as(granularities[_i], "a");

	device_copy(device, device->base, NULL, 0);
	device_set(device, device->base, 1, 0);
	device_flush(device, device->base, 0);
	device_persist(device, device->base, 0);
	ck_assert_int_eq(device->base[0], 0);
	device_close(device);
}
END_TEST

static void *no_fences_here(void *arg)
{
	*(uint64_t *)arg = device_fences();
	return NULL;
}

START_TEST(fences_are_counted_by_thread)
{
	struct device *device = open_as(granularities[_i], "a");
	uint64_t before = device_fences(), other = 99;
	pthread_t thread;

	device_copy(device, device->base, "x", 1);
	device_flush(device, device->base, 1);
	ck_assert_uint_eq(device_fences(), before);
	device_drain(device);
	device_persist(device, device->base, 1);
	ck_assert_uint_eq(device_fences(), before + 2);
	ck_assert_int_eq(pthread_create(&thread, NULL, no_fences_here, &other),
			 0);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(other, 0);
	device_close(device);
}
END_TEST

static char heard[16];

static void hear(char what)
{
	size_t used = strlen(heard);

	if (used + 1 < sizeof(heard))
		heard[used] = what;
}

static void hear_stored(struct device *device, const void *to, size_t length,
			bool cached)
{
	ck_assert_int_eq(*(const char *)to, 'x'); /* has taken effect */
	ck_assert_uint_ge(length, 1);
	hear(cached ? 'c' : 'n');
}

static void hear_flushed(struct device *device, const void *from, size_t length)
{
	hear('f');
}

static void hear_drained(struct device *device)
{
	hear('d');
}

START_TEST(a_recorder_hears_every_store)
{
	static const struct device_recorder recorder = {
		.stored = hear_stored,
		.flushed = hear_flushed,
		.drained = hear_drained,
	};
	struct device *device = open_as(granularities[_i], "a");

	device_set_recorder(&recorder);
	device_copy(device, device->base, "x", 1);
	device_set(device, device->base, 'x', 9);
	device_copy_cached(device, device->base, "x", 1);
	device_store64(device, (uint64_t *)device->base, 'x');
	device_flush(device, device->base, 8);
	device_drain(device);
	device_persist(device, device->base, 8);
	device_set_recorder(NULL);
	device_drain(device);
	ck_assert_str_eq(heard, "nnccfdfd");
	device_close(device);
}
END_TEST

struct writer {
	struct device *device;
	unsigned int number;
};

static void *write_own_pages(void *arg)
{
	const struct writer *writer = arg;
	unsigned char bytes[PAGE];

	fill(bytes, sizeof(bytes), writer->number);
	for (unsigned int i = 0; i < 100; i++) {
		unsigned int page = i * THREADS + writer->number;

		device_copy(writer->device, writer->device->base + page * PAGE,
			    bytes, PAGE);
		device_drain(writer->device);
	}
	return NULL;
}

START_TEST(threads_store_beside_one_another)
{
	struct device *device = open_as(granularities[_i], "a");
	struct writer writer[THREADS];
	unsigned char bytes[PAGE];
	pthread_t thread[THREADS];

	for (unsigned int i = 0; i < THREADS; i++) {
		writer[i] = (struct writer){ device, i };
		ck_assert_int_eq(pthread_create(&thread[i], NULL,
						write_own_pages, &writer[i]),
				 0);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (unsigned int page = 0; page < 100 * THREADS; page++) {
		fill(bytes, sizeof(bytes), page % THREADS);
		ck_assert_file("a", bytes, PAGE, page * PAGE);
	}
	device_close(device);
}
END_TEST

static void add_contract(Suite *suite)
{
	TCase *each = tcase_create("each granularity");

	tcase_add_checked_fixture(each, fixture_make, fixture_remove);
	tcase_add_loop_test(each, stores_survive_reopen_at_each_granularity, 0,
			    3);
	tcase_add_loop_test(each, empty_stores_do_nothing, 0, 3);
	tcase_add_loop_test(each, fences_are_counted_by_thread, 0, 3);
	tcase_add_loop_test(each, a_recorder_hears_every_store, 0, 3);
	tcase_add_loop_test(each, threads_store_beside_one_another, 0, 3);
	suite_add_tcase(suite, each);
}

int main(void)
{
	Suite *suite = suite_create("device_store");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_contract(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
