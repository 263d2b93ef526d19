/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * takeback.c -- getting back what clients were given
 *
 *   NEW → RECALLED → ZAPPING → ZAPPED → KILLING → KILLED → STUCK
 *            │  returned, proven: done        mode kill      │ zapped again
 *            └→ PINNED: all but pins is back; on at UNPIN    └─ every 5 s
 *
 * CHANGE, for a break: pages of one lease. Done when the client says so or the
 * zap says so; pinned pages wait for UNPIN and are asked for again then. When
 * no step has helped by the end of both limits, the break ends with
 * lease_unyielding().
 * REMOVAL: all that a client has on a device. Done when the bytes of its locks
 * are free, and only then; never given up. Cancelled it becomes SETTLE: nothing
 * more is done to the client, but it gets nothing new on the device until the
 * bytes are free.
 *
 * Jobs are moved by the loop alone; a force has one while it is ZAPPING or
 * KILLING.
 */
#include "direct/private.h"
#include "util/clock.h"
#include "util/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define LOOK_FIRST_NS NS_PER_MS
#define LOOK_LAST_NS (20 * NS_PER_MS)
#define AGAIN_MS 5000
#define CHANGE_AGAIN_MS 250
#define ORPHAN_GRACE_MS 50

/* -------------------------------------------------------------------- jobs */

static void add_job(struct client *client, struct job *job)
{
	struct direct *direct = client->direct;

	pthread_mutex_lock(&direct->lock);
	job->next = client->jobs;
	client->jobs = job;
	pthread_mutex_unlock(&direct->lock);
}

static void remove_job(struct client *client, struct job *job)
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
		remove_job(client, client->jobs);
}

static bool in_force(const struct job *job)
{
	return job->step == STEP_ZAPPING || job->step == STEP_KILLING;
}

static void look_soon(struct job *job)
{
	job->look_ns = 0;
	job->pause_ns = LOOK_FIRST_NS;
}

static void enter(struct job *job, enum job_step step, int64_t timeout_ms)
{
	job->step = step;
	job->deadline = deadline_in(timeout_ms);
	look_soon(job);
}

static void give_to_force(struct job *job, enum job_step step)
{
	struct direct *direct = job->client->direct;

	enter(job, step, -1);
	pthread_mutex_lock(&direct->lock);
	force_queue_locked(job);
	pthread_mutex_unlock(&direct->lock);
}

static uint64_t pins_of(const struct job *job)
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
static void begin(struct job *job)
{
	int err = job->client->orphan ? -ECONNRESET : send_recall(job);

	job->returned = false;
	job->give_up = deadline_in((int64_t)job->limits.recall_ms +
				   job->limits.zap_ms);
	enter(job, STEP_RECALLED, err ? 0 : job->limits.recall_ms);
}

/* ------------------------------------------------------------------ CHANGE */

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
		add_job(job->client, job);
		begin(job);
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
	remove_job(client, job);
}

/* The client cannot reach these pages any more, but for pinned ones. */
static void take_return(struct job *job)
{
	struct client *client = job->client;
	int64_t done = lease_return(client->direct->fs, &client->lease,
				    job->lease, job->first, job->last);

	if (done == -EBUSY)
		enter(job, STEP_PINNED, -1);
	else if (done < 0)
		unyielding(job);
	else
		remove_job(client, job);
}

static bool has_places(const struct job *job)
{
	struct client *client = job->client;

	return lease_places(client->direct->fs, &client->lease, job->lease,
			    job->first, job->last, NULL, 0) > 0;
}

/* May free the job. */
static void look_change(struct job *job)
{
	switch (job->step) {
	case STEP_RECALLED:
		if (!deadline_passed(job->deadline))
			return;
		/* Zeros are the client's own memory: there is nothing to zap,
		 * and it has been told. */
		if (has_places(job))
			give_to_force(job, STEP_ZAPPING);
		else
			take_return(job);
		return;
	case STEP_ZAPPED:
		if (job->force_result == 0 || job->returned)
			take_return(job);
		else if (deadline_passed(job->give_up))
			unyielding(job);
		else
			enter(job, STEP_STUCK, CHANGE_AGAIN_MS);
		return;
	case STEP_STUCK:
		if (deadline_passed(job->deadline))
			give_to_force(job, STEP_ZAPPING);
		return;
	default:
		return;
	}
}

/* ----------------------------------------------------------------- REMOVAL */

static void count_gone(struct direct *direct, unsigned int removal,
		       const struct lease_gone *gone)
{
	struct fs_device *device = &direct->fs->devices[removal];

	if (device->removal && (gone->entries || gone->leases))
		removal_count(device->removal, gone->entries, gone->leases, 0);
}

/* Proven: what the client had on the device ends. [publish]: what is granted
 * before the job goes is not sent after. */
static void removal_done(struct job *job)
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
	remove_job(client, job);
}

static void escalate_zapped(struct job *job)
{
	if (job->force_result == 0 && pins_of(job) > 0)
		enter(job, STEP_PINNED, -1);
	else if (job->mode == REMOVAL_KILL && pins_of(job) == 0)
		give_to_force(job, STEP_KILLING);
	else
		enter(job, STEP_STUCK, AGAIN_MS);
}

/* The lock is still held: how far have we come? */
static void escalate(struct job *job)
{
	bool late = deadline_passed(job->deadline);

	switch (job->step) {
	case STEP_RECALLED:
		if (job->returned && pins_of(job) > 0)
			enter(job, STEP_PINNED, -1);
		else if (late && job->mode == REMOVAL_DRAIN)
			job->deadline = DEADLINE_NEVER;
		else if (late)
			give_to_force(job, STEP_ZAPPING);
		break;
	case STEP_ZAPPED:
		escalate_zapped(job);
		break;
	case STEP_PINNED:
		if (pins_of(job) == 0)
			enter(job, STEP_RECALLED, job->limits.recall_ms);
		break;
	case STEP_KILLED:
		if (late)
			enter(job, STEP_STUCK, AGAIN_MS);
		break;
	case STEP_STUCK:
		if (late)
			give_to_force(job, STEP_ZAPPING);
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
	begin(job);
}

/* May free the job. */
static void look_removal(struct job *job, int64_t now_ns)
{
	struct client *client = job->client;

	if (job->step == STEP_NEW)
		begin_removal(job);
	if (now_ns < job->look_ns && !deadline_passed(job->deadline))
		return;
	if (grant_held(client, job->device) == 0) {
		removal_done(job);
		return;
	}
	escalate(job);
	if (in_force(job))
		return;
	if (job->pause_ns == 0)
		job->pause_ns = LOOK_FIRST_NS;
	job->look_ns = now_ns + job->pause_ns;
	if (job->pause_ns < LOOK_LAST_NS)
		job->pause_ns *= 2;
}

void takeback_look(struct client *client, int64_t now_ns)
{
	struct job *job, *next;

	for (job = client->jobs; job; job = next) {
		next = job->next;
		if (job->kind == JOB_NAME && job->step == STEP_ZAPPED) {
			remove_job(client, job);
			continue;
		}
		if (in_force(job) || job->kind == JOB_NAME)
			continue;
		if (job->kind == JOB_CHANGE)
			look_change(job);
		else
			look_removal(job, now_ns);
	}
	for (job = client->jobs; job; job = job->next) {
		if (in_force(job))
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
			enter(job, STEP_RECALLED, ORPHAN_GRACE_MS);
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
		if (job->kind == JOB_REMOVAL && !in_force(job)) {
			look_soon(job);
			look_removal(job, clock_monotonic_ns());
		} else if (job->kind == JOB_CHANGE && !in_force(job)) {
			take_return(job);
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
			begin(job);
		else if (pins_of(job) == 0)
			enter(job, STEP_RECALLED, job->limits.recall_ms);
	}
	direct_due(client->direct, 0);
}

/* ----------------------------------------------------------------- devices */

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
	if (!has || (job && in_force(job)))
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
		add_job(client, job);
	}
	job->removal = wanted->removal;
	job->mode = wanted->mode;
	job->limits = wanted->limits;
	enter(job, STEP_NEW, -1);
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

		if (job && !in_force(job) && job->step != STEP_SETTLE)
			enter(job, STEP_SETTLE, -1);
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

		if (!in_force(job))
			continue;
		pthread_mutex_lock(&direct->lock);
		served = job->served;
		pthread_mutex_unlock(&direct->lock);
		if (!served)
			continue;
		if (job->step == STEP_ZAPPING)
			enter(job, STEP_ZAPPED, -1);
		else
			enter(job, STEP_KILLED, job->limits.kill_ms);
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
	add_job(client, job);
	give_to_force(job, STEP_ZAPPING);
}

static void all_gone(struct client *client)
{
	struct direct *direct = client->direct;
	struct lease_gone gone = { 0 };
	struct job *job, *next;

	for (job = client->jobs; job; job = next) {
		next = job->next;
		if (!in_force(job) && job->kind == JOB_REMOVAL)
			removal_done(job);
	}
	lease_client_gone(direct->fs, &client->lease, LEASE_NO_DEVICE, &gone);
	pthread_mutex_lock(&direct->lock);
	client->gone_seq++;
	client->gone = true;
	grant_forget_locked(client, LEASE_NO_DEVICE);
	pthread_mutex_unlock(&direct->lock);
	for (job = client->jobs; job; job = next) {
		next = job->next;
		if (!in_force(job))
			remove_job(client, job);
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
