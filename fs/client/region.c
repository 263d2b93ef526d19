/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/region.h"
#include "client/fetch.h"
#include "client/lazy.h"
#include "client/map.h"
#include "client/section.h"
#include "client/sys.h"

#include "util/clock.h"

#include <stdlib.h>

#define LEAST_BYTES (1ull << 30)
#define PIECE_BYTES (64ul << 20)
#define PAGES_OF(bytes) ((bytes) / UDAX_PAGE_BYTES)

/* ------------------------------------------------------------------ index */

static uint32_t word_of(const struct region *region, uintptr_t start,
			uintptr_t end)
{
	size_t i = table_find(&client.table, start);
	uintptr_t at = start;
	bool writable = true;

	for (; at < end && i < client.table.count; i++) {
		const struct segment *segment = client.table.segment[i];

		if (segment->start > at || segment->mapping->region != region ||
		    segment->state != SEGMENT_MAPPED || segment->recalled)
			break;
		/* by msync(2): then write(2) does as well, and no worse */
		writable &= segment->writable && segment->granularity != 2;
		at = segment->end;
	}
	if (at > end)
		at = end;
	return (uint32_t)PAGES_OF(at - start) << 1 | writable;
}

void region_changed_locked(struct region *region, uintptr_t start,
			   uintptr_t end)
{
	size_t i = (start - region->base) / REGION_CHUNK;
	uintptr_t at = region->base + i * REGION_CHUNK;

	for (; at < end; at += REGION_CHUNK)
		atomic_store(&region->chunk[i++],
			     word_of(region, at, at + REGION_CHUNK));
}

/* --------------------------------------------------------- begin and end */

/* Aligned, so that large pages of device and file agree. */
static long reserve(uint64_t length)
{
	long at = sys_mmap(0, length + REGION_CHUNK, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uintptr_t start = (uintptr_t)at, base;

	if (SYS_IS_ERROR(at))
		return at;
	base = (start + REGION_CHUNK - 1) & ~(REGION_CHUNK - 1);
	if (base > start)
		sys_munmap(start, base - start);
	if (start + REGION_CHUNK > base)
		sys_munmap(base + length, start + REGION_CHUNK - base);
	(void)sys_madvise(base, length, MADV_DONTFORK);
	return (long)base;
}

static struct region *allocate(uint64_t length)
{
	size_t chunks = length / REGION_CHUNK;
	struct region *region =
		calloc(1, sizeof(*region) + chunks * sizeof(_Atomic uint32_t));

	if (!region)
		return NULL;
	region->mapping = calloc(1, sizeof(*region->mapping));
	region->length = length;
	region->chunks = chunks;
	if (region->mapping)
		return region;
	free(region);
	return NULL;
}

static int insert_locked(struct region *region, struct handle *handle)
{
	struct segment all = { .start = region->base,
			       .end = region->base + region->length,
			       .mapping = region->mapping,
			       .state = SEGMENT_HOLE };
	int err;

	region->mapping->handle = handle;
	region->mapping->region = region;
	region->mapping->may_write = handle->access & UDAX_OPEN_WRITE;
	handle_hold_locked(handle);
	mapping_hold(region->mapping);
	err = table_insert(&client.table, &all);
	if (err)
		mapping_drop(region->mapping); /* and the handle */
	return err;
}

static int create(struct handle *handle, uint64_t bytes, struct region **out)
{
	uint64_t length = LEAST_BYTES;
	struct region *region;
	long at;
	int err;

	while (length < bytes * 2)
		length *= 2;
	region = allocate(length);
	if (!region)
		return -ENOMEM;
	at = reserve(length);
	if (SYS_IS_ERROR(at)) {
		free(region->mapping);
		free(region);
		return (int)at;
	}
	region->base = (uintptr_t)at;
	client_lock();
	err = insert_locked(region, handle);
	client_unlock();
	if (err) {
		sys_munmap(region->base, length);
		free(region);
		return err;
	}
	*out = region;
	return 0;
}

/* Nobody finds it any more; wait until nobody is in it. */
static void destroy(struct region *region)
{
	struct timespec nap = { .tv_nsec = 50000 };
	struct section_wait copies;
	int64_t end = clock_monotonic_ns() + 10 * NS_PER_S;

	for (size_t i = 0; i < region->chunks; i++)
		atomic_store(&region->chunk[i], 0);
	if (section_snapshot(&copies))
		return; /* it stays: no memory to be sure */
	while (!section_passed(&copies)) {
		if (clock_monotonic_ns() > end)
			return; /* a thread was stopped in a copy: it stays */
		nanosleep(&nap, NULL);
	}
	client_lock();
	sys_munmap(region->base, region->length);
	map_forget_locked(region->base, region->base + region->length);
	mapping_drop(region->mapping);
	client_unlock();
	free(region);
}

void region_end(struct handle *handle)
{
	struct region *region = atomic_exchange(&handle->region, NULL);

	if (region)
		destroy(region);
}

/* One that reaches so far. */
static int get(struct handle *handle, uint64_t end, struct region **out)
{
	struct region *region = atomic_load(&handle->region);
	struct region *larger = NULL;
	int err;

	*out = region;
	if (region && end <= region->length)
		return 0;
	err = create(handle, end, &larger);
	if (err || !larger)
		return err;
	*out = larger;
	if (!atomic_compare_exchange_strong(&handle->region, &region, larger)) {
		destroy(larger); /* somebody else was faster */
		return -EAGAIN;
	}
	if (region)
		destroy(region);
	return 0;
}

/* ------------------------------------------------------------------- fetch */

static bool is_wanted(const struct segment *segment, bool write)
{
	if (segment->recalled)
		return false;
	return segment->state != SEGMENT_MAPPED ||
	       (write && !segment->writable);
}

/* The first part from offset on that is to be had, and how long it is at most;
 * -EAGAIN: nothing is missing; or it is being taken away. */
static int find_missing(struct region *region, uint64_t offset, uint64_t size,
			bool write, uint64_t *from, uint64_t *to)
{
	uintptr_t at = region->base + offset / REGION_CHUNK * REGION_CHUNK;
	size_t i = table_find(&client.table, at);

	for (; i < client.table.count; i++) {
		const struct segment *segment = client.table.segment[i];

		if (segment->mapping->region != region)
			break;
		if (!is_wanted(segment, write))
			continue;
		*from = (segment->start > at ? segment->start : at) -
			region->base;
		*to = segment->end - region->base;
		/* neighbours that want the same come along */
		for (i++; i < client.table.count; i++) {
			segment = client.table.segment[i];
			if (segment->mapping->region != region ||
			    !is_wanted(segment, write))
				break;
			*to = segment->end - region->base;
		}
		if (*to > *from + PIECE_BYTES)
			*to = *from + PIECE_BYTES;
		if (*to > size)
			*to = size;
		return *from < *to ? 0 : -EAGAIN;
	}
	return -EAGAIN;
}

int region_fetch(struct handle *handle, uint64_t offset, size_t count,
		 bool write)
{
	uint64_t end = offset + count, size, from, to, covered;
	struct region *region;
	int err;

	if (!handle->size || handle->conn->lost)
		return -EOPNOTSUPP;
	size = atomic_load(handle->size);
	if (end > size)
		return -EOPNOTSUPP;
	err = get(handle, size, &region);
	if (err || !region)
		return err;
	size = (size + SYS_PAGE - 1) & ~(SYS_PAGE - 1);
	for (unsigned int tries = 0; tries < 64; tries++) {
		client_lock();
		err = find_missing(region, offset, size, write, &from, &to);
		mapping_hold(region->mapping);
		client_unlock();
		if (!err && from < end)
			err = fetch_now(region->mapping, region->base + from,
					to - from, from, write, &covered);
		else
			err = -EAGAIN;
		client_lock();
		mapping_drop(region->mapping);
		client_unlock();
		if (err || region_has(region, offset, count, write))
			return err == -EAGAIN ? 0 : err;
	}
	return -EOPNOTSUPP;
}
