/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/members.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Two slots with one device: the lock would call it in use, by ourselves. */
static int refuse_twice(const struct members *members, const char *path,
			char *why, size_t why_bytes)
{
	if (members_find_path(members, path) < 0)
		return 0;
	snprintf(why, why_bytes, "given twice");
	return -EINVAL;
}

int members_open(struct members *members, const char *const *paths,
		 unsigned int count, const struct device_options *options,
		 unsigned int *bad, char *why, size_t why_bytes)
{
	int err = 0;

	*members = (struct members){ .count = 0 };
	if (bad)
		*bad = 0;
	if (count > DEVICES_MAX) {
		snprintf(why, why_bytes, "more than %d devices", DEVICES_MAX);
		return -EMFILE;
	}
	for (unsigned int i = 0; i < count && err == 0; i++) {
		if (bad)
			*bad = i;
		err = refuse_twice(members, paths[i], why, why_bytes);
		if (err == 0)
			err = device_open(&members->device[i], paths[i],
					  options, why, why_bytes);
		if (err == 0)
			members->count = i + 1;
	}
	if (err != 0)
		members_close(members);
	return err;
}

void members_close(struct members *members)
{
	for (unsigned int i = 0; i < members->count; i++)
		device_close(members->device[i]);
	*members = (struct members){ .count = 0 };
}

static bool same(const struct device *device, const struct stat *file)
{
	if (device->kind == DEVICE_DEVDAX && S_ISCHR(file->st_mode))
		return device->rdev == file->st_rdev; /* any node of it */
	return device->file_dev == file->st_dev &&
	       device->file_ino == file->st_ino;
}

int members_find_path(const struct members *members, const char *path)
{
	struct stat file;
	bool there = stat(path, &file) == 0;

	for (unsigned int i = 0; i < members->count; i++) {
		const struct device *device = members->device[i];

		if (!device)
			continue;
		if (there ? same(device, &file)
			  : strcmp(device->path, path) == 0)
			return (int)i;
	}
	return -ENOENT;
}

int members_find_identity(const struct members *members, dev_t file_dev,
			  ino_t file_ino)
{
	for (unsigned int i = 0; i < members->count; i++) {
		const struct device *device = members->device[i];

		if (device && device->file_dev == file_dev &&
		    device->file_ino == file_ino)
			return (int)i;
	}
	return -ENOENT;
}

int members_find_address(const struct members *members, const void *at)
{
	for (unsigned int i = 0; i < members->count; i++) {
		const struct device *device = members->device[i];

		if (device && device_offset(device, at) < device->size_bytes)
			return (int)i;
	}
	return -ENOENT;
}
