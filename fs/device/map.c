/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/map.h"

#include "device/cow.h"
#include "device/device.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define BYPASS_BYTES 256 /* where libpmem2 draws the line by itself */

/* libpmem2 hands out negative errnos, and codes of its own far below them. */
int device_map_errno(int err)
{
	if (err > PMEM2_E_UNKNOWN)
		return err;
	switch (err) {
	case PMEM2_E_NOSUPP:
		return -EOPNOTSUPP;
	case PMEM2_E_NO_ACCESS:
		return -EACCES;
	case PMEM2_E_IO_FAIL:
		return -EIO;
	default:
		return -EINVAL;
	}
}

/*
 * Stores for page granularity. libpmem2's own functions for such a map make
 * one msync a call, whatever the flags, and abort when it fails. A page of
 * anonymous memory, declared to be of cache-line granularity, lends us the
 * same stores without that; they depend on the processor, not on the map.
 */
static struct {
	pthread_once_t once;
	int err;
	struct pmem2_source *source;
	struct pmem2_map *map;
} bare = { .once = PTHREAD_ONCE_INIT };

static void bare_create(void)
{
	void *page = mmap(NULL, DEVICE_PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED) {
		bare.err = -errno;
		return;
	}
	bare.err = pmem2_source_from_anon(&bare.source, DEVICE_PAGE_BYTES);
	if (bare.err == 0)
		bare.err = pmem2_map_from_existing(
			&bare.map, bare.source, page, DEVICE_PAGE_BYTES,
			PMEM2_GRANULARITY_CACHE_LINE);
	if (bare.err != 0) {
		bare.err = device_map_errno(bare.err);
		munmap(page, DEVICE_PAGE_BYTES);
	}
}

/* libpmem2's word for what went wrong, and an errno. */
static int explain(int err, const char *step, char *why, size_t why_bytes)
{
	snprintf(why, why_bytes, "%s: %s", step, pmem2_errormsg());
	return device_map_errno(err);
}

static int measure(struct device *device, char *why, size_t why_bytes)
{
	struct device_map *map = device->map;
	size_t size_bytes, alignment;
	int err;

	err = pmem2_source_from_fd(&map->source, device->fd);
	if (err != 0)
		return explain(err, "cannot be mapped", why, why_bytes);
	err = pmem2_source_size(map->source, &size_bytes);
	if (err != 0)
		return explain(err, "has no size", why, why_bytes);
	err = pmem2_source_alignment(map->source, &alignment);
	if (err != 0)
		return explain(err, "has no alignment", why, why_bytes);
	if (size_bytes < DEVICE_BYTES_MIN) {
		snprintf(why, why_bytes,
			 "too small: %zu bytes, at least %llu are needed",
			 size_bytes, DEVICE_BYTES_MIN);
		return -EINVAL;
	}
	device->size_bytes = size_bytes - size_bytes % DEVICE_PAGE_BYTES;
	if (device->size_bytes % alignment != 0) {
		snprintf(why, why_bytes,
			 "misaligned: %zu bytes are no multiple of %zu",
			 size_bytes, alignment);
		return -EINVAL;
	}
	device->unit_bytes = alignment;
	return 0;
}

/* Room for the device at an aligned address; returns the offset in it. */
static int reserve(struct device *device, size_t *offset, char *why,
		   size_t why_bytes)
{
	size_t alignment = device->unit_bytes > DEVICE_MAP_ALIGN
				   ? device->unit_bytes
				   : DEVICE_MAP_ALIGN;
	struct device_map *map = device->map;
	uintptr_t start;
	int err;

	err = pmem2_vm_reservation_new(&map->reservation, NULL,
				       device->size_bytes + alignment);
	if (err != 0)
		return explain(err, "no address space", why, why_bytes);
	start = (uintptr_t)pmem2_vm_reservation_get_address(map->reservation);
	*offset = (alignment - start % alignment) % alignment;
	return 0;
}

static int configure(const struct device *device, struct pmem2_config *config,
		     size_t offset, bool protect, bool private_)
{
	int err;

	err = pmem2_config_set_required_store_granularity(
		config, PMEM2_GRANULARITY_PAGE);
	if (err == 0)
		err = pmem2_config_set_length(config, device->size_bytes);
	if (err == 0)
		err = pmem2_config_set_vm_reservation(
			config, device->map->reservation, offset);
	if (err == 0 && protect)
		err = pmem2_config_set_protection(config, PMEM2_PROT_READ);
	if (err == 0 && private_)
		err = pmem2_config_set_sharing(config, PMEM2_PRIVATE);
	return err;
}

static int map_once(struct device *device, size_t offset, bool protect,
		    bool private_)
{
	struct pmem2_config *config;
	int err;

	err = pmem2_config_new(&config);
	if (err != 0)
		return err;
	err = configure(device, config, offset, protect, private_);
	if (err == 0)
		err = pmem2_map_new(&device->map->map, config,
				    device->map->source);
	pmem2_config_delete(&config);
	return err;
}

static int map_whole(struct device *device, char *why, size_t why_bytes)
{
	size_t offset = 0;
	int err;

	err = reserve(device, &offset, why, why_bytes);
	if (err != 0)
		return err;
	err = map_once(device, offset, device->options.read_only,
		       device->options.private_copy);
	/* Nor does it promise as much memory as a large device has. */
	if (err == PMEM2_E_SRC_DEVDAX_PRIVATE ||
	    (err == -ENOMEM && device->options.private_copy)) {
		device->map->cow = device_cow_create(device);
		err = device->map->cow ? map_once(device, offset, true, false)
				       : -ENOMEM;
	}
	if (err != 0)
		return explain(err, "cannot be mapped", why, why_bytes);
	device->base = pmem2_map_get_address(device->map->map);
	assert((uintptr_t)device->base % DEVICE_MAP_ALIGN == 0);
	return 0;
}

static int choose_functions(struct device *device)
{
	static const enum device_granularity ours[] = {
		[PMEM2_GRANULARITY_BYTE] = DEVICE_BYTE,
		[PMEM2_GRANULARITY_CACHE_LINE] = DEVICE_CACHE_LINE,
		[PMEM2_GRANULARITY_PAGE] = DEVICE_PAGE,
	};
	struct device_map *map = device->map;
	struct pmem2_map *from = map->map;

	device->granularity = ours[pmem2_map_get_store_granularity(from)];
	map->volatile_ = device->options.private_copy;
	if (device->granularity == DEVICE_PAGE) {
		pthread_once(&bare.once, bare_create);
		if (bare.err != 0)
			return bare.err;
		from = bare.map;
		/* there is no msync for devdax: lines are flushed instead */
		map->by_msync = device->kind != DEVICE_DEVDAX &&
				!map->volatile_;
	}
	/*
	 * With the caches in the power-fail domain a small store is best left
	 * there: each non-temporal one carries a fence of its own.
	 */
	map->bypass_bytes = device->granularity == DEVICE_BYTE ? BYPASS_BYTES
							       : 0;
	map->copy = pmem2_get_memcpy_fn(from);
	map->set = pmem2_get_memset_fn(from);
	map->flush = pmem2_get_flush_fn(from);
	map->drain = pmem2_get_drain_fn(from);
	return 0;
}

int device_map_create(struct device *device, char *why, size_t why_bytes)
{
	int err;

	device->map = calloc(1, sizeof(*device->map));
	if (!device->map) {
		snprintf(why, why_bytes, "out of memory");
		return -ENOMEM;
	}
	err = measure(device, why, why_bytes);
	if (err == 0)
		err = map_whole(device, why, why_bytes);
	if (err == 0) {
		err = choose_functions(device);
		if (err != 0)
			snprintf(why, why_bytes, "libpmem2 has no stores");
	}
	if (err != 0)
		device_map_destroy(device);
	return err;
}

void device_map_destroy(struct device *device)
{
	struct device_map *map = device->map;

	if (!map)
		return;
	if (map->map)
		pmem2_map_delete(&map->map);
	if (map->reservation)
		pmem2_vm_reservation_delete(&map->reservation);
	if (map->source)
		pmem2_source_delete(&map->source);
	device_cow_destroy(map->cow);
	free(map);
	device->map = NULL;
	device->base = NULL;
}
