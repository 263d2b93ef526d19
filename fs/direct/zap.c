/* SPDX-License-Identifier: BSD-3-Clause */
#include "direct/zap_private.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROUNDS_MAX 4
#define STACK_BYTES (256u << 10)
#define REAP_MS 5
/* For letting go, once the deadline has passed. */
#define GRACE_NS (200 * NS_PER_MS)

int zap_grow(void *vector, size_t count, size_t *room, size_t bytes)
{
	size_t more = *room ? 2 * *room : 16;
	void *grown;

	if (count < *room)
		return 0;
	grown = reallocarray(*(void **)vector, more, bytes);
	if (!grown)
		return -ENOMEM;
	*(void **)vector = grown;
	*room = more;
	return 0;
}

void zap_nap(int64_t ns)
{
	struct timespec nap = { .tv_nsec = ns };

	(void)nanosleep(&nap, NULL);
}

/* ---------------------------------------------------- one after the other */

static int make_empty(struct zap_inject *inject)
{
	const uint64_t args[6] = { inject->nul, MFD_CLOEXEC };
	int64_t fd;
	int err = zap_inject_call(inject, SYS_memfd_create, args, &fd);

	return err ? err : fd < 0 ? -EIO : (int)fd;
}

static int replace(struct zap *zap, struct zap_inject *inject, int empty)
{
	size_t i;

	for (i = 0; i < zap->piece_count; i++) {
		const struct zap_piece *piece = &zap->pieces[i];
		const uint64_t args[6] = {
			piece->start,
			piece->length,
			(uint64_t)piece->prot,
			MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
			(uint64_t)empty,
			0,
		};
		int64_t at;
		int err = zap_inject_call(inject, SYS_mmap, args, &at);

		if (err)
			return err;
		if (at != (int64_t)piece->start)
			return -EIO;
		zap->report.mappings++;
		zap->report.bytes += piece->length;
		if (deadline_passed(zap->deadline))
			return -ETIMEDOUT;
	}
	return 0;
}

static int close_one(struct zap_inject *inject, int fd)
{
	const uint64_t args[6] = { (uint64_t)fd };
	int64_t result;

	/* Closed, whatever it says, but for a number that is none. */
	return zap_inject_call(inject, SYS_close, args, &result);
}

/* Descriptors first: who has all that are allowed has one less for ours. */
static int take_away(struct zap *zap, struct zap_inject *inject)
{
	int empty, err = 0, end_err;
	size_t i;

	for (i = 0; !err && i < zap->fd_count; i++) {
		err = close_one(inject, zap->fds[i]);
		zap->report.fds += !err;
	}
	if (err || zap->piece_count == 0)
		return err;
	empty = make_empty(inject);
	if (empty < 0)
		return empty;
	err = replace(zap, inject, empty);
	end_err = err == -ESRCH ? 0 : close_one(inject, empty);
	return err ? err : end_err;
}

/* Its threads are stopped. Again, until nothing is found: those in D state, or
 * a process that shares the memory, may have changed it meanwhile. */
static int take_all(struct zap *zap)
{
	pid_t tid = zap_stopped_thread(zap);
	struct zap_inject inject;
	int err, round, end_err;

	err = zap_look(zap, tid);
	if (err || zap->piece_count + zap->fd_count == 0)
		return err;
	err = zap_inject_begin(&inject, zap, tid);
	if (err)
		return err;
	for (round = 0; !err && round < ROUNDS_MAX; round++) {
		err = take_away(zap, &inject);
		if (!err)
			err = zap_look(zap, tid);
		if (!err && zap->piece_count + zap->fd_count == 0)
			break;
	}
	end_err = zap_inject_end(&inject);
	if (err || end_err)
		return err ? err : end_err;
	return zap->piece_count + zap->fd_count == 0 ? 0 : -EAGAIN;
}

/* Was it this process, when it was stopped, and is it still there? */
static int check_pidfd(const struct zap *zap)
{
	struct pollfd pidfd = { .fd = zap->target.pidfd, .events = POLLIN };

	return zap->target.pidfd >= 0 && poll(&pidfd, 1, 0) != 0 ? -ESRCH : 0;
}

static int run(struct zap *zap)
{
	char path[32];
	int err;

	snprintf(path, sizeof(path), "/proc/%d", (int)zap->target.pid);
	zap->proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (zap->proc < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	err = zap_stop_all(zap);
	if (!err)
		err = check_pidfd(zap);
	if (!err)
		err = take_all(zap);
	zap_release(zap);
	close(zap->proc);
	return err;
}

/* ----------------------------------------------------- in its own thread */

/*
 * Who asked waits until the deadline and a little longer. If the thread cannot
 * be back by then (the process is inside a call that was injected, in D state)
 * it stays until it can, and what it has to know is its own.
 */
struct job {
	struct zap zap;
	pthread_mutex_t lock;
	pthread_cond_t done_cond;
	int result;
	bool done;
	bool abandoned;
};

static void job_free(struct job *job)
{
	if (job->zap.target.pidfd >= 0)
		close(job->zap.target.pidfd);
	free(job->zap.ranges);
	free(job->zap.threads);
	free(job->zap.pieces);
	free(job->zap.fds);
	pthread_cond_destroy(&job->done_cond);
	pthread_mutex_destroy(&job->lock);
	free(job);
}

static int by_offset(const void *a, const void *b)
{
	const struct zap_range *one = a, *other = b;

	return (one->offset > other->offset) - (one->offset < other->offset);
}

static int copy_ranges(struct zap *zap)
{
	size_t count = zap->target.range_count;

	if (!zap->target.ranges)
		return 0;
	zap->ranges = calloc(count + 1, sizeof(*zap->ranges));
	if (!zap->ranges)
		return -ENOMEM;
	memcpy(zap->ranges, zap->target.ranges, count * sizeof(*zap->ranges));
	qsort(zap->ranges, count, sizeof(*zap->ranges), by_offset);
	return 0;
}

static int job_new(struct job **out, const struct zap_target *target,
		   struct deadline deadline)
{
	struct job *job = calloc(1, sizeof(*job));
	pthread_condattr_t monotonic;
	int err;

	if (!job)
		return -ENOMEM;
	job->zap.target = *target;
	job->zap.deadline = deadline;
	pthread_mutex_init(&job->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&job->done_cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
	err = copy_ranges(&job->zap);
	if (!err && target->pidfd >= 0) {
		job->zap.target.pidfd = fcntl(target->pidfd, F_DUPFD_CLOEXEC,
					      0);
		err = job->zap.target.pidfd < 0 ? -errno : 0;
	}
	if (err)
		job_free(job);
	else
		*out = job;
	return err;
}

static void *job_thread(void *arg)
{
	struct job *job = arg;
	int result = run(&job->zap);
	bool abandoned;

	pthread_mutex_lock(&job->lock);
	job->result = result;
	job->done = true;
	abandoned = job->abandoned;
	pthread_cond_signal(&job->done_cond);
	pthread_mutex_unlock(&job->lock);
	if (abandoned)
		job_free(job);
	return NULL;
}

static int job_start(struct job *job, pthread_t *thread)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(thread, &attr, job_thread, job);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

static bool job_wait(struct job *job, struct deadline deadline)
{
	pid_t pid = job->zap.target.pid;
	bool done;

	if (__builtin_add_overflow(deadline.at_ns, GRACE_NS, &deadline.at_ns))
		deadline = DEADLINE_NEVER;
	pthread_mutex_lock(&job->lock);
	while (!job->done && !deadline_passed(deadline)) {
		if (deadline_wait(deadline_in(REAP_MS), &job->done_cond,
				  &job->lock) == 0)
			continue;
		pthread_mutex_unlock(&job->lock);
		zap_reap(pid);
		pthread_mutex_lock(&job->lock);
	}
	done = job->done;
	job->abandoned = !done;
	pthread_mutex_unlock(&job->lock);
	return done;
}

int zap_process(const struct zap_target *target, struct deadline deadline,
		struct zap_report *report)
{
	int64_t start_ns = clock_monotonic_ns();
	pthread_t thread;
	struct job *job;
	int err = job_new(&job, target, deadline);

	*report = (struct zap_report){ 0 };
	if (err)
		return err;
	err = job_start(job, &thread);
	if (err) {
		job_free(job);
		return err;
	}
	if (!job_wait(job, deadline)) {
		pthread_detach(thread);
		report->elapsed_us = (clock_monotonic_ns() - start_ns) /
				     NS_PER_US;
		return -ETIMEDOUT;
	}
	pthread_join(thread, NULL); /* and with it what it still traced */
	err = job->result;
	*report = job->zap.report;
	report->elapsed_us = (clock_monotonic_ns() - start_ns) / NS_PER_US;
	job_free(job);
	return err;
}
