/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/map.h"
#include "client/fetch.h"
#include "client/handle.h"
#include "client/lazy.h"
#include "client/pin.h"
#include "client/probe.h"
#include "client/sys.h"
#include "client/thread.h"

#include "util/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGE (2ul << 20)
#define PLACE_FLAGS (MAP_FIXED | MAP_FIXED_NOREPLACE)
#define KNOWN_FLAGS                                                            \
	(MAP_TYPE | PLACE_FLAGS | MAP_POPULATE | MAP_SYNC | MAP_NORESERVE |    \
	 MAP_NONBLOCK | MAP_LOCKED | MAP_STACK | UDAX_MAP_LAZY |               \
	 UDAX_MAP_RESUME)

void mapping_hold(struct mapping *mapping)
{
	mapping->refs++;
}

void mapping_drop(struct mapping *mapping)
{
	if (--mapping->refs)
		return;
	handle_put_locked(mapping->handle);
	free(mapping->path);
	free(mapping);
}

/* ------------------------------------------------------------------ unmap */

bool map_is_ours_locked(uintptr_t start, uintptr_t end)
{
	size_t i = table_find(&client.table, start);

	return i < client.table.count && client.table.segment[i]->start < end;
}

void map_forget_locked(uintptr_t start, uintptr_t end)
{
	size_t first = table_find(&client.table, start), i;
	bool holes = false;

	for (i = first; i < client.table.count; i++) {
		struct segment *segment = client.table.segment[i];
		struct handle *handle = segment->mapping->handle;

		if (segment->start >= end)
			break;
		holes |= segment->state == SEGMENT_HOLE;
		if (segment->state != SEGMENT_MAPPED)
			continue;
		if (segment->writable && segment->prot & PROT_WRITE &&
		    !segment->mapping->region)
			handle_stored(handle);
		pin_give_back_locked(handle->conn, segment->lease,
				     segment->offset,
				     segment->end - segment->start);
	}
	table_remove(&client.table, first, i - first);
	if (holes) /* who waits there meets what is there now */
		lazy_wake(start, end - start);
}

int map_unmap_locked(uintptr_t start, uintptr_t end)
{
	int err;

	if (!map_is_ours_locked(start, end))
		return sys_munmap(start, end - start);
	err = table_cut(&client.table, start, end);
	if (!err)
		err = sys_munmap(start, end - start);
	if (!err)
		map_forget_locked(start, end);
	return err;
}

int udax_munmap(void *addr, size_t length)
{
	uintptr_t start = (uintptr_t)addr;
	uintptr_t end = (start + length + SYS_PAGE - 1) & ~(SYS_PAGE - 1);
	int err;

	if (start & (SYS_PAGE - 1) || !length || end <= start)
		return client_result(-EINVAL);
	if (!client_enter())
		return client_result(-EDEADLK);
	client_lock();
	err = map_unmap_locked(start, end);
	client_unlock();
	client_leave();
	return client_result(err);
}

void *udax_mmap_over(void *addr, size_t length, int prot, int flags, int fd,
		     off_t offset)
{
	uintptr_t start = (uintptr_t)addr;
	uintptr_t end = (start + length + SYS_PAGE - 1) & ~(SYS_PAGE - 1);
	bool entered = client_enter();
	long at = 0;

	if (entered) {
		client_lock();
		if (end > start && table_cut(&client.table, start, end))
			at = -ENOMEM;
	}
	if (!at)
		at = sys_mmap(start, length, prot, flags, fd, (uint64_t)offset);
	if (entered) {
		if (!SYS_IS_ERROR(at) && at == (long)start && end > start)
			map_forget_locked(start, end);
		client_unlock();
		client_leave();
	}
	if (!SYS_IS_ERROR(at))
		return (void *)at;
	errno = (int)-at;
	return MAP_FAILED;
}

/* -------------------------------------------------------------------- map */

/*
 * Addresses, with nothing behind them yet. Large ones agree with the file
 * modulo 2 MiB, as far as that goes, so that devices can use large pages.
 */
static long reserve(const struct map_want *want, int prot)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
		    (want->flags & PLACE_FLAGS);
	size_t slack = 0;
	uintptr_t start, at;
	long got;

	if (!(want->flags & PLACE_FLAGS) && want->length >= LARGE)
		slack = LARGE;
	got = sys_mmap(want->addr, want->length + slack, prot, flags, -1, 0);
	if (SYS_IS_ERROR(got) || !slack)
		return got;
	start = (uintptr_t)got;
	at = start + ((want->offset - start) & (LARGE - 1));
	if (at > start)
		sys_munmap(start, at - start);
	if (at + want->length < start + want->length + slack)
		sys_munmap(at + want->length, start + slack - at);
	return (long)at;
}

/* With the lock: nobody sees half of it. */
static long place_holes_locked(struct mapping *mapping,
			       const struct map_want *want)
{
	bool fixed = want->flags & MAP_FIXED &&
		     !(want->flags & MAP_FIXED_NOREPLACE);
	struct segment all = { .mapping = mapping,
			       .offset = want->offset,
			       .prot = want->prot,
			       .state = SEGMENT_HOLE };
	long at;
	int err;

	err = table_reserve(&client.table, 3);
	if (!err && fixed)
		err = table_cut(&client.table, want->addr,
				want->addr + want->length);
	if (!err)
		err = thread_start_faults_locked();
	if (err)
		return err;
	if (fixed) {
		err = lazy_put_hole(want->addr, want->length, want->prot);
		at = (long)want->addr;
		if (!err)
			map_forget_locked(want->addr,
					  want->addr + want->length);
	} else {
		at = reserve(want, lazy_available() ? want->prot : PROT_NONE);
		if (SYS_IS_ERROR(at))
			return at;
		err = lazy_make_hole((uintptr_t)at, want->length);
	}
	all.start = (uintptr_t)at;
	all.end = all.start + want->length;
	if (!err)
		err = table_insert(&client.table, &all);
	if (err && !fixed)
		sys_munmap(all.start, want->length);
	return err ? err : at;
}

/* Without userfaultfd nothing can be fetched when it is touched: what is not
 * there now, beyond EOF, raises SIGBUS until the file is larger. */
static void poison_rest_locked(uintptr_t start, uintptr_t end)
{
	size_t i = table_find(&client.table, start);

	for (; i < client.table.count; i++) {
		struct segment *segment = client.table.segment[i];

		if (segment->start >= end)
			break;
		if (segment->state != SEGMENT_HOLE || segment->recalled ||
		    lazy_put_poison(segment->start,
				    segment->end - segment->start,
				    segment->prot))
			continue;
		segment->state = SEGMENT_POISON;
		segment->until_ns = clock_monotonic_ns();
		client.poisoned++;
	}
	client_kick();
}

/* What is there: a touch beyond EOF would leave poison for a while. */
static void populate(uintptr_t at, size_t length, int prot)
{
	(void)sys_madvise(at, length,
			  prot & PROT_WRITE ? MADV_POPULATE_WRITE
					    : MADV_POPULATE_READ);
}

long map_create(struct mapping *mapping, const struct map_want *want)
{
	uintptr_t start, end;
	uint64_t covered = 0;
	int err = 0;
	long at;

	client_lock();
	at = place_holes_locked(mapping, want);
	client_unlock();
	if (SYS_IS_ERROR(at))
		return at;
	start = (uintptr_t)at;
	end = start + want->length;
	if (!mapping->lazy || !lazy_available() || want->flags & MAP_POPULATE)
		err = fetch_now(mapping, start, want->length, want->offset,
				want->prot & PROT_WRITE, &covered);
	if (err || !lazy_available()) {
		client_lock();
		if (err)
			(void)!map_unmap_locked(start, end);
		else
			poison_rest_locked(start, end);
		client_unlock();
	}
	if (!err && want->flags & MAP_POPULATE && !(want->flags & MAP_NONBLOCK))
		populate(start, covered, want->prot);
	return err ? err : at;
}

/* ------------------------------------------------------------------- mmap */

static int check(const struct map_want *want, const struct handle_file *file)
{
	int type = want->flags & MAP_TYPE;

	if (!want->length || want->offset & (SYS_PAGE - 1) ||
	    (type != MAP_SHARED && type != MAP_SHARED_VALIDATE))
		return -EINVAL;
	if (want->flags & PLACE_FLAGS && want->addr & (SYS_PAGE - 1))
		return -EINVAL;
	if (want->flags & ~KNOWN_FLAGS)
		return type == MAP_SHARED ? -EINVAL : -EOPNOTSUPP;
	if (want->offset > INT64_MAX - want->length)
		return -EOVERFLOW;
	if (!file->regular)
		return -ENOTSUP;
	if (!file->access ||
	    (want->prot & PROT_WRITE && !(file->access & UDAX_OPEN_WRITE)))
		return -EACCES;
	return 0;
}

static char *path_of(int fd)
{
	char link[64], path[4096];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	if (length <= 0 || path[0] != '/')
		return NULL;
	path[length] = '\0';
	return strdup(path);
}

static long map_file(const struct map_want *want, int fd)
{
	struct handle_file file;
	struct mapping *mapping;
	int err = handle_file_of(fd, &file);
	long at;

	if (!err && (!file.regular || !file.access))
		err = probe_socket(fd, NULL) ? -ENOTSUP : -EACCES;
	if (!err) {
		err = check(want, &file);
		if (err) /* whose file it is matters more */
			err = probe_socket(fd, NULL) ? -ENOTSUP : err;
	}
	if (err)
		return err;
	mapping = calloc(1, sizeof(*mapping));
	if (!mapping)
		return -ENOMEM;
	err = handle_open(fd, &file, &mapping->handle);
	if (err) {
		free(mapping);
		return err;
	}
	mapping->refs = 1;
	mapping->lazy = want->flags & UDAX_MAP_LAZY;
	mapping->resume = want->flags & UDAX_MAP_RESUME;
	mapping->may_write = file.access & UDAX_OPEN_WRITE;
	if (mapping->resume)
		mapping->path = path_of(fd);
	at = map_create(mapping, want);
	client_lock();
	mapping_drop(mapping);
	client_unlock();
	return at;
}

void *udax_mmap(void *addr, size_t length, int prot, int flags, int fd,
		off_t offset)
{
	struct map_want want = {
		.addr = (uintptr_t)addr &
			~(flags & PLACE_FLAGS ? 0 : SYS_PAGE - 1),
		.length = (length + SYS_PAGE - 1) & ~(SYS_PAGE - 1),
		.prot = prot,
		.flags = flags,
		.offset = (uint64_t)offset
	};
	long at;

	if (!client_enter()) {
		errno = ENOTSUP;
		return MAP_FAILED;
	}
	at = want.length < length ? -ENOMEM : map_file(&want, fd);
	client_leave();
	if (SYS_IS_ERROR(at)) {
		errno = at == -ENOTCONN ? ENXIO : (int)-at;
		return MAP_FAILED;
	}
	return (void *)at;
}
