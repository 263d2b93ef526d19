/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * force.c -- the threads that take back what is not given
 *
 * A job comes here ZAPPING or KILLING and goes back ZAPPED or KILLED; between
 * the two nobody else changes it. First the client's own process; then, where
 * its lock shows that somebody still maps on (a forked child, or one whose
 * parent is gone), whoever /proc says has that file mapped or open, but for
 * clients that are still being asked themselves.
 */
#include "direct/private.h"
#include "util/log.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define OTHERS_MAX 64
#define PLACES_ROOM 1024

struct target_ranges {
	struct zap_range *ranges; /* NULL: all of it */
	unsigned int count;
	unsigned int room;
	bool failed; /* no memory */
};

/* ------------------------------------------------------------- which ranges */

static void add_places(struct job *job, uint64_t lease, uint64_t first,
		       uint64_t last, struct target_ranges *out)
{
	struct client *client = job->client;
	struct lease_place *places = NULL;
	unsigned int room = PLACES_ROOM, count;

	for (;; room = count) {
		free(places);
		places = malloc(room * sizeof(*places));
		if (!places) {
			out->failed = true;
			return;
		}
		count = lease_places(client->direct->fs, &client->lease, lease,
				     first, last, places, room);
		if (count <= room)
			break;
	}
	if (out->count + count > out->room) {
		unsigned int more = out->count + count + PLACES_ROOM;
		struct zap_range *ranges;

		ranges = realloc(out->ranges, more * sizeof(*ranges));
		if (!ranges) {
			out->failed = true;
			free(places);
			return;
		}
		out->ranges = ranges;
		out->room = more;
	}
	for (unsigned int i = 0; i < count; i++)
		out->ranges[out->count++] = (struct zap_range){
			places[i].device_offset, places[i].length
		};
	free(places);
}

struct lease_ids {
	pid_t pid;
	unsigned int device;
	uint64_t *ids;
	size_t count, room;
	bool failed;
};

static void note_lease(const struct lease_info *info, void *arg)
{
	struct lease_ids *wanted = arg;

	if (info->pin || info->pid != wanted->pid ||
	    info->device != wanted->device)
		return;
	if (wanted->count == wanted->room) {
		size_t room = wanted->room ? 2 * wanted->room : 64;
		uint64_t *more = realloc(wanted->ids, room * sizeof(*more));

		if (!more) {
			wanted->failed = true;
			return;
		}
		wanted->ids = more;
		wanted->room = room;
	}
	wanted->ids[wanted->count++] = info->id;
}

/* All that the client has on the device but what is pinned. */
static void all_but_pinned(struct job *job, struct target_ranges *out)
{
	struct lease_ids wanted = { .pid = job->client->lease.pid,
				    .device = job->device };

	lease_for_each(job->client->direct->fs, note_lease, &wanted);
	out->failed = wanted.failed;
	for (size_t i = 0; i < wanted.count && !out->failed; i++)
		add_places(job, wanted.ids[i], 0, UINT64_MAX, out);
	free(wanted.ids);
}

/* --------------------------------------------------------------- which ones */

struct others {
	struct zap_file file;
	pid_t *except;
	size_t except_count;
	pid_t pid[OTHERS_MAX];
	unsigned int count;
};

static bool excepted(pid_t pid, const struct others *others)
{
	if (pid == getpid())
		return true;
	for (size_t i = 0; i < others->except_count; i++)
		if (others->except[i] == pid)
			return true;
	return false;
}

/* Clients that have a socket are asked by it; they are no others. */
static bool list_clients(struct client *self, struct others *others)
{
	struct direct *direct = self->direct;
	struct client *client;
	size_t count = 0;

	pthread_mutex_lock(&direct->lock);
	for (client = direct->clients; client; client = client->next)
		count++;
	others->except = malloc((count + 1) * sizeof(pid_t));
	for (client = direct->clients; client && others->except;
	     client = client->next)
		if (client != self && !client->closed && client->jobs)
			others->except[others->except_count++] =
				client->who.pid;
	pthread_mutex_unlock(&direct->lock);
	return others->except != NULL;
}

static void find_others(struct client *self, struct others *others)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	others->except = NULL;
	others->except_count = 0;
	others->count = 0;
	if (!list_clients(self, others)) {
		if (proc)
			closedir(proc);
		return;
	}
	while (proc && others->count < OTHERS_MAX && (entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && !excepted(pid, others) &&
		    zap_process_has(pid, &others->file))
			others->pid[others->count++] = pid;
	}
	if (proc)
		closedir(proc);
	free(others->except);
}

/* -------------------------------------------------------------------- steps */

static bool has_ended(int pidfd)
{
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };

	return poll(&wait, 1, 0) == 1;
}

static int zap_one(struct job *job, struct zap_target *target)
{
	struct zap_report report = { 0 };
	int err;

	if (target->pid == getpid())
		return -EPERM;
	err = zap_process(target, deadline_in(job->limits.zap_ms), &report);
	job->zapped_bytes += report.bytes;
	if (err && err != -ESRCH && err != job->force_result)
		log_warn("direct: pid %d (%s) could not be zapped: %s",
			 target->pid, job->client->lease.command,
			 strerror(-err));
	else if (!err)
		log_info("direct: pid %d: %u mappings taken away, %lld us",
			 target->pid, report.mappings,
			 (long long)report.elapsed_us);
	return err;
}

static int zap_others(struct job *job, struct zap_target target)
{
	struct others others = { .file = target.file };
	int err = 0;

	find_others(job->client, &others);
	for (unsigned int i = 0; i < others.count; i++) {
		int one;

		target.pid = others.pid[i];
		target.pidfd = pidfd_open(target.pid, 0);
		if (target.pidfd < 0)
			continue; /* gone meanwhile */
		one = zap_one(job, &target);
		if (one && one != -ESRCH)
			err = one;
		close(target.pidfd);
	}
	return err;
}

/* Somebody else than the client's process can still get at it. */
static bool others_left(const struct job *job)
{
	return job->kind == JOB_REMOVAL
		       ? grant_held(job->client, job->device) > 0
		       : job->client->closed;
}

/*
 * A part of a lease that was not mapped where it was looked for is perhaps
 * about to be: the client has the answer to its MAP and was stopped before it
 * did anything with it. That is no proof, for it has the descriptor, too.
 */
static bool covered(const struct job *job, const struct target_ranges *ranges)
{
	uint64_t bytes = 0;

	if (job->kind != JOB_CHANGE || job->client->closed ||
	    has_ended(job->client->pidfd))
		return true;
	for (unsigned int i = 0; i < ranges->count; i++)
		bytes += ranges->ranges[i].length;
	return job->zapped_bytes >= bytes;
}

static int zap(struct job *job)
{
	struct client *client = job->client;
	struct fs *fs = client->direct->fs;
	struct zap_target target = { .pid = client->who.pid,
				     .pidfd = client->pidfd };
	struct target_ranges ranges = { 0 };
	struct lease_tally tally;
	int err = grant_device_file(client->direct, job->device, &target.file);

	if (err)
		return err;
	lease_client_tally(fs, &client->lease, job->device, &tally);
	if (job->kind == JOB_CHANGE)
		add_places(job, job->lease, job->first, job->last, &ranges);
	else if (tally.pins > 0)
		all_but_pinned(job, &ranges);
	else
		target.close_fds = true;
	if (ranges.failed)
		err = -ENOMEM;
	target.ranges = ranges.ranges;
	target.range_count = ranges.count;
	if (!err && !has_ended(client->pidfd))
		err = zap_one(job, &target);
	if ((!err || err == -ESRCH) && others_left(job))
		err = zap_others(job, target);
	if (!err && !covered(job, &ranges))
		err = -EAGAIN;
	free(ranges.ranges);
	return err == -ESRCH ? 0 : err;
}

static int end_process(pid_t pid, int pidfd)
{
	if (pid == getpid())
		return -EPERM;
	log_warn("direct: pid %d is killed: it maps a device that goes", pid);
	return pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 ? -errno : 0;
}

static int end_client(struct job *job)
{
	struct client *client = job->client;
	struct others others;
	int err = 0;

	if (!has_ended(client->pidfd))
		return end_process(client->who.pid, client->pidfd);
	err = grant_device_file(client->direct, job->device, &others.file);
	if (err)
		return err;
	find_others(client, &others);
	for (unsigned int i = 0; i < others.count; i++) {
		int pidfd = pidfd_open(others.pid[i], 0);

		if (pidfd < 0)
			continue;
		err = end_process(others.pid[i], pidfd);
		close(pidfd);
	}
	return err;
}

/* The child that maps on is the holder now: list-holders shows it. */
static void name(struct job *job)
{
	struct client *client = job->client;
	struct fs *fs = client->direct->fs;
	char path[64], command[sizeof(client->lease.command)] = "";
	struct others others;
	FILE *file;

	if (job->device == LEASE_NO_DEVICE ||
	    grant_device_file(client->direct, job->device, &others.file))
		return;
	find_others(client, &others);
	if (others.count == 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/comm", others.pid[0]);
	file = fopen(path, "re");
	if (file) {
		if (fgets(command, sizeof(command), file))
			command[strcspn(command, "\n")] = '\0';
		fclose(file);
	}
	lease_client_renamed(fs, &client->lease, others.pid[0], command);
}

/* -------------------------------------------------------------------- queue */

void force_queue_locked(struct job *job)
{
	struct direct *direct = job->client->direct;

	job->served = false;
	job->next_force = NULL;
	*direct->forced_end = job;
	direct->forced_end = &job->next_force;
	pthread_cond_signal(&direct->force);
}

static void serve(struct job *job)
{
	if (job->kind == JOB_NAME)
		name(job);
	else if (job->step == STEP_ZAPPING)
		job->force_result = zap(job);
	else
		job->force_result = end_client(job);
}

void *direct_force(void *arg)
{
	struct direct *direct = arg;

	pthread_mutex_lock(&direct->lock);
	for (;;) {
		struct job *job;

		while (!direct->forced && !direct->stop)
			pthread_cond_wait(&direct->force, &direct->lock);
		if (direct->stop)
			break;
		job = direct->forced;
		direct->forced = job->next_force;
		if (!direct->forced)
			direct->forced_end = &direct->forced;
		pthread_mutex_unlock(&direct->lock);
		serve(job);
		pthread_mutex_lock(&direct->lock);
		job->served = true;
		direct_wake(direct);
	}
	pthread_mutex_unlock(&direct->lock);
	return NULL;
}
