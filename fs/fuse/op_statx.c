/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * op_statx.c -- the reply to STATX, which libfuse 3.14 does not know
 *
 * The kernel (6.18) takes the basic fields and the time of birth from it; inode
 * flags (stx_attributes) it would not pass on, so they are not said.
 */
#include "core/attr.h"
#include "fuse/op.h"

#include <sys/sysmacros.h>

/* <linux/fuse.h> of Linux 6.6. */
struct time_wire {
	int64_t s;
	uint32_t ns;
	uint32_t pad;
};

struct statx_wire {
	uint64_t valid_s;
	uint32_t valid_ns;
	uint32_t flags;
	uint64_t pad0[2];
	uint32_t mask;
	uint32_t blksize;
	uint64_t attributes;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint16_t mode;
	uint16_t pad1;
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	uint64_t attributes_mask;
	struct time_wire atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor;
	uint32_t dev_major, dev_minor;
	uint64_t pad2[14];
};

_Static_assert(sizeof(struct statx_wire) == 288, "STATX reply on the wire");

static struct time_wire time_wire(struct timespec time)
{
	return (struct time_wire){ .s = time.tv_sec,
				   .ns = (uint32_t)time.tv_nsec };
}

void op_end_statx(struct op *op, const struct stat *attr)
{
	const struct statx_wire out = {
		.valid_s = (uint64_t)front_attr_timeout(op->inode, attr),
		.mask = STATX_BASIC_STATS | STATX_BTIME,
		.blksize = (uint32_t)attr->st_blksize,
		.nlink = (uint32_t)attr->st_nlink,
		.uid = attr->st_uid,
		.gid = attr->st_gid,
		.mode = (uint16_t)attr->st_mode,
		.ino = attr->st_ino,
		.size = (uint64_t)attr->st_size,
		.blocks = (uint64_t)attr->st_blocks,
		.atime = time_wire(attr->st_atim),
		.btime = time_wire(attr_birth(op->inode)),
		.ctime = time_wire(attr->st_ctim),
		.mtime = time_wire(attr->st_mtim),
		.rdev_major = major(attr->st_rdev),
		.rdev_minor = minor(attr->st_rdev),
	};

	op_end_bytes(op, &out, sizeof(out));
}
