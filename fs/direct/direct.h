/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * direct.h -- the door for direct mappings: a socket, its clients, and taking
 *             back what they were given
 *
 * One liburing loop receives from all clients and keeps the timers and pidfds;
 * a few threads do what may block (granting allocates, commits, and waits for
 * FUSE notifications); one takes back by force (zap.h). What clients hold is in
 * core/lease.h; this knows who they are, how to reach them, and by which lock
 * each of them is seen to have let go (device_lease_open).
 *
 * A client has one descriptor a device and mode, with an OFD lock of its own
 * on the device file. It has let go of the device when that byte is free
 * (device_lease_held): a closed socket, a RETURNED, a pidfd that fired make us
 * look, and prove nothing. Leases are deleted when it is proven; where only a
 * part of a mapping is wanted back (a break), RETURNED or a zap is taken as
 * proof, as the lock cannot be asked for parts.
 *
 * Taking back: recall → zap → kill, each with a deadline (removal_limits).
 *
 * Owns:    the socket file, its threads, one ring, the clients.
 * Bounds:  DIRECT_CLIENTS_MAX, DIRECT_LEASES_MAX, DIRECT_QUEUE_MAX requests of
 *          one client under way, after which it is not read from.
 * Who:     -o direct=, by SO_PEERCRED.
 */
#ifndef UDAX_DIRECT_DIRECT_H
#define UDAX_DIRECT_DIRECT_H

#include "dax/removal.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define DIRECT_CLIENTS_MAX 4096
#define DIRECT_LEASES_MAX (1u << 20)
#define DIRECT_QUEUE_MAX 256

struct direct;
struct fs;

/* The filesystem is in place. Sets fs->direct_socket. */
int direct_start(struct direct **out, struct fs *fs, char *why,
		 size_t why_bytes) __attribute__((warn_unused_result));

/* removal_ops.tell, .changed: news for the clients, queued. */
void direct_device_changed(struct direct *direct, unsigned device,
			   enum removal_state state);

/*
 * removal_ops.revoke: begin (once) and go on taking the device back from every
 * client. 0: nobody has it but for pins; -EAGAIN: not yet. Never blocks for
 * long. Counts go to removal_count(). DRAIN: look only.
 */
int direct_revoke_device(struct direct *direct, unsigned device,
			 enum removal_mode mode,
			 const struct removal_limits *limits)
	__attribute__((warn_unused_result));

/* removal_ops.reachable: has any client a descriptor of the device, or mappings
 * by it, whatever it said it gave back? */
bool direct_device_reachable(struct direct *direct, unsigned device);

/* Closes every connection, after telling; leases that are left stay counted. */
void direct_stop(struct direct *direct);

#endif
