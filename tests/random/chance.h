/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chance.h -- seeded chance, and what was done last
 *
 * A run is repeated exactly by its seed: nothing but chance() decides. Every
 * step notes itself before it begins; who finds a fault calls fail(), which
 * says the seed, the fault and the last steps, and ends the program (1). A step
 * that takes longer than a minute is a fault, too.
 */
#ifndef UDAX_RANDOM_CHANCE_H
#define UDAX_RANDOM_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

#define STEP_DEADLINE_S 60

/* Where chance and the number of the step are kept, from run to run. */
struct chance {
	uint64_t seed;
	uint64_t state;
	uint64_t step;
};

void chance_use(struct chance *kept, bool say_all);
/* Below n, n > 0. */
uint64_t chance(uint64_t n);
static inline bool one_in(uint64_t n)
{
	return chance(n) == 0;
}

/* Another step: its number is counted. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* More about it. */
void note_more(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fail(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));
/* errno is said. */
void fail_errno(const char *what) __attribute__((noreturn));

#endif
