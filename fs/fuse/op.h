/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * op.h -- one operation: what all handlers do at their beginning and end
 *
 * Private to the operations (ops_*.c). A handler begins, calls core and ends
 * with exactly one of the op_* calls that reply. The reply is written first,
 * then the request ends: it may point into device memory.
 *
 * Errors: core's negative errno become what the system call may answer:
 *         -EUCLEAN and -ENXIO of a device are EIO (lseek's ENXIO aside, which
 *         is its own).
 */
#ifndef UDAX_FUSE_OP_H
#define UDAX_FUSE_OP_H

#include "core/inode.h"
#include "core/request.h"
#include "fuse/front.h"
#include "fuse/park.h"

/* In an open file's handle: what it was opened for. */
#define OP_FH_WRITE 0x1u
#define OP_FH_READ 0x2u

struct op {
	fuse_req_t req;
	struct front *front;
	struct request *request; /* the serving thread's */
	struct inode *inode;
	const char *name;
};

/* What a request needs free of leases, in bytes; length 0: to the end. */
struct op_wait {
	enum park_kind kind;
	uint64_t offset;
	uint64_t length;
};

/* False: an error has been replied. */
bool op_begin(struct op *op, fuse_req_t req, const char *name, fuse_ino_t ino)
	__attribute__((warn_unused_result));
bool op_begin_writeback(struct op *op, fuse_req_t req, fuse_ino_t ino)
	__attribute__((warn_unused_result));
/* For what must work on a dead filesystem: no gate is entered. */
void op_begin_ungated(struct op *op, fuse_req_t req, const char *name,
		      fuse_ino_t ino);
/* In READ and READDIR: O_NOATIME. */
void op_read_flags(struct op *op);
/* For list-holders. */
void op_range(struct op *op, off_t offset, size_t length);

/* err: 0 or negative. */
void op_end(struct op *op, int err);
/* Nothing is replied (forget). */
void op_end_silent(struct op *op);
void op_end_bytes(struct op *op, const void *bytes, size_t length);
/* By pointers into device memory. */
void op_end_iov(struct op *op, const struct iovec *iov, unsigned int count);
void op_end_count(struct op *op, size_t written);
void op_end_attr(struct op *op, const struct stat *attr);
/* In the form that STATX wants. */
void op_end_statx(struct op *op, const struct stat *attr);
/* inode carries one lookup, which the kernel takes over. NULL: no such name,
 * which the kernel may remember. */
void op_end_entry(struct op *op, struct inode *inode);

/*
 * err of core is no answer yet: a lease or a pin is in the way, and the request
 * will be served again from scratch when it has gone, or an error has been
 * replied. The handler has put back what it took and returns at once.
 */
bool op_park(struct op *op, int err, const struct op_wait *wait)
	__attribute__((warn_unused_result));

/* What a name stands for: for replies that carry an entry. */
void op_entry_param(struct op *op, struct inode *inode,
		    struct fuse_entry_param *entry);
/* Root, with that capability (CAP_*). Looked up in /proc. */
bool op_capable(const struct op *op, unsigned int capability)
	__attribute__((warn_unused_result));
/* Where the request does not say it: a change of its bytes by the caller takes
 * suid and sgid away, or would, if it had any. */
bool op_unprivileged(const struct op *op) __attribute__((warn_unused_result));
/* Its sgid, by a change of owner by the caller, group executable or not. */
bool op_loses_sgid(struct op *op) __attribute__((warn_unused_result));
/* Before its bytes or size change: what the caller, with or without CAP_FSETID,
 * costs the file (attr_drop_privileges). */
int op_ask_drop_privileges(struct op *op) /* and nothing else */
	__attribute__((warn_unused_result));
int op_resize_drop_privileges(struct op *op, bool unprivileged)
	__attribute__((warn_unused_result));
int op_drop_privileges(struct op *op, bool unprivileged)
	__attribute__((warn_unused_result));
/* 0, or what the kernel may see; damage is logged once. */
int op_errno(struct op *op, int err);
/* What remains to be done after a reply was sent some other way. */
void op_finish(struct op *op);

/* ops_*.c: each puts its handlers into the table. */
void ops_attr_install(struct fuse_lowlevel_ops *ops);
void ops_data_install(struct fuse_lowlevel_ops *ops);
void ops_dir_install(struct fuse_lowlevel_ops *ops);
void ops_ioctl_install(struct fuse_lowlevel_ops *ops);
void ops_name_install(struct fuse_lowlevel_ops *ops);
void ops_open_install(struct fuse_lowlevel_ops *ops);
void ops_xattr_install(struct fuse_lowlevel_ops *ops);

#endif
