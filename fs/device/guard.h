/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guard.h -- a device that vanishes under its map must not take us down
 *
 * A load or store on a page that is gone (file truncated, devdax unbound, bad
 * block) raises SIGBUS. If the address lies in a registered device's map the
 * handler marks the device failed, puts zeroed anonymous memory where the page
 * was (a unit of unit_bytes: 4 KiB, on devdax its alignment; after REPAIRS_MAX
 * of them in place of the whole map), adds to the eventfd and returns: the
 * code that faulted goes on, with zeros, and asks device_failed() before it
 * replies or commits. Any other SIGBUS kills the process as ever, core and
 * all.
 *
 * Not caught: a system call given a vanished page, such as the writev of a
 * reply, fails with EFAULT (or is cut short) and raises no signal. Treat that
 * as a fault: touch the range, or call device_still_there().
 *
 * Owns:    the SIGBUS disposition, one eventfd a process.
 * Locking: the handler takes no lock and makes only raw system calls; the
 *          registry is a fixed array of atomics, read at any time.
 *
 * Invariants:
 *   G1  a slot whose base is set names a live device: unregister clears base
 *       before the map goes
 *   G2  failed is set before the zeros can be seen
 */
#ifndef UDAX_DEVICE_GUARD_H
#define UDAX_DEVICE_GUARD_H

#include <stddef.h>
#include <stdint.h>

struct device;

/* Once a process, before the first open; more calls do nothing. */
int device_guard_install(void) __attribute__((warn_unused_result));

/*
 * Readable once a device failed; reading takes the count of faults. Which one
 * it was device_failed() tells. -1 before device_guard_install(). A child
 * shares it: install after the last fork.
 */
int device_guard_eventfd(void);

/* By device_open() and device_close(). -EMFILE: DEVICES_MAX are open. */
int device_guard_register(struct device *device)
	__attribute__((warn_unused_result));
void device_guard_unregister(struct device *device);

/* The device whose map holds that address, or NULL. */
struct device *device_guard_find(const void *at);

/* What the handler does with a device; also for a loss found otherwise. */
void device_guard_fail(struct device *device, uint64_t offset_bytes);

#endif
