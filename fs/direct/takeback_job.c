/* SPDX-License-Identifier: BSD-3-Clause */
/* What jobs of both kinds have in common. */
#include "direct/takeback.h"

#include <errno.h>
#include <stdlib.h>

void job_add(struct client *client, struct job *job)
{
	struct direct *direct = client->direct;

	pthread_mutex_lock(&direct->lock);
	job->next = client->jobs;
	client->jobs = job;
	pthread_mutex_unlock(&direct->lock);
}

void job_remove(struct client *client, struct job *job)
{
	struct direct *direct = client->direct;
	struct job **at = &client->jobs;

	pthread_mutex_lock(&direct->lock);
	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	pthread_mutex_unlock(&direct->lock);
	free(job);
}

void job_free_all(struct client *client)
{
	while (client->jobs)
		job_remove(client, client->jobs);
}

bool job_in_force(const struct job *job)
{
	return job->step == STEP_ZAPPING || job->step == STEP_KILLING;
}

void job_look_soon(struct job *job)
{
	job->look_ns = 0;
	job->pause_ns = LOOK_FIRST_NS;
}

void job_enter(struct job *job, enum job_step step, int64_t timeout_ms)
{
	job->step = step;
	job->deadline = deadline_in(timeout_ms);
	job_look_soon(job);
}

void job_force(struct job *job, enum job_step step)
{
	struct direct *direct = job->client->direct;

	job_enter(job, step, -1);
	pthread_mutex_lock(&direct->lock);
	force_queue_locked(job);
	pthread_mutex_unlock(&direct->lock);
}

uint64_t job_pins(const struct job *job)
{
	struct client *client = job->client;
	struct lease_tally tally;

	lease_client_tally(client->direct->fs, &client->lease, job->device,
			   &tally);
	return tally.pins;
}

static int send_recall(struct job *job)
{
	struct client *client = job->client;
	bool change = job->kind == JOB_CHANGE;
	struct udax_recall recall = {
		.header = wire_header(UDAX_RECALL, 0, sizeof(recall)),
		.recall = job->id,
		.device = job->device,
		.reason = change ? UDAX_RECALL_CHANGE : UDAX_RECALL_REMOVAL,
		.deadline_ms = job->limits.recall_ms,
	};

	if (change) {
		recall.lease = job->lease;
		recall.offset = job->first * UDAX_PAGE_BYTES;
		recall.length = (job->last - job->first + 1) * UDAX_PAGE_BYTES;
	}
	return send_message(client, &recall, NULL);
}

/* Ask; who cannot be asked is helped at once. */
void job_begin(struct job *job)
{
	int err = job->client->orphan ? -ECONNRESET : send_recall(job);

	job->returned = false;
	job->give_up = deadline_in((int64_t)job->limits.recall_ms +
				   job->limits.zap_ms);
	job_enter(job, STEP_RECALLED, err ? 0 : job->limits.recall_ms);
}
