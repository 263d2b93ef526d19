/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * region.h -- the memory behind udax_pread() and udax_pwrite()
 *
 * A range of addresses as long as the file and with room to grow, filled with
 * leases as they are needed, and beside it an index that says of each 2 MiB,
 * in one atomic word, how many of its pages are there from its beginning, and
 * whether they may be written. Who copies looks at the index inside a section
 * (section.h); who takes memory away changes the index first and then waits
 * for the sections of that moment.
 *
 * One for each handle; where a file outgrows it, a larger one takes its place.
 *
 * Locking: client.lock to change; handle.region and the index are atomic.
 */
#ifndef UDAX_CLIENT_REGION_H
#define UDAX_CLIENT_REGION_H

#include "client/handle.h"

#define REGION_CHUNK (2ul << 20)

struct region {
	uintptr_t base;
	uint64_t length;
	struct mapping *mapping;
	size_t chunks;
	_Atomic uint32_t chunk[]; /* pages << 1 | writable */
};

/* Inside a section: is all of it there? count > 0. */
static inline bool region_has(struct region *region, uint64_t offset,
			      size_t count, bool write)
{
	uint64_t end = offset + count;
	size_t i = offset / REGION_CHUNK;

	if (end > region->length)
		return false;
	for (; (uint64_t)i * REGION_CHUNK < end; i++) {
		uint64_t last = end - (uint64_t)i * REGION_CHUNK;
		uint32_t word = atomic_load(&region->chunk[i]);

		if (last > REGION_CHUNK)
			last = REGION_CHUNK;
		if ((word >> 1) * (uint64_t)UDAX_PAGE_BYTES < last ||
		    (write && !(word & 1)))
			return false;
	}
	return true;
}

/* Segments of it have changed: the index follows. */
void region_changed_locked(struct region *region, uintptr_t start,
			   uintptr_t end);

/*
 * Have that range, or some of it; waits. 0: look again. An error: the system
 * call has to do it.
 */
int region_fetch(struct handle *handle, uint64_t offset, size_t count,
		 bool write) __attribute__((warn_unused_result));

/* Nobody uses the handle's any more. Waits for copies under way. */
void region_end(struct handle *handle);

#endif
