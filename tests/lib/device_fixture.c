/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/device_fixture.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

char fixture_why[DEVICE_WHY_BYTES];

static char dir_path[64];

const char *fixture_path(const char *name)
{
	static char paths[8][128];
	static unsigned int next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir_path, name);
	return path;
}

void fixture_make(void)
{
	bool shm = access("/dev/shm", W_OK) == 0;

	fixture_why[0] = '\0';
	snprintf(dir_path, sizeof(dir_path), "%s/udaxfs-test.XXXXXX",
		 shm ? "/dev/shm" : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir_path));
}

void fixture_remove(void)
{
	DIR *dir = opendir(dir_path);
	struct dirent *entry;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0); /* "." and "..": no */
	closedir(dir);
	ck_assert_int_eq(rmdir(dir_path), 0);
}

void fixture_create(const char *name)
{
	ck_assert_msg(device_create_emulated(fixture_path(name), FIXTURE_BYTES,
					     fixture_why,
					     sizeof(fixture_why)) == 0,
		      "%s", fixture_why);
}

struct device *fixture_open(const char *name, struct device_options options)
{
	struct device *device = NULL;

	ck_assert_msg(device_open(&device, fixture_path(name), &options,
				  fixture_why, sizeof(fixture_why)) == 0,
		      "%s", fixture_why);
	return device;
}

struct device *fixture_create_and_open(const char *name)
{
	fixture_create(name);
	return fixture_open(name, (struct device_options){ 0 });
}

int fixture_open_error(const char *path)
{
	struct device *device = NULL;
	int err;

	fixture_why[0] = '\0';
	err = device_open(&device, path, NULL, fixture_why,
			  sizeof(fixture_why));
	ck_assert_int_lt(err, 0);
	ck_assert_ptr_null(device);
	ck_assert(fixture_why[0] != '\0');
	return err;
}

int fixture_in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(fn());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status)
				 : 1000 + WTERMSIG(status);
}
