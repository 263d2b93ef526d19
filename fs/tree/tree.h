/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree.h -- B+trees of an inode: extents, directory entries, xattrs
 *
 * The nodes are media/node.h's; the root is in the inode's area, or (xattrs)
 * a block that the inode names. A changing call works within a transaction,
 * whose own edits it sees; a reading call with txn NULL sees home.
 *
 * Units:   keys are the kind's own (file blocks, name hashes).
 * Locking: the inode's lock: shared to read, exclusive to change until the
 *          transaction has ended. No lock of its own.
 * Bounds:  height <= NODE_LEVELS_MAX; one insert edits at most 2 nodes a
 *          level plus a new root, one delete at most 1 a level.
 * Errors:  -ENOENT, -EEXIST, -ENOSPC (no block for a split: the tree is as it
 *          was), -EINVAL (not a value of this kind), -EUCLEAN. After any other
 *          error of a changing call the transaction must be aborted.
 *
 * Invariants, whatever the media holds:
 *   T1  a node's checksum and contents are checked when it is first seen since
 *       mount: each block has a bit in the `seen` map of the environment. Who
 *       it is, its level and its range of keys are checked at every visit, and
 *       a value before it is handed out, so that a node that somebody wrote to
 *       since (cross-linked media) is never read or changed out of bounds
 *   T2  a bit is set by a look at home only. It may outlive the node, since
 *       what a block holds as a node later was stored there by a commit
 *   T3  ranges of keys nest and nodes are not empty, so no node is reached
 *       twice, and every scan ends
 */
#ifndef UDAX_TREE_TREE_H
#define UDAX_TREE_TREE_H

#include "media/node.h"

#include <stdbool.h>
#include <stdint.h>

struct journal;
struct members;
struct txn;

/* Shared by all trees of a mounted filesystem (or of a fsck run). */
struct tree_env {
	const struct members *members;
	unsigned metadata_device;
	uint64_t device_blocks; /* of the metadata device */
	_Atomic uint64_t *seen; /* a bit a block: checked since mount */
};

int tree_env_init(struct tree_env *env, const struct members *members,
		  unsigned metadata_device) __attribute__((warn_unused_result));
void tree_env_fini(struct tree_env *env);

/* A handle, made for one operation, on the stack. */
struct tree {
	const struct tree_env *env;
	struct txn *txn; /* NULL: read only */
	uint64_t owner;	 /* inode number */
	enum tree_kind kind;
	node_media *root; /* the copy of txn_edit, or home when reading */
	unsigned root_capacity_bytes;
	int64_t blocks_delta; /* node blocks taken less freed: the caller
				 adds it to inode.blocks */
};

struct tree_step {
	uint64_t addr; /* ADDR_NONE: the root */
	const node_media *node;
	unsigned slot;
};

/* Where a scan stands, at[0] being the root; invalid after any change to the
 * tree. */
struct tree_cursor {
	const struct tree *tree;
	unsigned depth;
	struct tree_step at[NODE_LEVELS_MAX];
	uint64_t key;
	const void *value;
	unsigned length_bytes;
};

/* First key >= key: 0, -ENOENT at the end. */
int tree_seek(const struct tree *tree, uint64_t key, struct tree_cursor *cursor)
	__attribute__((warn_unused_result));
/* Last key <= key: 0, -ENOENT before the first. */
int tree_seek_floor(const struct tree *tree, uint64_t key,
		    struct tree_cursor *cursor)
	__attribute__((warn_unused_result));
int tree_next(struct tree_cursor *cursor) __attribute__((warn_unused_result));

#define TREE_VALUE_MAX                                                         \
	((NODE_BLOCK_BYTES - sizeof(node_media)) / 2 - sizeof(node_slot_media))

/* The value may be a cursor's. */
int tree_insert(struct tree *tree, uint64_t key, const void *value,
		unsigned length_bytes) __attribute__((warn_unused_result));
/* Give an existing key a new value (any length; may be a cursor's). */
int tree_replace(struct tree *tree, uint64_t key, const void *value,
		 unsigned length_bytes) __attribute__((warn_unused_result));
int tree_delete(struct tree *tree, uint64_t key)
	__attribute__((warn_unused_result));

/*
 * Every node block below the root (not the root itself), each once, children
 * before parents; stops at fn's first non-zero answer and returns it. For
 * free-space rebuild and fsck.
 */
typedef int tree_block_fn(uint64_t addr, void *arg);
int tree_walk_blocks(const struct tree *tree, tree_block_fn *fn, void *arg)
	__attribute__((warn_unused_result));

#endif
