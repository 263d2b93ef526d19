/* SPDX-License-Identifier: BSD-3-Clause */
#include "mkfs.h"

#include "device/foreign.h"
#include "util/log.h"

#include <errno.h>
#include <stdio.h>

static void take_one(void *arg, const char *name, uint64_t offset_bytes,
		     size_t length_bytes)
{
	struct mkfs_device *device = arg;

	if (device->found[0] == '\0')
		snprintf(device->found, sizeof(device->found), "%s", name);
	if (length_bytes == 0 || device->signature_count == SIGNATURES_MAX)
		return;
	device->signatures[device->signature_count++] = (struct signature){
		.offset_bytes = offset_bytes,
		.length_bytes = length_bytes,
	};
}

/* A damaged one, or one of a later version, is still somebody's data. */
static void probe_own(struct mkfs_device *device, const struct device *opened)
{
	const superblock_media *sb;
	bool damaged;

	if (superblock_pick(opened->base, opened->size_bytes, &sb, &damaged) !=
	    -ENODATA)
		snprintf(device->found, sizeof(device->found), "udaxfs");
}

int signature_check(struct mkfs *mkfs)
{
	unsigned i;
	int err = 0;

	for (i = 0; i < mkfs->count && err == 0; i++) {
		struct mkfs_device *device = &mkfs->device[i];
		const struct device *opened = mkfs->members.device[i];

		if (opened == NULL || device->created)
			continue;
		err = foreign_find(opened->fd, take_one, device);
		if (err != 0) {
			log_error("%s: out of memory", device->path);
			break;
		}
		probe_own(device, opened);
		if (device_failed(opened)) {
			log_error("%s: vanished while it was read",
				  device->path);
			err = -EIO;
		} else if (device->found[0] != '\0' && !mkfs->options.force) {
			log_error("%s: holds %s already; -f overwrites it",
				  device->path, device->found);
			err = -EEXIST;
		}
	}
	return err;
}
