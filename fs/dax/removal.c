/* SPDX-License-Identifier: BSD-3-Clause */
#include "dax/removal.h"

#include "dax/pgmap.h"
#include "dax/removal_private.h"
#include "util/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[] = {
	[DEVICE_LIVE] = "live",		[DEVICE_BLOCKING] = "blocking",
	[DEVICE_REVOKING] = "revoking", [DEVICE_DRAINING] = "draining",
	[DEVICE_DEAD] = "dead",		[DEVICE_MISSING] = "missing",
	[DEVICE_FAILED] = "failed",
};

const char *removal_state_name(enum removal_state state)
{
	return state_names[state];
}

int removal_state_of_name(const char *name, enum removal_state *out)
{
	unsigned i;

	for (i = 0; i < sizeof(state_names) / sizeof(state_names[0]); i++) {
		if (strcmp(name, state_names[i]) == 0) {
			*out = (enum removal_state)i;
			return 0;
		}
	}
	return -EINVAL;
}

enum removal_state removal_state(const struct removal *removal)
{
	return (enum removal_state)atomic_load(&removal->state);
}

bool removal_cancelled(const struct removal *removal)
{
	return atomic_load(&removal->verdict) == CANCELLED;
}

bool removal_admits_writeback(const struct removal *removal)
{
	return atomic_load_explicit(&removal->writeback, memory_order_acquire);
}

/* lock held; the last thread has ended or there was none. */
static int start_locked(struct removal *removal)
{
	int err;

	if (removal->has_thread)
		pthread_join(removal->thread, NULL); /* it takes no lock now */
	removal->has_thread = false;
	atomic_store(&removal->verdict, UNDECIDED);
	removal->stopped = false;
	removal->accepted_ns = clock_monotonic_ns();
	removal->ended_ns = 0;
	memset(&removal->count, 0, sizeof(removal->count));
	removal->count.first_refusal_us = -1;
	/* Before the thread runs, so that nobody takes "live" for the end. */
	atomic_store(&removal->state, DEVICE_BLOCKING);
	err = pthread_create(&removal->thread, NULL, removal_thread, removal);
	if (err) {
		atomic_store(&removal->state, DEVICE_LIVE);
		return -err;
	}
	removal->has_thread = true;
	removal->running = true;
	return 0;
}

int removal_start(struct removal *removal, enum removal_mode mode, bool step,
		  const struct removal_limits *limits)
{
	enum removal_state state;
	int err;

	pthread_mutex_lock(&removal->lock);
	state = removal_state(removal);
	if (state == DEVICE_DEAD || state == DEVICE_FAILED)
		err = -EALREADY;
	else if (removal->running)
		err = -EBUSY;
	else {
		removal->mode = mode;
		removal->limits = limits ? *limits : REMOVAL_LIMITS_DEFAULT;
		removal->step = step;
		removal->failing = false;
		err = start_locked(removal);
	}
	pthread_mutex_unlock(&removal->lock);
	return err;
}

void removal_device_failed(struct removal *removal)
{
	enum removal_state state;

	pthread_mutex_lock(&removal->lock);
	state = removal_state(removal);
	if (state != DEVICE_DEAD && state != DEVICE_FAILED) {
		removal->failing = true;
		removal->mode = REMOVAL_REVOKE;
		if (!removal->running)
			removal->limits = REMOVAL_LIMITS_DEFAULT;
		if (removal->running)
			pthread_cond_broadcast(&removal->moved);
		else if (start_locked(removal))
			removal->failing = false; /* the guard asks again */
	}
	pthread_mutex_unlock(&removal->lock);
}

int removal_cancel(struct removal *removal)
{
	int verdict = UNDECIDED;
	int err = 0;

	pthread_mutex_lock(&removal->lock);
	if (removal_state(removal) == DEVICE_DEAD)
		err = -EALREADY;
	else if (!removal->running || removal->failing)
		err = -EINVAL;
	else if (!atomic_compare_exchange_strong(&removal->verdict, &verdict,
						 CANCELLED) &&
		 verdict == RELEASED)
		err = -EALREADY;
	pthread_cond_broadcast(&removal->moved);
	pthread_mutex_unlock(&removal->lock);
	return err;
}

int removal_continue(struct removal *removal)
{
	int err = -EINVAL;

	pthread_mutex_lock(&removal->lock);
	if (removal->stopped) {
		removal->stopped = false;
		pthread_cond_broadcast(&removal->moved);
		err = 0;
	}
	pthread_mutex_unlock(&removal->lock);
	return err;
}

bool removal_reached(const struct removal_report *now, enum removal_state state)
{
	if (state == DEVICE_LIVE || state >= DEVICE_MISSING)
		return now->state == state;
	if (now->state == DEVICE_BLOCKING && now->first_refusal_us < 0)
		return false;
	return now->state >= state && now->state <= DEVICE_DEAD;
}

bool removal_is_stepping(const struct removal *removal)
{
	struct removal *mutable = (struct removal *)removal;
	bool stepping;

	pthread_mutex_lock(&mutable->lock);
	stepping = removal->running && removal->step;
	pthread_mutex_unlock(&mutable->lock);
	return stepping;
}

static void report_locked(const struct removal *removal,
			  struct removal_report *out)
{
	int64_t until_ns = removal->ended_ns ? removal->ended_ns
					     : clock_monotonic_ns();

	*out = removal->count;
	out->state = removal_state(removal);
	out->stopped = removal->stopped;
	out->elapsed_us = removal->accepted_ns
				  ? (until_ns - removal->accepted_ns) /
					    NS_PER_US
				  : 0;
	out->references = pgmap_references(removal->pgmap);
}

int removal_wait(struct removal *removal, enum removal_state state,
		 struct deadline deadline)
{
	struct removal_report now;
	int err = 0;

	pthread_mutex_lock(&removal->lock);
	for (;;) {
		report_locked(removal, &now);
		if (err || removal_reached(&now, state))
			break;
		err = deadline_wait(deadline, &removal->moved, &removal->lock);
	}
	pthread_mutex_unlock(&removal->lock);
	return removal_reached(&now, state) ? 0 : err;
}

void removal_report(const struct removal *removal, struct removal_report *out)
{
	struct removal *mutable = (struct removal *)removal;

	pthread_mutex_lock(&mutable->lock);
	report_locked(removal, out);
	pthread_mutex_unlock(&mutable->lock);
}

void removal_count(struct removal *removal, uint64_t entries_deleted,
		   uint64_t leases_revoked, uint64_t kernel_mappings_revoked)
{
	pthread_mutex_lock(&removal->lock);
	removal->count.entries_deleted += entries_deleted;
	removal->count.leases_revoked += leases_revoked;
	removal->count.kernel_mappings_revoked += kernel_mappings_revoked;
	if (entries_deleted || leases_revoked || kernel_mappings_revoked) {
		removal->progress = true;
		pthread_cond_broadcast(&removal->moved);
	}
	pthread_mutex_unlock(&removal->lock);
}

int removal_create(struct removal **out, unsigned device, struct pgmap *pgmap,
		   const struct removal_ops *ops, void *arg)
{
	struct removal *removal = calloc(1, sizeof(*removal));
	pthread_condattr_t monotonic;

	if (!removal)
		return -ENOMEM;
	removal->device = device;
	removal->pgmap = pgmap;
	removal->ops = ops;
	removal->arg = arg;
	removal->count.first_refusal_us = -1;
	atomic_init(&removal->state, DEVICE_LIVE);
	atomic_init(&removal->verdict, UNDECIDED);
	atomic_init(&removal->writeback, true);
	pthread_mutex_init(&removal->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&removal->moved, &monotonic);
	pthread_condattr_destroy(&monotonic);
	*out = removal;
	return 0;
}

void removal_destroy(struct removal *removal)
{
	if (!removal)
		return;
	if (removal->has_thread)
		pthread_join(removal->thread, NULL);
	pthread_cond_destroy(&removal->moved);
	pthread_mutex_destroy(&removal->lock);
	free(removal);
}
