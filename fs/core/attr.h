/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * attr.h -- stat and its changes (getattr, setattr)
 *
 * Semantics: stat(2), chmod(2), chown(2), utimensat(2), truncate(2). The
 * kernel has checked permissions (default_permissions); what is done here is
 * what follows from a change: suid and sgid go at chown and at truncate by
 * an unprivileged caller, ctime moves.
 */
#ifndef UDAX_CORE_ATTR_H
#define UDAX_CORE_ATTR_H

#include "media/inode.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

struct fs;
struct inode;
struct request;

/* st_blocks in 512-byte units, st_blksize 4096; lazy timestamps included. */
void attr_get(struct fs *fs, struct inode *inode, struct stat *out);
/* Same, lock held by the caller in any mode. */
void attr_get_locked(struct fs *fs, struct inode *inode, struct stat *out);

#define ATTR_MODE 0x1u
#define ATTR_UID 0x2u
#define ATTR_GID 0x4u
#define ATTR_SIZE 0x8u
#define ATTR_ATIME 0x10u
#define ATTR_MTIME 0x20u
#define ATTR_ATIME_NOW 0x40u
#define ATTR_MTIME_NOW 0x80u
#define ATTR_CTIME 0x100u
#define ATTR_KILL_SUIDGID 0x200u
/* With a change of owner, which takes suid away, and sgid where the group may
 * execute it: sgid in any case. */
#define ATTR_KILL_SGID 0x400u

/* When it was made: never changes, no lock. */
struct timespec attr_birth(const struct inode *inode);

/* All that `mask` names, from `attr`; out: what it is after. ATTR_SIZE goes
 * through file_truncate. */
int attr_set(struct request *request, struct inode *inode,
	     const struct stat *attr, unsigned mask, struct stat *out)
	__attribute__((warn_unused_result));

/* Who changes a file's bytes, and what that costs the file. */
struct attr_writer {
	bool unprivileged; /* without CAP_FSETID */
	bool asks;	   /* and writes nothing: is to be the owner */
	bool resizes;	   /* and does not only append */
	uid_t uid;	   /* of who asks */
	/* Is the writer in this group? Asked if it matters, with no lock. */
	bool (*in_group)(const struct attr_writer *writer, gid_t gid);
	void *arg;
};

/*
 * Before its bytes change: capabilities go; an unprivileged writer costs it
 * suid, and sgid where the group may execute it or the writer is not in it.
 * Mostly there is nothing to be done, found out under the shared lock. -EPERM:
 * it is immutable, append-only and resized, or who asks is not the owner. Where
 * the file is open for writing the kernel may have asked for a writer, who
 * loses the bits when he writes: then it is 0, and nothing is done.
 */
int attr_drop_privileges(struct request *request, struct inode *inode,
			 const struct attr_writer *writer)
	__attribute__((warn_unused_result));

/* The kernel's own clock for files: coarse. */
void attr_now(struct timespec *now);
/* st_rdev as the media has it. */
uint32_t attr_encode_rdev(dev_t rdev);
/* Now, into a media copy: which of ATTR_ATIME, ATTR_MTIME, ATTR_CTIME. */
void attr_stamp(inode_media *copy, unsigned which);

/*
 * Timestamps that may lag. LAZY_MTIME: mtime and ctime move now; LAZY_ATIME:
 * a read, as relatime has it. inode.lock held in any mode; nothing happens on
 * an inode that is not active.
 */
void attr_touch(struct inode *inode, unsigned lazy);
/* mtime and ctime move on to then, if they have not been there: no further than
 * now. As above. */
void attr_move_mtime(struct inode *inode, const struct timespec *then);
/* Put what lags into a media copy that a transaction carries anyway: at every
 * edit that stamps mtime or ctime. Times only move forward by it. */
void attr_settle(struct inode *inode, inode_media *copy);
/* A transaction of its own if anything lags. Without the lock, or with it held
 * exclusively. */
int attr_sync(struct fs *fs, struct inode *inode)
	__attribute__((warn_unused_result));
int attr_sync_locked(struct fs *fs, struct inode *inode)
	__attribute__((warn_unused_result));

#endif
