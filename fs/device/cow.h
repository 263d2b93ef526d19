/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cow.h -- a private copy where the kernel has none: devdax knows no
 * MAP_PRIVATE, and a device larger than memory gets none
 *
 * Private to fs/device. The device is mapped shared and read-only. The first
 * store to a unit raises SIGSEGV; the handler copies the unit to anonymous
 * memory and moves that into the unit's place, so the media is never written.
 *
 * Owns:    the SIGSEGV disposition, from the first such device on. A fault
 *          that is not a store to one of them gets the previous disposition
 *          back and happens again.
 * Locking: the handler spins on a lock of the device that only the handler
 *          takes. Threads may store beside one another; one that reads a unit
 *          during its copy sees the old bytes or the same bytes.
 */
#ifndef UDAX_DEVICE_COW_H
#define UDAX_DEVICE_COW_H

struct device;
struct device_cow;

struct device_cow *device_cow_create(const struct device *device)
	__attribute__((warn_unused_result)); /* NULL: no memory */

void device_cow_destroy(struct device_cow *cow);

#endif
