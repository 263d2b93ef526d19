/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/device.h"

#include "device/guard.h"
#include "device/lock.h"
#include "device/map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifndef STATX_ATTR_DAX
#define STATX_ATTR_DAX 0x00200000
#endif

static bool writes_media(const struct device_options *options)
{
	return !options->read_only && !options->private_copy;
}

static const char *why_not_open(int error)
{
	switch (error) {
	case ENOENT:
		return "no such device or file";
	case ENXIO:
	case ENODEV:
		return "the device has vanished";
	case EACCES:
	case EPERM:
		return "permission denied";
	case EROFS:
		return "is on a read-only filesystem";
	case EISDIR:
		return "is a directory, not a device or file";
	default:
		return strerror(error);
	}
}

/* FSDAX by the inode's own word: the granularity may have been forced. */
static enum device_kind kind_of_file(int fd)
{
	struct statx more;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &more) == 0 &&
	    (more.stx_attributes & STATX_ATTR_DAX))
		return DEVICE_FSDAX;
	return DEVICE_EMULATED;
}

/* Does the sysfs link of a character device end in that name? */
static bool sysfs_link_is(dev_t rdev, const char *link, const char *name)
{
	char path[80], target[256];
	const char *last;
	ssize_t length;

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/%s", major(rdev),
		 minor(rdev), link);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return false;
	target[length] = '\0';
	last = strrchr(target, '/');
	return strcmp(last ? last + 1 : target, name) == 0;
}

static bool is_devdax(dev_t rdev)
{
	return sysfs_link_is(rdev, "subsystem", "dax");
}

/*
 * The node of an unbound device still opens, and mapping it is a NULL
 * dereference in the kernels seen: ask for the driver first.
 */
static bool is_bound(dev_t rdev)
{
	return sysfs_link_is(rdev, "driver", "device_dax");
}

static int refuse(int err, const char *reason, char *why, size_t why_bytes)
{
	snprintf(why, why_bytes, "%s", reason);
	return err;
}

static int identify(struct device *device, char *why, size_t why_bytes)
{
	struct stat file;

	if (fstat(device->fd, &file) != 0)
		return refuse(-errno, strerror(errno), why, why_bytes);
	device->file_dev = file.st_dev;
	device->file_ino = file.st_ino;
	if (S_ISREG(file.st_mode)) {
		device->kind = kind_of_file(device->fd);
		return 0;
	}
	if (S_ISCHR(file.st_mode) && is_devdax(file.st_rdev)) {
		device->rdev = file.st_rdev;
		device->kind = DEVICE_DEVDAX;
		if (is_bound(file.st_rdev))
			return 0;
		return refuse(-ENODEV,
			      "the device has vanished: no driver "
			      "serves it",
			      why, why_bytes);
	}
	if (S_ISBLK(file.st_mode))
		return refuse(-ENOTBLK,
			      "a block device cannot be mapped: give "
			      "a file on an fsdax mount or a devdax device",
			      why, why_bytes);
	return refuse(-ENOTBLK, "not a devdax device or a regular file", why,
		      why_bytes);
}

static int open_file(struct device *device, char *why, size_t why_bytes)
{
	/* O_NONBLOCK: a FIFO by mistake is refused, not waited for */
	int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY |
		    (writes_media(&device->options) ? O_RDWR : O_RDONLY);

	device->fd = open(device->path, flags);
	if (device->fd < 0) {
		int err = -errno;

		return refuse(err, why_not_open(errno), why, why_bytes);
	}
	return 0;
}

static int set_up(struct device *device, char *why, size_t why_bytes)
{
	int err;

	err = open_file(device, why, why_bytes);
	if (err == 0)
		err = identify(device, why, why_bytes);
	if (err == 0 && !device->options.no_lock)
		err = device_lock_exclusive(device->fd, device->options.busy_ms,
					    why, why_bytes);
	if (err == 0)
		err = device_map_create(device, why, why_bytes);
	if (err != 0)
		return err;
	err = device_guard_register(device);
	if (err != 0) {
		snprintf(why, why_bytes, "more than %d devices", DEVICES_MAX);
		device_map_destroy(device);
	}
	return err;
}

int device_open(struct device **out, const char *path,
		const struct device_options *options, char *why,
		size_t why_bytes)
{
	struct device *device = calloc(1, sizeof(*device));
	int err;

	if (!device)
		return refuse(-ENOMEM, "out of memory", why, why_bytes);
	device->fd = -1;
	if (options)
		device->options = *options;
	device->path = strdup(path);
	err = device->path ? set_up(device, why, why_bytes)
			   : refuse(-ENOMEM, "out of memory", why, why_bytes);
	if (err == 0) {
		*out = device;
		return 0;
	}
	if (device->fd >= 0)
		close(device->fd);
	free(device->path);
	free(device);
	return err;
}

void device_close(struct device *device)
{
	if (!device)
		return;
	device_guard_unregister(device);
	device_map_destroy(device);
	close(device->fd); /* the locks go here */
	free(device->path);
	free(device);
}

bool device_still_there(struct device *device)
{
	struct stat now;
	bool there;

	if (device_failed(device))
		return false;
	there = fstat(device->fd, &now) == 0;
	if (there && device->kind == DEVICE_DEVDAX)
		there = is_bound(device->rdev);
	else if (there)
		there = (uint64_t)now.st_size >= device->size_bytes;
	if (!there)
		device_guard_fail(device, 0);
	return there;
}

int device_read_guarded(const struct device *device, void *to,
			uint64_t offset_bytes, size_t length_bytes)
{
	if (offset_bytes > device->size_bytes ||
	    length_bytes > device->size_bytes - offset_bytes)
		return -EINVAL;
	memcpy(to, device->base + offset_bytes, length_bytes);
	return device_failed(device) ? -EIO : 0;
}

const char *device_granularity_name(enum device_granularity granularity)
{
	static const char *const names[] = { "byte", "cache_line", "page" };

	return names[granularity];
}

const char *device_kind_name(enum device_kind kind)
{
	static const char *const names[] = { "devdax", "fsdax", "emulated" };

	return names[kind];
}
