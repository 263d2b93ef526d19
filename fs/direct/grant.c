/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * grant.c -- a client's descriptors of devices, and their locks
 *
 * One a device and mode. The list is the client's, under direct.lock; opening
 * one is for the worker that holds send_lock. What is being opened counts as
 * held, so that a removal that begins meanwhile does not overlook it.
 */
#include "direct/private.h"
#include "util/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GRANTS_MAX (2 * ROLL_MAX) /* each device, each mode */

static struct grant *find_locked(const struct client *client,
				 unsigned int device, bool writable)
{
	struct grant *grant = client->grants;

	while (grant &&
	       (grant->device != device || grant->writable != writable))
		grant = grant->next;
	return grant;
}

static bool recalled(const struct task *task, uint64_t lease)
{
	if (task->recalled_count > RECALLS_SEEN)
		return true;
	for (unsigned int i = 0; i < task->recalled_count; i++)
		if (task->recalled[i] == lease)
			return true;
	return false;
}

static bool being_removed(const struct client *client, unsigned int device)
{
	const struct job *job;

	for (job = client->jobs; job; job = job->next)
		if (job->kind == JOB_REMOVAL && job->device == device)
			return true;
	return false;
}

/* direct.lock held. [publish] May this lease still be sent? */
static int may_publish(const struct client *client, const struct task *task,
		       const struct lease_grant *lease)
{
	unsigned int device = lease->device;

	if (client->closed)
		return -ECONNRESET;
	if (device != LEASE_NO_DEVICE &&
	    client->direct->revocations[device].active)
		return -ENXIO;
	if (client->gone_seq != task->gone_seq || recalled(task, lease->id))
		return -EAGAIN;
	if (device != LEASE_NO_DEVICE && being_removed(client, device))
		return -EAGAIN; /* cancelled, but not all is back yet */
	return 0;
}

/* direct.lock held: the byte of the one there is, or 0. */
static uint64_t byte_locked(const struct client *client, unsigned int device,
			    bool writable)
{
	const struct grant *grant = find_locked(client, device, writable);

	return grant ? grant->lock_byte : 0;
}

/* direct.lock held. */
static struct grant *add_locked(struct client *client, unsigned int device,
				bool writable)
{
	struct grant *grant = find_locked(client, device, writable);

	if (!grant) {
		grant = calloc(1, sizeof(*grant));
		if (!grant)
			return NULL;
		grant->device = device;
		grant->writable = writable;
		grant->next = client->grants;
		client->grants = grant;
	}
	grant->lock_byte = client->direct->next_lock_byte++;
	grant->opening = true;
	return grant;
}

int grant_take(struct client *client, const struct task *task,
	       const struct lease_grant *lease, bool writable, int *fd,
	       struct grant **opened)
{
	struct direct *direct = client->direct;
	unsigned int device = lease->device;
	uint64_t byte = 0;
	int err;

	*fd = -1;
	*opened = NULL;
	pthread_mutex_lock(&direct->lock);
	err = may_publish(client, task, lease);
	if (!err && device != LEASE_NO_DEVICE)
		byte = byte_locked(client, device, writable);
	pthread_mutex_unlock(&direct->lock);
	if (err || device == LEASE_NO_DEVICE)
		return err;
	/* Still with the client: nothing to be sent. */
	if (byte && lease_device_held(direct->fs, device, byte) == 1)
		return 0;
	pthread_mutex_lock(&direct->lock);
	err = may_publish(client, task, lease);
	if (!err) {
		*opened = add_locked(client, device, writable);
		err = *opened ? 0 : -ENOMEM;
	}
	pthread_mutex_unlock(&direct->lock);
	if (err)
		return err;
	*fd = lease_device_open(direct->fs, device, writable,
				(*opened)->lock_byte);
	if (*fd >= 0)
		return 0;
	grant_failed(client, *opened);
	return *fd;
}

void grant_sent(struct client *client, struct grant *grant)
{
	pthread_mutex_lock(&client->direct->lock);
	grant->opening = false;
	pthread_mutex_unlock(&client->direct->lock);
}

/* Its byte is free, or will be when what was queued is dropped. */
void grant_failed(struct client *client, struct grant *grant)
{
	grant_sent(client, grant);
}

unsigned int grant_held(struct client *client, unsigned int device)
{
	struct direct *direct = client->direct;
	struct {
		unsigned int device;
		uint64_t byte;
	} held[GRANTS_MAX];
	unsigned int count = 0, opening = 0, left = 0;
	struct grant *grant;

	pthread_mutex_lock(&direct->lock);
	for (grant = client->grants; grant; grant = grant->next) {
		if (device != LEASE_NO_DEVICE && grant->device != device)
			continue;
		if (grant->opening) {
			opening++;
			continue;
		}
		held[count].device = grant->device;
		held[count++].byte = grant->lock_byte;
	}
	pthread_mutex_unlock(&direct->lock);
	for (unsigned int i = 0; i < count; i++) {
		int answer = lease_device_held(direct->fs, held[i].device,
					       held[i].byte);

		/* Who cannot say does not say that it is free. */
		left += answer != 0;
	}
	return left + opening;
}

void grant_forget_locked(struct client *client, unsigned int device)
{
	struct grant **at = &client->grants;

	while (*at) {
		struct grant *grant = *at;

		if (device != LEASE_NO_DEVICE && grant->device != device) {
			at = &grant->next;
			continue;
		}
		*at = grant->next;
		free(grant);
	}
}

bool grant_any_locked(const struct client *client, unsigned int device)
{
	return find_locked(client, device, false) ||
	       find_locked(client, device, true);
}
