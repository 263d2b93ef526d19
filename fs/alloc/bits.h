/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bits.h -- runs of bits in an array of 64-bit words
 *
 * Bit n is bit n % 64 of word n / 64; on the little-endian machines that
 * persistent memory exists for, that is bit n % 8 of byte n / 8 on the media.
 * Ranges are [start, start + count) and lie inside the array: the caller
 * checks. Words past the last bit of a search are never touched.
 */
#ifndef UDAX_ALLOC_BITS_H
#define UDAX_ALLOC_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define BITS_WORDS(bits) (((bits) + 63) / 64)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "the bitmap in memory is the one on the media");

static inline bool bits_test(const uint64_t *words, uint64_t bit)
{
	return words[bit / 64] >> bit % 64 & 1;
}

void bits_fill(uint64_t *words, uint64_t start, uint64_t count, bool value);

/* Number of ones in the range. */
uint64_t bits_count(const uint64_t *words, uint64_t start, uint64_t count);

/* First bit >= start with the value, or end. */
uint64_t bits_find(const uint64_t *words, uint64_t start, uint64_t end,
		   bool value);

#endif
