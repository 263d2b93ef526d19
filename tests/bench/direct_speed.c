/* SPDX-License-Identifier: BSD-3-Clause */
/* direct_speed.c -- loads, stores, reads, writes, mapping, lazy faults */
#include "direct.h"
#include "load.h"

#include "udax/udax.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEED UINT64_C(88172645463325252)

static double each_ns(int64_t start, uint64_t ops)
{
	return (double)(clock_monotonic_ns() - start) / (double)ops;
}

/* ----------------------------------------------------- loads and stores */

/*
 * The same device pages once more, as anybody may map the device's file: what
 * /proc says lies behind the lease, at a place of the same alignment.
 */
static int map_beside(const struct direct_map *lease, unsigned char **out)
{
	uintptr_t from, to, first = (uintptr_t)lease->at;
	unsigned char *room, *at;
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[4096], path[4096];
	size_t covered = 0;
	uint64_t offset;

	room = mmap(NULL, lease->bytes + PMD_BYTES, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!maps || room == MAP_FAILED)
		return failed("map_beside");
	room += (first - (uintptr_t)room) % PMD_BYTES;
	while (fgets(line, sizeof(line), maps)) {
		int fd;

		if (sscanf(line,
			   "%" SCNxPTR "-%" SCNxPTR " %*s %" SCNx64
			   " %*s %*s %4095[^\n]",
			   &from, &to, &offset, path) != 4 ||
		    from < first || to > first + lease->bytes)
			continue;
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return failed(path);
		at = mmap(room + (from - first), to - from,
			  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			  (off_t)offset);
		close(fd);
		if (at == MAP_FAILED)
			return failed(path);
		covered += to - from;
	}
	fclose(maps);
	*out = room;
	if (covered == lease->bytes &&
	    memcmp(room, lease->at, lease->bytes) == 0)
		return 0;
	errno = EUCLEAN; /* it is not the same memory */
	return failed("map_beside");
}

static double time_loads(const void *at, size_t bytes, uint64_t ops)
{
	const volatile uint64_t *words = at;
	uint64_t mask = bytes / sizeof(*words) - 1, random = SEED, i;
	int64_t start = clock_monotonic_ns();

	for (i = 0; i < ops; i++)
		(void)words[xorshift(&random) & mask];
	return each_ns(start, ops);
}

static double time_stores(void *at, size_t bytes, uint64_t ops)
{
	uint64_t mask = bytes / sizeof(uint64_t) - 1, random = SEED, i;
	volatile uint64_t *words = at;
	int64_t start = clock_monotonic_ns();

	for (i = 0; i < ops; i++)
		words[xorshift(&random) & mask] = i;
	return each_ns(start, ops);
}

/* bytes: 2^n. Who is first in a round changes, too. */
int run_memory(const char *path, size_t bytes, uint64_t ops, unsigned rounds)
{
	struct sides loads, stores;
	struct direct_map lease;
	unsigned char *plain = NULL;
	unsigned i;
	int err;

	if (bytes < PAGE_BYTES || (bytes & (bytes - 1)))
		return 1;
	err = direct_map_open(path, bytes, 0, &lease);
	if (err)
		return err;
	err = map_beside(&lease, &plain);
	if (err)
		return err;
	touch_pages(lease.at, bytes);
	touch_pages(plain, bytes);
	for (i = 0; i <= rounds; i++) {
		if (i % 2)
			loads.native[i] = time_loads(plain, bytes, ops);
		loads.direct[i] = time_loads(lease.at, bytes, ops);
		if (i % 2 == 0)
			loads.native[i] = time_loads(plain, bytes, ops);
		if (i % 2)
			stores.native[i] = time_stores(plain, bytes, ops);
		stores.direct[i] = time_stores(lease.at, bytes, ops);
		if (i % 2 == 0)
			stores.native[i] = time_stores(plain, bytes, ops);
	}
	putchar('{');
	print_sides("load", &loads, rounds, ",");
	print_sides("store", &stores, rounds, "}\n");
	return direct_map_close(&lease);
}

/* ------------------------------------------------------ reads and writes */

typedef ssize_t read_fn(int fd, void *buffer, size_t count, off_t offset);
typedef ssize_t write_fn(int fd, const void *buffer, size_t count,
			 off_t offset);

struct io_side {
	int fd;
	read_fn *read;
	write_fn *write;
};

struct io_work {
	unsigned char *buffer;
	size_t bytes;
	uint64_t ops;
};

/* 4 KiB at random; -1: one of them failed or was short. */
static double time_io(const struct io_side *side, const struct io_work *work,
		      bool write)
{
	uint64_t blocks = work->bytes / PAGE_BYTES, random = SEED, i;
	int64_t start = clock_monotonic_ns();
	bool good = true;

	for (i = 0; i < work->ops; i++) {
		off_t at = (off_t)(xorshift(&random) % blocks * PAGE_BYTES);
		ssize_t done;

		done = write ? side->write(side->fd, work->buffer, PAGE_BYTES,
					   at)
			     : side->read(side->fd, work->buffer, PAGE_BYTES,
					  at);
		good &= done == (ssize_t)PAGE_BYTES;
	}
	return good ? each_ns(start, work->ops) : -1;
}

static int io_rounds(const struct io_side *ours, const struct io_side *theirs,
		     const struct io_work *work, unsigned rounds)
{
	struct sides reads, writes;
	bool good = true;
	unsigned i;

	for (i = 0; i <= rounds; i++) {
		reads.direct[i] = time_io(ours, work, false);
		reads.native[i] = time_io(theirs, work, false);
		writes.direct[i] = time_io(ours, work, true);
		writes.native[i] = time_io(theirs, work, true);
		good &= reads.direct[i] > 0 && reads.native[i] > 0 &&
			writes.direct[i] > 0 && writes.native[i] > 0;
	}
	if (!good)
		return failed("pread or pwrite");
	putchar('{');
	print_sides("pread", &reads, rounds, ",");
	print_sides("pwrite", &writes, rounds, "}\n");
	return 0;
}

int run_io(const char *path, const char *native, size_t bytes, uint64_t ops,
	   unsigned rounds)
{
	struct io_side ours = { .read = udax_pread, .write = udax_pwrite };
	struct io_side theirs = { .read = pread, .write = pwrite };
	struct io_work work = { .bytes = bytes, .ops = ops };
	int err;

	if (bytes < PAGE_BYTES)
		return 1;
	ours.fd = open(path, O_RDWR | O_CLOEXEC);
	theirs.fd = open(native, O_RDWR | O_CLOEXEC);
	work.buffer = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
	if (ours.fd < 0 || theirs.fd < 0 || !work.buffer)
		return failed(path);
	memset(work.buffer, 0x5a, PAGE_BYTES);
	err = io_rounds(&ours, &theirs, &work, rounds);
	free(work.buffer);
	close(theirs.fd);
	udax_close(ours.fd);
	return err;
}

/* -------------------------------------------------------- map and unmap */

int run_map(const char *path, const char *native, size_t bytes, unsigned rounds)
{
	int ours = open(path, O_RDWR | O_CLOEXEC);
	int theirs = open(native, O_RDWR | O_CLOEXEC);
	struct sides maps;
	int64_t start;
	unsigned i;
	void *at;

	if (ours < 0 || theirs < 0)
		return failed(path);
	for (i = 0; i <= rounds; i++) {
		start = clock_monotonic_ns();
		at = udax_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			       ours, 0);
		if (at == MAP_FAILED || udax_munmap(at, bytes))
			return failed(path);
		maps.direct[i] = each_ns(start, 1);
		start = clock_monotonic_ns();
		at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			  theirs, 0);
		if (at == MAP_FAILED || munmap(at, bytes))
			return failed(native);
		maps.native[i] = each_ns(start, 1);
	}
	putchar('{');
	print_sides("map", &maps, rounds, "}\n");
	close(theirs);
	udax_close(ours);
	return 0;
}

/* ---------------------------------------------------------- lazy faults */

/* One store to each 2 MiB: what is mapped already, and what comes by fault. */
static double time_touches(unsigned char *at, size_t bytes)
{
	volatile unsigned char *byte = at;
	int64_t start = clock_monotonic_ns();
	size_t i;

	for (i = PAGE_BYTES; i < bytes; i += PMD_BYTES)
		byte[i] = byte[i];
	return each_ns(start, bytes / PMD_BYTES);
}

int run_lazy(const char *path, size_t bytes, unsigned rounds)
{
	struct direct_map lazy, eager;
	struct sides faults;
	unsigned i;
	int err;

	if (bytes < PMD_BYTES)
		return 1;
	for (i = 0; i <= rounds; i++) {
		err = direct_map_open(path, bytes, UDAX_MAP_LAZY, &lazy);
		if (err)
			return err;
		faults.direct[i] = time_touches(lazy.at, bytes);
		err = direct_map_close(&lazy);
		if (!err)
			err = direct_map_open(path, bytes, 0, &eager);
		if (err)
			return err;
		faults.native[i] = time_touches(eager.at, bytes);
		err = direct_map_close(&eager);
		if (err)
			return err;
	}
	putchar('{');
	print_sides("fault", &faults, rounds, "}\n");
	return 0;
}
