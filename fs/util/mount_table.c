/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/mount_table.h"

#include <errno.h>
#include <libmount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE "/proc/self/mountinfo"

static int describe(struct libmnt_fs *fs, struct mount_entry *out)
{
	const char *type = mnt_fs_get_fstype(fs);
	const char *target = mnt_fs_get_target(fs);

	if (!target || strlen(target) >= sizeof(out->target))
		return -ENOENT;
	strcpy(out->target, target);
	out->device = mnt_fs_get_devno(fs);
	out->udaxfs = type && strcmp(type, MOUNT_TYPE) == 0;
	return 0;
}

/* The last line counts: it is the mount on top. */
static int find(const char *target, dev_t device, struct mount_entry *out)
{
	struct libmnt_table *table = mnt_new_table_from_file(TABLE);
	struct libmnt_fs *fs = NULL;
	int err;

	if (!table)
		return errno ? -errno : -ENOMEM;
	if (target)
		fs = mnt_table_find_target(table, target, MNT_ITER_BACKWARD);
	else
		fs = mnt_table_find_devno(table, device, MNT_ITER_BACKWARD);
	err = fs ? describe(fs, out) : -ENOENT;
	mnt_unref_table(table);
	return err;
}

int mount_table_at(const char *target, struct mount_entry *out)
{
	return find(target, 0, out);
}

int mount_table_of(dev_t device, struct mount_entry *out)
{
	return find(NULL, device, out);
}

/* "." and ".." name a directory that only resolving tells. */
static bool ends_in_dots(const char *path)
{
	const char *last = strrchr(path, '/');

	last = last ? last + 1 : path;
	return strcmp(last, ".") == 0 || strcmp(last, "..") == 0;
}

static char *resolve_above(char *path)
{
	char *slash = strrchr(path, '/');
	const char *last = slash ? slash + 1 : path;
	char *above, *whole = NULL;

	if (slash && slash != path)
		*slash = '\0';
	above = realpath(!slash ? "." : slash == path ? "/" : path, NULL);
	if (above && asprintf(&whole, "%s/%s", above[1] ? above : "", last) < 0)
		whole = NULL;
	free(above);
	return whole;
}

char *mount_path(const char *path)
{
	size_t length = strlen(path);
	char *copy = strdup(path), *whole;

	if (!copy)
		return NULL;
	while (length > 1 && copy[length - 1] == '/')
		copy[--length] = '\0';
	if (length == 0 || ends_in_dots(copy) || strcmp(copy, "/") == 0)
		whole = realpath(copy, NULL);
	else
		whole = resolve_above(copy);
	free(copy);
	return whole;
}
