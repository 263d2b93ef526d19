/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/device.h"
#include "device/guard.h"
#include "device/members.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE DEVICE_BYTES_MIN
#define MIB (1ull << 20)

/* One directory a test process, on tmpfs where there is one. */
static char dir[64];
static char why[DEVICE_WHY_BYTES];

static const char *path_of(const char *name)
{
	static char paths[8][128];
	static unsigned int next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static void make_dir(void)
{
	bool shm = access("/dev/shm", W_OK) == 0;

	why[0] = '\0';
	snprintf(dir, sizeof(dir), "%s/udaxfs-device.XXXXXX",
		 shm ? "/dev/shm" : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
	static const char *const names[] = { "a", "b", "c", "small", "odd" };

	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(path_of(names[i]));
	ck_assert_int_eq(rmdir(dir), 0);
}

static void create(const char *name)
{
	ck_assert_msg(device_create_emulated(path_of(name), SIZE, why,
					     sizeof(why)) == 0, "%s", why);
}

static struct device *open_with(const char *name, struct device_options options)
{
	struct device *device = NULL;

	ck_assert_msg(device_open(&device, path_of(name), &options, why,
				  sizeof(why)) == 0, "%s", why);
	return device;
}

static struct device *create_and_open(const char *name)
{
	create(name);
	return open_with(name, (struct device_options){ 0 });
}

static int open_error(const char *path)
{
	struct device *device = NULL;
	int err = device_open(&device, path, NULL, why, sizeof(why));

	ck_assert_int_lt(err, 0);
	ck_assert_ptr_null(device);
	ck_assert(why[0] != '\0');
	return err;
}

/* Runs fn in a child; 0 is success. The child reports by exit status only. */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(fn());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

START_TEST(open_maps_the_whole_file_aligned)
{
	struct device *device = create_and_open("a");
	struct stat file;

	ck_assert_uint_eq((uintptr_t)device->base % DEVICE_MAP_ALIGN, 0);
	ck_assert_uint_eq(device->size_bytes, SIZE);
	ck_assert_int_eq(device->kind, DEVICE_EMULATED);
	ck_assert_int_eq(stat(path_of("a"), &file), 0);
	ck_assert(device->file_ino == file.st_ino);
	ck_assert_str_eq(device->path, path_of("a"));
	ck_assert(device_at(device, MIB) == device->base + MIB);
	ck_assert_uint_eq(device_offset(device, device->base + MIB), MIB);
	device_close(device);
	device_close(NULL);
}
END_TEST

static Suite *device_suite(void)
{
	Suite *suite = suite_create("device");
	TCase *opening = tcase_create("opening");

	tcase_add_checked_fixture(opening, make_dir, remove_dir);
	tcase_add_test(opening, open_maps_the_whole_file_aligned);
	suite_add_tcase(suite, opening);
	(void)open_error;
	(void)in_child;
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(device_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
