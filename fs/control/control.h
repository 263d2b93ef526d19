/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control.h -- the operator's door: one Unix socket, one liburing loop
 *
 * A client sends one line of JSON {"version":1,"verb":V,...} and gets one back
 * {"version":1,"status":N,"error":S|null,"answer":{...}|null}, then the socket
 * is closed. status is the exit status udaxctl shall have: 0 done, 1 failed,
 * 2 usage, 3 deadline passed, 4 refused because in use.
 *
 * The loop accepts, receives, sends and keeps the timers; it never blocks and
 * takes no lock a request handler wants. What may block (walking inodes,
 * reading /proc) runs in the helper thread. Waiting for a device state costs
 * a place in a list, so any number of clients may wait. All of it works while
 * the filesystem is shut down, without any FUSE request.
 *
 * Who: the daemon's user and root (directory 0700, socket 0600, SO_PEERCRED).
 * Owns:    the socket file, two threads, one ring.
 * Bounds:  CONTROL_CLIENTS_MAX connections, CONTROL_REQUEST_BYTES a request,
 *          CONTROL_IDLE_MS to send it; past that the connection is closed.
 */
#ifndef UDAX_CONTROL_CONTROL_H
#define UDAX_CONTROL_CONTROL_H

#include "dax/removal.h"

#include <stddef.h>

#define CONTROL_CLIENTS_MAX 256
#define CONTROL_REQUEST_BYTES (64u << 10)
#define CONTROL_IDLE_MS 10000

struct control;
struct fs;

/* The filesystem and its removals are in place, the mount is there. */
int control_start(struct control **out, struct fs *fs, const char *mountpoint,
		  char *why, size_t why_bytes)
	__attribute__((warn_unused_result));
/* removal_ops.changed: wakes those who wait. Any thread. NULL control is ok. */
void control_device_changed(struct control *control, unsigned device,
			    enum removal_state state);
/* Closes every connection and removes the socket. */
void control_stop(struct control *control);

#endif
