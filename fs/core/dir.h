/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dir.h -- names: every operation that reads or changes a directory
 *
 * One transaction each, so a crash leaves the state before or after. Calls
 * that change names take fs.namespace_lock, then the inodes they touch.
 * Every struct inode answered carries one lookup for the caller.
 *
 * Errors: those of the system call of the same name; -EUCLEAN for damage.
 */
#ifndef UDAX_CORE_DIR_H
#define UDAX_CORE_DIR_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define NAME_BYTES_MAX 255
#define LINKS_MAX 65000

struct fs;
struct inode;
struct request;

struct dir_new {
	mode_t mode;  /* with S_IFMT */
	mode_t umask; /* applies where the directory has no default ACL */
	dev_t rdev;
	uid_t uid;
	gid_t gid;	     /* replaced by the directory's if that is setgid */
	const char *symlink; /* S_IFLNK: the target */
};

int dir_lookup(struct request *request, struct inode *dir, const char *name,
	       struct inode **out) __attribute__((warn_unused_result));
int dir_create(struct request *request, struct inode *dir, const char *name,
	       const struct dir_new *new_inode, struct inode **out)
	__attribute__((warn_unused_result));
/* O_TMPFILE: no name, nlink 0; dir_link may give it one. */
int dir_tmpfile(struct request *request, struct inode *dir,
		const struct dir_new *new_inode, struct inode **out)
	__attribute__((warn_unused_result));
int dir_link(struct request *request, struct inode *inode, struct inode *dir,
	     const char *name) __attribute__((warn_unused_result));
int dir_unlink(struct request *request, struct inode *dir, const char *name)
	__attribute__((warn_unused_result));
int dir_rmdir(struct request *request, struct inode *dir, const char *name)
	__attribute__((warn_unused_result));
/* flags: RENAME_NOREPLACE, RENAME_EXCHANGE; others -EINVAL. */
int dir_rename(struct request *request, struct inode *from_dir,
	       const char *from, struct inode *to_dir, const char *to,
	       unsigned flags) __attribute__((warn_unused_result));
/* RENAME_WHITEOUT, too, which leaves a character device 0:0, owned as
 * `whiteout` says, in the place of what moved. */
int dir_rename_white(struct request *request, struct inode *from_dir,
		     const char *from, struct inode *to_dir, const char *to,
		     unsigned flags, const struct dir_new *whiteout)
	__attribute__((warn_unused_result));
int dir_readlink(struct request *request, struct inode *inode, char *target,
		 size_t target_bytes) __attribute__((warn_unused_result));

/*
 * Entries after cookie (0: from the start, "." and ".." first), each with the
 * cookie to go on after it; fn answers non-zero to stop before taking that
 * one. Cookies are the tree's keys: stable while others come and go.
 * fn runs under the directory's lock: it may call inode_look() (the name
 * cannot go meanwhile) but must take no inode lock; attributes come after.
 */
typedef int dir_entry_fn(const char *name, size_t name_length, uint64_t ino,
			 unsigned type, uint64_t cookie, void *arg);
int dir_read(struct request *request, struct inode *dir, uint64_t cookie,
	     dir_entry_fn *fn, void *arg) __attribute__((warn_unused_result));

#endif
