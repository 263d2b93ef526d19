/* SPDX-License-Identifier: BSD-3-Clause */
#include "mkfs.h"

#include "util/log.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One result of libblkid: its name, and where its magic stands. */
static void take_one(blkid_probe probe, struct mkfs_device *device,
		     const char *type, const char *offset_tag,
		     const char *magic_tag)
{
	const char *name, *offset;
	struct signature *found;
	size_t length;

	if (blkid_probe_lookup_value(probe, type, &name, NULL) != 0)
		return;
	if (device->found[0] == '\0')
		snprintf(device->found, sizeof(device->found), "%s", name);
	if (blkid_probe_lookup_value(probe, offset_tag, &offset, NULL) != 0 ||
	    blkid_probe_lookup_value(probe, magic_tag, NULL, &length) != 0 ||
	    device->signature_count == SIGNATURES_MAX)
		return;
	found = &device->signatures[device->signature_count++];
	found->offset_bytes = strtoull(offset, NULL, 10);
	found->length_bytes = length;
}

/* What libblkid cannot look at (a devdax device) has none that it knows. */
static int probe_foreign(struct mkfs_device *device, int fd)
{
	blkid_probe probe = blkid_new_probe();

	if (probe == NULL) {
		log_error("%s: out of memory", device->path);
		return -ENOMEM;
	}
	if (blkid_probe_set_device(probe, fd, 0, 0) == 0) {
		blkid_probe_enable_superblocks(probe, 1);
		blkid_probe_set_superblocks_flags(
			probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_MAGIC |
				       BLKID_SUBLKS_BADCSUM);
		blkid_probe_enable_partitions(probe, 1);
		blkid_probe_set_partitions_flags(probe, BLKID_PARTS_MAGIC);
		while (blkid_do_probe(probe) == 0) {
			take_one(probe, device, "TYPE", "SBMAGIC_OFFSET",
				 "SBMAGIC");
			take_one(probe, device, "PTTYPE", "PTMAGIC_OFFSET",
				 "PTMAGIC");
		}
	}
	blkid_free_probe(probe);
	return 0;
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
		err = probe_foreign(device, opened->fd);
		if (err != 0)
			break;
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
