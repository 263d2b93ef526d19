/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * direct.h -- bench_direct's parts: what direct mappings cost, beside what the
 *             kernel does natively, in turns within one process
 *
 * Each verb prints one line of JSON: figures of every round, after one round
 * that is not counted; tests/bench/direct.py makes medians and ratios of them.
 *
 * Units:  figures are nanoseconds an operation, unless the key says otherwise.
 * Errors: negative errno, after a line on stderr.
 */
#ifndef UDAX_BENCH_DIRECT_H
#define UDAX_BENCH_DIRECT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE_BYTES ((size_t)4096)
#define PMD_BYTES ((size_t)2 << 20)
#define ROUNDS_MAX 64u

struct sides { /* of one kind of operation */
	double direct[ROUNDS_MAX];
	double native[ROUNDS_MAX];
};

/* One line on stderr, -errno. */
int failed(const char *what);
void print_sides(const char *name, const struct sides *sides, unsigned rounds,
		 const char *end);

/* A file mapped directly, all of it: -1 as failed() does. */
struct direct_map {
	int fd;
	unsigned char *at;
	size_t bytes;
};
int direct_map_open(const char *path, size_t bytes, int flags,
		    struct direct_map *out) __attribute__((warn_unused_result));
int direct_map_close(struct direct_map *map)
	__attribute__((warn_unused_result));
/* A store to each page, which changes no byte. */
void touch_pages(unsigned char *at, size_t bytes);

/* direct_speed.c */
int run_memory(const char *path, size_t bytes, uint64_t ops, unsigned rounds);
int run_io(const char *path, const char *native, size_t bytes, uint64_t ops,
	   unsigned rounds);
int run_map(const char *path, const char *native, size_t bytes,
	    unsigned rounds);
int run_lazy(const char *path, size_t bytes, unsigned rounds);

/* direct_removal.c: each says "ready", then waits for a line on stdin. */
int run_hold(const char *path, size_t bytes, const char *how);
int run_probe(const char *path);
int run_swap(const char *device, size_t bytes, unsigned processes,
	     const char *how);

#endif
