/* SPDX-License-Identifier: BSD-3-Clause */
/* getdents64(2), as readdir(3), seekdir(3), telldir(3), rewinddir(3) use it */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define NAMES 3000

static long getdents(int fd, void *buffer, size_t bytes)
{
	return syscall(SYS_getdents64, fd, buffer, bytes);
}

static void make_names(const char *dir, int from, int to)
{
	char path[64];

	for (int i = from; i < to; i++) {
		snprintf(path, sizeof(path), "%s/%d", dir, i);
		make_file(path, 0644);
	}
}

static int number_of(const struct dirent *entry)
{
	return entry->d_name[0] == '.' ? -1 : atoi(entry->d_name);
}

static unsigned int count_names(const char *path)
{
	DIR *dir = opendir(path);
	unsigned int n = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void types_and_numbers(void)
{
	struct dirent *entry;
	unsigned int seen = 0;
	struct stat attr;
	DIR *dir;

	make_file("file", 0644);
	make_dir("dir", 0755);
	make_fifo("fifo");
	symlink("x", "link");
	WORKS(mknod("socket", S_IFSOCK | 0644, 0));
	WORKS(mknod("char", S_IFCHR | 0644, 0));
	WORKS(mknod("block", S_IFBLK | 0644, 0));
	dir = opendir(".");
	errno = 0;
	while ((entry = readdir(dir))) {
		WORKS(lstat(entry->d_name, &attr));
		IS(entry->d_type, IFTODT(attr.st_mode));
		IS(entry->d_ino, attr.st_ino);
		seen++;
	}
	IS(errno, 0);
	IS(seen, 9);
	closedir(dir);
	IS(count_names("dir"), 2);
}

static void names_of_any_bytes(void)
{
	char name[2] = "";

	make_dir("dir", 0755);
	WORKS(chdir("dir"));
	for (int byte = 1; byte < 256; byte++) {
		name[0] = (char)byte;
		if (byte != '/' && byte != '.')
			make_file(name, 0644);
	}
	make_file(name_of_length(255), 0644);
	make_file("...", 0644);
	make_file("\xf0\x9f\x98\x80", 0644);
	WORKS(chdir(".."));
	IS(count_names("dir"), 253 + 3 + 2);
}

static void reading_is_refused(void)
{
	char buffer[4096];
	int fd;

	make_file("file", 0644);
	make_dir("dir", 0755);
	make_dir("closed", 0711);
	FAILS(ENOTDIR, getdents(open("file", O_RDONLY), buffer, 4096));
	FAILS(EBADF, getdents(1000, buffer, 4096));
	FAILS(EBADF, getdents(open("dir", O_PATH), buffer, 4096));
	FAILS(EINVAL, getdents(open("dir", O_RDONLY), buffer, 1));
	FAILS(EFAULT, getdents(open("dir", O_RDONLY), bad_address(), 4096));
	FAILS(ENOENT, opendir("absent") ? 0 : -1);
	FAILS(ENOTDIR, opendir("file") ? 0 : -1);
	fd = open("dir", O_RDONLY);
	WORKS(rmdir("dir"));
	FAILS(ENOENT, getdents(fd, buffer, 4096));
	become(USER, USER, 0);
	FAILS(EACCES, opendir("closed") ? 0 : -1);
	WORKS(access("closed/.", F_OK));
}

/* Names come and go between the reads: those that stay come exactly once, none
 * comes twice. */
static void names_that_stay_come_once(void)
{
	static unsigned char seen[3 * NAMES];
	char path[64];
	struct dirent *entry;
	int extra = NAMES;
	int gone = 0;
	DIR *dir;

	make_dir("dir", 0755);
	make_names("dir", 0, NAMES);
	dir = opendir("dir");
	while ((entry = readdir(dir))) {
		int number = number_of(entry);

		if (number < 0)
			continue;
		HOLDS(!seen[number]++);
		if (extra < 3 * NAMES)
			make_names("dir", extra, extra + 1);
		extra++;
		/* every third goes, seen or not */
		snprintf(path, sizeof(path), "dir/%d", gone);
		if (gone < NAMES)
			WORKS(unlink(path));
		gone += 3;
	}
	for (int i = 0; i < NAMES; i++)
		if (i % 3 != 0)
			IS(seen[i], 1);
	closedir(dir);
}

static void unlinking_what_one_reads(void)
{
	struct dirent *entry;
	int count = 0;
	DIR *dir;

	make_dir("dir", 0755);
	make_names("dir", 0, NAMES);
	dir = opendir("dir");
	while ((entry = readdir(dir))) {
		if (number_of(entry) < 0)
			continue;
		WORKS(unlinkat(dirfd(dir), entry->d_name, 0));
		count++;
	}
	IS(count, NAMES);
	closedir(dir);
	WORKS(rmdir("dir"));
}

static void places_are_kept(void)
{
	static long places[NAMES + 2];
	static int numbers[NAMES + 2];
	struct dirent *entry;
	int count = 0;
	DIR *dir;

	make_dir("dir", 0755);
	make_names("dir", 0, NAMES);
	dir = opendir("dir");
	do {
		places[count] = telldir(dir);
		entry = readdir(dir);
		numbers[count] = entry ? number_of(entry) : -2;
	} while (entry && ++count < NAMES + 2);
	IS(count, NAMES + 2);
	for (int i = NAMES; i >= 0; i -= 37) {
		seekdir(dir, places[i]);
		IS(telldir(dir), places[i]);
		entry = readdir(dir);
		HOLDS(entry && number_of(entry) == numbers[i]);
	}
	rewinddir(dir);
	entry = readdir(dir);
	HOLDS(entry && number_of(entry) == numbers[0]);
	closedir(dir);
}

/* rewinddir sees what has become of the directory. */
static void rewinding_sees_what_is_new(void)
{
	unsigned int count = 0;
	DIR *dir;

	make_dir("dir", 0755);
	make_names("dir", 0, 10);
	dir = opendir("dir");
	while (readdir(dir))
		count++;
	IS(count, 12);
	make_names("dir", 10, 20);
	WORKS(unlink("dir/3"));
	rewinddir(dir);
	for (count = 0; readdir(dir);)
		count++;
	IS(count, 21);
	closedir(dir);
}

const struct family family_readdir = {
	.name = "readdir",
	.cases =
		(const struct check_case[]){
			CASE(types_and_numbers),
			CASE(names_of_any_bytes),
			CASE(reading_is_refused),
			CASE(names_that_stay_come_once),
			CASE(unlinking_what_one_reads),
			CASE(places_are_kept),
			CASE(rewinding_sees_what_is_new),
			CASES_END,
		},
};
