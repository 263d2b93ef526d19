/* SPDX-License-Identifier: BSD-3-Clause */
/* load_io.c -- reads and writes past the page cache, by several processes */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Shared with the jobs: they start together, each fills its span. */
struct io_board {
	pthread_barrier_t ready;
	pthread_barrier_t start;
	struct {
		struct span span;
		int err;
	} job[IO_JOBS_MAX];
};

static uint64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int open_file(const struct io_load *load, unsigned int job)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/f%u", load->directory, job);
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0 && errno == EINVAL) /* tmpfs before Linux 6.6 */
		fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int transfer(const struct io_load *load, int fd, void *buffer,
		    uint64_t block)
{
	size_t length = load->block_bytes;
	off_t offset = (off_t)(block * length);
	ssize_t done;

	done = load->write ? pwrite(fd, buffer, length, offset)
			   : pread(fd, buffer, length, offset);
	if (done < 0)
		return -errno;
	return (size_t)done == length ? 0 : -EIO;
}

static int repeat(const struct io_load *load, int fd, void *buffer,
		  unsigned int job, struct span *span)
{
	uint64_t blocks = load->file_bytes / load->block_bytes;
	uint64_t random = UINT64_C(0x9e3779b97f4a7c15) * (job + 1);
	uint64_t end = wall_ns() + load->duration_ms * 1000000;
	uint64_t ops;
	int err = 0;

	span_begin(span);
	for (ops = 0; !err && wall_ns() < end; ops++)
		err = transfer(load, fd, buffer,
			       (load->random ? xorshift(&random) : ops) %
				       blocks);
	span_end(span, ops);
	return err;
}

static int run_job(const struct io_load *load, struct io_board *board,
		   unsigned int job)
{
	unsigned char *buffer;
	size_t i;
	int err;
	int fd;

	fd = open_file(load, job);
	buffer = aligned_alloc(4096, load->block_bytes);
	for (i = 0; buffer && i < load->block_bytes; i++)
		buffer[i] = (unsigned char)(i * 31 + job);
	pthread_barrier_wait(&board->ready);
	pthread_barrier_wait(&board->start);
	if (fd < 0 || !buffer)
		err = fd < 0 ? fd : -ENOMEM;
	else
		err = repeat(load, fd, buffer, job, &board->job[job].span);
	free(buffer);
	if (fd >= 0)
		close(fd);
	return err;
}

static struct io_board *board_create(unsigned int jobs)
{
	pthread_barrierattr_t attr;
	struct io_board *board;

	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		return NULL;
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&board->ready, &attr, jobs + 1);
	pthread_barrier_init(&board->start, &attr, jobs + 1);
	pthread_barrierattr_destroy(&attr);
	return board;
}

/* All or none: a job that is missing would leave the rest at the barrier. */
static int fork_jobs(const struct io_load *load, struct io_board *board,
		     pid_t *pids)
{
	unsigned int job;

	for (job = 0; job < load->jobs; job++) {
		pids[job] = fork();
		if (pids[job] == 0) {
			board->job[job].err = run_job(load, board, job);
			_exit(0);
		}
		if (pids[job] < 0) {
			while (job-- > 0)
				kill(pids[job], SIGKILL);
			return -EAGAIN;
		}
	}
	return 0;
}

int io_load_run(const struct io_load *load, struct span *span)
{
	pid_t pids[IO_JOBS_MAX];
	struct io_board *board;
	unsigned int job;
	int status;
	int err;

	if (load->jobs < 1 || load->jobs > IO_JOBS_MAX ||
	    load->block_bytes % 4096 || !load->block_bytes ||
	    load->file_bytes < load->block_bytes)
		return -EINVAL;
	board = board_create(load->jobs);
	if (!board)
		return -ENOMEM;
	err = fork_jobs(load, board, pids);
	if (!err) {
		pthread_barrier_wait(&board->ready);
		wait_for_go();
		pthread_barrier_wait(&board->start);
	}
	*span = (struct span){ 0 };
	for (job = 0; !err && job < load->jobs; job++) {
		const struct span *one = &board->job[job].span;

		if (waitpid(pids[job], &status, 0) < 0 || status)
			err = -ECHILD;
		else
			err = board->job[job].err;
		span->ops += one->ops;
		span->cpu_ns += one->cpu_ns;
		if (span->wall_ns < one->wall_ns)
			span->wall_ns = one->wall_ns;
	}
	munmap(board, sizeof(*board));
	return err;
}
