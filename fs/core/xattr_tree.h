/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xattr_tree.h -- an inode's xattrs as a tree, and the values beside it
 *
 * Private to core/xattr*.c. The root is a block of its own, named by the inode
 * and made with the first xattr, freed with the last. Names of equal hash lie
 * in one run of keys, as in directories. A value that does not fit in a node
 * has blocks of its own, written and drained before the commit that names
 * them, and is never changed in place.
 *
 * Locking: inode.lock, exclusive for what edits.
 * Errors:  -ENODATA, -ENOSPC, -EUCLEAN.
 */
#ifndef UDAX_CORE_XATTR_TREE_H
#define UDAX_CORE_XATTR_TREE_H

#include "core/inode.h"
#include "tree/tree.h"

#include <stddef.h>
#include <stdint.h>

struct fs;
struct txn;

#define XATTR_NAME_BYTES_MAX 255
#define XATTR_LEAF_BYTES_MAX                                                   \
	(sizeof(xattr_media) + XATTR_NAME_BYTES_MAX + XATTR_INLINE_MAX)

struct xattr_name {
	const char *text;
	size_t length;
};

/* What a leaf says of one xattr. */
struct xattr_found {
	uint64_t key; /* if there is none: where it may go, or 0 */
	const xattr_media *media;
};

/* A change of the tree in a transaction. */
struct xattr_edit {
	struct fs *fs;
	struct txn *txn;
	struct inode *inode;
	inode_media *copy;
	struct tree tree;
};

/* For reading; -ENODATA without a root. */
int xattr_tree_open(struct fs *fs, const inode_media *media, struct tree *out)
	__attribute__((warn_unused_result));
int xattr_tree_find(const struct fs *fs, const struct tree *tree,
		    const struct xattr_name *name, struct xattr_found *out)
	__attribute__((warn_unused_result));
/* Both; without a root out->key is where it may go. */
int xattr_find(struct fs *fs, struct inode *inode,
	       const struct xattr_name *name, struct xattr_found *out)
	__attribute__((warn_unused_result));
/* The whole value, out of the leaf or of its blocks. */
int xattr_copy_value(struct fs *fs, const xattr_media *media, void *value)
	__attribute__((warn_unused_result));

/* With a new root if there is none; the inode may be new in this transaction.
 * ctime moves. */
int xattr_edit_begin(struct xattr_edit *edit, struct fs *fs, struct txn *txn,
		     struct inode *inode) __attribute__((warn_unused_result));
/* New at found->key, or in the place of found->media. */
int xattr_edit_put(struct xattr_edit *edit, const struct xattr_found *found,
		   const struct xattr_name *name, const void *value,
		   size_t size) __attribute__((warn_unused_result));
/* And its value's blocks. */
int xattr_edit_remove(struct xattr_edit *edit, const struct xattr_found *found)
	__attribute__((warn_unused_result));
/* The root goes if nothing is left; commit, or with err abort. */
int xattr_edit_finish(struct xattr_edit *edit, int err)
	__attribute__((warn_unused_result));

uint64_t xattr_value_blocks(const xattr_media *media);

#endif
