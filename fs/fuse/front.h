/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * front.h -- the mount's door: a filesystem served by a session
 *
 * Owns:    the session. The filesystem is the caller's and outlives it.
 * Errors:  negative errno, after one line in the log.
 * Locking: create to destroy are for one thread.
 *
 * Timeouts. Names and attributes change through this kernel alone, so it may
 * keep them (FRONT_TIMEOUT_S). What moves without it knowing, timestamps, it
 * drops by itself: atime after a read, mtime, ctime and size after a write or
 * the writeback of a mapping. Exceptions: front_attr_timeout().
 */
#ifndef UDAX_FUSE_FRONT_H
#define UDAX_FUSE_FRONT_H

#include "core/fs.h"
#include "fuse/park.h"
#include "fuse/session.h"

#include <stdatomic.h>
#include <sys/stat.h>

#define FRONT_TIMEOUT_S 3600.0

struct inode;

struct front {
	struct fs *fs;
	struct session *session;
	struct park *park;
	/* What the kernel allows: never, where it cannot map direct_io files.
	 * Set by front_mount(). */
	enum dax_mode dax;
	atomic_flag damage_logged;
};

/* threads: 0 for as many as are worth having. */
int front_create(struct front **out, struct fs *fs, struct fuse_args *args,
		 unsigned int threads) __attribute__((warn_unused_result));
/* Mounted and negotiated; requests wait until front_start(). */
int front_mount(struct front *front, const char *mountpoint)
	__attribute__((warn_unused_result));
int front_start(struct front *front) __attribute__((warn_unused_result));
/* Nothing is served any more; what waits is dropped. */
void front_stop(struct front *front);
/* Ends the session, however far it has come; users left get ENOTCONN. */
void front_destroy(struct front *front);

/* How long the kernel may rely on these attributes, in seconds. */
double front_attr_timeout(struct inode *inode, const struct stat *attr);

#endif
