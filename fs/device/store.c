/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/device.h"
#include "device/guard.h"
#include "device/map.h"

#include <errno.h>
#include <sys/mman.h>

#define BYPASS (PMEM2_F_MEM_NODRAIN | PMEM2_F_MEM_NONTEMPORAL)
#define THROUGH (PMEM2_F_MEM_NODRAIN | PMEM2_F_MEM_TEMPORAL)
#define CACHED PMEM2_F_MEM_NOFLUSH
#define PENDING_MAX 16
#define PAGE_MASK ((uintptr_t)DEVICE_PAGE_BYTES - 1)

/*
 * What this thread has stored to devices at page granularity and not drained.
 * By address and not by device: an entry that outlives its device does no more
 * harm than one msync too many.
 */
struct range {
	uintptr_t from, to; /* page-aligned, never empty */
};

static __thread struct {
	struct range range[PENDING_MAX];
	unsigned int count;
} pending;

static __thread uint64_t fences;
static _Atomic(const struct device_recorder *) recorder_now;

void device_set_recorder(const struct device_recorder *recorder)
{
	atomic_store_explicit(&recorder_now, recorder, memory_order_release);
}

static const struct device_recorder *recorder(void)
{
	return atomic_load_explicit(&recorder_now, memory_order_acquire);
}

static void record_store(struct device *device, const void *to,
			 size_t length_bytes, bool cached)
{
	const struct device_recorder *now = recorder();

	if (now && now->stored)
		now->stored(device, to, length_bytes, cached);
}

static bool owns(const struct device *device, uintptr_t at)
{
	return at - (uintptr_t)device->base < device->size_bytes;
}

static void sync_range(struct range range)
{
	struct device *device;
	int err;

	do
		err = msync((void *)range.from, range.to - range.from, MS_SYNC);
	while (err != 0 && errno == EINTR);
	if (err == 0)
		return;
	/* the data may be anywhere now: believe nothing of it */
	device = device_guard_find((void *)range.from);
	if (device)
		device_guard_fail(device,
				  device_offset(device, (void *)range.from));
}

static uintptr_t gap(struct range a, struct range b)
{
	if (a.to < b.from)
		return b.from - a.to;
	return b.to < a.from ? a.from - b.to : 0;
}

static void widen(struct range *range, struct range by)
{
	if (by.from < range->from)
		range->from = by.from;
	if (by.to > range->to)
		range->to = by.to;
}

/*
 * Join what it touches, else append. When full, the nearest range of the same
 * device grows over the gap (clean pages cost msync little); another device's
 * range is synced early, which is always allowed.
 */
static void remember(struct device *device, const void *at, size_t length_bytes)
{
	uintptr_t first = (uintptr_t)at;
	struct range added = { first & ~PAGE_MASK,
			       (first + length_bytes + PAGE_MASK) &
				       ~PAGE_MASK };
	uintptr_t least = UINTPTR_MAX;
	unsigned int nearest = 0;

	for (unsigned int i = 0; i < pending.count; i++) {
		uintptr_t distance;

		if (!owns(device, pending.range[i].from))
			continue;
		distance = gap(pending.range[i], added);
		if (distance < least) {
			least = distance;
			nearest = i;
		}
	}
	if (least != 0 && pending.count < PENDING_MAX) {
		pending.range[pending.count++] = added;
	} else if (least != UINTPTR_MAX) {
		widen(&pending.range[nearest], added);
	} else {
		sync_range(pending.range[0]);
		pending.range[0] = added;
	}
}

/* Make what this thread remembers of the device durable, and forget it. */
static void sync_pending(struct device *device)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < pending.count; i++) {
		if (owns(device, pending.range[i].from))
			sync_range(pending.range[i]);
		else
			pending.range[kept++] = pending.range[i];
	}
	pending.count = kept;
}

static void stored(struct device *device, const void *to, size_t length_bytes)
{
	if (device->map->by_msync && length_bytes != 0)
		remember(device, to, length_bytes);
	record_store(device, to, length_bytes, false);
}

static unsigned int flags_for(const struct device *device, size_t length_bytes)
{
	return length_bytes < device->map->bypass_bytes ? THROUGH : BYPASS;
}

void device_copy(struct device *device, void *to, const void *from,
		 size_t length_bytes)
{
	device->map->copy(to, from, length_bytes,
			  flags_for(device, length_bytes));
	stored(device, to, length_bytes);
}

void device_set(struct device *device, void *to, int byte, size_t length_bytes)
{
	device->map->set(to, byte, length_bytes,
			 flags_for(device, length_bytes));
	stored(device, to, length_bytes);
}

void device_copy_cached(struct device *device, void *to, const void *from,
			size_t length_bytes)
{
	device->map->copy(to, from, length_bytes, CACHED);
	record_store(device, to, length_bytes, true);
}

void device_store64(struct device *device, uint64_t *to, uint64_t value)
{
	assert((uintptr_t)to % sizeof(*to) == 0); /* else torn [I4] */
	__atomic_store_n(to, value, __ATOMIC_RELEASE);
	record_store(device, to, sizeof(*to), true);
}

static void flush(struct device *device, const void *from, size_t length_bytes)
{
	const struct device_recorder *now = recorder();

	if (length_bytes == 0)
		return;
	if (device->map->by_msync)
		remember(device, from, length_bytes);
	else if (!device->map->volatile_)
		device->map->flush(from, length_bytes);
	if (now && now->flushed)
		now->flushed(device, from, length_bytes);
}

static void drain(struct device *device)
{
	const struct device_recorder *now = recorder();

	fences++;
	device->map->drain(); /* by_msync, too: the page is complete [I5] */
	if (device->map->by_msync)
		sync_pending(device);
	if (now && now->drained)
		now->drained(device);
}

void device_flush(struct device *device, const void *from, size_t length_bytes)
{
	flush(device, from, length_bytes);
}

void device_drain(struct device *device)
{
	drain(device);
}

void device_persist(struct device *device, const void *from,
		    size_t length_bytes)
{
	flush(device, from, length_bytes);
	drain(device);
}

int device_deep_flush(struct device *device, const void *from,
		      size_t length_bytes)
{
	int err;

	device_persist(device, from, length_bytes);
	if (device->map->by_msync || device->map->volatile_)
		return device_failed(device) ? -EIO : 0;
	err = pmem2_deep_flush(device->map->map, (void *)from, length_bytes);
	if (err == PMEM2_E_NOSUPP) /* no such queues to flush */
		return 0;
	return device_map_errno(err);
}

uint64_t device_fences(void)
{
	return fences;
}
