/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_copy.c -- copy_file_range(2)
 *
 * Piece by piece: what can be shared is (file_share.h), the rest is read into a
 * buffer of ours and written, as a program would, but without the way through
 * the kernel. Between pieces no lock is held.
 */
#include "core/file.h"
#include "core/file_extent.h"
#include "core/file_read.h"
#include "core/file_share.h"
#include "core/inode.h"
#include "core/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES (256u << 10)
/* In one call: what is copied takes its time, what is shared takes less. */
#define COPIED_MAX (16u << 20)
#define SHARED_MAX (UINT64_C(1) << 31)
#define BLOCK_MASK (BLOCK_BYTES - UINT64_C(1))

struct copy {
	struct request *request;
	struct inode *from;
	struct inode *to;
	uint64_t from_offset;
	uint64_t to_offset;
	uint64_t left;
	uint64_t copied;
	uint64_t shared;
	unsigned char *buffer; /* made when needed */
	bool kill_suidgid;
};

/* Bytes, as the files are by now: whole blocks, or up to the end of both. */
static uint64_t shared_length(const struct copy *copy)
{
	uint64_t size = copy->from->media->size;
	uint64_t length = copy->left;

	if (copy->from_offset >= size)
		return 0;
	if (length > size - copy->from_offset)
		length = size - copy->from_offset;
	if (copy->from_offset + length < size ||
	    copy->to_offset + length < copy->to->media->size)
		length &= ~BLOCK_MASK;
	return length;
}

/* Bytes shared; 0: to be copied; or an error. */
static int64_t share_piece(struct copy *copy)
{
	struct share share = {
		.request = copy->request,
		.source = copy->from,
		.target = copy->to,
		.source_block = copy->from_offset >> BLOCK_SHIFT,
		.target_block = copy->to_offset >> BLOCK_SHIFT,
		.kill_suidgid = copy->kill_suidgid,
	};
	struct inode *both[] = { copy->from, copy->to };
	int64_t length, done = 0;

	if ((copy->from_offset | copy->to_offset) & BLOCK_MASK)
		return 0;
	inodes_lock(both, 2);
	length = (int64_t)shared_length(copy);
	share.blocks = ((uint64_t)length + BLOCK_MASK) >> BLOCK_SHIFT;
	share.end = copy->to_offset + (uint64_t)length;
	if (length)
		done = file_share_locked(&share);
	inodes_unlock(both, 2);
	if (done <= 0)
		return done;
	done <<= BLOCK_SHIFT;
	return done < length ? done : length;
}

/* Into the buffer; less when the file ends. */
static ssize_t read_piece(struct copy *copy, size_t length)
{
	struct iovec iov[FILE_READ_IOVS];
	struct file_answer answer = { .request = copy->request,
				      .inode = copy->from,
				      .iov = iov };
	unsigned char *at = copy->buffer;
	ssize_t bytes = 0;

	pthread_rwlock_rdlock(&copy->from->lock);
	length = file_clip(copy->from, length, (off_t)copy->from_offset);
	if (length)
		bytes = file_answer(&answer, length, copy->from_offset);
	for (unsigned i = 0; i < answer.count; i++) {
		memcpy(at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	pthread_rwlock_unlock(&copy->from->lock);
	/* Of a device that failed meanwhile they are zeros. */
	if (bytes > 0 && request_verdict(copy->request))
		return -EIO;
	return bytes;
}

static ssize_t copy_piece(struct copy *copy)
{
	uint64_t head = copy->from_offset & BLOCK_MASK;
	size_t length = copy->left < BUFFER_BYTES ? copy->left : BUFFER_BYTES;
	ssize_t bytes;

	if (!copy->buffer)
		copy->buffer = malloc(BUFFER_BYTES);
	if (!copy->buffer)
		return -ENOMEM;
	/* Up to where sharing can begin. */
	if (head && head == (copy->to_offset & BLOCK_MASK) &&
	    length > BLOCK_BYTES - head)
		length = BLOCK_BYTES - head;
	bytes = read_piece(copy, length);
	if (bytes <= 0)
		return bytes;
	bytes = file_write(copy->request, copy->to, copy->buffer, (size_t)bytes,
			   (off_t)copy->to_offset, copy->kill_suidgid);
	if (bytes > 0)
		copy->copied += (uint64_t)bytes;
	return bytes;
}

static ssize_t copy_all(struct copy *copy)
{
	uint64_t whole = copy->left;
	int64_t bytes = 0;

	while (copy->left && copy->copied < COPIED_MAX &&
	       copy->shared < SHARED_MAX) {
		bytes = share_piece(copy);
		if (bytes > 0)
			copy->shared += (uint64_t)bytes;
		else if (bytes == 0)
			bytes = copy_piece(copy);
		if (bytes <= 0)
			break;
		copy->from_offset += (uint64_t)bytes;
		copy->to_offset += (uint64_t)bytes;
		copy->left -= (uint64_t)bytes;
	}
	free(copy->buffer);
	if (whole == copy->left)
		return bytes;
	return (ssize_t)(whole - copy->left);
}

static bool has_bytes(const struct inode *inode)
{
	return inode->media->format == INODE_INLINE ||
	       inode->media->format == INODE_EXTENTS;
}

/* How much of it there is: 0 or more, or an error. */
static int64_t copy_length(const struct copy *copy)
{
	uint64_t length = copy->left;
	int64_t clipped = 0;

	pthread_rwlock_rdlock(&copy->from->lock);
	if (!has_bytes(copy->from))
		clipped = -EINVAL;
	else
		length = file_clip(copy->from, length,
				   (off_t)copy->from_offset);
	pthread_rwlock_unlock(&copy->from->lock);
	if (clipped || !length)
		return clipped;
	if (copy->from == copy->to &&
	    copy->from_offset < copy->to_offset + length &&
	    copy->to_offset < copy->from_offset + length)
		return -EINVAL;
	if (length > FILE_BYTES_MAX - copy->to_offset)
		return -EFBIG;
	return (int64_t)length;
}

ssize_t file_copy(struct request *request, struct inode *from,
		  off_t from_offset, struct inode *to, off_t to_offset,
		  size_t length, bool kill_suidgid)
{
	struct copy copy = { .request = request,
			     .from = from,
			     .to = to,
			     .from_offset = (uint64_t)from_offset,
			     .to_offset = (uint64_t)to_offset,
			     .left = length,
			     .kill_suidgid = kill_suidgid };
	int64_t clipped;

	if (from_offset < 0 || to_offset < 0)
		return -EINVAL;
	if (!request->fs->journal)
		return -EROFS;
	if (to_offset > FILE_BYTES_MAX)
		return -EFBIG;
	clipped = copy_length(&copy);
	if (clipped <= 0)
		return clipped;
	copy.left = (uint64_t)clipped;
	return copy_all(&copy);
}
