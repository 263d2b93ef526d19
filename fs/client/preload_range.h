/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preload_range.h -- the table of ranges, for the files that change it
 *
 * Sorted, not overlapping. Locking: preload_lock.
 */
#ifndef UDAX_CLIENT_PRELOAD_RANGE_H
#define UDAX_CLIENT_PRELOAD_RANGE_H

#include "client/preload.h"

struct range {
	uintptr_t start, end;
	off_t offset; /* in the file, of start */
	int prot;
	int kept; /* an index of kept_get()'s, with a reference */
};

struct ranges {
	struct range *range;
	size_t count, room;
};
extern struct ranges ranges;

uintptr_t range_end_of(const void *addr, size_t length);
/* The first that ends above addr; ranges.count if none. */
size_t range_find(uintptr_t addr);
bool range_overlaps(const void *addr, size_t length);
/* Room for so many more: what follows cannot fail then. */
bool range_reserve(size_t more);
/* They are gone, or parts of them. Room for two more. */
void range_cut(uintptr_t start, uintptr_t end);
/* In the place of what is there. Room for three more; takes over the
 * reference on range.kept. */
void range_insert(struct range range);
/* From the first range on there are forks to follow (preload_fork.c). */
void range_watch_forks(void);

#endif
