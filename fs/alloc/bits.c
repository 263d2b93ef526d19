/* SPDX-License-Identifier: BSD-3-Clause */
#include "alloc/bits.h"

/* The part of the word at `bit` that [bit, end) covers. */
static uint64_t word_mask(uint64_t bit, uint64_t end)
{
	uint64_t last = (bit | 63) + 1;
	uint64_t mask = UINT64_MAX << bit % 64;

	if (end < last)
		mask &= UINT64_MAX >> (last - end);
	return mask;
}

void bits_fill(uint64_t *words, uint64_t start, uint64_t count, bool value)
{
	uint64_t end = start + count;
	uint64_t bit;

	for (bit = start; bit < end; bit = (bit | 63) + 1) {
		if (value)
			words[bit / 64] |= word_mask(bit, end);
		else
			words[bit / 64] &= ~word_mask(bit, end);
	}
}

uint64_t bits_count(const uint64_t *words, uint64_t start, uint64_t count)
{
	uint64_t end = start + count;
	uint64_t ones = 0;
	uint64_t bit;

	for (bit = start; bit < end; bit = (bit | 63) + 1)
		ones += __builtin_popcountll(words[bit / 64] &
					     word_mask(bit, end));
	return ones;
}

uint64_t bits_find(const uint64_t *words, uint64_t start, uint64_t end,
		   bool value)
{
	uint64_t flip = value ? 0 : UINT64_MAX;
	uint64_t bit;

	for (bit = start; bit < end; bit = (bit | 63) + 1) {
		uint64_t word = (words[bit / 64] ^ flip) & word_mask(bit, end);

		if (word)
			return (bit & ~UINT64_C(63)) + __builtin_ctzll(word);
	}
	return end;
}
