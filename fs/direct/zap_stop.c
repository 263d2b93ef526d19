/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All threads of a process are brought to PTRACE_EVENT_STOP: the stop on the
 * way out to the program, with no signal in hand and registers that may be
 * changed. PTRACE_SEIZE and PTRACE_INTERRUPT send no signal, and tell a stop
 * of ours from one by SIGSTOP, which stays in force.
 */
#include "direct/zap_private.h"
#include "util/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAP_NS_MIN (20 * NS_PER_US)
#define NAP_NS_MAX (1 * NS_PER_MS)
#define DEAF_NS (20 * NS_PER_MS)

static size_t read_small(const struct zap *zap, const char *path, char *buffer,
			 size_t bytes)
{
	int fd = openat(zap->proc, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buffer, bytes - 1);

	if (fd >= 0)
		close(fd);
	n = n < 0 ? 0 : n;
	buffer[n] = '\0';
	return (size_t)n;
}

char zap_thread_state(const struct zap *zap, pid_t tid)
{
	char path[64], stat[512], *name_end;

	snprintf(path, sizeof(path), "task/%d/stat", (int)tid);
	read_small(zap, path, stat, sizeof(stat));
	name_end = strrchr(stat, ')');
	return name_end && name_end[1] == ' ' ? name_end[2] : '\0';
}

long zap_thread_field(const struct zap *zap, pid_t tid, const char *name)
{
	char path[64], status[4096], *at;
	size_t length = strlen(name);

	snprintf(path, sizeof(path), "task/%d/status", (int)tid);
	read_small(zap, path, status, sizeof(status));
	for (at = status; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, name, length) && at[length] == ':')
			return strtol(at + length + 1, NULL, 10);
	}
	return -1;
}

int zap_stop_status(pid_t tid, int *status)
{
	siginfo_t info = { 0 };

	/* Our own tracees alone, and this one of them. */
	if (waitid(P_PID, (id_t)tid, &info,
		   WSTOPPED | WNOHANG | __WALL | __WNOTHREAD) < 0)
		return errno == EINTR ? 0 : -ESRCH;
	*status = info.si_status;
	return info.si_pid != 0;
}

static struct zap_thread *find_thread(struct zap *zap, pid_t tid)
{
	size_t i;

	for (i = 0; i < zap->thread_count; i++) {
		if (zap->threads[i].tid == tid)
			return &zap->threads[i];
	}
	return NULL;
}

static int add_thread(struct zap *zap, pid_t tid)
{
	int err;

	if (find_thread(zap, tid))
		return 0;
	err = zap_grow(&zap->threads, zap->thread_count, &zap->thread_room,
		       sizeof(*zap->threads));
	if (err)
		return err;
	zap->threads[zap->thread_count++] = (struct zap_thread){
		.tid = tid,
		.since_ns = clock_monotonic_ns(),
	};
	return 1;
}

static bool ended(char state)
{
	return state == '\0' || state == 'Z' || state == 'X';
}

/* 1: it is ours now, 0: it is no more. */
static int attach_once(struct zap *zap, pid_t tid)
{
	int err;

	if (ptrace(PTRACE_SEIZE, tid, NULL, ZAP_OPTIONS) == 0) {
		/* Cannot fail but for its end, which will be seen. */
		(void)ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
		return add_thread(zap, tid);
	}
	err = errno;
	if (err == ESRCH || ended(zap_thread_state(zap, tid)))
		return 0;
	/* Born to a thread of ours: attached already, and stops by itself. */
	if (zap_thread_field(zap, tid, "TracerPid") == gettid())
		return add_thread(zap, tid);
	return ended(zap_thread_state(zap, tid)) ? 0 : -err;
}

/* The same, or 0: it was ours already. */
static int attach(struct zap *zap, pid_t tid)
{
	int rc = find_thread(zap, tid) ? 0 : attach_once(zap, tid);

	/* An exec by another thread: what was refused was the first one, which
	 * had ended; what is there now is the other, by the same number. */
	return rc == -EPERM ? attach_once(zap, tid) : rc;
}

/* How many were found that had not been known. */
static int attach_all(struct zap *zap)
{
	int fd = openat(zap->proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *task = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int found = 0;

	if (!task) {
		int err = -errno;

		if (fd >= 0)
			close(fd);
		return err == -ENOENT ? -ESRCH : err;
	}
	while (found >= 0 && (entry = readdir(task))) {
		int one = entry->d_name[0] == '.'
				  ? 0
				  : attach(zap, (pid_t)strtol(entry->d_name,
							      NULL, 10));

		found = one < 0 ? one : found + one;
	}
	closedir(task);
	return found;
}

/*
 * A stop that is not the one asked for: a signal about to be delivered, which
 * is let happen now, or a thread about to be created. Any stop undoes an
 * earlier PTRACE_INTERRUPT; asked again, it comes next, before the program runs
 * on.
 */
static int pass_on(struct zap *zap, struct zap_thread *thread, int status)
{
	pid_t tid = thread->tid;
	unsigned long child;
	int sig = status >> 8 ? 0 : status & 0x7f;
	int err = 0;

	if (status >> 8 == PTRACE_EVENT_CLONE &&
	    ptrace(PTRACE_GETEVENTMSG, tid, NULL, &child) == 0)
		err = add_thread(zap, (pid_t)child); /* moves the threads */
	(void)ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	(void)ptrace(PTRACE_CONT, tid, NULL, (long)sig);
	return err < 0 ? err : 0;
}

/*
 * A thread that has ended; the first one is its parent's to reap. Not to be
 * asked for any other: a tracee's stop is reported whatever one asks for, and
 * then nobody would hear of it again.
 */
static void reap(const struct zap *zap, pid_t tid)
{
	siginfo_t info;

	if (tid != zap->target.pid)
		(void)waitid(P_PID, (id_t)tid, &info,
			     WEXITED | WNOHANG | __WALL);
}

void zap_reap(pid_t pid)
{
	struct zap zap = { .target = { .pid = pid } };
	struct dirent *entry;
	char path[64];
	DIR *task;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	task = opendir(path);
	if (!task)
		return;
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	zap.proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	while (zap.proc >= 0 && (entry = readdir(task))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (tid > 0 && zap_thread_state(&zap, tid) == 'Z')
			reap(&zap, tid);
	}
	if (zap.proc >= 0)
		close(zap.proc);
	closedir(task);
}

/* It may have stopped, and still be ended: by SIGKILL, or another's exec. */
static int look_deeper(struct zap *zap, struct zap_thread *thread)
{
	char state = zap_thread_state(zap, thread->tid);

	if (ended(state)) {
		reap(zap, thread->tid);
		return -ESRCH;
	}
	thread->deaf = state == 'D' &&
		       clock_monotonic_ns() - thread->since_ns > DEAF_NS;
	return 0;
}

/* Has it stopped? -ESRCH: gone. */
static int look_at(struct zap *zap, struct zap_thread *thread, bool deeper)
{
	int status, rc;

	rc = thread->stopped ? 0 : zap_stop_status(thread->tid, &status);
	if (rc > 0 && status >> 8 != PTRACE_EVENT_STOP)
		return pass_on(zap, thread, status);
	if (rc > 0) {
		thread->stopped = true;
		thread->deaf = false;
		return 0;
	}
	return rc == 0 && deeper ? look_deeper(zap, thread) : rc;
}

/* How many are still to be waited for. */
static int collect_stops(struct zap *zap, bool deeper)
{
	int waiting = 0;
	size_t i = 0;

	while (i < zap->thread_count) {
		int rc = look_at(zap, &zap->threads[i], deeper);

		if (rc == -ESRCH) {
			zap->threads[i] = zap->threads[--zap->thread_count];
			continue;
		}
		if (rc < 0)
			return rc;
		waiting += !zap->threads[i].stopped && !zap->threads[i].deaf;
		i++;
	}
	return waiting;
}

pid_t zap_stopped_thread(const struct zap *zap)
{
	char path[64];
	size_t i;

	for (i = 0; i < zap->thread_count; i++) {
		/* A child by clone(CLONE_VM) may be among them. */
		snprintf(path, sizeof(path), "task/%d", zap->threads[i].tid);
		if (zap->threads[i].stopped &&
		    faccessat(zap->proc, path, F_OK, 0) == 0)
			return zap->threads[i].tid;
	}
	return 0;
}

int zap_stop_all(struct zap *zap)
{
	int64_t nap_ns = NAP_NS_MIN;
	int waiting, found;
	size_t i;

	do {
		waiting = collect_stops(zap, nap_ns >= NAP_NS_MAX);
		if (waiting < 0)
			return waiting;
		/* Those that are stopped give birth to none: when all are, and
		 * then no new one is found, there is no other. */
		found = waiting ? 0 : attach_all(zap);
		if (found < 0)
			return found;
		if (!waiting && !found && zap->thread_count == 0)
			return -ESRCH;
		if (!waiting && !found && zap_stopped_thread(zap))
			break;
		if (deadline_passed(zap->deadline))
			return -ETIMEDOUT;
		if (!found) {
			zap_nap(nap_ns);
			nap_ns = nap_ns * 2 > NAP_NS_MAX ? NAP_NS_MAX
							 : nap_ns * 2;
		}
	} while (true);
	for (i = 0; i < zap->thread_count; i++)
		zap->report.threads += zap->threads[i].stopped;
	return 0;
}

void zap_release(struct zap *zap)
{
	size_t i;

	for (i = 0; i < zap->thread_count; i++) {
		struct zap_thread *thread = &zap->threads[i];
		int sig = 0, status;

		/* One that stopped just now: with a signal in hand, perhaps. */
		if (!thread->stopped &&
		    zap_stop_status(thread->tid, &status) > 0)
			sig = status >> 8 ? 0 : status & 0x7f;
		(void)ptrace(PTRACE_DETACH, thread->tid, NULL, (long)sig);
	}
	zap->thread_count = 0;
}
