/* SPDX-License-Identifier: BSD-3-Clause */
/* bench_direct: see direct.h, and doc/BENCHMARKS.md for what is measured */
#include "direct.h"

#include "udax/udax.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char usage[] =
	"usage: bench_direct memory FILE BYTES OPERATIONS ROUNDS\n"
	"       bench_direct io FILE NATIVE BYTES OPERATIONS ROUNDS\n"
	"       bench_direct map FILE NATIVE BYTES ROUNDS\n"
	"       bench_direct lazy FILE BYTES ROUNDS\n"
	"       bench_direct hold FILE BYTES touched|untouched\n"
	"       bench_direct probe FILE\n"
	"       bench_direct swap DEVICE BYTES PROCESSES touched|untouched\n";

int failed(const char *what)
{
	int err = -errno;

	fprintf(stderr, "bench_direct: %s: %s\n", what, strerror(-err));
	return err ? err : -EIO;
}

static void print_list(const char *name, const double *figures, unsigned rounds)
{
	unsigned i;

	printf("\"%s\":[", name);
	for (i = 1; i <= rounds; i++) /* 0 warmed up */
		printf("%s%.3f", i > 1 ? "," : "", figures[i]);
	putchar(']');
}

void print_sides(const char *name, const struct sides *sides, unsigned rounds,
		 const char *end)
{
	printf("\"%s\":{", name);
	print_list("direct", sides->direct, rounds);
	putchar(',');
	print_list("native", sides->native, rounds);
	printf("}%s", end);
}

int direct_map_open(const char *path, size_t bytes, int flags,
		    struct direct_map *out)
{
	out->bytes = bytes;
	out->fd = open(path, O_RDWR | O_CLOEXEC);
	if (out->fd < 0)
		return failed(path);
	out->at = udax_mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | flags, out->fd, 0);
	if (out->at != MAP_FAILED)
		return 0;
	(void)failed(path);
	close(out->fd);
	return -EIO;
}

int direct_map_close(struct direct_map *map)
{
	int err = udax_munmap(map->at, map->bytes) ? failed("munmap") : 0;

	udax_close(map->fd);
	return err;
}

void touch_pages(unsigned char *at, size_t bytes)
{
	volatile unsigned char *byte = at;
	size_t i;

	for (i = 0; i < bytes; i += PAGE_BYTES)
		byte[i] = byte[i];
}

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 10);
}

/* 0, -errno, or 1: usage. */
static int run_speed(int argc, char **argv)
{
	const char *verb = argv[1];
	unsigned rounds = (unsigned)number(argv[argc - 1]);

	if (rounds < 1 || rounds >= ROUNDS_MAX)
		return 1;
	if (argc == 6 && !strcmp(verb, "memory"))
		return run_memory(argv[2], number(argv[3]), number(argv[4]),
				  rounds);
	if (argc == 7 && !strcmp(verb, "io"))
		return run_io(argv[2], argv[3], number(argv[4]),
			      number(argv[5]), rounds);
	if (argc == 6 && !strcmp(verb, "map"))
		return run_map(argv[2], argv[3], number(argv[4]), rounds);
	if (argc == 5 && !strcmp(verb, "lazy"))
		return run_lazy(argv[2], number(argv[3]), rounds);
	return 1;
}

int main(int argc, char **argv)
{
	int err = 1;

	if (argc == 5 && !strcmp(argv[1], "hold"))
		err = run_hold(argv[2], number(argv[3]), argv[4]);
	else if (argc == 3 && !strcmp(argv[1], "probe"))
		err = run_probe(argv[2]);
	else if (argc == 6 && !strcmp(argv[1], "swap"))
		err = run_swap(argv[2], number(argv[3]),
			       (unsigned)number(argv[4]), argv[5]);
	else if (argc > 4)
		err = run_speed(argc, argv);
	if (err > 0)
		fputs(usage, stderr);
	return err > 0 ? 2 : err < 0;
}
