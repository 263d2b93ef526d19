/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What small files that come and go leave of 2 MiB units, and whether a large
 * file then gets them: with PMD entries one fault maps 512 pages.
 */
#include "lib/device_fixture.h"
#include "lib/file_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#define DEVICE_BYTES (UINT64_C(512) << 20)
#define SMALL_FILES 6000 /* at most, at once: about half of the device */
#define SMALL_BLOCKS 16	 /* at most */
#define MEDIUM_BLOCKS 1024
#define ROUNDS 30000
#define BIG_BYTES (UINT64_C(320) << 20)

static uint64_t state = 88172645463325252; /* any seed */

static unsigned below(unsigned end)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state % end);
}

static const char *name_of(unsigned number)
{
	static char name[32];

	snprintf(name, sizeof(name), "small-%u", number);
	return name;
}

/* One in a hundred is of some MiB. */
static void make(unsigned number)
{
	unsigned blocks = 1 + below(SMALL_BLOCKS);

	if (below(100) == 0)
		blocks = 1 + below(MEDIUM_BLOCKS);
	fixture_open_file(name_of(number), true);
	ck_assert_int_eq(fixture_fallocate(0, 0, (off_t)blocks * BLOCK_BYTES),
			 0);
	fixture_close_file();
}

static void age(void)
{
	static bool there[SMALL_FILES];
	unsigned i;

	for (i = 0; i < ROUNDS; i++) {
		unsigned number = below(SMALL_FILES);

		if (there[number])
			ck_assert_int_eq(
				core_unlink(core.root, name_of(number)), 0);
		else
			make(number);
		there[number] = !there[number];
	}
}

static int count_whole(uint64_t offset, uint64_t length, unsigned device,
		       uint64_t device_offset, unsigned flags, void *arg)
{
	uint64_t end = (offset + length) / PMD_BYTES;
	uint64_t first = (offset + PMD_BYTES - 1) / PMD_BYTES;
	uint64_t *units = arg;

	if (end > first && (offset ^ device_offset) % PMD_BYTES == 0)
		*units += end - first;
	return 0;
}

static uint64_t whole_units(void)
{
	uint64_t units = 0;

	ck_assert_int_eq(request_begin(&core.request, "map", fixture.file->ino,
				       getpid(), false),
			 0);
	ck_assert_int_eq(
		file_map(&core.request, fixture.file, count_whole, &units), 0);
	request_end(&core.request);
	return units;
}

static void set_up(void)
{
	fixture_make();
	core_format_sparse(DEVICE_BYTES);
	core_mount(1);
}

static void tear_down(void)
{
	core_unmount();
	fixture_remove();
}

START_TEST(a_large_file_finds_whole_units_after_aging)
{
	uint64_t units;
	double free_share;

	age();
	free_share = (double)core_free_blocks() * BLOCK_BYTES / DEVICE_BYTES;
	fixture_open_file("big", true);
	ck_assert_int_eq(fixture_fallocate(0, 0, BIG_BYTES), 0);
	units = whole_units();
	printf("%.0f %% free, %llu of %llu units whole\n", free_share * 100,
	       (unsigned long long)units,
	       (unsigned long long)(BIG_BYTES / PMD_BYTES));
	ck_assert_uint_ge(units * 10, BIG_BYTES / PMD_BYTES * 9);
	fixture_close_file();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("aging");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(rules, set_up, tear_down);
	tcase_set_timeout(rules, 60);
	tcase_add_test(rules, a_large_file_finds_whole_units_after_aging);
	suite_add_tcase(suite, rules);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
