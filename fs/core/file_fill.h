/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_fill.h -- blocks for pages that somebody will store to unseen
 *
 * Private to file_*.c and lease_*.c. A store through a mapping reaches no
 * handler: its block must be there before, written, with zeros, and nobody
 * else's.
 */
#ifndef UDAX_CORE_FILE_FILL_H
#define UDAX_CORE_FILE_FILL_H

#include "core/file_extent.h"

#include <stdbool.h>
#include <stdint.h>

struct inode;
struct request;

/* The first run of [start, end) that has no bytes yet, or shares them; -ENOENT:
 * all have their own. */
int file_gap(const struct fs *fs, const struct tree *map, uint64_t start,
	     uint64_t end, struct extent *gap)
	__attribute__((warn_unused_result));

/*
 * The file has blocks, and with `gaps` so has every page of [start, end). A
 * chain of transactions; on failure what was got stays, as zeros. inode.lock
 * exclusive. -EBUSY: a lease shows a hole there.
 */
int file_make_blocks(struct request *request, struct inode *inode,
		     uint64_t start, uint64_t end, bool gaps)
	__attribute__((warn_unused_result));

#endif
