/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core_fixture.h -- a filesystem mounted in this process, without FUSE
 *
 * Devices are made by the mkfs.udaxfs of the build and checked by its
 * fsck.udaxfs. Every call below is one request, as a serving thread makes it;
 * where an inode is answered the caller has a lookup on it, to be given back
 * with core_forget().
 */
#ifndef UDAX_TESTS_CORE_FIXTURE_H
#define UDAX_TESTS_CORE_FIXTURE_H

#include "core/attr.h"
#include "core/dir.h"
#include "core/file.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/request.h"
#include "core/xattr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h> /* RENAME_* */

struct core_fixture {
	struct fs *fs;
	struct inode *root; /* carries no lookup of ours */
	struct request request;
	char why[256];
};

extern struct core_fixture core;

/* mkfs.udaxfs -s size on devices "0", "1", ... of the fixture directory. */
void core_format(unsigned devices, const char *size);
/* mkfs.udaxfs on a device "0" that has no blocks yet. */
void core_format_sparse(off_t bytes);
/* The first `devices` of them; the error of fs_mount(). */
int core_try_mount(unsigned devices, const struct fs_options *options);
void core_mount(unsigned devices);
void core_unmount(void);
/* fsck.udaxfs -n; finds nothing. */
void core_fsck(unsigned devices);
/* mount, fn, and the process is gone without an unmount. */
void core_crash_after(unsigned devices, void (*fn)(void));

int core_create(struct inode *dir, const char *name, mode_t mode,
		struct inode **out);
/* Created, or found, or the test fails. No lookup remains with core_make(). */
void core_make(struct inode *dir, const char *name, mode_t mode);
struct inode *core_new(struct inode *dir, const char *name, mode_t mode);
struct inode *core_get(struct inode *dir, const char *name);
int core_look(struct inode *dir, const char *name, struct inode **out);
void core_forget(struct inode *inode);
bool core_exists(struct inode *dir, const char *name);
/* st_ino, 0 if there is none. */
uint64_t core_ino(struct inode *dir, const char *name);
int core_unlink(struct inode *dir, const char *name);
int core_rmdir(struct inode *dir, const char *name);
int core_link(struct inode *inode, struct inode *dir, const char *name);
int core_rename(struct inode *from_dir, const char *from, struct inode *to_dir,
		const char *to, unsigned flags);
int core_symlink(struct inode *dir, const char *name, const char *target);
int core_tmpfile(struct inode *dir, struct inode **out);
struct stat core_stat(struct inode *inode);
int core_setattr(struct inode *inode, const struct stat *attr, unsigned mask);
/* Bytes written at offset, through file_write(). */
ssize_t core_write(struct inode *inode, const void *bytes, size_t length,
		   off_t offset);
uint64_t core_free_blocks(void);

#endif
