/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of one lease are wanted back, for a break. */
#include "direct/takeback.h"

#include "util/log.h"

#include <errno.h>
#include <stdlib.h>

#define CHANGE_AGAIN_MS 250

/* ops.recall: under lease_lock. */
static void recall(void *arg, struct lease_client *lease_client, uint64_t lease,
		   uint64_t first, uint64_t last, unsigned int device)
{
	struct direct *direct = arg;
	struct client *client = (struct client *)lease_client;
	struct job *job = calloc(1, sizeof(*job));

	pthread_mutex_lock(&direct->lock);
	for (unsigned int i = 0; i < client->serving_count; i++) {
		struct task *task = client->serving[i];

		if (task->recalled_count < RECALLS_SEEN)
			task->recalled[task->recalled_count] = lease;
		if (task->recalled_count <= RECALLS_SEEN)
			task->recalled_count++;
	}
	if (job) {
		*job = (struct job){ .client = client,
				     .kind = JOB_CHANGE,
				     .id = direct->next_job++,
				     .lease = lease,
				     .first = first,
				     .last = last,
				     .device = device,
				     .mode = REMOVAL_REVOKE,
				     .limits = REMOVAL_LIMITS_DEFAULT };
		*direct->fresh_end = job;
		direct->fresh_end = &job->next;
	} else {
		client->drop = true; /* its end is the other way to get it */
	}
	pthread_mutex_unlock(&direct->lock);
	direct_wake(direct);
}

const struct lease_ops takeback_ops = { .recall = recall };

void takeback_take_fresh(struct direct *direct)
{
	struct job *job, *next;

	pthread_mutex_lock(&direct->lock);
	job = direct->fresh;
	direct->fresh = NULL;
	direct->fresh_end = &direct->fresh;
	pthread_mutex_unlock(&direct->lock);
	for (; job; job = next) {
		next = job->next;
		job_add(job->client, job);
		job_begin(job);
		direct_due(direct, job->deadline.at_ns);
	}
}

static void unyielding(struct job *job)
{
	struct client *client = job->client;

	log_warn("direct: pid %d (%s) does not give back %llu pages",
		 client->lease.pid, client->lease.command,
		 (unsigned long long)(job->last - job->first + 1));
	lease_unyielding(client->direct->fs, &client->lease, job->lease,
			 job->first, job->last);
	job_remove(client, job);
}

/* The client cannot reach these pages any more, but for pinned ones. */
void change_take_return(struct job *job)
{
	struct client *client = job->client;
	int64_t done = lease_return(client->direct->fs, &client->lease,
				    job->lease, job->first, job->last);

	if (done == -EBUSY)
		job_enter(job, STEP_PINNED, -1);
	else if (done < 0)
		unyielding(job);
	else
		job_remove(client, job);
}

static bool has_places(const struct job *job)
{
	struct client *client = job->client;

	return lease_places(client->direct->fs, &client->lease, job->lease,
			    job->first, job->last, NULL, 0) > 0;
}

void change_look(struct job *job)
{
	switch (job->step) {
	case STEP_RECALLED:
		if (!deadline_passed(job->deadline))
			return;
		/* Zeros are the client's own memory: there is nothing to zap,
		 * and it has been told. */
		if (has_places(job))
			job_force(job, STEP_ZAPPING);
		else
			change_take_return(job);
		return;
	case STEP_ZAPPED:
		if (job->force_result == 0 || job->returned)
			change_take_return(job);
		else if (deadline_passed(job->give_up))
			unyielding(job);
		else
			job_enter(job, STEP_STUCK, CHANGE_AGAIN_MS);
		return;
	case STEP_STUCK:
		if (deadline_passed(job->deadline))
			job_force(job, STEP_ZAPPING);
		return;
	default:
		return;
	}
}
