/* SPDX-License-Identifier: BSD-3-Clause */
/* names_open.c -- files that are open, whatever becomes of their names */
#include "names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int opened[OPENS] = { -1, -1, -1, -1, -1, -1 };

static int *any_slot(void)
{
	return &opened[chance(OPENS)];
}

static long keep(int *slot, long fd)
{
	int error = errno;

	if (*slot >= 0)
		close(*slot);
	*slot = (int)fd;
	errno = error;
	if (fd < 0)
		return -1;
	say_descriptor((int)fd);
	return 0;
}

long step_open(void)
{
	static const int extra[] = { O_CREAT,	 O_CREAT | O_EXCL,
				     O_TRUNC,	 O_APPEND,
				     O_NOFOLLOW, O_DIRECTORY,
				     O_PATH,	 O_NOATIME,
				     O_CREAT,	 O_CREAT | O_TRUNC };
	int flags = (int)chance(4) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	mode_t mode = any_mode();
	const char *path;
	int *slot = any_slot();

	while (one_in(2))
		flags |= extra[chance(sizeof(extra) / sizeof(extra[0]))];
	path = flags & O_CREAT ? new_path() : any_path();
	note("open %s %#o %o", shown(path), flags, mode);
	watch(path);
	return keep(slot, AS_USER(open(path, flags, mode)));
}

long step_tmpfile(void)
{
	const char *path = any_path();
	mode_t mode = any_mode();
	int flags = (one_in(4) ? O_EXCL : 0) | (one_in(6)   ? O_RDONLY
						: one_in(2) ? O_WRONLY
							    : O_RDWR);

	note("tmpfile %s %#o %o", shown(path), flags, mode);
	watch(path);
	return keep(any_slot(), AS_USER(open(path, O_TMPFILE | flags, mode)));
}

long step_close(void)
{
	int *slot = any_slot();

	note("close %d", (int)(slot - opened));
	if (*slot >= 0)
		close(*slot);
	*slot = -1;
	return 0;
}

long step_io(void)
{
	static char bytes[5000];
	int fd = *any_slot();
	size_t length = chance(sizeof(bytes));
	off_t offset = (off_t)chance(9000);
	bool writes = one_in(2);
	long result;

	note("%s %d %lld+%zu", writes ? "pwrite" : "pread", fd,
	     (long long)offset, length);
	memset(bytes, 'a' + (int)chance(26), length);
	result = writes ? AS_USER(pwrite(fd, bytes, length, offset))
			: AS_USER(pread(fd, bytes, length, offset));
	if (fd >= 0)
		say_descriptor(fd);
	return result;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of a directory that may have lost its own. */
static long list(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	char *names[100];
	struct dirent *entry;
	unsigned int count = 0;

	if (!dir) {
		int error = errno;

		if (copy >= 0)
			close(copy);
		errno = error;
		return -1;
	}
	while (count < 100 && (entry = readdir(dir)))
		names[count++] = strdup(entry->d_name);
	closedir(dir);
	qsort(names, count, sizeof(names[0]), by_text);
	for (unsigned int i = 0; i < count; i++) {
		say("%s ", shown(names[i]));
		free(names[i]);
	}
	return count;
}

static long link_open(int fd)
{
	const char *path = new_path();

	note_more(" to %s", shown(path));
	watch(path);
	return AS_USER(linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH));
}

static long change(int fd, uint64_t kind)
{
	mode_t mode = any_mode();
	uid_t uid = any_uid();
	gid_t gid = any_gid();
	off_t size = (off_t)chance(9000);

	if (uid == (uid_t)-1 && gid == (gid_t)-1)
		gid = 12003; /* as in step_chown() */
	note_more(" %o %d %d %lld", mode, (int)uid, (int)gid, (long long)size);
	switch (kind) {
	case 0:
		return AS_USER(fchmod(fd, mode));
	case 1:
		return AS_USER(fchown(fd, uid, gid));
	case 2:
		return AS_USER(ftruncate(fd, size));
	case 3:
		return AS_USER(fsetxattr(fd, "user.o", &mode, sizeof(mode), 0));
	case 4:
		return AS_USER(fallocate(fd, FALLOC_FL_KEEP_SIZE, size, 10));
	case 5:
		return AS_USER(futimens(fd, NULL));
	default:
		return AS_USER(fcntl(fd, F_SETFL,
				     O_NONBLOCK | (int)chance(2) * O_APPEND));
	}
}

long step_of_open(void)
{
	static const char *const names[] = {
		"fchmod",   "fchown",  "ftruncate", "fsetxattr", "fallocate",
		"futimens", "F_SETFL", "linkat",    "list",	 "fsync",
	};
	uint64_t kind = chance(sizeof(names) / sizeof(names[0]));
	int fd = *any_slot();
	long result;

	note("%s %d", names[kind], fd);
	if (kind == 7)
		result = link_open(fd);
	else if (kind == 8)
		result = list(fd);
	else if (kind == 9)
		result = AS_USER(fsync(fd));
	else
		result = change(fd, kind);
	if (fd >= 0)
		say_descriptor(fd);
	return result;
}
