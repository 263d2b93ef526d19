/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xattr.h -- extended attributes (getxattr(2), setxattr(2), listxattr(2))
 *
 * Names carry their namespace (user., trusted., security.), and there are POSIX
 * ACLs (system.posix_acl_access, system.posix_acl_default), which are checked
 * and agree with the mode. Limits are Linux's: name 255, value 64 KiB, list 64
 * KiB, an ACL 4 KiB. An inode without xattrs
 * answers -ENODATA from one load: the kernel asks for security.capability at
 * many writes.
 */
#ifndef UDAX_CORE_XATTR_H
#define UDAX_CORE_XATTR_H

#include "media/inode.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fs;
struct inode;
struct request;

/* Bytes, or with size 0 the bytes needed; -ERANGE too small, -ENODATA. */
ssize_t xattr_get(struct request *request, struct inode *inode,
		  const char *name, void *value, size_t size)
	__attribute__((warn_unused_result));
/* An access ACL costs the inode its setgid bit: the caller is not in its group
 * and has no CAP_FSETID. */
#define XATTR_KILL_SGID 0x10000

/* flags: XATTR_CREATE, XATTR_REPLACE, XATTR_KILL_SGID. An ACL that says no more
 * than a mode becomes the mode. */
int xattr_set(struct request *request, struct inode *inode, const char *name,
	      const void *value, size_t size, int flags)
	__attribute__((warn_unused_result));
int xattr_remove(struct request *request, struct inode *inode, const char *name)
	__attribute__((warn_unused_result));
/* trusted: for somebody who may know of the trusted ones. */
ssize_t xattr_list(struct request *request, struct inode *inode, bool trusted,
		   char *list, size_t size) __attribute__((warn_unused_result));

/*
 * Free them all, in bounded transactions; xattr_root is 0 after. inode_forget()
 * calls it before file_free_locked(). inode.lock held exclusively.
 */
int xattr_free_all_locked(struct fs *fs, struct inode *inode)
	__attribute__((warn_unused_result));

/* Without security.capability, as a change of owner, size or bytes leaves it;
 * -ENODATA: there is none. Where there are no xattrs it costs one load. */
int xattr_find_capability_locked(struct request *request, struct inode *inode)
	__attribute__((warn_unused_result));
int xattr_drop_capability_locked(struct request *request, struct inode *inode)
	__attribute__((warn_unused_result));

/* Every run of blocks the xattrs of an inode take, the root's as well. */
typedef int xattr_blocks_fn(uint64_t addr, uint64_t blocks, void *arg);
int xattr_walk_blocks(struct fs *fs, const inode_media *media,
		      xattr_blocks_fn *fn, void *arg)
	__attribute__((warn_unused_result));

#endif
