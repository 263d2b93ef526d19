/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * break.h -- layout break: may the blocks of a file range be freed or moved?
 *
 * Only when nobody can reach them any more but the caller (R7). Kernel mappings
 * are copies and simply lose their entries: the kernel drops its own pages
 * after the reply. A page that is busy otherwise, pinned or leased, is not
 * waited for here: -EBUSY, every entry is left in place, and it is for the
 * front end to park the request, take leases back and try again from scratch.
 *
 * Locking: the inode's lock, exclusive, from before the call until the blocks
 *          are free: it keeps new entries and pins out (invariant 9). Never
 *          waits for a client, a pin or a notification.
 * Errors:  -EBUSY; -ENOMEM (entries may be gone by then: they were copies).
 */
#ifndef UDAX_DAX_BREAK_H
#define UDAX_DAX_BREAK_H

#include <stdint.h>

struct entry_table;
struct pgmap;

/* File pages that stand together on a device. */
struct break_run {
	uint64_t index;
	uint64_t npages;
	unsigned device;
	uint64_t device_page;
};

/* The next run of the range: 0, -ENOENT after the last, or an error. */
typedef int break_next_fn(struct break_run *run, void *arg);

struct break_range {
	uint64_t first;	     /* file pages, both included; */
	uint64_t last;	     /* UINT64_MAX: to the end */
	break_next_fn *next; /* what stands there */
	void *arg;
};

/* table: NULL when the inode has none. busy (may be NULL): a page that is. */
int break_layout(struct entry_table *table, struct pgmap *const *pgmaps,
		 const struct break_range *range, uint64_t *busy)
	__attribute__((warn_unused_result));

#endif
