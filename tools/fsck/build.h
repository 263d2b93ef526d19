/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * build.h -- a tree from its values, in blocks of its own
 *
 * Nodes are filled from left to right and stored to blocks that nobody owns:
 * nothing of it is seen before a transaction names the root.
 */
#ifndef UDAX_FSCK_BUILD_H
#define UDAX_FSCK_BUILD_H

#include "collect.h"

/*
 * values: by key, each once. The root fills root_bytes (and is the caller's to
 * store); *nodes: blocks below it, which are durable on return. -ENOSPC, -EIO,
 * -ENOMEM.
 */
int build_tree(struct fsck *fsck, uint64_t owner, enum tree_kind kind,
	       const struct values *values, node_media *root,
	       unsigned root_bytes, uint64_t *nodes)
	__attribute__((warn_unused_result));

#endif
