/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fit.h -- the first unit that may have a free run so long
 *
 * A complete binary tree in an array: a leaf holds what a unit's longest free
 * run is at most, 0 where none is to be taken, and an inner node the larger of
 * its two. Private to fs/alloc.
 *
 * Locking: the owner's (alloc's mutex).
 */
#ifndef UDAX_ALLOC_FIT_H
#define UDAX_ALLOC_FIT_H

#include <stdint.h>

struct fit {
	uint64_t leaves;   /* a power of two */
	uint16_t *longest; /* the root is 1, the children of n are 2n, 2n + 1 */
};

/* All 0. -ENOMEM. */
int fit_init(struct fit *fit, uint64_t units)
	__attribute__((warn_unused_result));
void fit_fini(struct fit *fit);

void fit_set(struct fit *fit, uint64_t unit, uint16_t longest);

/* Of the lowest unit with at least so much: there is one (fit_most). */
uint64_t fit_first(const struct fit *fit, uint16_t least);

static inline uint16_t fit_of(const struct fit *fit, uint64_t unit)
{
	return fit->longest[fit->leaves + unit];
}

static inline uint16_t fit_most(const struct fit *fit)
{
	return fit->longest[1];
}

#endif
