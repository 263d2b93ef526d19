/* SPDX-License-Identifier: BSD-3-Clause */
#include "dax/removal.h"

#include "dax/pgmap.h"
#include "trace/pause.h"
#include "trace/trace.h"
#include "util/clock.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS 20	  /* what a program does by itself has no event */
#define IN_FLIGHT_MS 1000 /* requests that began before the kill */

/* R9: the one word that cancel and release compete for. */
enum verdict { UNDECIDED, CANCELLED, RELEASED };

struct removal {
	unsigned device;
	struct pgmap *pgmap;
	const struct removal_ops *ops;
	void *arg;

	_Atomic int state;	/* enum removal_state */
	_Atomic int verdict;	/* enum verdict */
	_Atomic bool writeback; /* dirty pages may still come in */

	pthread_mutex_t lock;
	pthread_cond_t moved; /* state, stopped, step or verdict */
	/* under lock: */
	enum removal_mode mode;
	bool step;
	bool stopped;
	bool failing;
	bool has_thread; /* to be joined */
	bool running;
	pthread_t thread;
	struct removal_report count;
	int64_t accepted_ns;
	int64_t ended_ns;
};

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

static bool ends(enum removal_state state)
{
	return state == DEVICE_LIVE || state == DEVICE_DEAD ||
	       state == DEVICE_FAILED;
}

static void tell_changed(struct removal *removal)
{
	if (removal->ops->changed)
		removal->ops->changed(removal->arg, removal->device,
				      removal_state(removal));
}

static void enter(struct removal *removal, enum removal_state state)
{
	pthread_mutex_lock(&removal->lock);
	atomic_store(&removal->state, state);
	if (ends(state)) {
		removal->ended_ns = clock_monotonic_ns();
		removal->running = false;
	}
	pthread_cond_broadcast(&removal->moved);
	pthread_mutex_unlock(&removal->lock);
	TRACE2(removal_state, removal->device, state);
	tell_changed(removal);
}

/* --step: the end of a phase; on until removal_continue() or a cancel. */
static void end_of_phase(struct removal *removal, const char *point)
{
	bool stop;

	pause_point(point);
	pthread_mutex_lock(&removal->lock);
	stop = removal->step && !removal_cancelled(removal) &&
	       !removal->failing;
	removal->stopped = stop;
	pthread_mutex_unlock(&removal->lock);
	if (!stop)
		return;
	tell_changed(removal);
	pthread_mutex_lock(&removal->lock);
	while (removal->stopped && !removal_cancelled(removal) &&
	       !removal->failing)
		pthread_cond_wait(&removal->moved, &removal->lock);
	removal->stopped = false;
	pthread_mutex_unlock(&removal->lock);
}

/* A moment, cut short by a cancel. */
static void rest(struct removal *removal, int64_t ms)
{
	struct deadline deadline = deadline_in(ms);

	pthread_mutex_lock(&removal->lock);
	while (!removal_cancelled(removal) &&
	       deadline_wait(deadline, &removal->moved, &removal->lock) == 0)
		;
	pthread_mutex_unlock(&removal->lock);
}

static void block(struct removal *removal)
{
	struct deadline deadline = deadline_in(IN_FLIGHT_MS);
	int err;

	enter(removal, DEVICE_BLOCKING);
	if (removal->ops->tell)
		removal->ops->tell(removal->arg, removal->device);
	pause_point("removal-before-kill");
	err = pgmap_kill(removal->pgmap);
	assert(err == 0); /* one removal at a time: removal_start() */

	pthread_mutex_lock(&removal->lock);
	removal->count.first_refusal_us =
		(clock_monotonic_ns() - removal->accepted_ns) / NS_PER_US;
	pthread_cond_broadcast(&removal->moved);
	pthread_mutex_unlock(&removal->lock);
	tell_changed(removal);

	if (removal->ops->blocked)
		removal->ops->blocked(removal->arg, removal->device);
	/* Those in flight finish by themselves; draining waits for the rest. */
	while (pgmap_gates(removal->pgmap) > 0 && !deadline_passed(deadline) &&
	       !removal_cancelled(removal))
		rest(removal, 1);
	end_of_phase(removal, "removal-blocking-ends");
}

static void revoke(struct removal *removal)
{
	enum removal_mode mode;

	enter(removal, DEVICE_REVOKING);
	while (!removal_cancelled(removal)) {
		pthread_mutex_lock(&removal->lock);
		mode = removal->mode;
		pthread_mutex_unlock(&removal->lock);
		if (removal->ops->revoke(removal->arg, removal->device, mode) ==
		    0)
			break;
		rest(removal, POLL_MS);
	}
	end_of_phase(removal, "removal-revoking-ends");
}

/* True when the device is released: nobody can cancel any more. */
static bool drain(struct removal *removal)
{
	int undecided = UNDECIDED;

	enter(removal, DEVICE_DRAINING);
	/* The last notification has returned: nothing dirty is left. */
	atomic_store_explicit(&removal->writeback, false, memory_order_release);
	while (!removal_cancelled(removal) &&
	       pgmap_wait_idle(removal->pgmap, deadline_in(POLL_MS)) != 0)
		;
	end_of_phase(removal, "removal-draining-ends");
	pause_point("removal-before-release");
	return atomic_compare_exchange_strong(&removal->verdict, &undecided,
					      RELEASED);
}

static void release(struct removal *removal)
{
	bool failing;
	int err;

	err = removal->ops->retire(removal->arg, removal->device);
	removal->ops->close(removal->arg, removal->device);
	pthread_mutex_lock(&removal->lock);
	removal->count.error = err;
	failing = removal->failing;
	pthread_mutex_unlock(&removal->lock);
	enter(removal, failing ? DEVICE_FAILED : DEVICE_DEAD);
}

static void bring_back(struct removal *removal)
{
	int err = pgmap_resurrect(removal->pgmap);

	assert(err == 0); /* this thread killed it */
	atomic_store_explicit(&removal->writeback, true, memory_order_release);
	enter(removal, DEVICE_LIVE);
}

static void *run(void *arg)
{
	struct removal *removal = arg;
	bool released = false;

	block(removal);
	if (!removal_cancelled(removal))
		revoke(removal);
	if (!removal_cancelled(removal))
		released = drain(removal);
	if (released)
		release(removal);
	else
		bring_back(removal);
	return NULL;
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
	err = pthread_create(&removal->thread, NULL, run, removal);
	if (err) {
		atomic_store(&removal->state, DEVICE_LIVE);
		return -err;
	}
	removal->has_thread = true;
	removal->running = true;
	return 0;
}

int removal_start(struct removal *removal, enum removal_mode mode, bool step)
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
