/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * percpu.h -- counters spread over one cache line per CPU
 *
 * A thread adds to the line of the CPU it happens to run on. User space cannot
 * disable preemption, so the thread may have moved by the time it adds: the add
 * is atomic (and relaxed), which makes the line a matter of speed only. A
 * single word may go negative; only the sum means something.
 *
 * Owns:    the array from percpu_alloc(), given back with free(3).
 * Errors:  percpu_alloc() returns NULL.
 */
#ifndef UDAX_DAX_PERCPU_H
#define UDAX_DAX_PERCPU_H

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#define PERCPU_LINE_BYTES 64
#define PERCPU_WORDS (PERCPU_LINE_BYTES / sizeof(int64_t))

struct percpu_line {
	_Alignas(PERCPU_LINE_BYTES) _Atomic int64_t words[PERCPU_WORDS];
};
_Static_assert(sizeof(struct percpu_line) == PERCPU_LINE_BYTES,
	       "one line, so that two CPUs never share one");

/* Number of lines - 1; set by the first percpu_alloc(). */
extern unsigned percpu_mask;

struct percpu_line *percpu_alloc(void) __attribute__((warn_unused_result));

static inline void percpu_add(struct percpu_line *lines, unsigned word,
			      int64_t n)
{
	unsigned line = (unsigned)sched_getcpu() & percpu_mask;

	atomic_fetch_add_explicit(&lines[line].words[word], n,
				  memory_order_relaxed);
}

/* Exact when nobody adds meanwhile. */
int64_t percpu_sum(const struct percpu_line *lines, unsigned word);

void percpu_zero(struct percpu_line *lines, unsigned word);

#endif
