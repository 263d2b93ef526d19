/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * runtime_dir.h -- where the daemons of one user keep their sockets
 *
 * root: /run/udaxfs. Others: $XDG_RUNTIME_DIR/udaxfs, else /tmp/udaxfs-UID.
 * The directory is the user's own and closed to others (0700); one that is
 * not is refused, so nobody can put a socket there that we would trust.
 */
#ifndef UDAX_UTIL_RUNTIME_DIR_H
#define UDAX_UTIL_RUNTIME_DIR_H

#include <stdbool.h>
#include <stddef.h>

/* 0, -ENAMETOOLONG, -EPERM (not ours, or open to others), or mkdir's error. */
int runtime_dir(char *path, size_t path_bytes, bool create)
	__attribute__((warn_unused_result));

#endif
