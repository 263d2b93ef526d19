/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_read.h -- an answer that is sent from where the bytes are
 *
 * Private to file_*.c: the iovs of file_read() and file_fill() as they grow.
 * Nothing is copied and nothing allocated; runs that follow each other in
 * memory are one iov.
 */
#ifndef UDAX_CORE_FILE_READ_H
#define UDAX_CORE_FILE_READ_H

#include "core/file_extent.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct inode;
struct request;

struct file_answer {
	struct request *request;
	const struct inode *inode;
	struct iovec *iov;
	unsigned count;
};

/* Bytes of [offset, offset + length) that the file has. */
size_t file_clip(const struct inode *inode, size_t length, off_t offset);
/* The media's inode lock, shared, until request_end(). */
void file_hold(struct request *request, struct inode *inode);

/* Point at [offset, offset + length), within EOF. Bytes, less when iovs run
 * out, or an error. inode.lock held. */
ssize_t file_answer(struct file_answer *answer, size_t length, uint64_t offset)
	__attribute__((warn_unused_result));

#endif
