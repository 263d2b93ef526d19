/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * path.h -- one path of an inode, for messages, from what inodes say of their
 * parents; on a damaged filesystem it may be cut short or "?"
 */
#ifndef UDAX_FSCK_PATH_H
#define UDAX_FSCK_PATH_H

#include <stddef.h>
#include <stdint.h>

#define PATH_TEXT_BYTES 512
#define PATH_DEPTH_MAX 128

struct fsck;

/* Fit for a terminal and for JSON: control characters and what is not UTF-8
 * become '?'. */
void path_of_inode(struct fsck *fsck, uint64_t ino, char path[PATH_TEXT_BYTES]);
void path_printable(char *text, size_t text_bytes, const void *name,
		    size_t name_bytes);

#endif
