/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mount_table.h -- what is mounted where, by /proc/self/mountinfo (libmount)
 *
 * No filesystem is asked anything: a mount may be dead, or on its way out.
 *
 * Errors: -ENOENT no such mount, -ENOMEM, or what reading the table gives.
 */
#ifndef UDAX_UTIL_MOUNT_TABLE_H
#define UDAX_UTIL_MOUNT_TABLE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define MOUNT_TYPE "fuse.udaxfs"

struct mount_entry {
	char target[PATH_MAX];
	dev_t device; /* st_dev of what is in it */
	bool udaxfs;  /* of MOUNT_TYPE */
};

/* What is on top at target, spelled as the table has it. */
int mount_table_at(const char *target, struct mount_entry *out)
	__attribute__((warn_unused_result));
/* A place where the filesystem of that device number is. */
int mount_table_of(dev_t device, struct mount_entry *out)
	__attribute__((warn_unused_result));

/*
 * A path as the table spells it: what stands above its last name is resolved,
 * the last name itself is not looked at. malloc'ed; NULL: no such directory.
 */
char *mount_path(const char *path) __attribute__((warn_unused_result));

#endif
