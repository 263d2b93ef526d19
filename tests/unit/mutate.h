/* SPDX-License-Identifier: BSD-3-Clause */
/* mutate.h -- valid structures made wrong: one field, or a few random bytes */
#ifndef UDAX_TESTS_MUTATE_H
#define UDAX_TESTS_MUTATE_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* One field of a valid structure, made wrong. */
struct wrong {
	size_t offset;
	size_t bytes;
	uint64_t value;
};
#define WRONG(type, field, value)                                              \
	{                                                                      \
		offsetof(type, field), sizeof(((type *)0)->field), value       \
	}
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline void make_wrong(void *at, const struct wrong *wrong)
{
	ck_assert_uint_le(wrong->bytes, sizeof(wrong->value));
	memcpy((char *)at + wrong->offset, &wrong->value, wrong->bytes);
}

/* A few bytes anywhere, or a bit, or a run of one value. */
static inline void mutate(unsigned char *at, size_t bytes)
{
	unsigned times = 1 + rand() % 4;

	while (times-- > 0) {
		size_t start = rand() % bytes;
		size_t run = 1 + rand() % 8;

		if (rand() % 2 == 0) {
			at[start] ^= 1u << rand() % 8;
			continue;
		}
		if (run > bytes - start)
			run = bytes - start;
		memset(at + start, rand() % 3 == 0 ? 0xff : rand(), run);
	}
}

#endif
