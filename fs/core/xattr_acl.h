/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xattr_acl.h -- POSIX ACLs, which are xattrs that know the mode
 *
 * The kernel checks permissions by them (FUSE_POSIX_ACL). Here an access ACL
 * and the mode are kept saying the same, in one transaction, and a new inode
 * gets what its directory's default ACL says. acl(5).
 *
 * Private to core/. Locking: inode.lock exclusive, of the directory, too.
 * Errors: -EINVAL, -E2BIG, -EACCES (a default ACL of what is no directory),
 *         -EOPNOTSUPP (a symbolic link's), -EUCLEAN, -ENOSPC.
 */
#ifndef UDAX_CORE_XATTR_ACL_H
#define UDAX_CORE_XATTR_ACL_H

#include "core/xattr_tree.h"

#include <stdbool.h>
#include <sys/types.h>

bool xattr_acl_is(const struct xattr_name *name);
/* found: what xattr_find() says of that name. */
int xattr_acl_set_locked(struct fs *fs, struct inode *inode,
			 const struct xattr_name *name,
			 const struct xattr_found *found, const void *value,
			 size_t size, bool kill_sgid)
	__attribute__((warn_unused_result));
/* In a transaction that gives the inode this mode: its access ACL says it. */
int xattr_acl_chmod(struct fs *fs, struct txn *txn, struct inode *inode,
		    uint32_t mode) __attribute__((warn_unused_result));
/* In the transaction that makes the inode, whose copy has the mode asked for:
 * by dir's default ACL, or, where there is none, less umask. */
int xattr_acl_inherit(struct fs *fs, struct txn *txn, struct inode *dir,
		      struct inode *inode, mode_t umask)
	__attribute__((warn_unused_result));

#endif
