/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * runtime_dir.h -- where the daemons of one user keep their sockets
 *
 * root: /run/udaxfs. Others: $XDG_RUNTIME_DIR/udaxfs, else /tmp/udaxfs-UID.
 * The directory is the user's own, and others may neither list nor change it
 * (0711); one that is not so is refused, so nobody can put a socket there that
 * we would trust. Who may connect is each socket's own mode: others get through
 * to a socket that is open to them and whose name they were told.
 */
#ifndef UDAX_UTIL_RUNTIME_DIR_H
#define UDAX_UTIL_RUNTIME_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* 0, -ENAMETOOLONG, -EPERM (not ours, or open to others), or mkdir's error.
 * create: made, or its mode put right. */
int runtime_dir(char *path, size_t path_bytes, bool create)
	__attribute__((warn_unused_result));

/* A Unix socket of this daemon there, PID.name, that listens. */
struct runtime_socket {
	const char *name;
	int type; /* SOCK_STREAM, SOCK_SEQPACKET */
	mode_t mode;
	gid_t group; /* (gid_t)-1: ours */
	int backlog;
};

/* 0 with *fd and its path in path[108] ("" if none was made), which are the
 * caller's to close and unlink, also on failure. */
int runtime_listen(const struct runtime_socket *sock, int *fd, char *path)
	__attribute__((warn_unused_result));

#endif
