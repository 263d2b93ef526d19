/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notify.h -- the only place that sends the kernel notifications
 *
 * Invalidating an inode's pages waits for the kernel, which waits for us: it
 * writes dirty pages back first, by WRITE requests that the serving threads
 * must answer, and it waits for fills under way. So: never from a serving
 * thread (asserted), never holding a lock that a handler wants, and never
 * while a handler waits for whoever calls this (R7).
 */
#ifndef UDAX_FUSE_NOTIFY_H
#define UDAX_FUSE_NOTIFY_H

#include <stdint.h>
#include <sys/types.h>

struct session;

/*
 * Drop the pages of [offset, offset + length) (length 0: to the end) and the
 * attributes; offset -1: the attributes alone. 0, also when the kernel knows
 * no such inode; else a negative errno. Whether the writeback before it
 * succeeded the kernel does not say.
 */
int notify_inval_inode(struct session *session, uint64_t ino, off_t offset,
		       off_t length) __attribute__((warn_unused_result));

#endif
