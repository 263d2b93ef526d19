/* SPDX-License-Identifier: BSD-3-Clause */
/* Time passes, clients answer, clients end. */
#include "direct/takeback.h"

#include "util/log.h"

#include <stdlib.h>

#define ORPHAN_GRACE_MS 50

void takeback_look(struct client *client, int64_t now_ns)
{
	struct job *job, *next;

	for (job = client->jobs; job; job = next) {
		next = job->next;
		if (job->kind == JOB_NAME && job->step == STEP_ZAPPED) {
			job_remove(client, job);
			continue;
		}
		if (job_in_force(job) || job->kind == JOB_NAME)
			continue;
		if (job->kind == JOB_CHANGE)
			change_look(job);
		else
			removal_job_look(job, now_ns);
	}
	for (job = client->jobs; job; job = job->next) {
		if (job_in_force(job))
			continue;
		direct_due(client->direct, job->deadline.at_ns);
		if (job->kind == JOB_REMOVAL)
			direct_due(client->direct, job->look_ns);
	}
}

/* It will not answer any more; if it is ending, it needs no help in a moment.
 */
void takeback_orphaned(struct client *client)
{
	for (struct job *job = client->jobs; job; job = job->next)
		if (job->step == STEP_RECALLED)
			job_enter(job, STEP_RECALLED, ORPHAN_GRACE_MS);
}

/* ------------------------------------------------------ what clients answer */

void takeback_returned(struct client *client,
		       const struct udax_returned *returned)
{
	uint64_t first = returned->offset / UDAX_PAGE_BYTES;
	uint64_t count = returned->length / UDAX_PAGE_BYTES;
	struct job *job = client->jobs;

	while (job && (job->id != returned->recall ||
		       (job->kind == JOB_CHANGE) != (returned->lease != 0)))
		job = job->next;
	if (job) {
		job->returned = true;
		if (job->kind == JOB_REMOVAL && !job_in_force(job)) {
			job_look_soon(job);
			removal_job_look(job, clock_monotonic_ns());
		} else if (job->kind == JOB_CHANGE && !job_in_force(job)) {
			change_take_return(job);
		}
	} else if (returned->lease) {
		/* Late: it was given up meanwhile. */
		int64_t done = lease_return(client->direct->fs, &client->lease,
					    returned->lease, first,
					    first + count - 1);

		if (done < 0)
			log_debug("direct: pid %d returns what is pinned",
				  client->lease.pid);
	}
	direct_due(client->direct, 0);
}

void takeback_unpinned(struct client *client)
{
	struct job *job;

	for (job = client->jobs; job; job = job->next) {
		if (job->step != STEP_PINNED)
			continue;
		if (job->kind == JOB_CHANGE)
			job_begin(job);
		else if (job_pins(job) == 0)
			job_enter(job, STEP_RECALLED, job->limits.recall_ms);
	}
	direct_due(client->direct, 0);
}

/* ----------------------------------------------------------------- orphans */

#define ORPHAN_LOOK_LAST_NS NS_PER_S
#define ORPHAN_NAME_NS (100 * NS_PER_MS)

/* Its process is gone, a child of it perhaps maps on: who is it? */
static void find_name(struct client *client)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return;
	client->named = true;
	job->client = client;
	job->kind = JOB_NAME;
	job->device = client->grants ? client->grants->device : LEASE_NO_DEVICE;
	job_add(client, job);
	job_force(job, STEP_ZAPPING);
}

static void all_gone(struct client *client)
{
	struct direct *direct = client->direct;
	struct lease_gone gone = { 0 };
	struct job *job, *next;

	for (job = client->jobs; job; job = next) {
		next = job->next;
		if (!job_in_force(job) && job->kind == JOB_REMOVAL)
			removal_job_done(job);
	}
	lease_client_gone(direct->fs, &client->lease, LEASE_NO_DEVICE, &gone);
	pthread_mutex_lock(&direct->lock);
	client->gone_seq++;
	client->gone = true;
	grant_forget_locked(client, LEASE_NO_DEVICE);
	pthread_mutex_unlock(&direct->lock);
	for (job = client->jobs; job; job = next) {
		next = job->next;
		if (!job_in_force(job))
			job_remove(client, job);
	}
}

bool takeback_look_at_orphan(struct client *client, int64_t now_ns)
{
	int64_t last_ns = client->jobs ? LOOK_LAST_NS : ORPHAN_LOOK_LAST_NS;

	if (client->gone)
		return true;
	if (now_ns < client->look_ns) {
		direct_due(client->direct, client->look_ns);
		return false;
	}
	if (grant_held(client, LEASE_NO_DEVICE) == 0) {
		all_gone(client);
		return true;
	}
	if (!client->named && client->process_gone &&
	    client->pause_ns >= ORPHAN_NAME_NS)
		find_name(client);
	if (client->pause_ns == 0)
		client->pause_ns = LOOK_FIRST_NS;
	client->look_ns = now_ns + client->pause_ns;
	client->pause_ns *= 2;
	if (client->pause_ns > last_ns)
		client->pause_ns = last_ns;
	direct_due(client->direct, client->look_ns);
	return false;
}
