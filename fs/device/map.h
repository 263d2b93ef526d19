/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * map.h -- libpmem2's part of a device: the mapping and its functions
 *
 * Private to fs/device.
 *
 * Owns:    the mapping and the address range reserved around it.
 * Errors:  negative errno, the reason in why.
 */
#ifndef UDAX_DEVICE_MAP_H
#define UDAX_DEVICE_MAP_H

#include <libpmem2.h>
#include <stdbool.h>
#include <stddef.h>

struct device;
struct device_cow;

struct device_map {
	struct pmem2_source *source;
	struct pmem2_vm_reservation *reservation;
	struct pmem2_map *map;
	pmem2_memcpy_fn copy;
	pmem2_memset_fn set;
	pmem2_flush_fn flush;
	pmem2_drain_fn drain;
	size_t bypass_bytes; /* stores that long go round the caches */
	bool by_msync;	     /* flush is: remember the range; drain syncs it */
	bool volatile_; /* private copy: there is nothing to make durable */
	struct device_cow *cow; /* private copy of devdax, else NULL */
};

/* Fills base, size_bytes, granularity, unit_bytes and map of the device. */
int device_map_create(struct device *device, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));

void device_map_destroy(struct device *device);

/* What a function of libpmem2 returned, as a negative errno. */
int device_map_errno(int err);

#endif
