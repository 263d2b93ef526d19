/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handle.c -- a client's open files
 *
 * A handle's number is also the number of its word in the stored page, where
 * leases of it say when they were stored through. Leases outlive their handle,
 * so a closed handle's word lingers: it is used again when no lease of that
 * inode is left, which is looked at when there are no fresh words.
 */
#include "core/inode.h"
#include "direct/private.h"

#include <errno.h>
#include <stdlib.h>

#define ROOM_FIRST 16

/* direct.lock held: a slot nobody uses, or HANDLES_MAX. */
static uint32_t find_free(const struct client *client)
{
	for (uint32_t i = 0; i < client->handles_top; i++)
		if (!client->handles[i])
			return i;
	return HANDLES_MAX;
}

static int grow(struct client *client)
{
	uint32_t room = client->handles_room ? 2 * client->handles_room
					     : ROOM_FIRST;
	struct handle **more;

	more = realloc(client->handles, room * sizeof(struct handle *));
	if (!more)
		return -ENOMEM;
	client->handles = more;
	client->handles_room = room;
	return 0;
}

struct sweep {
	pid_t pid;
	uint64_t *inodes;
	size_t count, room;
};

static void note_inode(const struct lease_info *info, void *arg)
{
	struct sweep *sweep = arg;

	if (info->pid == sweep->pid && sweep->count < sweep->room)
		sweep->inodes[sweep->count++] = info->ino;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *one = a, *two = b;

	return *one < *two ? -1 : *one > *two;
}

/* What lingers without a lease that could use it may go. Takes lease_lock, so
 * direct.lock is not held. */
static void sweep_lingering(struct client *client)
{
	struct direct *direct = client->direct;
	struct sweep sweep = { .pid = client->lease.pid,
			       .room = DIRECT_LEASES_MAX };

	sweep.inodes = malloc(sweep.room * sizeof(uint64_t));
	if (!sweep.inodes)
		return;
	lease_for_each(direct->fs, note_inode, &sweep);
	qsort(sweep.inodes, sweep.count, sizeof(uint64_t), by_number);
	pthread_mutex_lock(&direct->lock);
	for (uint32_t i = 0; i < client->handles_top; i++) {
		struct handle *handle = client->handles[i];

		if (!handle || handle->open || handle->users ||
		    bsearch(&handle->ino, sweep.inodes, sweep.count,
			    sizeof(uint64_t), by_number))
			continue;
		client->handles[i] = NULL;
		free(handle);
	}
	pthread_mutex_unlock(&direct->lock);
	free(sweep.inodes);
}

/* direct.lock held. */
static int place_locked(struct client *client, struct handle *handle)
{
	uint32_t at = client->handles_top;
	int err;

	if (client->closed)
		return -ECONNRESET;
	if (at < HANDLES_MAX && at == client->handles_room) {
		err = grow(client);
		if (err)
			return err;
	}
	if (at == HANDLES_MAX)
		at = find_free(client);
	else
		client->handles_top++;
	if (at == HANDLES_MAX)
		return -EMFILE;
	atomic_store(&client->stored[at], 0);
	handle->word = at;
	client->handles[at] = handle;
	return 0;
}

int handle_add(struct client *client, struct inode *inode, bool may_write,
	       uint32_t *number)
{
	struct direct *direct = client->direct;
	struct handle *handle = calloc(1, sizeof(*handle));
	int err = -ENOMEM;

	if (handle) {
		*handle = (struct handle){ .inode = inode,
					   .ino = inode->ino,
					   .may_write = may_write,
					   .open = true };
		pthread_mutex_lock(&direct->lock);
		err = place_locked(client, handle);
		pthread_mutex_unlock(&direct->lock);
	}
	if (err == -EMFILE) {
		sweep_lingering(client);
		pthread_mutex_lock(&direct->lock);
		err = place_locked(client, handle);
		pthread_mutex_unlock(&direct->lock);
	}
	if (err) {
		free(handle);
		inode_release_hold(direct->fs, inode);
		return err;
	}
	*number = handle->word;
	return 0;
}

struct handle *handle_get(struct client *client, uint32_t number)
{
	struct direct *direct = client->direct;
	struct handle *handle = NULL;

	pthread_mutex_lock(&direct->lock);
	if (number < client->handles_top && client->handles[number] &&
	    client->handles[number]->open) {
		handle = client->handles[number];
		handle->users++;
	}
	pthread_mutex_unlock(&direct->lock);
	return handle;
}

/* direct.lock held: the inode to let go of, if nobody uses it any more. */
static struct inode *idle_locked(struct handle *handle)
{
	struct inode *inode = handle->inode;

	if (handle->open || handle->users)
		return NULL;
	handle->inode = NULL;
	return inode;
}

void handle_put(struct client *client, struct handle *handle)
{
	struct direct *direct = client->direct;
	struct inode *inode;

	pthread_mutex_lock(&direct->lock);
	handle->users--;
	inode = idle_locked(handle);
	pthread_mutex_unlock(&direct->lock);
	if (inode)
		inode_release_hold(direct->fs, inode);
}

int handle_close(struct client *client, uint32_t number)
{
	struct direct *direct = client->direct;
	struct inode *inode = NULL;
	int err = -EBADF;

	pthread_mutex_lock(&direct->lock);
	if (number < client->handles_top && client->handles[number] &&
	    client->handles[number]->open) {
		client->handles[number]->open = false;
		inode = idle_locked(client->handles[number]);
		err = 0;
	}
	pthread_mutex_unlock(&direct->lock);
	if (inode)
		inode_release_hold(direct->fs, inode);
	return err;
}

void handle_close_all(struct client *client)
{
	for (uint32_t i = 0; i < client->handles_top; i++)
		if (handle_close(client, i))
			continue; /* it was closed */
}

void handle_free_all(struct client *client)
{
	for (uint32_t i = 0; i < client->handles_top; i++)
		free(client->handles[i]);
	free(client->handles);
}
