/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * grant.c -- a client's descriptors of devices, and their locks
 *
 * One a device and mode. The list is the client's, under direct.lock; opening
 * one is for the worker that holds send_lock. What is being opened counts as
 * held, so that a removal that begins meanwhile does not overlook it.
 *
 * Locks are asked about by a descriptor of our own, the probe, which is open as
 * long as anybody has a grant of the device: not by the device itself, whose
 * gate closes with the last counted reference, when somebody may still have a
 * descriptor and nothing else.
 */
#include "direct/private.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

/* direct.lock held. 1: somebody has that lock; 0: nobody. Who cannot be asked
 * does not say that it is free. */
static bool byte_held_locked(const struct direct *direct, unsigned int device,
			     uint64_t byte)
{
	struct flock lock = { .l_type = F_WRLCK,
			      .l_whence = SEEK_SET,
			      .l_start = (off_t)byte,
			      .l_len = 1 };

	return fcntl(direct->probes[device], F_OFD_GETLK, &lock) != 0 ||
	       lock.l_type != F_UNLCK;
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
		client->direct->grants[device]++;
	}
	grant->lock_byte = client->direct->next_lock_byte++;
	grant->opening = true;
	return grant;
}

/* direct.lock held. */
static void unlink_locked(struct client *client, struct grant **at)
{
	struct direct *direct = client->direct;
	struct grant *grant = *at;
	int *probe = &direct->probes[grant->device];

	*at = grant->next;
	if (--direct->grants[grant->device] == 0 && *probe >= 0) {
		close(*probe);
		*probe = -1;
	}
	free(grant);
}

/* direct.lock held. It could not be opened. */
static void drop_locked(struct client *client, const struct grant *grant)
{
	struct grant **at = &client->grants;

	while (*at != grant)
		at = &(*at)->next;
	unlink_locked(client, at);
}

/* direct.lock held. The descriptor that locks are asked about by. */
static int probe_locked(struct direct *direct, unsigned int device, int fd)
{
	char self[64];

	if (direct->probes[device] >= 0)
		return 0;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	direct->probes[device] = open(self, O_RDONLY | O_CLOEXEC);
	return direct->probes[device] < 0 ? -errno : 0;
}

/* direct.lock held. [publish]; *opened when there is something to be opened. */
static int take_locked(struct client *client, const struct task *task,
		       const struct lease_grant *lease, bool writable,
		       struct grant **opened)
{
	unsigned int device = lease->device;
	const struct grant *grant;
	int err = may_publish(client, task, lease);

	if (err || device == LEASE_NO_DEVICE)
		return err;
	grant = find_locked(client, device, writable);
	/* Still with the client: nothing to be sent. */
	if (grant && byte_held_locked(client->direct, device, grant->lock_byte))
		return 0;
	*opened = add_locked(client, device, writable);
	return *opened ? 0 : -ENOMEM;
}

int grant_take(struct client *client, const struct task *task,
	       const struct lease_grant *lease, bool writable, int *fd,
	       struct grant **opened)
{
	struct direct *direct = client->direct;
	unsigned int device = lease->device;
	int err;

	*fd = -1;
	*opened = NULL;
	pthread_mutex_lock(&direct->lock);
	err = take_locked(client, task, lease, writable, opened);
	pthread_mutex_unlock(&direct->lock);
	if (err || !*opened)
		return err;
	*fd = lease_device_open(direct->fs, device, writable,
				(*opened)->lock_byte);
	pthread_mutex_lock(&direct->lock);
	err = *fd < 0 ? *fd : probe_locked(direct, device, *fd);
	if (err)
		drop_locked(client, *opened);
	pthread_mutex_unlock(&direct->lock);
	if (!err)
		return 0;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	*opened = NULL;
	return err;
}

void grant_sent(struct client *client, struct grant *grant)
{
	pthread_mutex_lock(&client->direct->lock);
	grant->opening = false;
	pthread_mutex_unlock(&client->direct->lock);
}

unsigned int grant_held(struct client *client, unsigned int device)
{
	struct direct *direct = client->direct;
	unsigned int held = 0;
	struct grant *grant;

	pthread_mutex_lock(&direct->lock);
	for (grant = client->grants; grant; grant = grant->next)
		if (device == LEASE_NO_DEVICE || grant->device == device)
			held += grant->opening ||
				byte_held_locked(direct, grant->device,
						 grant->lock_byte);
	pthread_mutex_unlock(&direct->lock);
	return held;
}

void grant_forget_locked(struct client *client, unsigned int device)
{
	struct grant **at = &client->grants;

	while (*at) {
		if (device == LEASE_NO_DEVICE || (*at)->device == device)
			unlink_locked(client, at);
		else
			at = &(*at)->next;
	}
}

int grant_device_file(struct direct *direct, unsigned int device,
		      struct zap_file *out)
{
	int err = -ENXIO;

	pthread_mutex_lock(&direct->lock);
	if (direct->probes[device] >= 0)
		err = zap_file_of(direct->probes[device], out);
	pthread_mutex_unlock(&direct->lock);
	return err;
}

bool grant_any_locked(const struct client *client, unsigned int device)
{
	return find_locked(client, device, false) ||
	       find_locked(client, device, true);
}
