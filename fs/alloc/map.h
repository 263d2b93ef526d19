/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * map.h -- inside of struct alloc, for alloc.c and search.c alone
 *
 * Invariants (the mutex held):
 *   A1  unit_free[u] is the number of zeros of `used` in unit u, and `free`
 *       the sum over all units
 *   A2  whole has u's bit iff unit_free[u] is 512; the short last unit of a
 *       device is never whole
 *   A3  no unit below whole_from is whole
 *   A4  broken has for u, iff unit_free[u] is 1 to 511, no less than the
 *       longest free run within u and no more than unit_free[u]; else 0
 */
#ifndef UDAX_ALLOC_MAP_H
#define UDAX_ALLOC_MAP_H

#include "alloc/alloc.h"
#include "alloc/bits.h"
#include "alloc/fit.h"
#include "media/addr.h"

#include <pthread.h>
#include <stdatomic.h>

struct alloc {
	pthread_mutex_t mutex;
	uint64_t blocks;       /* immutable */
	uint64_t units;	       /* immutable */
	uint64_t reserve;      /* immutable */
	_Atomic uint64_t free; /* written under the mutex */
	bool stopped;
	_Atomic bool unsound; /* given what was free */
	uint64_t whole_from;
	uint64_t *used; /* a bit a block, 1 = used */
	uint16_t *unit_free;
	uint64_t *whole; /* a bit a unit */
	struct fit broken;
};

/*
 * The run to take for this want: its start, and in *got 1 to `blocks` blocks.
 * The caller holds the mutex and knows that at least one block is free.
 */
uint64_t map_search(struct alloc *alloc, const struct alloc_want *want,
		    uint64_t blocks, uint64_t *got);

#endif
