/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * entry.h -- an entry in 64 bits
 *
 *    0     VALUE     set: an entry; clear: a node's address, or nothing
 *    1     LOCKED
 *    2     PMD       order 9
 *    3     ZERO      a hole           exclude each other; neither: real
 *    4     EMPTY     a lock only
 *    5     LEASE     held by leases; clear: by the kernel
 *    8-15  device
 *   16-51  device page
 *   52-63  associations (real, or zero of leases)
 *
 * The marks stand beside it, in the node.
 */
#ifndef UDAX_DAX_ENTRY_H
#define UDAX_DAX_ENTRY_H

#include "dax/entry_table.h"
#include "dax/pgmap.h"

#include <assert.h>

#define ENTRY_VALUE (UINT64_C(1) << 0)
#define ENTRY_LOCKED (UINT64_C(1) << 1)
#define ENTRY_PMD (UINT64_C(1) << 2)
#define ENTRY_ZERO_FLAG (UINT64_C(1) << 3)
#define ENTRY_EMPTY_FLAG (UINT64_C(1) << 4)
#define ENTRY_LEASE_FLAG (UINT64_C(1) << 5)
#define ENTRY_DEVICE_SHIFT 8
#define ENTRY_PAGE_SHIFT 16
#define ENTRY_ASSOCIATIONS_SHIFT 52

_Static_assert(PGMAP_PAGES_MAX - 1 ==
		       (UINT64_C(1)
			<< (ENTRY_ASSOCIATIONS_SHIFT - ENTRY_PAGE_SHIFT)) -
			       1,
	       "a device page fits");
_Static_assert(ENTRY_ASSOCIATIONS_MAX ==
		       (UINT64_C(1) << (64 - ENTRY_ASSOCIATIONS_SHIFT)) - 1,
	       "and the associations");

static inline uint64_t entry_make_real(unsigned device, uint64_t device_page,
				       unsigned order, bool lease,
				       unsigned associations)
{
	assert(device < 256 && device_page < PGMAP_PAGES_MAX);
	assert(associations <= ENTRY_ASSOCIATIONS_MAX);
	return ENTRY_VALUE | (order ? ENTRY_PMD : 0) |
	       (lease ? ENTRY_LEASE_FLAG : 0) |
	       (uint64_t)device << ENTRY_DEVICE_SHIFT |
	       device_page << ENTRY_PAGE_SHIFT |
	       (uint64_t)associations << ENTRY_ASSOCIATIONS_SHIFT;
}

/* The kernel's has no associations: nobody counts its mappings of a hole. */
static inline uint64_t entry_make_zero(unsigned order, bool lease,
				       unsigned associations)
{
	assert(associations <= ENTRY_ASSOCIATIONS_MAX);
	return ENTRY_VALUE | ENTRY_ZERO_FLAG | (order ? ENTRY_PMD : 0) |
	       (lease ? ENTRY_LEASE_FLAG : 0) |
	       (uint64_t)associations << ENTRY_ASSOCIATIONS_SHIFT;
}

static inline uint64_t entry_make_empty(unsigned order)
{
	return ENTRY_VALUE | ENTRY_EMPTY_FLAG | (order ? ENTRY_PMD : 0);
}

static inline bool entry_is_locked(uint64_t value)
{
	return value & ENTRY_LOCKED;
}

static inline unsigned entry_order(uint64_t value)
{
	return value & ENTRY_PMD ? PGMAP_ORDER_PMD : PGMAP_ORDER_PTE;
}

static inline uint64_t entry_pages(uint64_t value)
{
	return UINT64_C(1) << entry_order(value);
}

static inline bool entry_is_real(uint64_t value)
{
	return value && !(value & (ENTRY_ZERO_FLAG | ENTRY_EMPTY_FLAG));
}

static inline bool entry_is_zero(uint64_t value)
{
	return value & ENTRY_ZERO_FLAG;
}

static inline bool entry_is_empty(uint64_t value)
{
	return value & ENTRY_EMPTY_FLAG;
}

static inline bool entry_is_lease(uint64_t value)
{
	return value & ENTRY_LEASE_FLAG;
}

static inline bool entry_is_kernel(uint64_t value)
{
	return value && !(value & (ENTRY_LEASE_FLAG | ENTRY_EMPTY_FLAG));
}

static inline unsigned entry_device(uint64_t value)
{
	return (value >> ENTRY_DEVICE_SHIFT) & 0xff;
}

static inline uint64_t entry_page(uint64_t value)
{
	return (value >> ENTRY_PAGE_SHIFT) & (PGMAP_PAGES_MAX - 1);
}

static inline unsigned entry_associations(uint64_t value)
{
	return (unsigned)(value >> ENTRY_ASSOCIATIONS_SHIFT);
}

static inline uint64_t entry_with_associations(uint64_t value, unsigned n)
{
	assert(n <= ENTRY_ASSOCIATIONS_MAX);
	value &= (UINT64_C(1) << ENTRY_ASSOCIATIONS_SHIFT) - 1;
	return value | (uint64_t)n << ENTRY_ASSOCIATIONS_SHIFT;
}

#endif
