/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dir_entry.h -- one name in one directory's tree
 *
 * Private to core/dir*.c. A name's key is its hash with 8 bits below it: names
 * of equal hash lie in the run [key, key + 255], and any of them may have gone
 * since, so a look-up goes through the whole run.
 *
 * Locking: the directory's lock. Names change under fs.namespace_lock only.
 * Errors:  -ENOENT, -ENAMETOOLONG, -EINVAL, -ENOSPC, -EUCLEAN.
 */
#ifndef UDAX_CORE_DIR_ENTRY_H
#define UDAX_CORE_DIR_ENTRY_H

#include "media/inode.h"
#include "tree/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dir_new;
struct fs;
struct inode;
struct txn;

struct name {
	const char *text;
	size_t length;
};

/* What an entry says, and where it is. */
struct entry {
	uint64_t key;
	uint64_t ino;
	uint8_t type; /* DT_* */
};

/* A name that may be made or removed: -EINVAL, -ENAMETOOLONG, -ENOENT. */
int name_check(const char *text, struct name *out)
	__attribute__((warn_unused_result));
/* "." and "..". */
bool name_is_dots(const struct name *name);
unsigned type_of_mode(uint32_t mode);

/* A directory being changed: its copy and its tree in one transaction. */
struct dir_edit {
	struct inode *dir;
	inode_media *copy;
	struct tree tree;
};

void dir_tree(const struct fs *fs, const struct inode *dir, struct tree *out);
/* What lags is settled, mtime and ctime are now. */
void dir_edit_begin(struct dir_edit *edit, struct fs *fs, struct txn *txn,
		    struct inode *dir);

/* -ENOENT: entry->key is where the name could be put, 0 if the run is full. */
int entry_find(const struct fs *fs, const struct inode *dir,
	       const struct name *name, struct entry *out)
	__attribute__((warn_unused_result));
/* The same with the directory's lock taken for it; -ENOTDIR. What it says
 * holds as long as the caller has fs.namespace_lock. */
int dir_find(struct fs *fs, struct inode *dir, const struct name *name,
	     struct entry *out) __attribute__((warn_unused_result));
/* At entry->key, which entry_find() gave. */
int entry_add(struct dir_edit *edit, const struct name *name,
	      const struct entry *entry) __attribute__((warn_unused_result));
int entry_remove(struct dir_edit *edit, uint64_t key)
	__attribute__((warn_unused_result));
/* Another inode under the same name. */
int entry_replace(struct dir_edit *edit, const struct name *name,
		  const struct entry *entry)
	__attribute__((warn_unused_result));

/* dir_create.c: what a new inode in that directory is, into its copy. */
int dir_set_up(struct fs *fs, struct txn *txn, inode_media *copy,
	       const struct dir_new *from, const inode_media *dir)
	__attribute__((warn_unused_result));
/* One name of an inode less, in its copy; a directory has none left then. */
void dir_drop_link(struct inode *inode, inode_media *copy, uint64_t dir_ino,
		   uint64_t key);

#endif
