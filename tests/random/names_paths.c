/* SPDX-License-Identifier: BSD-3-Clause */
#include "names.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FOUND_MOST 400
#define DEEP 4
#define STRINGS 8

static char *found[FOUND_MOST], *directories[FOUND_MOST];
static unsigned int found_count, directory_count;
static char strings[STRINGS][PATH_MOST];
static unsigned int used;

static char *string(void)
{
	return strings[used++ % STRINGS];
}

static int no_dots(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 &&
	       strcmp(entry->d_name, "..") != 0;
}

/* By bytes: the same on both sides. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void look(const char *dir, unsigned int depth)
{
	struct dirent **names;
	struct stat st;
	int count = scandir(dir, &names, no_dots, by_bytes);

	for (int i = 0; i < count; i++) {
		char *path;

		if (asprintf(&path, "%s/%s", dir, names[i]->d_name) < 0)
			abort();
		free(names[i]);
		if (found_count >= FOUND_MOST || lstat(path, &st) != 0) {
			free(path);
			continue;
		}
		found[found_count++] = path;
		if (S_ISDIR(st.st_mode) && depth < DEEP) {
			directories[directory_count++] = path;
			look(path, depth + 1);
		}
	}
	if (count >= 0)
		free(names);
}

void paths_refresh(void)
{
	while (found_count > 0)
		free(found[--found_count]);
	directory_count = 0;
	look(".", 0);
}

const char *any_name(void)
{
	static const char *const usual[] = { "a", "b", "c", "d", "e" };
	char *name = string();

	switch (chance(40)) {
	case 0:
		memset(name, 'n', 256);
		name[255 + chance(2)] = 0; /* the longest, or longer */
		return name;
	case 1:
		return "\xff\xc3(\x80";
	case 2:
		return one_in(2) ? "." : "..";
	default:
		return usual[chance(5)];
	}
}

/* What may stand at the end of a path. */
static const char *end_of(void)
{
	static const char *const ends[] = { "/", "/.", "/..", "/a" };

	return one_in(15) ? ends[chance(4)] : "";
}

const char *new_path(void)
{
	char *path = string();
	const char *dir = ".";

	if (directory_count > 0 && !one_in(4))
		dir = directories[chance(directory_count)];
	if (one_in(30) && found_count > 0)
		dir = found[chance(found_count)]; /* no directory, perhaps */
	snprintf(path, PATH_MOST, "%s/%s%s", dir, any_name(), end_of());
	return path;
}

const char *any_path(void)
{
	char *path;

	if (found_count == 0 || one_in(8))
		return new_path();
	path = string();
	snprintf(path, PATH_MOST, "%s%s", found[chance(found_count)], end_of());
	return path;
}

const char *shown(const char *path)
{
	char *out = string();
	size_t length = strlen(path), at = 0;

	for (size_t i = 0; i < length && at < 200; i++)
		at += (size_t)snprintf(
			out + at, PATH_MOST - at,
			path[i] > ' ' && path[i] < 127 ? "%c" : "\\%03o",
			(unsigned char)path[i]);
	if (length > 150)
		snprintf(out + 100, 40, "... (%zu bytes)", length);
	return out;
}
