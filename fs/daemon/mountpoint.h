/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mountpoint.h -- the directory, and what is mounted there
 *
 * Everything is found in the mount table, which asks no filesystem anything: a
 * mount may be dead, or ours and not yet served.
 */
#ifndef UDAX_DAEMON_MOUNTPOINT_H
#define UDAX_DAEMON_MOUNTPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct mountpoint {
	char *path;   /* as the kernel names it */
	dev_t device; /* of our mount, once it is there */
	bool mounted;
};

/* A directory, empty unless nonempty, that no udaxfs is mounted on. why: the
 * reason, one line. */
int mountpoint_init(struct mountpoint *mountpoint, const char *path,
		    bool nonempty, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));
void mountpoint_fini(struct mountpoint *mountpoint);

/* What is on top there now is ours. */
void mountpoint_taken(struct mountpoint *mountpoint);
/* Still there, and on top? */
bool mountpoint_is_ours(const struct mountpoint *mountpoint);
/*
 * Take ours away, whoever uses it keeps it until done: 0; 1 if it is gone
 * already. First as umount(8) does, so that an unused one is gone at once.
 */
int mountpoint_detach(struct mountpoint *mountpoint);

#endif
