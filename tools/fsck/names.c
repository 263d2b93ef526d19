/* SPDX-License-Identifier: BSD-3-Clause */
#include "names.h"

#include <string.h>

enum name_verdict name_run_add(struct name_run *run, uint64_t seed,
			       uint64_t key, const void *bytes, size_t length)
{
	uint64_t base = name_key(seed, bytes, length);
	unsigned i;

	if (key < base || key - base >= NAME_COLLISIONS)
		return NAME_WRONG_KEY;
	if (run->base != base) {
		run->base = base;
		run->count = 0;
	}
	for (i = 0; i < run->count; i++)
		if (run->name[i].length == length &&
		    memcmp(run->name[i].bytes, bytes, length) == 0)
			return NAME_TWICE;
	/* keys are unique and in [base, base + NAME_COLLISIONS): it fits */
	run->name[run->count].bytes = bytes;
	run->name[run->count++].length = length;
	return NAME_RIGHT;
}
