/* SPDX-License-Identifier: BSD-3-Clause */
/* preload_change.c -- mremap(2) and madvise(2) of what is mapped directly */
#include "client/preload_range.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* mremap(2) of length 0 makes a second mapping of what is shared. */
static void *map_twice(const struct range *range, uintptr_t from, size_t length,
		       int flags, void *to)
{
	int fixed = flags & MREMAP_FIXED ? MAP_FIXED : 0;

	return udax_mmap(fixed ? to : NULL, length, range->prot,
			 MAP_SHARED | fixed, kept_fd(range->kept),
			 range->offset + (off_t)(from - range->start));
}

static void *remap(struct range *range, void *old, size_t old_length,
		   size_t length, int flags, void *to)
{
	uintptr_t from = (uintptr_t)old;
	struct range moved = *range;
	void *at;

	if (from < range->start || range_end_of(old, old_length) > range->end) {
		errno = EFAULT; /* as across two mappings */
		return MAP_FAILED;
	}
	at = old_length ? udax_mremap(old, old_length, length, flags, to)
			: map_twice(range, from, length, flags, to);
	if (at == MAP_FAILED)
		return at;
	moved.offset += (off_t)(from - range->start);
	moved.start = (uintptr_t)at;
	moved.end = range_end_of(at, length);
	kept_hold(moved.kept);
	if (old_length)
		range_cut(from, range_end_of(old, old_length));
	range_insert(moved);
	return at;
}

void *range_remap(void *old, size_t old_length, size_t length, int flags,
		  void *to)
{
	size_t i;
	void *at = MAP_FAILED;

	pthread_mutex_lock(&preload_lock);
	i = range_find((uintptr_t)old);
	if (!range_reserve(5)) {
		errno = ENOMEM;
	} else if (range_overlaps(old, old_length ? old_length : 1)) {
		at = remap(&ranges.range[i], old, old_length, length, flags,
			   to);
	} else {
		/* Not ours, but perhaps where it goes. */
		if (flags & MREMAP_FIXED && range_overlaps(to, length) &&
		    udax_munmap(to, length) == 0)
			range_cut((uintptr_t)to, range_end_of(to, length));
		at = (void *)syscall(SYS_mremap, old, old_length, length, flags,
				     to);
	}
	pthread_mutex_unlock(&preload_lock);
	return at;
}

/* MADV_REMOVE of a lease would reach the device's file, not this one. */
static int punch(uintptr_t start, uintptr_t end)
{
	const struct range *range;
	uintptr_t from, to;

	for (size_t i = range_find(start);
	     i < ranges.count && ranges.range[i].start < end; i++) {
		range = &ranges.range[i];
		from = range->start > start ? range->start : start;
		to = range->end < end ? range->end : end;
		if (syscall(SYS_fallocate, kept_fd(range->kept),
			    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			    range->offset + (off_t)(from - range->start),
			    to - from))
			return -1;
	}
	return 0;
}

/* MADV_DOFORK is how it looks to the program; the lease itself may not be. */
int range_advise(void *addr, size_t length, int advice)
{
	int result = 0;

	pthread_mutex_lock(&preload_lock);
	if (!range_overlaps(addr, length))
		result = (int)syscall(SYS_madvise, addr, length, advice);
	else if (advice == MADV_REMOVE)
		result = punch((uintptr_t)addr, range_end_of(addr, length));
	pthread_mutex_unlock(&preload_lock);
	return result;
}
