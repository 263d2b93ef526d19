/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * addr.h -- a place on the media: (device index, byte offset) in 64 bits
 *
 * bits 63-48 device index in the roll, bits 47-0 byte offset on that device.
 * ADDR_NONE is offset 0 of device 0: the primary superblock, which nothing
 * points at. Everything on the media is little-endian, and read and written
 * in place.
 */
#ifndef UDAX_MEDIA_ADDR_H
#define UDAX_MEDIA_ADDR_H

#include <stdbool.h>
#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "media structures are used in place");

#define ADDR_DEVICES_MAX 64 /* in one filesystem's roll */

#define BLOCK_SHIFT 12
#define BLOCK_BYTES (1u << BLOCK_SHIFT)
#define PMD_SHIFT 21
#define PMD_BYTES (1u << PMD_SHIFT)
#define PMD_BLOCKS (PMD_BYTES / BLOCK_BYTES)

#define ADDR_NONE UINT64_C(0)
#define ADDR_DEVICE_SHIFT 48
#define ADDR_OFFSET_MASK ((UINT64_C(1) << ADDR_DEVICE_SHIFT) - 1)

static inline uint64_t addr_make(unsigned device, uint64_t offset_bytes)
{
	return (uint64_t)device << ADDR_DEVICE_SHIFT | offset_bytes;
}

static inline unsigned addr_device(uint64_t addr)
{
	return (unsigned)(addr >> ADDR_DEVICE_SHIFT);
}

static inline uint64_t addr_offset(uint64_t addr)
{
	return addr & ADDR_OFFSET_MASK;
}

static inline uint64_t addr_block(uint64_t addr)
{
	return addr_offset(addr) >> BLOCK_SHIFT;
}

/* Whether a run of whole blocks can be there, on a device of any size. */
static inline bool addr_run_valid(uint64_t addr, uint64_t blocks)
{
	const uint64_t end = (ADDR_OFFSET_MASK + 1) >> BLOCK_SHIFT;

	return addr % BLOCK_BYTES == 0 &&
	       addr_device(addr) < ADDR_DEVICES_MAX && addr_block(addr) > 0 &&
	       blocks > 0 && blocks <= end - addr_block(addr);
}

#endif
