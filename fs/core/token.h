/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * token.h -- an open file, carried from the mount to the direct door
 *
 * FUSE's ioctl on an open file issues a random token; the direct socket redeems
 * it. It is good once, for UDAX_TOKEN_MS, for the process and user that asked:
 * it grants what mmap(2) of that open file would, and no more.
 *
 * A token holds nothing: an unlinked file whose last open goes before it is
 * redeemed is gone.
 *
 * Locking: a mutex of its own, a leaf. Bounds: TOKENS_MAX outstanding; the
 * oldest makes way.
 */
#ifndef UDAX_CORE_TOKEN_H
#define UDAX_CORE_TOKEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TOKENS_MAX 4096

struct fs;
struct inode;

/* By fs_mount() and fs_unmount(). */
int token_init(struct fs *fs) __attribute__((warn_unused_result));
void token_fini(struct fs *fs);

struct token_caller {
	pid_t pid; /* thread group; as SO_PEERCRED will say */
	uid_t uid;
};

/* May this user have direct mappings at all (-o direct=)? 0, -EACCES, or
 * -ENOTSUP: direct=off. groups: of the process, looked up in /proc. */
int token_allowed(const struct fs *fs, const struct token_caller *caller)
	__attribute__((warn_unused_result));

/* The caller has the file open, to write if so. 0, -ENOMEM, -EACCES. */
int token_issue(struct fs *fs, struct inode *inode, bool may_write,
		const struct token_caller *caller, uint8_t token[16])
	__attribute__((warn_unused_result));

/* -EACCES: unknown, used, too old, or somebody else's. *inode comes held
 * (inode_hold): inode_release_hold() when done. */
int token_redeem(struct fs *fs, const uint8_t token[16],
		 const struct token_caller *caller, struct inode **inode,
		 bool *may_write) __attribute__((warn_unused_result));

#endif
