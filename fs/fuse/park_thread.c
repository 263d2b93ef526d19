/* SPDX-License-Identifier: BSD-3-Clause */
/* park_thread.c -- what waits is served again, or refused */
#include "core/fs.h"
#include "fuse/park_private.h"
#include "fuse/session.h"
#include "util/deadline.h"

#include <errno.h>
#include <stdlib.h>

/* ------------------------------------------------------- whose turn it is */

/* By when it must have an answer, and which. */
static int64_t limit_of(const struct park *park, const struct parked *parked,
			int *verdict)
{
	int64_t at = parked->deadline_ns;
	const struct park_bar *bar;

	*verdict = parked->kind == PARK_FILL ? -EIO : -EBUSY;
	if (park->stopping)
		return 0;
	for (bar = park->bars; bar; bar = bar->next) {
		int64_t until = bar->since_ns + park_ns(park->limits.bar_ms);

		if (bar->ino == parked->ino && parked->kind == PARK_CHANGE &&
		    until < at)
			at = until;
	}
	return at;
}

/* Something is to be done about it now: 0; else when to look again. */
static int64_t look_at(struct park *park, struct parked *parked, int64_t now)
{
	int verdict;
	int64_t limit = limit_of(park, parked, &verdict);

	if (!parked->begun)
		return INT64_MAX;
	if (!parked->verdict && limit <= now)
		parked->verdict = verdict;
	if (parked->verdict)
		return 0;
	if (!parked->done)
		return limit;
	return parked->not_before_ns <= now ? 0 : parked->not_before_ns;
}

static struct parked *take(struct park *park, struct parked **at)
{
	struct parked *parked = *at;

	*at = parked->next;
	park->count--;
	park->bytes -= session_kept_bytes(parked->message);
	return parked;
}

/* The next to be dealt with; NULL: all is over. */
static struct parked *next(struct park *park)
{
	while (park->first || !park->stopping) {
		struct deadline soonest = DEADLINE_NEVER;
		int64_t now = clock_monotonic_ns();
		struct parked **at;

		for (at = &park->first; *at; at = &(*at)->next) {
			int64_t when = look_at(park, *at, now);

			if (!when)
				return take(park, at);
			if (when < soonest.at_ns)
				soonest.at_ns = when;
		}
		if (deadline_wait(soonest, &park->changed, &park->lock))
			continue; /* it is time */
	}
	return NULL;
}

/* ------------------------------------------------------- what is done then */

/* done() will not touch it any more. */
static void end_break(struct park *park, struct parked *parked)
{
	if (!parked->in_force)
		return;
	if (!lease_break_cancel(park->fs, &parked->brk)) {
		pthread_mutex_lock(&park->lock);
		while (!parked->done)
			pthread_cond_wait(&park->changed, &park->lock);
		pthread_mutex_unlock(&park->lock);
	}
	lease_break_end(park->fs, &parked->brk);
	parked->in_force = false;
}

static void discard(struct park *park, struct parked *parked)
{
	end_break(park, parked);
	session_kept_free(parked->message);
	free(parked);
}

static void remember(struct park *park, const struct parked *parked)
{
	pthread_mutex_lock(&park->lock);
	park->late[park->late_next++ % PARK_LATE] =
		(struct park_late){ .ino = parked->ino,
				    .first = parked->first_page,
				    .last = parked->last_page,
				    .at_ns = clock_monotonic_ns() };
	pthread_mutex_unlock(&park->lock);
}

static void deal_with(struct park *park, struct parked *parked, bool stopping)
{
	request_wait_end(&parked->shown);
	if (parked->verdict) {
		if (parked->kind == PARK_FILL)
			remember(park, parked);
		if (!stopping)
			session_kept_refuse(parked->message, parked->verdict);
		discard(park, parked);
		return;
	}
	park->served = parked;
	session_kept_serve(parked->message);
	if (park->served)
		discard(park, parked);
	park->served = NULL;
}

static void report(struct park *park, int error)
{
	pthread_mutex_lock(&park->lock);
	park->error = error;
	park->running = !error;
	pthread_cond_broadcast(&park->changed);
	pthread_mutex_unlock(&park->lock);
}

void *park_main(void *arg)
{
	struct park *park = arg;
	struct parked *parked;
	int error = session_enter(park->session);

	report(park, error);
	if (error)
		return NULL;
	pthread_mutex_lock(&park->lock);
	while ((parked = next(park))) {
		bool stopping = park->stopping;

		pthread_mutex_unlock(&park->lock);
		deal_with(park, parked, stopping);
		pthread_mutex_lock(&park->lock);
	}
	pthread_mutex_unlock(&park->lock);
	session_leave();
	return NULL;
}
