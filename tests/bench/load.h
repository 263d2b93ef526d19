/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load.h -- the client's side of the benchmarks
 *
 * Each load sets itself up, says "ready" and waits for a line, so that the
 * driver can read the server's clock; then it times its operations alone: wall,
 * and the CPU the process spent. (fio charges every job 30 to 120 ms of its own
 * start and end: microseconds an operation in runs this short.)
 *
 * Errors: negative errno.
 */
#ifndef UDAX_BENCH_LOAD_H
#define UDAX_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
	uint64_t ops;
	uint64_t wall_ns;
	uint64_t cpu_ns;
};

/* Says ready and waits for the driver's word (wait.c). */
void wait_for_go(void);
/* Both clocks into span; then what has gone by since into it. */
void span_begin(struct span *span);
void span_end(struct span *span, uint64_t ops);

struct io_load {
	const char *directory; /* job N has file fN to itself */
	unsigned int jobs;     /* processes, at most IO_JOBS_MAX */
	size_t file_bytes;
	size_t block_bytes;
	bool write;
	bool random; /* else from the start, again and again */
	uint64_t duration_ms;
};

#define IO_JOBS_MAX 64

/* O_DIRECT where the filesystem takes it; wall is the longest job's. */
int io_load_run(const struct io_load *load, struct span *span)
	__attribute__((warn_unused_result));

/* empty files, evenly over the directories path/0 to path/19 */
int files_load_run(const char *verb, const char *path, unsigned int files,
		   struct span *span) __attribute__((warn_unused_result));

/* Random loads from a mapping, each page touched before. bytes: 2^n. */
int mmap_load_run(const char *path, size_t bytes, uint64_t loads,
		  struct span *span) __attribute__((warn_unused_result));

static inline uint64_t xorshift(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
