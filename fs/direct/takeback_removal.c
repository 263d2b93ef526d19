/* SPDX-License-Identifier: BSD-3-Clause */
/* All that one client has on a device that is being removed. */
#include "direct/takeback.h"

#define AGAIN_MS 5000

static void count_gone(struct direct *direct, unsigned int removal,
		       const struct lease_gone *gone)
{
	struct fs_device *device = &direct->fs->devices[removal];

	if (device->removal && (gone->entries || gone->leases))
		removal_count(device->removal, gone->entries, gone->leases, 0);
}

/* Proven: what the client had on the device ends. [publish]: what is granted
 * before the job goes is not sent after. */
void removal_job_done(struct job *job)
{
	struct client *client = job->client;
	struct direct *direct = client->direct;
	struct lease_gone gone = { 0 };

	pthread_mutex_lock(&direct->lock);
	client->gone_seq++;
	grant_forget_locked(client, job->device);
	pthread_mutex_unlock(&direct->lock);
	lease_client_gone(direct->fs, &client->lease, job->device, &gone);
	count_gone(direct, job->removal, &gone);
	job_remove(client, job);
}

static void escalate_zapped(struct job *job)
{
	if (job->force_result == 0 && job_pins(job) > 0)
		job_enter(job, STEP_PINNED, -1);
	else if (job->mode == REMOVAL_KILL && job_pins(job) == 0)
		job_force(job, STEP_KILLING);
	else
		job_enter(job, STEP_STUCK, AGAIN_MS);
}

/* The lock is still held: how far have we come? */
static void escalate(struct job *job)
{
	bool late = deadline_passed(job->deadline);

	switch (job->step) {
	case STEP_RECALLED:
		if (job->returned && job_pins(job) > 0)
			job_enter(job, STEP_PINNED, -1);
		else if (late && job->mode == REMOVAL_DRAIN)
			job->deadline = DEADLINE_NEVER;
		else if (late)
			job_force(job, STEP_ZAPPING);
		break;
	case STEP_ZAPPED:
		escalate_zapped(job);
		break;
	case STEP_PINNED:
		if (job_pins(job) == 0)
			job_enter(job, STEP_RECALLED, job->limits.recall_ms);
		break;
	case STEP_KILLED:
		if (late)
			job_enter(job, STEP_STUCK, AGAIN_MS);
		break;
	case STEP_STUCK:
		if (late)
			job_force(job, STEP_ZAPPING);
		break;
	default:
		break;
	}
}

/* Nobody is asked for a mapping that may go by itself; a descriptor alone is
 * no mapping. */
static void begin_removal(struct job *job)
{
	struct client *client = job->client;
	struct lease_tally tally;

	if (job->mode == REMOVAL_DRAIN) {
		lease_client_tally(client->direct->fs, &client->lease,
				   job->device, &tally);
		if (tally.leases > 0)
			return;
	}
	job_begin(job);
}

void removal_job_look(struct job *job, int64_t now_ns)
{
	struct client *client = job->client;

	if (job->step == STEP_NEW)
		begin_removal(job);
	if (now_ns < job->look_ns && !deadline_passed(job->deadline))
		return;
	if (grant_held(client, job->device) == 0) {
		removal_job_done(job);
		return;
	}
	escalate(job);
	if (job_in_force(job))
		return;
	if (job->pause_ns == 0)
		job->pause_ns = LOOK_FIRST_NS;
	job->look_ns = now_ns + job->pause_ns;
	if (job->pause_ns < LOOK_LAST_NS)
		job->pause_ns *= 2;
}
