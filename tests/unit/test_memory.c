/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a file costs the daemon's memory: known to the kernel and idle, open,
 * and after it was forgotten. malloc's own share counts (mallinfo2); under a
 * sanitizer, whose malloc does not tell, nothing is found.
 */
#include "lib/core_fixture.h"
#include "lib/device_fixture.h"

#include <check.h>
#include <malloc.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILES 10000
#else
#define FILES 100000
#endif
#define OPENS 10000
#define FILE_MODE (S_IFREG | 0644)

#define IDLE_BYTES_MOST 200
#define OPEN_BYTES_MOST 600
#define LEFT_BYTES_MOST 10 /* the table's place for it */

static struct inode *files[FILES];

static const char *name_of(unsigned number)
{
	static char name[32];

	snprintf(name, sizeof(name), "file-%06u", number);
	return name;
}

static void set_up(void)
{
	unsigned i;

	fixture_make();
	core_format(1, "128M");
	core_mount(1);
	for (i = 0; i < FILES; i++)
		core_make(core.root, name_of(i), FILE_MODE);
	core_unmount();
	core_mount(1);
}

static void tear_down(void)
{
	core_unmount();
	fixture_remove();
}

/* Since `before`, for each of so many. */
static double bytes_each(const struct mallinfo2 *before, unsigned count)
{
	struct mallinfo2 now = mallinfo2();

	return ((double)now.uordblks + (double)now.hblkhd -
		(double)before->uordblks - (double)before->hblkhd) /
	       count;
}

START_TEST(an_idle_file_takes_two_hundred_bytes_and_gives_them_back)
{
	struct mallinfo2 before = mallinfo2();
	double bytes;
	unsigned i;

	for (i = 0; i < FILES; i++)
		files[i] = core_get(core.root, name_of(i));
	bytes = bytes_each(&before, FILES);
	printf("idle: %.0f bytes a file\n", bytes);
	ck_assert_double_le(bytes, IDLE_BYTES_MOST);

	for (i = 0; i < FILES; i++) {
		ck_assert_int_eq(inode_open(core.fs, files[i], false), 0);
		core_stat(files[i]);
		inode_close(core.fs, files[i], false);
	}
	bytes = bytes_each(&before, FILES);
	printf("idle again: %.0f bytes a file\n", bytes);
	ck_assert_double_le(bytes, IDLE_BYTES_MOST);

	for (i = 0; i < FILES; i++)
		core_forget(files[i]);
	bytes = bytes_each(&before, FILES);
	printf("forgotten: %.1f bytes a file\n", bytes);
	ck_assert_double_le(bytes, LEFT_BYTES_MOST);
}
END_TEST

START_TEST(an_open_file_takes_little_more)
{
	struct mallinfo2 before;
	double bytes;
	unsigned i;

	for (i = 0; i < OPENS; i++)
		files[i] = core_get(core.root, name_of(i));
	before = mallinfo2();
	for (i = 0; i < OPENS; i++)
		ck_assert_int_eq(inode_open(core.fs, files[i], true), 0);
	bytes = bytes_each(&before, OPENS);
	printf("open: %.0f bytes more\n", bytes);
	ck_assert_double_le(bytes, OPEN_BYTES_MOST);
	for (i = 0; i < OPENS; i++)
		inode_close(core.fs, files[i], true);
	bytes = bytes_each(&before, OPENS);
	ck_assert_double_le(bytes, 1);
	for (i = 0; i < OPENS; i++)
		core_forget(files[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("memory");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(rules, set_up, tear_down);
	tcase_set_timeout(rules, 60);
	tcase_add_test(
		rules,
		an_idle_file_takes_two_hundred_bytes_and_gives_them_back);
	tcase_add_test(rules, an_open_file_takes_little_more);
	suite_add_tcase(suite, rules);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
