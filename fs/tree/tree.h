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
 * Errors:  -ENOENT, -EEXIST, -ENOSPC (no block for a split), -EUCLEAN.
 * Nodes are checked when first seen since mount: each block has a bit in the
 * `seen` map of the tree's environment.
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
	uint64_t device_blocks;		/* of the metadata device */
	_Atomic uint64_t *seen;		/* a bit a block: checked since mount */
};

int tree_env_init(struct tree_env *env, const struct members *members,
		  unsigned metadata_device) __attribute__((warn_unused_result));
void tree_env_fini(struct tree_env *env);

/* A handle, made for one operation, on the stack. */
struct tree {
	const struct tree_env *env;
	struct txn *txn;	/* NULL: read only */
	uint64_t owner;		/* inode number */
	enum tree_kind kind;
	node_media *root;	/* the copy of txn_edit, or home when reading */
	unsigned root_capacity_bytes;
	int64_t blocks_delta;	/* node blocks taken less freed: the caller
				   adds it to inode.blocks */
};

/* Where a scan stands; invalid after any change to the tree. */
struct tree_cursor {
	const struct tree *tree;
	unsigned depth;
	struct {
		const node_media *node;
		unsigned slot;
	} at[NODE_LEVELS_MAX];
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

int tree_insert(struct tree *tree, uint64_t key, const void *value,
		unsigned length_bytes) __attribute__((warn_unused_result));
/* Give an existing key a new value (any length). */
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
