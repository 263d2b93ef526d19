/* SPDX-License-Identifier: BSD-3-Clause */
#include "media/name.h"

#include <xxhash.h>

#define HASH_BITS 54
#define COLLISION_BITS 8

_Static_assert(NAME_COLLISIONS == 1 << COLLISION_BITS, "collision numbers");

uint64_t name_key(uint64_t seed, const char *name, size_t length_bytes)
{
	uint64_t hash = XXH3_64bits_withSeed(name, length_bytes, seed);
	uint64_t key = hash >> (64 - HASH_BITS) << COLLISION_BITS;

	return key >= NAME_KEY_FIRST ? key : NAME_KEY_FIRST;
}
