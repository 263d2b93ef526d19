/* SPDX-License-Identifier: BSD-3-Clause */
#include "mkfs.h"

#include "device/guard.h"
#include "device/lock.h"
#include "media/layout.h"
#include "util/log.h"
#include "util/size.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of an existing file that -s is to replace: is it ours to touch? */
static int check_replaced(const struct mkfs *mkfs, struct mkfs_device *device,
			  const struct stat *file)
{
	char why[DEVICE_WHY_BYTES];
	int fd, err;

	if (!S_ISREG(file->st_mode)) {
		log_error("%s: exists and is not a regular file; "
			  "-s makes files",
			  device->path);
		return -EEXIST;
	}
	fd = open(device->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		err = -errno;
		log_error("%s: cannot be opened: %s", device->path,
			  strerror(-err));
		return err;
	}
	err = device_lock_exclusive(fd, DEVICE_BUSY_MS, why, sizeof(why));
	close(fd); /* members_open() takes it again, for good */
	if (err != 0) {
		log_error("%s: %s", device->path, why);
		return err;
	}
	if (!mkfs->options.force) {
		log_error("%s: exists already; -f overwrites it", device->path);
		return -EEXIST;
	}
	device->old_bytes = (uint64_t)file->st_size;
	return 0;
}

static bool given_before(const struct mkfs *mkfs, unsigned index)
{
	unsigned i;

	for (i = 0; i < index; i++)
		if (strcmp(mkfs->device[i].path, mkfs->device[index].path) == 0)
			return true;
	return false;
}

static int check_one(struct mkfs *mkfs, unsigned index)
{
	struct mkfs_device *device = &mkfs->device[index];
	struct stat file;

	if (given_before(mkfs, index)) {
		log_error("%s: given twice", device->path);
		return -EINVAL;
	}
	device->exists = stat(device->path, &file) == 0;
	if (!device->exists && errno != ENOENT) {
		int err = -errno;

		log_error("%s: %s", device->path, strerror(-err));
		return err;
	}
	if (!mkfs->options.create) {
		if (device->exists)
			return 0;
		log_error("%s: no such device or file; -s SIZE makes one",
			  device->path);
		return -ENOENT;
	}
	return device->exists ? check_replaced(mkfs, device, &file) : 0;
}

int prepare_check(struct mkfs *mkfs)
{
	unsigned i;
	int err;

	if (mkfs->options.create &&
	    mkfs->options.size_bytes < LAYOUT_BYTES_MIN) {
		char least[SIZE_TEXT_BYTES];

		log_error("-s %ju: too small, at least %s are needed",
			  (uintmax_t)mkfs->options.size_bytes,
			  size_text(LAYOUT_BYTES_MIN, least));
		return -EINVAL;
	}
	for (i = 0; i < mkfs->count; i++) {
		err = check_one(mkfs, i);
		if (err != 0)
			return err;
	}
	return 0;
}

static int create_one(const struct mkfs *mkfs, struct mkfs_device *device)
{
	const uint64_t size_bytes = mkfs->options.size_bytes;
	char why[DEVICE_WHY_BYTES];
	int err;

	/* device_create_emulated() takes a file of the right size only */
	if (device->exists && device->old_bytes != size_bytes) {
		if (truncate(device->path, (off_t)size_bytes) != 0) {
			err = -errno;
			log_error("%s: cannot be resized: %s", device->path,
				  strerror(-err));
			return err;
		}
		device->resized = true;
	}
	err = device_create_emulated(device->path, size_bytes, why,
				     sizeof(why));
	if (err != 0)
		log_error("%s: %s", device->path, why);
	else
		device->created = !device->exists;
	return err;
}

int prepare_create(struct mkfs *mkfs)
{
	unsigned i;
	int err = 0;

	if (!mkfs->options.create || mkfs->options.dry_run)
		return 0;
	for (i = 0; i < mkfs->count && err == 0; i++)
		err = create_one(mkfs, &mkfs->device[i]);
	return err;
}

/* A dry run opens what is there, at the size it has, and writes nothing. */
static int open_one(struct mkfs *mkfs, unsigned index)
{
	const struct device_options options = {
		.busy_ms = DEVICE_BUSY_MS,
		.read_only = mkfs->options.dry_run,
	};
	struct mkfs_device *device = &mkfs->device[index];
	char why[DEVICE_WHY_BYTES];
	int err;

	mkfs->members.count = index + 1;
	if (mkfs->options.dry_run && mkfs->options.create)
		return 0;
	if (members_find_path(&mkfs->members, device->path) >= 0) {
		log_error("%s: given twice", device->path);
		return -EINVAL;
	}
	err = device_open(&mkfs->members.device[index], device->path, &options,
			  why, sizeof(why));
	if (err != 0)
		log_error("%s: %s", device->path, why);
	return err;
}

int prepare_open(struct mkfs *mkfs)
{
	unsigned i;
	int err;

	err = device_guard_install();
	if (err != 0) {
		log_error("SIGBUS cannot be handled: %s", strerror(-err));
		return err;
	}
	for (i = 0; i < mkfs->count && err == 0; i++)
		err = open_one(mkfs, i);
	return err;
}

void prepare_undo(struct mkfs *mkfs)
{
	unsigned i;

	members_close(&mkfs->members);
	for (i = 0; i < mkfs->count; i++) {
		const struct mkfs_device *device = &mkfs->device[i];

		if (device->created && unlink(device->path) != 0)
			log_error("%s: cannot be removed again: %s",
				  device->path, strerror(errno));
		/* what was cut off is lost, what was added goes */
		if (device->resized &&
		    device->old_bytes < mkfs->options.size_bytes &&
		    truncate(device->path, (off_t)device->old_bytes) != 0)
			log_error("%s: cannot be cut back: %s", device->path,
				  strerror(errno));
	}
}
