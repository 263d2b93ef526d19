/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preload_range.c -- what this process has mapped directly, and fork
 *
 * libudax has a table of its own; this one says what a program believes to
 * have, and with which open file it could be had again: the child of a fork
 * maps all of it again, before fork returns there. It first occupies all the
 * ranges, so that nothing else (a thread's stack) can come to lie in one; what
 * cannot be had directly the kernel maps.
 *
 * Sorted, not overlapping; no malloc.
 */
#include "client/preload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096ul

struct range {
	uintptr_t start, end;
	off_t offset;
	int prot;
	int kept;
};

static struct {
	struct range *range;
	size_t count, room;
} table;

/* All ranges there ever were lie between. */
static _Atomic uintptr_t lowest = UINTPTR_MAX, highest;

pthread_mutex_t preload_lock = PTHREAD_MUTEX_INITIALIZER;
bool preload_lazy;

static uintptr_t end_of(const void *addr, size_t length)
{
	return (uintptr_t)addr + ((length + PAGE - 1) & ~(PAGE - 1));
}

bool range_near(const void *addr, size_t length)
{
	return end_of(addr, length) > atomic_load(&lowest) &&
	       (uintptr_t)addr < atomic_load(&highest);
}

/* The first that ends above addr. */
static size_t find(uintptr_t addr)
{
	size_t low = 0, high = table.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table.range[middle].end > addr)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static bool overlaps(const void *addr, size_t length)
{
	size_t i = find((uintptr_t)addr);

	return i < table.count && table.range[i].start < end_of(addr, length);
}

static bool reserve(size_t more)
{
	size_t old = table.room * sizeof(struct range), bytes = old;
	long at;

	if (table.count + more <= table.room)
		return true;
	do
		bytes = bytes ? 2 * bytes : 4 * PAGE;
	while (bytes / sizeof(struct range) < table.count + more);
	at = old ? syscall(SYS_mremap, table.range, old, bytes, MREMAP_MAYMOVE)
		 : syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
	if (at == -1)
		return false;
	table.range = (struct range *)at;
	table.room = bytes / sizeof(struct range);
	return true;
}

static void put_at(size_t i, struct range range)
{
	memmove(&table.range[i + 1], &table.range[i],
		(table.count - i) * sizeof(struct range));
	table.range[i] = range;
	table.count++;
}

/* No range has addr inside it afterwards. There is room for one more. */
static void split(uintptr_t addr)
{
	size_t i = find(addr);
	struct range high;

	if (i == table.count || table.range[i].start >= addr)
		return;
	high = table.range[i];
	high.offset += (off_t)(addr - high.start);
	high.start = addr;
	table.range[i].end = addr;
	kept_hold(high.kept);
	put_at(i + 1, high);
}

/* They are gone. There is room for two more. */
static void cut(uintptr_t start, uintptr_t end)
{
	size_t first, last;

	split(start);
	split(end);
	first = find(start);
	for (last = first; last < table.count && table.range[last].start < end;
	     last++)
		kept_put(table.range[last].kept);
	memmove(&table.range[first], &table.range[last],
		(table.count - last) * sizeof(struct range));
	table.count -= last - first;
}

static void widen(uintptr_t start, uintptr_t end)
{
	if (start < atomic_load(&lowest))
		atomic_store(&lowest, start);
	if (end > atomic_load(&highest))
		atomic_store(&highest, end);
}

/* Three more fit. Takes over the reference on range.kept. */
static void insert(struct range range)
{
	widen(range.start, range.end);
	cut(range.start, range.end);
	put_at(find(range.start), range);
}

/* ------------------------------------------------------------------- fork */

static void before_fork(void)
{
	pthread_mutex_lock(&preload_lock);
}

static void in_parent(void)
{
	pthread_mutex_unlock(&preload_lock);
}

/* True when it is direct. */
static bool map_again(const struct range *range)
{
	void *at = (void *)range->start;
	size_t length = range->end - range->start;
	int fd = kept_fd(range->kept);
	int lazy = preload_lazy ? UDAX_MAP_LAZY : 0;

	if (udax_mmap(at, length, range->prot, MAP_SHARED | MAP_FIXED | lazy,
		      fd, range->offset) != MAP_FAILED) {
		report_direct(REPORT_MAP, 1);
		return true;
	}
	report_kernel(REPORT_MAP, 1);
	(void)syscall(SYS_mmap, at, length, range->prot, MAP_SHARED | MAP_FIXED,
		      fd, range->offset);
	return false;
}

static void in_child(void)
{
	size_t left = 0;
	int before = errno;

	pthread_mutex_init(&preload_lock, NULL);
	if (!preload_enter())
		return;
	for (size_t i = 0; i < table.count; i++)
		(void)syscall(
			SYS_mmap, table.range[i].start,
			table.range[i].end - table.range[i].start, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
			-1, 0L);
	for (size_t i = 0; i < table.count; i++) {
		if (map_again(&table.range[i]))
			table.range[left++] = table.range[i];
		else
			kept_put(table.range[i].kept);
	}
	table.count = left;
	preload_leave();
	errno = before;
}

/* Behind libudax's own handlers in the child, before them in the parent. */
static void watch_forks(void)
{
	static bool watching;

	if (!watching && pthread_atfork(before_fork, in_parent, in_child) == 0)
		watching = true;
}

/* ------------------------------------------------------------------ calls */

void *range_map(void *addr, size_t length, int prot, int flags, int fd,
		off_t offset)
{
	void *at = MAP_FAILED;
	int kept;

	pthread_mutex_lock(&preload_lock);
	kept = kept_get(fd);
	if (kept == KEPT_NONE || !reserve(3)) {
		errno = ENOTSUP;
		goto out;
	}
	if (preload_lazy)
		flags |= UDAX_MAP_LAZY;
	at = udax_mmap(addr, length, prot, flags, fd, offset);
	if (at == MAP_FAILED)
		goto out;
	insert((struct range){
		.start = (uintptr_t)at,
		.end = end_of(at, length),
		.offset = offset,
		.prot = prot,
		.kept = kept,
	});
	watch_forks();
	kept = KEPT_NONE;
out:
	if (kept != KEPT_NONE)
		kept_put(kept);
	pthread_mutex_unlock(&preload_lock);
	return at;
}

void *range_map_over(void *addr, size_t length, int prot, int flags, int fd,
		     off_t offset)
{
	void *at;

	pthread_mutex_lock(&preload_lock);
	if (!reserve(2)) {
		at = MAP_FAILED;
		errno = ENOMEM;
	} else {
		at = udax_mmap_over(addr, length, prot, flags, fd, offset);
	}
	if (at != MAP_FAILED)
		cut((uintptr_t)at, end_of(at, length));
	pthread_mutex_unlock(&preload_lock);
	return at;
}

int range_unmap(void *addr, size_t length)
{
	int result = -1;

	pthread_mutex_lock(&preload_lock);
	if (!reserve(2))
		errno = ENOMEM;
	else if (!overlaps(addr, length))
		result = (int)syscall(SYS_munmap, addr, length);
	else
		result = udax_munmap(addr, length);
	if (result == 0)
		cut((uintptr_t)addr, end_of(addr, length));
	pthread_mutex_unlock(&preload_lock);
	return result;
}

int range_protect(void *addr, size_t length, int prot)
{
	uintptr_t end = end_of(addr, length);
	int result = -1;

	pthread_mutex_lock(&preload_lock);
	if (!reserve(2)) {
		errno = ENOMEM;
	} else if (!overlaps(addr, length)) {
		result = (int)syscall(SYS_mprotect, addr, length, prot);
	} else {
		result = udax_mprotect(addr, length, prot);
	}
	if (result == 0 && overlaps(addr, length)) {
		split((uintptr_t)addr);
		split(end);
		for (size_t i = find((uintptr_t)addr);
		     i < table.count && table.range[i].start < end; i++)
			table.range[i].prot = prot;
	}
	pthread_mutex_unlock(&preload_lock);
	return result;
}

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

	if (from < range->start || end_of(old, old_length) > range->end) {
		errno = EFAULT; /* as across two mappings */
		return MAP_FAILED;
	}
	at = old_length ? udax_mremap(old, old_length, length, flags, to)
			: map_twice(range, from, length, flags, to);
	if (at == MAP_FAILED)
		return at;
	moved.offset += (off_t)(from - range->start);
	moved.start = (uintptr_t)at;
	moved.end = end_of(at, length);
	kept_hold(moved.kept);
	if (old_length)
		cut(from, end_of(old, old_length));
	insert(moved);
	return at;
}

void *range_remap(void *old, size_t old_length, size_t length, int flags,
		  void *to)
{
	size_t i;
	void *at = MAP_FAILED;

	pthread_mutex_lock(&preload_lock);
	i = find((uintptr_t)old);
	if (!reserve(5)) {
		errno = ENOMEM;
	} else if (overlaps(old, old_length ? old_length : 1)) {
		at = remap(&table.range[i], old, old_length, length, flags, to);
	} else {
		/* Not ours, but perhaps where it goes. */
		if (flags & MREMAP_FIXED && overlaps(to, length) &&
		    udax_munmap(to, length) == 0)
			cut((uintptr_t)to, end_of(to, length));
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

	for (size_t i = find(start);
	     i < table.count && table.range[i].start < end; i++) {
		range = &table.range[i];
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
	if (!overlaps(addr, length))
		result = (int)syscall(SYS_madvise, addr, length, advice);
	else if (advice == MADV_REMOVE)
		result = punch((uintptr_t)addr, end_of(addr, length));
	pthread_mutex_unlock(&preload_lock);
	return result;
}

bool range_any(const void *addr, size_t length)
{
	bool any;

	pthread_mutex_lock(&preload_lock);
	any = overlaps(addr, length);
	pthread_mutex_unlock(&preload_lock);
	return any;
}
