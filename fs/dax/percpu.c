/* SPDX-License-Identifier: BSD-3-Clause */
#include "dax/percpu.h"
#include "dax/read_side.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_MAX 1024u /* more CPUs than that share lines */

char read_side_ends, read_side_begins;

unsigned percpu_mask;
static pthread_once_t sized = PTHREAD_ONCE_INIT;

static void size_lines(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	unsigned lines = 1;

	while (lines < LINES_MAX && (long)lines < cpus)
		lines *= 2;
	percpu_mask = lines - 1;
}

struct percpu_line *percpu_alloc(void)
{
	struct percpu_line *lines;
	size_t bytes;

	if (pthread_once(&sized, size_lines))
		return NULL;
	bytes = (percpu_mask + 1) * sizeof(*lines);
	lines = aligned_alloc(PERCPU_LINE_BYTES, bytes);
	if (lines)
		memset(lines, 0, bytes);
	return lines;
}

int64_t percpu_sum(const struct percpu_line *lines, unsigned word)
{
	int64_t sum = 0;

	for (unsigned i = 0; i <= percpu_mask; i++)
		sum += atomic_load_explicit(&lines[i].words[word],
					    memory_order_relaxed);
	return sum;
}

void percpu_zero(struct percpu_line *lines, unsigned word)
{
	for (unsigned i = 0; i <= percpu_mask; i++)
		atomic_store_explicit(&lines[i].words[word], 0,
				      memory_order_relaxed);
}
