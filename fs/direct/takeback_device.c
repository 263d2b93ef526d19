/* SPDX-License-Identifier: BSD-3-Clause */
/* A device is taken back from all clients, and they hear how it stands. */
#include "direct/takeback.h"

#include <stdlib.h>

static struct job *removal_job(const struct client *client, unsigned int device)
{
	struct job *job = client->jobs;

	while (job && (job->kind != JOB_REMOVAL || job->device != device))
		job = job->next;
	return job;
}

/* The loop. A job for each client that has anything of the device; false: no
 * memory, later. */
static bool begin_client(struct client *client, unsigned int device,
			 const struct revocation *wanted)
{
	struct direct *direct = client->direct;
	struct job *job = removal_job(client, device);
	bool has;

	pthread_mutex_lock(&direct->lock);
	has = grant_any_locked(client, device);
	pthread_mutex_unlock(&direct->lock);
	if (!has || (job && job_in_force(job)))
		return !has;
	if (!job) {
		job = calloc(1, sizeof(*job));
		if (!job)
			return false;
		job->client = client;
		job->kind = JOB_REMOVAL;
		job->device = device;
		pthread_mutex_lock(&direct->lock);
		job->id = direct->next_job++;
		pthread_mutex_unlock(&direct->lock);
		job_add(client, job);
	}
	job->removal = wanted->removal;
	job->mode = wanted->mode;
	job->limits = wanted->limits;
	job_enter(job, STEP_NEW, -1);
	return true;
}

static void begin_device(struct direct *direct, unsigned int device,
			 const struct revocation *wanted)
{
	bool all = true;

	for (struct client *client = direct->clients; client;
	     client = client->next)
		all = begin_client(client, device, wanted) && all;
	pthread_mutex_lock(&direct->lock);
	direct->revocations[device].begun = all;
	pthread_mutex_unlock(&direct->lock);
}

/* It is not wanted any more: see only that all is given back. */
static void settle_device(struct direct *direct, unsigned int device)
{
	for (struct client *client = direct->clients; client;
	     client = client->next) {
		struct job *job = removal_job(client, device);

		if (job && !job_in_force(job) && job->step != STEP_SETTLE)
			job_enter(job, STEP_SETTLE, -1);
	}
}

static bool is_clear(const struct direct *direct, unsigned int device)
{
	for (struct client *client = direct->clients; client;
	     client = client->next) {
		const struct job *job = removal_job(client, device);

		if (job && job->step != STEP_PINNED)
			return false;
	}
	return true;
}

static void tell(struct direct *direct, unsigned int device,
		 enum removal_state state)
{
	struct udax_device news = { .header = wire_header(UDAX_DEVICE, 0,
							  sizeof(news)),
				    .device = device,
				    .state = state };

	direct->revocations[device].told = state;
	for (struct client *client = direct->clients; client;
	     client = client->next)
		if (client->said_hello && send_message(client, &news, NULL))
			continue; /* it is being closed */
}

/* Out of the hands of the forces. */
static void take_served(struct client *client)
{
	struct direct *direct = client->direct;

	for (struct job *job = client->jobs; job; job = job->next) {
		bool served;

		if (!job_in_force(job))
			continue;
		pthread_mutex_lock(&direct->lock);
		served = job->served;
		pthread_mutex_unlock(&direct->lock);
		if (!served)
			continue;
		if (job->step == STEP_ZAPPING)
			job_enter(job, STEP_ZAPPED, -1);
		else
			job_enter(job, STEP_KILLED, job->limits.kill_ms);
	}
}

void takeback_devices(struct direct *direct)
{
	struct fs *fs = direct->fs;
	struct revocation now[ROLL_MAX];
	bool clear[ROLL_MAX] = { false };

	for (struct client *client = direct->clients; client;
	     client = client->next)
		if (client->jobs)
			take_served(client);
	pthread_mutex_lock(&direct->lock);
	for (unsigned int i = 0; i < fs->device_count; i++)
		now[i] = direct->revocations[i];
	pthread_mutex_unlock(&direct->lock);
	for (unsigned int i = 0; i < fs->device_count; i++) {
		if (now[i].told != now[i].state)
			tell(direct, i, now[i].state);
		if (now[i].active && !now[i].begun)
			begin_device(direct, i, &now[i]);
		else if (!now[i].active)
			settle_device(direct, i);
	}
	for (struct client *client = direct->clients; client;
	     client = client->next)
		if (client->jobs)
			takeback_look(client, clock_monotonic_ns());
	for (unsigned int i = 0; i < fs->device_count; i++)
		clear[i] = is_clear(direct, i);
	pthread_mutex_lock(&direct->lock);
	direct->looks++;
	for (unsigned int i = 0; i < fs->device_count; i++)
		direct->revocations[i].clear = clear[i] &&
					       direct->revocations[i].begun;
	pthread_cond_broadcast(&direct->evaluated);
	pthread_mutex_unlock(&direct->lock);
}
