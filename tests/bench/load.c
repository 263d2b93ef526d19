/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load: one benchmark's operations, timed. One line of JSON on stdout:
 * operations, wall and CPU nanoseconds of the timed part.
 */
#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
	"usage: load randread|randwrite|read|write DIR JOBS FILE_BYTES "
	"BLOCK_BYTES MILLISECONDS\n"
	"       load create|stat|rename|unlink DIR FILES\n"
	"       load mmap FILE BYTES LOADS\n";

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void span_begin(struct span *span)
{
	span->wall_ns = now_ns(CLOCK_MONOTONIC);
	span->cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void span_end(struct span *span, uint64_t ops)
{
	span->ops = ops;
	span->cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID) - span->cpu_ns;
	span->wall_ns = now_ns(CLOCK_MONOTONIC) - span->wall_ns;
}

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 10);
}

static int run_io(char **argv, struct span *span)
{
	struct io_load load = {
		.directory = argv[2],
		.jobs = (unsigned int)number(argv[3]),
		.file_bytes = number(argv[4]),
		.block_bytes = number(argv[5]),
		.write = strstr(argv[1], "write") != NULL,
		.random = strncmp(argv[1], "rand", 4) == 0,
		.duration_ms = number(argv[6]),
	};

	return io_load_run(&load, span);
}

int main(int argc, char **argv)
{
	struct span span;
	int err;

	if (argc == 7) {
		err = run_io(argv, &span);
	} else if (argc == 5 && strcmp(argv[1], "mmap") == 0) {
		err = mmap_load_run(argv[2], number(argv[3]), number(argv[4]),
				    &span);
	} else if (argc == 4) {
		err = files_load_run(argv[1], argv[2],
				     (unsigned int)number(argv[3]), &span);
	} else {
		fputs(usage, stderr);
		return 2;
	}
	if (err) {
		fprintf(stderr, "load %s %s: %s\n", argv[1], argv[2],
			strerror(-err));
		return 1;
	}
	printf("{\"ops\":%" PRIu64 ",\"wall_ns\":%" PRIu64
	       ",\"cpu_ns\":%" PRIu64 "}\n",
	       span.ops, span.wall_ns, span.cpu_ns);
	return 0;
}
