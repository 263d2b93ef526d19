/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * members.h -- the devices of one filesystem, by index
 *
 * Owns:    the devices in it, from members_open() to members_close().
 * Locking: none; the owner's. Slots change only while no request runs.
 */
#ifndef UDAX_DEVICE_MEMBERS_H
#define UDAX_DEVICE_MEMBERS_H

#include "device/device.h"

struct members {
	struct device *device[DEVICES_MAX]; /* NULL: missing */
	unsigned int count;		    /* slots in use, gaps too */
};

/*
 * Open paths in their order: all or none. On failure *bad (if not NULL) is the
 * index of the path that why is about.
 */
int members_open(struct members *members, const char *const *paths,
		 unsigned int count, const struct device_options *options,
		 unsigned int *bad, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));

/* Close all and empty it. */
void members_close(struct members *members);

/*
 * The slot of the device that path names, by identity, so that any path to it
 * does; by the given path when that is gone. -ENOENT: none.
 */
int members_find_path(const struct members *members, const char *path);

/* By st_dev and st_ino of the file or node. -ENOENT: none. */
int members_find_identity(const struct members *members, dev_t file_dev,
			  ino_t file_ino);

/* The slot whose map holds that address. -ENOENT: none. */
int members_find_address(const struct members *members, const void *at);

#endif
