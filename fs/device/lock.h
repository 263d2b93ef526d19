/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lock.h -- who may have a device: flock for the file, OFD locks by byte
 *
 * Private to fs/device. All locks belong to open file descriptions, so they
 * go when the last descriptor *and the last mapping* of the description go,
 * also after SIGKILL. Byte 0 is the daemon's, a byte > 0 a lease's. Whoever
 * wants in takes flock(LOCK_EX) and then looks for any OFD lock; whoever goes
 * down to LOCK_SH takes its byte first. So there is no moment at which a
 * device in use looks free.
 *
 * Seen to hold on tmpfs, on fsdax files (ext4, xfs) and on devdax nodes alike
 * (tests/vm/device_probe). The locks are the inode's: a second node of the
 * same character device, made with mknod, does not see them.
 */
#ifndef UDAX_DEVICE_LOCK_H
#define UDAX_DEVICE_LOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The whole file for oneself, asked for until busy_ms have passed; -EBUSY with
 * the holders named in why. */
int device_lock_exclusive(int fd, unsigned busy_ms, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));

/* One line, "in use by PID n (command), ...", for the holders of fd's file. */
void device_lock_describe(int fd, char *why, size_t why_bytes);

#endif
