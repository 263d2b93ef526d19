/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * probe.h -- what an open file says of its mount: the two ioctls
 *
 * Locking: none; each is a question to the daemon.
 */
#ifndef UDAX_CLIENT_PROBE_H
#define UDAX_CLIENT_PROBE_H

#include "udax/protocol.h"

/* Is it of a udaxfs mount with a direct door? Where: path, unless NULL.
 * -ENOTSUP: it is not; -ENOTCONN: its daemon has ended. */
int probe_socket(int fd, char *path) __attribute__((warn_unused_result));
int probe_token(int fd, struct udax_ioc_token *token)
	__attribute__((warn_unused_result));

#endif
