/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preload_range.c -- what this process has mapped directly
 *
 * libudax has a table of its own; this one says what a program believes to
 * have, and with which open file it could be had again. No malloc.
 */
#include "client/preload_range.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096ul

struct ranges ranges;

/* All ranges there ever were lie between. */
static _Atomic uintptr_t lowest = UINTPTR_MAX, highest;

pthread_mutex_t preload_lock = PTHREAD_MUTEX_INITIALIZER;
bool preload_lazy;

uintptr_t range_end_of(const void *addr, size_t length)
{
	return (uintptr_t)addr + ((length + PAGE - 1) & ~(PAGE - 1));
}

bool range_near(const void *addr, size_t length)
{
	return range_end_of(addr, length) > atomic_load(&lowest) &&
	       (uintptr_t)addr < atomic_load(&highest);
}

/* The first that ends above addr. */
size_t range_find(uintptr_t addr)
{
	size_t low = 0, high = ranges.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges.range[middle].end > addr)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

bool range_overlaps(const void *addr, size_t length)
{
	size_t i = range_find((uintptr_t)addr);

	return i < ranges.count &&
	       ranges.range[i].start < range_end_of(addr, length);
}

bool range_reserve(size_t more)
{
	size_t old = ranges.room * sizeof(struct range), bytes = old;
	long at;

	if (ranges.count + more <= ranges.room)
		return true;
	do
		bytes = bytes ? 2 * bytes : 4 * PAGE;
	while (bytes / sizeof(struct range) < ranges.count + more);
	at = old ? syscall(SYS_mremap, ranges.range, old, bytes, MREMAP_MAYMOVE)
		 : syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
	if (at == -1)
		return false;
	ranges.range = (struct range *)at;
	ranges.room = bytes / sizeof(struct range);
	return true;
}

static void put_at(size_t i, struct range range)
{
	memmove(&ranges.range[i + 1], &ranges.range[i],
		(ranges.count - i) * sizeof(struct range));
	ranges.range[i] = range;
	ranges.count++;
}

/* No range has addr inside it afterwards. There is room for one more. */
static void split(uintptr_t addr)
{
	size_t i = range_find(addr);
	struct range high;

	if (i == ranges.count || ranges.range[i].start >= addr)
		return;
	high = ranges.range[i];
	high.offset += (off_t)(addr - high.start);
	high.start = addr;
	ranges.range[i].end = addr;
	kept_hold(high.kept);
	put_at(i + 1, high);
}

/* They are gone. There is room for two more. */
void range_cut(uintptr_t start, uintptr_t end)
{
	size_t first, last;

	split(start);
	split(end);
	first = range_find(start);
	for (last = first;
	     last < ranges.count && ranges.range[last].start < end; last++)
		kept_put(ranges.range[last].kept);
	memmove(&ranges.range[first], &ranges.range[last],
		(ranges.count - last) * sizeof(struct range));
	ranges.count -= last - first;
}

static void widen(uintptr_t start, uintptr_t end)
{
	if (start < atomic_load(&lowest))
		atomic_store(&lowest, start);
	if (end > atomic_load(&highest))
		atomic_store(&highest, end);
}

/* Three more fit. Takes over the reference on range.kept. */
void range_insert(struct range range)
{
	widen(range.start, range.end);
	range_cut(range.start, range.end);
	put_at(range_find(range.start), range);
}

/* ------------------------------------------------------------------ calls */

void *range_map(void *addr, size_t length, int prot, int flags, int fd,
		off_t offset)
{
	void *at = MAP_FAILED;
	int kept;

	pthread_mutex_lock(&preload_lock);
	kept = kept_get(fd);
	if (kept == KEPT_NONE || !range_reserve(3)) {
		errno = ENOTSUP;
		goto out;
	}
	if (preload_lazy)
		flags |= UDAX_MAP_LAZY;
	at = udax_mmap(addr, length, prot, flags, fd, offset);
	if (at == MAP_FAILED)
		goto out;
	range_insert((struct range){
		.start = (uintptr_t)at,
		.end = range_end_of(at, length),
		.offset = offset,
		.prot = prot,
		.kept = kept,
	});
	range_watch_forks();
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
	if (!range_reserve(2)) {
		at = MAP_FAILED;
		errno = ENOMEM;
	} else {
		at = udax_mmap_over(addr, length, prot, flags, fd, offset);
	}
	if (at != MAP_FAILED)
		range_cut((uintptr_t)at, range_end_of(at, length));
	pthread_mutex_unlock(&preload_lock);
	return at;
}

int range_unmap(void *addr, size_t length)
{
	int result = -1;

	pthread_mutex_lock(&preload_lock);
	if (!range_reserve(2))
		errno = ENOMEM;
	else if (!range_overlaps(addr, length))
		result = (int)syscall(SYS_munmap, addr, length);
	else
		result = udax_munmap(addr, length);
	if (result == 0)
		range_cut((uintptr_t)addr, range_end_of(addr, length));
	pthread_mutex_unlock(&preload_lock);
	return result;
}

int range_protect(void *addr, size_t length, int prot)
{
	uintptr_t end = range_end_of(addr, length);
	int result = -1;

	pthread_mutex_lock(&preload_lock);
	if (!range_reserve(2)) {
		errno = ENOMEM;
	} else if (!range_overlaps(addr, length)) {
		result = (int)syscall(SYS_mprotect, addr, length, prot);
	} else {
		result = udax_mprotect(addr, length, prot);
	}
	if (result == 0 && range_overlaps(addr, length)) {
		split((uintptr_t)addr);
		split(end);
		for (size_t i = range_find((uintptr_t)addr);
		     i < ranges.count && ranges.range[i].start < end; i++)
			ranges.range[i].prot = prot;
	}
	pthread_mutex_unlock(&preload_lock);
	return result;
}

bool range_any(const void *addr, size_t length)
{
	bool any;

	pthread_mutex_lock(&preload_lock);
	any = range_overlaps(addr, length);
	pthread_mutex_unlock(&preload_lock);
	return any;
}
