/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * null_files.h -- a filesystem of plain memory, for the null server
 *
 * What metadata cost without a media: requests answered from nodes in a hash
 * table and bytes in malloc'ed buffers, under one mutex. No links, no devices,
 * no permissions of its own, nothing kept.
 *
 * A node's id is its address; FUSE_ROOT_ID is the root.
 */
#ifndef UDAX_BENCH_NULL_FILES_H
#define UDAX_BENCH_NULL_FILES_H

#include <fuse_lowlevel.h>

/* Replaces what works on nodes; open and release are the caller's. */
void null_files_install(struct fuse_lowlevel_ops *ops);

void null_files_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void null_files_getattr(fuse_req_t req, fuse_ino_t ino);
void null_files_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *change,
			int mask);
void null_files_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset);
void null_files_write(fuse_req_t req, fuse_ino_t ino, const char *bytes,
		      size_t size, off_t offset);
/* The reply is the caller's, with `entry` filled in: 0 or an errno. */
int null_files_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		      mode_t mode, struct fuse_entry_param *entry);

#endif
