/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree.h -- files, users and limits, as the cases need them
 *
 * What prepares a case ends it with a message if it does not work; what asks
 * (mode_of, ...) does, too.
 */
#ifndef UDAX_CONFORMANCE_TREE_H
#define UDAX_CONFORMANCE_TREE_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#define USER 12001 /* uid and gid of somebody */
#define OTHER 12002
#define GROUP 12003

/* A file with this mode, empty; with these bytes; a directory; a FIFO. */
void make_file(const char *path, mode_t mode);
void put(const char *path, const char *text);
void make_dir(const char *path, mode_t mode);
void make_fifo(const char *path);
void give(const char *path, uid_t uid, gid_t gid);
/* A copy of a file of this machine, with mode 0755. */
void copy_program(const char *from, const char *to);
/* A copy of a program that waits for a signal, running. */
pid_t run_program(const char *path);
void end_program(pid_t pid);

/* Become another: effective ids, no groups but `group` (0: none). */
void become(uid_t uid, gid_t gid, gid_t group);
void become_root(void);

struct stat stat_of(const char *path); /* of a symlink itself */
mode_t mode_of(const char *path);      /* the 12 bits */
nlink_t links_of(const char *path);
/* Are they the same file? */
int same_file(const char *a, const char *b);
/* The file has these bytes and no more. */
int contains(const char *path, const char *text);
int newer(struct timespec a, struct timespec b);
/* Until the clock that files are stamped with has moved. */
void tick(void);

/* Where no memory is. */
void *bad_address(void);

/* "nnn...", in one of a few static buffers. */
const char *name_of_length(size_t count);
/* A path of that many bytes to something in this directory: ././././NAME */
const char *path_of_length(size_t count, const char *name);

/* 0 or -1 and errno, as the calls that it is made of. */
int tree_remove(int dirfd, const char *path);

#endif
