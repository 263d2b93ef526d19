/* SPDX-License-Identifier: BSD-3-Clause */
/* load_files.c -- empty files made, looked at, renamed, removed */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORIES 20

typedef int file_fn(int dir, const char *name);

static int create_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			0644);

	if (fd < 0)
		return -errno;
	return close(fd) ? -errno : 0;
}

/* FORCE_SYNC: the kernel asks the server, whatever it has cached. */
static int stat_file(int dir, const char *name)
{
	int flags = AT_STATX_FORCE_SYNC | AT_SYMLINK_NOFOLLOW;
	struct statx attr;

	return statx(dir, name, flags, STATX_BASIC_STATS, &attr) ? -errno : 0;
}

/* There and back: two operations. */
static int rename_file(int dir, const char *name)
{
	char moved[64];

	snprintf(moved, sizeof(moved), "moved-%s", name);
	if (renameat(dir, name, dir, moved) || renameat(dir, moved, dir, name))
		return -errno;
	return 0;
}

static int unlink_file(int dir, const char *name)
{
	return unlinkat(dir, name, 0) ? -errno : 0;
}

static file_fn *file_fn_of(const char *verb)
{
	if (strcmp(verb, "create") == 0)
		return create_file;
	if (strcmp(verb, "stat") == 0)
		return stat_file;
	if (strcmp(verb, "rename") == 0)
		return rename_file;
	return strcmp(verb, "unlink") == 0 ? unlink_file : NULL;
}

static int open_directories(const char *path, int *dirs)
{
	char name[4096];
	int i;

	for (i = 0; i < DIRECTORIES; i++) {
		snprintf(name, sizeof(name), "%s/%d", path, i);
		if (mkdir(name, 0755) && errno != EEXIST)
			return -errno;
		dirs[i] = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dirs[i] < 0)
			return -errno;
	}
	return 0;
}

int files_load_run(const char *verb, const char *path, unsigned int files,
		   struct span *span)
{
	file_fn *fn = file_fn_of(verb);
	int dirs[DIRECTORIES];
	unsigned int i;
	char name[32];
	int err;

	err = fn ? open_directories(path, dirs) : -EINVAL;
	if (err)
		return err;
	wait_for_go();
	span_begin(span);
	for (i = 0; i < files && !err; i++) {
		snprintf(name, sizeof(name), "file-%06u", i / DIRECTORIES);
		err = fn(dirs[i % DIRECTORIES], name);
	}
	span_end(span, fn == rename_file ? 2 * files : files);
	return err;
}
