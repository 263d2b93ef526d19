/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/file_read.h"

#include "core/attr.h"
#include "core/file.h"
#include "core/inode.h"
#include "core/request.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* What holes point at: pages that are never written, so all are one page. */
#define ZEROS_BYTES (1u << 20)

static pthread_once_t zeros_once = PTHREAD_ONCE_INIT;
static void *zeros;

static void zeros_map(void)
{
	zeros = mmap(NULL, ZEROS_BYTES, PROT_READ,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (zeros == MAP_FAILED)
		abort(); /* 1 MiB of addresses at the first hole ever read */
}

static bool answer_add(struct file_answer *answer, void *at, size_t length)
{
	struct iovec *last = &answer->iov[answer->count];

	if (answer->count &&
	    (char *)last[-1].iov_base + last[-1].iov_len == (char *)at) {
		last[-1].iov_len += length;
		return true;
	}
	if (answer->count == FILE_READ_IOVS)
		return false;
	*last = (struct iovec){ .iov_base = at, .iov_len = length };
	answer->count++;
	return true;
}

/* A hole: as many of length bytes as one iov points at. */
static size_t answer_zeros(struct file_answer *answer, size_t length)
{
	if (length > ZEROS_BYTES)
		length = ZEROS_BYTES;
	pthread_once(&zeros_once, zeros_map);
	return answer_add(answer, zeros, length) ? length : 0;
}

static int answer_written(struct file_answer *answer, uint64_t addr,
			  size_t *length)
{
	const struct fs *fs = answer->request->fs;
	unsigned device = addr_device(addr);
	int error = request_gate(answer->request, device);

	if (error)
		return error;
	if (!answer_add(
		    answer,
		    device_at(fs->members.device[device], addr_offset(addr)),
		    *length))
		*length = 0;
	return 0;
}

static ssize_t answer_extents(struct file_answer *answer, size_t length,
			      uint64_t offset)
{
	const struct fs *fs = answer->request->fs;
	uint64_t end = offset + length;
	uint64_t at = offset;
	struct extent_walk walk;
	struct extent run;
	struct tree map;
	int error;

	extent_map_init(&map, fs, NULL, answer->inode->ino,
			answer->inode->media);
	error = extent_walk_begin(&walk, fs, &map, at >> BLOCK_SHIFT);
	while (!error && at < end) {
		uint64_t start;
		size_t n;

		error = extent_walk_next(&walk, &run);
		if (error)
			break;
		start = run.start << BLOCK_SHIFT;
		for (; at < end && at < extent_end(&run) << BLOCK_SHIFT;
		     at += n) {
			n = (extent_end(&run) << BLOCK_SHIFT) - at;
			if (n > end - at)
				n = end - at;
			if (!extent_is_written(&run))
				n = answer_zeros(answer, n);
			else
				error = answer_written(
					answer, run.addr + at - start, &n);
			if (error)
				return error;
			if (!n)
				return (ssize_t)(at - offset);
		}
	}
	/* -ENOENT: a size that no map reaches. */
	if (error)
		return error == -ENOENT ? -EUCLEAN : error;
	return (ssize_t)(at - offset);
}

ssize_t file_answer(struct file_answer *answer, size_t length, uint64_t offset)
{
	const inode_media *media = answer->inode->media;

	switch (media->format) {
	case INODE_INLINE:
		if (!inode_inline_fits(media) ||
		    length + offset > INODE_AREA_BYTES)
			return -EUCLEAN;
		if (!answer_add(answer, (void *)(uintptr_t)&media->area[offset],
				length))
			return 0;
		return (ssize_t)length;
	case INODE_EXTENTS:
		return answer_extents(answer, length, offset);
	default:
		return -EINVAL;
	}
}

size_t file_clip(const struct inode *inode, size_t length, off_t offset)
{
	uint64_t size = inode->media->size;

	if ((uint64_t)offset >= size)
		return 0;
	return length < size - (uint64_t)offset ? length
						: size - (uint64_t)offset;
}

void file_hold(struct request *request, struct inode *inode)
{
	assert(!request->held);
	pthread_rwlock_rdlock(&inode->lock);
	request->held = inode;
}

ssize_t file_read(struct request *request, struct inode *inode, size_t length,
		  off_t offset, struct iovec *iov, unsigned *iov_count)
{
	struct file_answer answer = { .request = request,
				      .inode = inode,
				      .iov = iov };
	ssize_t bytes;

	*iov_count = 0;
	if (offset < 0)
		return -EINVAL;
	file_hold(request, inode);
	length = file_clip(inode, length, offset);
	if (!length)
		return 0;
	bytes = file_answer(&answer, length, (uint64_t)offset);
	if (bytes < 0)
		return bytes;
	*iov_count = answer.count;
	if (!request->no_atime)
		attr_touch(inode, LAZY_ATIME);
	return bytes;
}
