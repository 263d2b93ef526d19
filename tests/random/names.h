/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * names.h -- the same calls on two trees, by two processes in step
 *
 * Each process has one of the trees as its root and the same seed; a step is
 * chosen from chance and from what is in the tree, and so it is the same in
 * both. What it came to (result, errno, what the call says, how the files look
 * and which of their times have moved) is a text; the texts are compared after
 * every step. A step is made by one of several users, with groups and a umask.
 */
#ifndef UDAX_RANDOM_NAMES_H
#define UDAX_RANDOM_NAMES_H

#include "chance.h"

#include <stddef.h>
#include <sys/types.h>

#define PATH_MOST 1200
#define OPENS 6

/* What a step came to. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* How this file looks afterwards is a part of it; its parent, too. */
void watch(const char *path);
/* Before anything is watched. */
void times_do_not_count(void);
void tick(void);
void say_descriptor(int fd);

extern bool names_flags; /* immutable and append-only files, too */

/* names_paths.c: one of a few static strings, in the tree as it is. */
void paths_refresh(void);
const char *any_path(void); /* of what is there, mostly */
const char *new_path(void); /* where nothing is, mostly */
const char *any_name(void);
/* Any bytes, as they are shown in notes. */
const char *shown(const char *path);

/* names_users.c */
void users_choose(void);
const char *user_now(void);
void user_begin(void); /* errno stays as it is */
void user_end(void);
uid_t any_uid(void);
gid_t any_gid(void);
mode_t any_mode(void);
/* As the chosen user; errno is the call's. */
#define AS_USER(call)                                                          \
	({                                                                     \
		long as_user_;                                                 \
		user_begin();                                                  \
		as_user_ = (long)(call);                                       \
		user_end();                                                    \
		as_user_;                                                      \
	})

/* Steps: what the call answers. */
typedef long step_fn(void);
step_fn step_mkdir, step_rmdir, step_mknod, step_symlink, step_readlink,
	step_link, step_unlink, step_rename; /* names_make.c */
step_fn step_chmod, step_chown, step_utimes, step_access, step_truncate,
	step_stat, step_flags; /* names_attr.c */
step_fn step_setxattr, step_getxattr, step_removexattr, step_listxattr,
	step_acl; /* names_xattr.c */
step_fn step_open, step_tmpfile, step_close, step_io,
	step_of_open; /* names_open.c */

/* names_tree.c: all that is in the tree, a line each. */
void tree_write(int fd);
/* Text of a file's inode flags, of those that both have. */
unsigned int flags_of(int fd);
#define FLAGS_COMPARED                                                         \
	(FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL)

#endif
