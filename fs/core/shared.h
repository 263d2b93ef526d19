/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shared.h -- how many extents own a run of data blocks
 *
 * Inode 2 holds a tree of runs with two owners or more (doc/FORMAT.md). An
 * extent that is flagged EXTENT_SHARED asks here; one without the flag is its
 * blocks' only owner, and so is a flagged one whose blocks are in no run.
 *
 * Locking: shared.lock, one for all; below every inode's lock.
 * Errors:  -EUCLEAN damage, -EIO.
 */
#ifndef UDAX_CORE_SHARED_H
#define UDAX_CORE_SHARED_H

#include "media/inode.h"
#include "tree/tree.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct fs;
struct txn;

struct shared {
	pthread_mutex_t lock;
	uint64_t addr;	    /* of inode 2 */
	inode_media *media; /* NULL: every block has one owner */
};

/* Once the inode table is there. -EUCLEAN: inode 2 is not what it must be. */
int shared_init(struct fs *fs) __attribute__((warn_unused_result));

/* The tree as the media has it; only with the feature. */
struct tree shared_tree(const struct fs *fs);

/* Of the run at addr: its first blocks that have the same number of owners. */
struct shared_run {
	uint64_t addr;
	uint64_t blocks;
	uint32_t owners;
};
int shared_look(const struct tree *tree, uint64_t addr, uint64_t blocks,
		struct shared_run *run) __attribute__((warn_unused_result));

#endif
