/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_own.h -- copy-on-write: a file and blocks that others have, too
 *
 * Private to file_change.c, whose other half is in file_own.c.
 */
#ifndef UDAX_CORE_FILE_OWN_H
#define UDAX_CORE_FILE_OWN_H

#include "core/file_change.h"

/* This file's part in the blocks ends. The piece is cut to those that are
 * alike; *last: nobody else has them. */
int file_own_part(struct file_change *change, struct extent *piece, bool *last)
	__attribute__((warn_unused_result));

/* The change did not come to pass: kernel entries point at the blocks that the
 * media has. */
void file_own_entries_back(struct file_change *change);

#endif
