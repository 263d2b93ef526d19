/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/lease_private.h"

#include "util/clock.h"
#include "util/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------ without lock */

static void end_pin(struct fs *fs, struct lease_pin *pin)
{
	inode_release_hold(fs, pin->inode);
	free(pin->runs);
	free(pin);
}

static void end_lease(struct fs *fs, struct lease *lease)
{
	if (lease->stored_ns)
		lease_store_mtime(fs, lease->inode, lease->stored_ns);
	inode_release_hold(fs, lease->inode);
	free(lease->pieces);
	free(lease);
}

void lease_after(struct fs *fs, struct lease_after *after)
{
	while (after->breaks) {
		struct lease_break *brk = after->breaks;

		after->breaks = brk->next; /* it goes with done() */
		brk->done(brk, brk->err);
	}
	while (after->pins) {
		struct lease_pin *pin = after->pins;

		after->pins = pin->next;
		end_pin(fs, pin);
	}
	while (after->leases) {
		struct lease *lease = after->leases;

		after->leases = lease->next;
		end_lease(fs, lease);
	}
}

/* ------------------------------------------------------------- begin, end */

static int hash_create(struct lease_hash *hash)
{
	hash->heads = calloc(LEASE_BUCKETS, sizeof(struct lease_link *));
	return hash->heads ? 0 : -ENOMEM;
}

int lease_init(struct fs *fs)
{
	struct leases *leases = calloc(1, sizeof(*leases));

	if (!leases)
		return -ENOMEM;
	fs->leases = leases;
	pthread_cond_init(&leases->returned, NULL);
	if (hash_create(&leases->by_id) || hash_create(&leases->pins) ||
	    hash_create(&leases->files))
		return -ENOMEM; /* lease_fini() will come */
	return 0;
}

typedef void link_fn(struct fs *fs, struct lease_link *link, void *arg);

static void for_each_link(struct fs *fs, const struct lease_hash *hash,
			  link_fn *fn, void *arg)
{
	for (unsigned i = 0; hash->count > 0 && i < LEASE_BUCKETS; i++) {
		struct lease_link *link = hash->heads[i];

		while (link) {
			struct lease_link *next = link->next;

			fn(fs, link, arg);
			link = next;
		}
	}
}

/* What one client never let go of; which one the first lease met decides. */
struct left {
	const struct lease_client *client;
	bool any;
	pid_t pid;
	char command[16];
	unsigned leases, pins;
	struct lease_piece *leaving;
	struct lease_after after;
};

static bool is_lefts(struct left *left, const struct lease_client *client,
		     pid_t pid, const char *command)
{
	if (!left->any) {
		left->any = true;
		left->client = client;
		left->pid = pid;
		memcpy(left->command, command, sizeof(left->command));
	}
	return left->client == client;
}

static void leave_lease(struct fs *fs, struct lease_link *link, void *arg)
{
	struct lease *lease = lease_of(link);
	struct left *left = arg;

	if (!is_lefts(left, lease->client, lease->pid, lease->command))
		return;
	left->leases++;
	lease_leave_locked(lease, &left->leaving);
}

static void leave_pin(struct fs *fs, struct lease_link *link, void *arg)
{
	struct lease_pin *pin = lease_pin_of(link);
	struct left *left = arg;

	if (!is_lefts(left, pin->client, pin->pid, pin->command))
		return;
	left->pins++;
	lease_pin_drop_locked(fs, pin, &left->after);
}

/* The next client's: false when there is none. */
static bool end_client(struct fs *fs)
{
	struct left left = { .any = false };

	pthread_mutex_lock(&fs->lease_lock);
	for_each_link(fs, &fs->leases->pins, leave_pin, &left);
	for_each_link(fs, &fs->leases->by_id, leave_lease, &left);
	pthread_mutex_unlock(&fs->lease_lock);
	if (!left.any)
		return false;
	log_warn("process %ld (%.16s) never gave back %u leases and %u pins",
		 (long)left.pid, left.command, left.leases, left.pins);
	lease_finish(fs, left.leaving, &left.after);
	lease_after(fs, &left.after);
	return true;
}

void lease_fini(struct fs *fs)
{
	struct leases *leases = fs->leases;

	if (!leases)
		return;
	leases->closing = true;
	while (leases->by_id.heads && end_client(fs))
		continue;
	free(leases->by_id.heads);
	free(leases->pins.heads);
	free(leases->files.heads);
	pthread_cond_destroy(&leases->returned);
	free(leases);
	fs->leases = NULL;
}

void lease_set_ops(struct fs *fs, const struct lease_ops *ops, void *arg)
{
	pthread_mutex_lock(&fs->lease_lock);
	fs->leases->ops = ops;
	fs->leases->arg = arg;
	pthread_mutex_unlock(&fs->lease_lock);
}

/* --------------------------------------------------------------- questions */

bool lease_writable_on(struct inode *inode)
{
	return atomic_load_explicit(&inode->lease_writers,
				    memory_order_relaxed) > 0;
}

void lease_client_tally(struct fs *fs, const struct lease_client *client,
			unsigned device, struct lease_tally *out)
{
	const struct lease_pin *pin;
	const struct lease *lease;

	*out = (struct lease_tally){ .leases = 0 };
	pthread_mutex_lock(&fs->lease_lock);
	for (lease = LIST_FIRST(&client->leases); lease;
	     lease = LIST_NEXT(lease, of_client))
		out->leases += device == LEASE_NO_DEVICE ||
			       device == lease->device;
	for (pin = LIST_FIRST(&client->pins); pin;
	     pin = LIST_NEXT(pin, of_client))
		out->pins += device == LEASE_NO_DEVICE || device == pin->device;
	pthread_mutex_unlock(&fs->lease_lock);
}

void lease_client_renamed(struct fs *fs, struct lease_client *client, pid_t pid,
			  const char *command)
{
	struct lease_pin *pin;
	struct lease *lease;

	pthread_mutex_lock(&fs->lease_lock);
	client->pid = pid;
	snprintf(client->command, sizeof(client->command), "%s", command);
	for (lease = LIST_FIRST(&client->leases); lease;
	     lease = LIST_NEXT(lease, of_client)) {
		lease->pid = pid;
		memcpy(lease->command, client->command, sizeof(lease->command));
	}
	for (pin = LIST_FIRST(&client->pins); pin;
	     pin = LIST_NEXT(pin, of_client)) {
		pin->pid = pid;
		memcpy(pin->command, client->command, sizeof(pin->command));
	}
	pthread_mutex_unlock(&fs->lease_lock);
}

struct visit {
	lease_fn *fn;
	void *arg;
};

static void visit_lease(struct fs *fs, struct lease_link *link, void *arg)
{
	const struct lease *lease = lease_of(link);
	const struct visit *visit = arg;
	struct lease_info info = {
		.id = link->key,
		.pid = lease->pid,
		.ino = lease->inode->ino,
		.device = lease->device,
		.writable = lease->writable,
		.since_ns = lease->since_ns,
	};

	memcpy(info.command, lease->command, sizeof(info.command));
	for (unsigned i = 0; i < lease->count; i++) {
		const struct lease_piece *piece = lease->pieces[i];

		info.offset = piece->first * BLOCK_BYTES;
		info.length = (piece->last - piece->first + 1) * BLOCK_BYTES;
		visit->fn(&info, visit->arg);
	}
}

static void visit_pin(struct fs *fs, struct lease_link *link, void *arg)
{
	const struct lease_pin *pin = lease_pin_of(link);
	const struct visit *visit = arg;
	struct lease_info info = {
		.pin = true,
		.id = link->key,
		.pid = pin->pid,
		.ino = pin->inode->ino,
		.device = pin->device,
		.offset = pin->first * BLOCK_BYTES,
		.length = (pin->last - pin->first + 1) * BLOCK_BYTES,
		.since_ns = pin->since_ns,
	};

	memcpy(info.command, pin->command, sizeof(info.command));
	visit->fn(&info, visit->arg);
}

void lease_for_each(struct fs *fs, lease_fn *fn, void *arg)
{
	struct visit visit = { fn, arg };

	pthread_mutex_lock(&fs->lease_lock);
	for_each_link(fs, &fs->leases->by_id, visit_lease, &visit);
	for_each_link(fs, &fs->leases->pins, visit_pin, &visit);
	pthread_mutex_unlock(&fs->lease_lock);
}

struct pinned {
	unsigned device;
	uint64_t pages;
};

static void add_pinned(struct fs *fs, struct lease_link *link, void *arg)
{
	const struct lease_pin *pin = lease_pin_of(link);
	struct pinned *pinned = arg;

	for (unsigned i = 0; i < pin->run_count; i++)
		if (pin->device == pinned->device)
			pinned->pages += pin->runs[i].npages;
}

uint64_t lease_pinned_pages(struct fs *fs, unsigned device)
{
	struct pinned pinned = { .device = device };

	pthread_mutex_lock(&fs->lease_lock);
	for_each_link(fs, &fs->leases->pins, add_pinned, &pinned);
	pthread_mutex_unlock(&fs->lease_lock);
	return pinned.pages;
}
