/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * resume.h -- UDAX_MAP_RESUME: the daemon has ended; when the filesystem is
 *             mounted again the mappings find their files and go on
 *
 * A thread for the time it takes, as opening a file may block. The file is the
 * one at the same path, if it is the same filesystem, inode and generation.
 */
#ifndef UDAX_CLIENT_RESUME_H
#define UDAX_CLIENT_RESUME_H

#include "client/conn.h"

#define RESUME_MS 60000

/* client.lock held: if any mapping of the lost connection wants it. */
void resume_begin_locked(struct conn *lost);

#endif
