/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preload_fork.c -- a forked child has what its parent had mapped
 *
 * Leases are not inherited: the child maps all of it again, before fork returns
 * there. It first occupies all the ranges, so that nothing else (a thread's
 * stack) can come to lie in one; what cannot be had directly the kernel maps.
 */
#include "client/preload_range.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

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
	for (size_t i = 0; i < ranges.count; i++)
		(void)syscall(
			SYS_mmap, ranges.range[i].start,
			ranges.range[i].end - ranges.range[i].start, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
			-1, 0L);
	for (size_t i = 0; i < ranges.count; i++) {
		if (map_again(&ranges.range[i]))
			ranges.range[left++] = ranges.range[i];
		else
			kept_put(ranges.range[i].kept);
	}
	ranges.count = left;
	preload_leave();
	errno = before;
}

/* Behind libudax's own handlers in the child, before them in the parent. */
void range_watch_forks(void)
{
	static bool watching;

	if (!watching && pthread_atfork(before_fork, in_parent, in_child) == 0)
		watching = true;
}
