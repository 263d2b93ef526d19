/* SPDX-License-Identifier: BSD-3-Clause */
/* removal_thread.c -- from blocking to dead, or back to live */
#include "dax/pgmap.h"
#include "dax/removal_private.h"
#include "trace/pause.h"
#include "trace/trace.h"
#include "util/clock.h"

#include <assert.h>

#define POLL_MS 20	  /* what a program does by itself has no event */
#define IN_FLIGHT_MS 1000 /* requests that began before the kill */

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

/* A moment, cut short by a cancel or when it is enough (under the lock). */
static void rest(struct removal *removal, int64_t ms, const bool *enough)
{
	struct deadline deadline = deadline_in(ms);

	pthread_mutex_lock(&removal->lock);
	while (!removal_cancelled(removal) && !*enough &&
	       deadline_wait(deadline, &removal->moved, &removal->lock) == 0)
		;
	pthread_mutex_unlock(&removal->lock);
}

static void block(struct removal *removal)
{
	struct deadline deadline = deadline_in(IN_FLIGHT_MS);
	const bool never = false;
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
		rest(removal, 1, &never);
	end_of_phase(removal, "removal-blocking-ends");
}

static void revoke(struct removal *removal)
{
	struct removal_limits limits;
	enum removal_mode mode;

	enter(removal, DEVICE_REVOKING);
	while (!removal_cancelled(removal)) {
		pthread_mutex_lock(&removal->lock);
		mode = removal->mode;
		limits = removal->limits;
		removal->progress = false;
		pthread_mutex_unlock(&removal->lock);
		if (removal->ops->revoke(removal->arg, removal->device, mode,
					 &limits) == 0)
			break;
		rest(removal, POLL_MS, &removal->progress);
	}
	end_of_phase(removal, "removal-revoking-ends");
}

/* Nobody can come back to it uncounted, and nothing is counted. In this order:
 * who is asked for his lock enters a gate, which ends with the counter. */
static bool is_idle(struct removal *removal)
{
	const struct removal_ops *ops = removal->ops;

	pthread_mutex_lock(&removal->lock);
	removal->progress = false;
	pthread_mutex_unlock(&removal->lock);
	if (ops->reachable && ops->reachable(removal->arg, removal->device)) {
		rest(removal, POLL_MS, &removal->progress);
		return false;
	}
	return pgmap_wait_idle(removal->pgmap, deadline_in(POLL_MS)) == 0;
}

/* True when the device is released: nobody can cancel any more. */
static bool drain(struct removal *removal)
{
	int undecided = UNDECIDED;

	enter(removal, DEVICE_DRAINING);
	/* The last notification has returned: nothing dirty is left. */
	atomic_store_explicit(&removal->writeback, false, memory_order_release);
	while (!removal_cancelled(removal) && !is_idle(removal))
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

void *removal_thread(void *arg)
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
