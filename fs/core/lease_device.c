/* SPDX-License-Identifier: BSD-3-Clause */
/* A client's own descriptor of a device, and the lock that it carries. */
#include "core/lease_private.h"

#include "dax/pgmap.h"
#include "device/device.h"

#include <errno.h>

/* In its gate a device stays open. NULL: it is gone. */
static struct device *enter(struct fs *fs, unsigned index, bool draining)
{
	struct pgmap *pgmap = index < fs->device_count
				      ? fs->devices[index].pgmap
				      : NULL;

	if (!pgmap)
		return NULL;
	if (draining ? pgmap_gate_enter_draining(pgmap)
		     : pgmap_gate_enter(pgmap))
		return NULL;
	if (fs->members.device[index])
		return fs->members.device[index];
	pgmap_gate_exit(pgmap);
	return NULL;
}

static void leave(struct fs *fs, unsigned index)
{
	pgmap_gate_exit(fs->devices[index].pgmap);
}

int lease_device_open(struct fs *fs, unsigned index, bool writable,
		      uint64_t lock_byte)
{
	struct device *device = enter(fs, index, false);
	int fd = -ENXIO;

	if (!device)
		return -ENXIO;
	if (!device_failed(device))
		fd = device_lease_open(device, writable, lock_byte);
	leave(fs, index);
	return fd;
}

int lease_device_held(struct fs *fs, unsigned index, uint64_t lock_byte)
{
	struct device *device = enter(fs, index, true);
	int held;

	if (!device)
		return 0;
	held = device_lease_held(device, lock_byte);
	leave(fs, index);
	return held;
}

int lease_device_file(struct fs *fs, unsigned index, dev_t *dev, ino_t *ino)
{
	struct device *device = enter(fs, index, true);

	if (!device)
		return -ENXIO;
	*dev = device->file_dev;
	*ino = device->file_ino;
	leave(fs, index);
	return 0;
}
