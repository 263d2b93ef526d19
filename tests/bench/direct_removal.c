/* SPDX-License-Identifier: BSD-3-Clause */
/* direct_removal.c -- clients of a device that is taken away */
#include "direct.h"
#include "load.h"

#include "udax/udax.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SWAP_PROCESSES_MAX 64

static bool is_touched(const char *how)
{
	return !strcmp(how, "touched");
}

static _Atomic int64_t revoked_ns;

static void note_revoked(void *addr, size_t length, void *arg)
{
	(void)addr;
	(void)length;
	(void)arg;
	atomic_store(&revoked_ns, clock_monotonic_ns());
}

/* A client that does nothing but hold; the library gives it all back. */
int run_hold(const char *path, size_t bytes, const char *how)
{
	struct direct_map map;
	int err;

	err = direct_map_open(path, bytes, 0, &map);
	if (err)
		return err;
	if (udax_on_revoke(note_revoked, NULL))
		return failed("udax_on_revoke");
	if (is_touched(how))
		touch_pages(map.at, bytes);
	wait_for_go();
	printf("{\"revoked_ns\":%" PRId64 "}\n", atomic_load(&revoked_ns));
	return 0;
}

/* Asks for a lease, and again, until it is refused. */
int run_probe(const char *path)
{
	int64_t granted = clock_monotonic_ns(), refused;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint64_t grants = 0;
	int err;

	if (fd < 0)
		return failed(path);
	puts("ready");
	fflush(stdout);
	for (;;) {
		void *at = udax_mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED,
				     fd, 0);

		err = errno;
		refused = clock_monotonic_ns();
		if (at == MAP_FAILED)
			break;
		granted = refused;
		grants++;
		udax_munmap(at, PAGE_BYTES);
	}
	printf("{\"errno\":%d,\"grants\":%" PRIu64 ",\"granted_ns\":%" PRId64
	       ",\"refused_ns\":%" PRId64 "}\n",
	       err, grants, granted, refused);
	return 0;
}

/* ------------------------------------------------------------- the floor */

struct swap_board {
	pthread_barrier_t barrier;
	_Atomic int64_t start_ns;
	_Atomic int64_t end_ns; /* the last one's */
	_Atomic int err;
};

static int swap(struct swap_board *board, const char *device, size_t bytes,
		unsigned number, bool touched)
{
	int fd = open(device, O_RDWR | O_CLOEXEC);
	int empty = memfd_create("", MFD_CLOEXEC);
	unsigned char *at, *now = MAP_FAILED;
	int64_t end, last;

	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		  (off_t)(number * bytes));
	if (at != MAP_FAILED && touched)
		touch_pages(at, bytes);
	pthread_barrier_wait(&board->barrier); /* all are ready */
	pthread_barrier_wait(&board->barrier); /* and go */
	if (at != MAP_FAILED)
		now = mmap(at, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, empty,
			   0);
	end = clock_monotonic_ns();
	last = atomic_load(&board->end_ns);
	while (last < end &&
	       !atomic_compare_exchange_weak(&board->end_ns, &last, end))
		;
	return now == MAP_FAILED ? -errno : 0;
}

/* As many processes swap as much, with nobody to ask or to tell. */
int run_swap(const char *device, size_t bytes, unsigned processes,
	     const char *how)
{
	struct swap_board *board;
	pthread_barrierattr_t attr;
	unsigned i;

	if (processes < 1 || processes > SWAP_PROCESSES_MAX)
		return 1;
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		return failed("mmap");
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&board->barrier, &attr, processes + 1);
	for (i = 0; i < processes; i++) {
		pid_t child = fork();

		if (child == 0) {
			int err = swap(board, device, bytes, i,
				       is_touched(how));

			if (err)
				atomic_store(&board->err, err);
			_exit(0);
		}
		if (child < 0)
			abort(); /* the others wait for ever at the barrier */
	}
	pthread_barrier_wait(&board->barrier);
	board->start_ns = clock_monotonic_ns();
	pthread_barrier_wait(&board->barrier);
	while (wait(NULL) > 0)
		;
	errno = -board->err;
	if (errno)
		return failed(device);
	printf("{\"swap_ns\":%" PRId64 "}\n", board->end_ns - board->start_ns);
	return 0;
}
