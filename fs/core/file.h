/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file.h -- the bytes of regular files
 *
 * Reads answer with places in device memory; writes copy there with
 * non-temporal stores. A write that allocates or extends persists its data,
 * then commits extents and size in one transaction, then returns; an overwrite
 * in place is durable on return and may tear between aligned 8-byte units.
 * Bytes beyond EOF in the last block are never trusted: whoever extends the
 * file zeroes them first, before the commit that makes them visible.
 *
 * Long operations (truncate, punch, zero range over many extents) are chains
 * of bounded transactions under inode.pending_*; each link leaves a legal
 * state and mount resumes the chain (file_resume_pending).
 *
 * Fences: overwrite 1; allocating write 1 (data) + 1 (commit) per transaction;
 *         see journal.h for checkpoints.
 * Locking: the inode's lock, shared for reads and overwrites, exclusive for
 *          what changes the tree or the size. Never waits for a notification.
 * Errors:  pread(2), pwrite(2), fallocate(2), lseek(2); -EIO for a device
 *          that is going or gone.
 */
#ifndef UDAX_CORE_FILE_H
#define UDAX_CORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define FILE_BYTES_MAX (INT64_C(1) << 60)
#define FILE_READ_IOVS 260	/* a 1 MiB read of single blocks, and a bit */
#define FILE_APPEND ((off_t)-1) /* file_write: at EOF as it is by then */

struct fs;
struct inode;
struct request;

/*
 * Where [offset, offset + length) stands, clipped at EOF; holes and unwritten
 * extents point at zeros. iov has FILE_READ_IOVS places, *iov_count is set to
 * those used. The inode stays locked shared and the devices gated until
 * request_end(), which must come before any other lock of it is taken. May be
 * short when iovs run out. Answers bytes or an error.
 */
ssize_t file_read(struct request *request, struct inode *inode, size_t length,
		  off_t offset, struct iovec *iov, unsigned *iov_count)
	__attribute__((warn_unused_result));

/*
 * A kernel page-cache fill (lock_owner == 0): as file_read, and every block in
 * it gets an entry first, so the inode must be open. On an inode open for
 * writing a hole or unwritten block becomes a real zeroed one (R4), -ENOSPC
 * when there is none; else zero entries. A file that was inline gets a block,
 * too, but on a read-only mount, where its bytes lie in the metadata and no
 * entry says so.
 */
ssize_t file_fill(struct request *request, struct inode *inode, size_t length,
		  off_t offset, struct iovec *iov, unsigned *iov_count)
	__attribute__((warn_unused_result));

/*
 * Bytes written: all, or, when space ran out in the midst of it, those before;
 * or an error. offset FILE_APPEND: at EOF. Clears suid and sgid when
 * kill_suidgid.
 */
ssize_t file_write(struct request *request, struct inode *inode,
		   const void *bytes, size_t length, off_t offset,
		   bool kill_suidgid) __attribute__((warn_unused_result));

/*
 * inode.lock held exclusively. -EBUSY: a page that would go is pinned; nothing
 * was changed (truncate, punch and zero range alike).
 */
int file_truncate_locked(struct request *request, struct inode *inode,
			 uint64_t size) __attribute__((warn_unused_result));

/*
 * copy_file_range(2). Whole blocks are shared, where that goes: the offsets are
 * aligned, and the end is, or is both files' EOF. All else is copied. May be
 * short: it does a bounded amount of work at a time. -EINVAL: one file, and the
 * ranges overlap. -EBUSY: a lease or a pin of the destination.
 */
ssize_t file_copy(struct request *request, struct inode *from,
		  off_t from_offset, struct inode *to, off_t to_offset,
		  size_t length, bool kill_suidgid)
	__attribute__((warn_unused_result));

/* mode: FALLOC_FL_KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE; else -EOPNOTSUPP. */
int file_fallocate(struct request *request, struct inode *inode, int mode,
		   off_t offset, off_t length)
	__attribute__((warn_unused_result));

/* SEEK_DATA, SEEK_HOLE: new offset, -ENXIO, -EINVAL. */
off_t file_seek(struct request *request, struct inode *inode, off_t offset,
		int whence) __attribute__((warn_unused_result));

/* Data is durable already, but for what leases store: that, and the timestamps
 * that lag. */
int file_fsync(struct request *request, struct inode *inode)
	__attribute__((warn_unused_result));

/* At mount: finish an interrupted chain. */
int file_resume_pending(struct fs *fs, struct inode *inode)
	__attribute__((warn_unused_result));
/* Free all blocks of an inode that has no name and no user: its last act. The
 * slot is freed in the last transaction. inode.lock held exclusively. */
int file_free_locked(struct fs *fs, struct inode *inode)
	__attribute__((warn_unused_result));

/* filemap: each extent once, holes left out; stops at non-zero. An inline
 * file is one extent on the metadata device. */
#define FILE_MAP_UNWRITTEN 0x1u
#define FILE_MAP_INLINE 0x2u
#define FILE_MAP_SHARED 0x4u /* by two or more */
typedef int file_extent_fn(uint64_t offset, uint64_t length, unsigned device,
			   uint64_t device_offset, unsigned flags, void *arg);
int file_map(struct request *request, struct inode *inode, file_extent_fn *fn,
	     void *arg) __attribute__((warn_unused_result));

#endif
