/* SPDX-License-Identifier: BSD-3-Clause */
/* seen.h -- hashes that were met, of all processes of a campaign */
#ifndef UDAX_TESTS_CRASH_SEEN_H
#define UDAX_TESTS_CRASH_SEEN_H

#include <stdbool.h>
#include <stdint.h>

struct seen {
	uint64_t slots; /* a power of 2 */
	_Atomic uint64_t slot[];
};

/* Shared with children; for so many hashes. */
struct seen *seen_create(uint64_t room);
void seen_destroy(struct seen *seen);
/* True: not met before. */
bool seen_add(struct seen *seen, uint64_t hash);

#endif
