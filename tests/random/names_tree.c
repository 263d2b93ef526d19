/* SPDX-License-Identifier: BSD-3-Clause */
#include "names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define INODES_MOST 4096

/* Which names are of one file: by the order in which they are met. */
static ino_t met[INODES_MOST];
static unsigned int met_count;

static unsigned int number_of(ino_t ino)
{
	unsigned int i = 0;

	while (i < met_count && met[i] != ino)
		i++;
	if (i == met_count && met_count < INODES_MOST)
		met[met_count++] = ino;
	return i;
}

static uint64_t sum(uint64_t so_far, const void *bytes, size_t length)
{
	const unsigned char *at = bytes;

	while (length-- > 0)
		so_far = (so_far ^ *at++) * UINT64_C(0x100000001b3);
	return so_far;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void write_attributes(FILE *out, const char *path)
{
	char list[4000], value[4000], *names[64];
	ssize_t length = llistxattr(path, list, sizeof(list));
	unsigned int count = 0;

	for (char *at = list; length > 0 && at < list + length && count < 64;
	     at += strlen(at) + 1)
		names[count++] = at;
	qsort(names, count, sizeof(names[0]), by_text);
	for (unsigned int i = 0; i < count; i++) {
		ssize_t got = lgetxattr(path, names[i], value, sizeof(value));

		fprintf(out, " %s=%zd:%llx", shown(names[i]), got,
			got < 0 ? 0ull
				: (unsigned long long)sum(1, value,
							  (size_t)got));
	}
}

static void write_contents(FILE *out, const char *path, mode_t mode)
{
	static char bytes[20000];
	ssize_t length = 0;
	int fd;

	if (S_ISLNK(mode)) {
		length = readlink(path, bytes, sizeof(bytes));
	} else if (S_ISREG(mode) || S_ISDIR(mode)) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (S_ISREG(mode))
			length = read(fd, bytes, sizeof(bytes));
		fprintf(out, " flags %#x", flags_of(fd));
		close(fd);
	}
	fprintf(out, " contents %zd:%llx", length,
		(unsigned long long)sum(1, bytes,
					length > 0 ? (size_t)length : 0));
}

static void write_file(FILE *out, const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0) {
		fprintf(out, "%s %s\n", shown(path), strerrorname_np(errno));
		return;
	}
	fprintf(out, "%s #%u %o %u:%u links %lu size %lld device %#llx",
		shown(path), number_of(st.st_ino), st.st_mode, st.st_uid,
		st.st_gid, (unsigned long)st.st_nlink,
		S_ISDIR(st.st_mode) ? 0 : (long long)st.st_size,
		(unsigned long long)st.st_rdev);
	write_contents(out, path, st.st_mode);
	write_attributes(out, path);
	fprintf(out, "\n");
}

static int no_dots(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 &&
	       strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* As root, in the tree's top; lost+found is ext4's own. */
static void write_below(FILE *out, const char *dir)
{
	struct dirent **names;
	int count = scandir(dir, &names, no_dots, by_bytes);

	write_file(out, dir);
	for (int i = 0; i < count; i++) {
		char *path;

		if (asprintf(&path, "%s/%s", dir, names[i]->d_name) < 0)
			abort();
		if (names[i]->d_type == DT_DIR)
			write_below(out, path);
		else
			write_file(out, path);
		free(path);
		free(names[i]);
	}
	if (count >= 0)
		free(names);
}

void tree_write(int fd)
{
	FILE *out = fdopen(dup(fd), "w");

	if (!out || ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
		fail_errno("fdopen");
	met_count = 0;
	write_below(out, ".");
	fclose(out);
}
