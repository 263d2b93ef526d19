/* SPDX-License-Identifier: BSD-3-Clause */
#include "crash/seen.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

static size_t bytes_of(uint64_t slots)
{
	return sizeof(struct seen) + slots * sizeof(uint64_t);
}

struct seen *seen_create(uint64_t room)
{
	struct seen *seen;
	uint64_t slots = 1024;

	while (slots < room * 2)
		slots *= 2;
	seen = mmap(NULL, bytes_of(slots), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		abort();
	seen->slots = slots;
	return seen;
}

void seen_destroy(struct seen *seen)
{
	munmap(seen, bytes_of(seen->slots));
}

bool seen_add(struct seen *seen, uint64_t hash)
{
	uint64_t at = hash & (seen->slots - 1);
	uint64_t tried;

	hash |= 1; /* 0: an empty slot */
	for (tried = 0; tried < seen->slots; tried++) {
		uint64_t there = 0;

		if (atomic_compare_exchange_strong(&seen->slot[at], &there,
						   hash))
			return true;
		if (there == hash)
			return false;
		at = (at + 1) & (seen->slots - 1);
	}
	return false; /* full: counted too low */
}
