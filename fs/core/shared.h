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

#define SHARED_OWNERS_MAX UINT32_MAX

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

/*
 * Inode 2 as a transaction changes it. From begin to end, which comes after the
 * transaction's, shared.lock is held; begin again is free.
 */
struct shared_edit {
	struct fs *fs;
	inode_media *copy; /* NULL: not begun */
	struct tree tree;
};
void shared_begin(struct shared_edit *edit, struct fs *fs, struct txn *txn);
/* Just before the commit. */
void shared_settle(struct shared_edit *edit);
void shared_end(struct shared_edit *edit);

/*
 * The blocks of a run, as shared_look() answered it or a part of that, get an
 * owner more (fewer than SHARED_OWNERS_MAX have them) or fewer (two or more
 * have). At most five changes of neighbouring keys. On an error the transaction
 * must be aborted.
 */
int shared_add(struct shared_edit *edit, const struct shared_run *run)
	__attribute__((warn_unused_result));
int shared_drop(struct shared_edit *edit, const struct shared_run *run)
	__attribute__((warn_unused_result));

#endif
