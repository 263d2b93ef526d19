/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuse/park_private.h"
#include "core/fs.h"
#include "dax/removal.h"
#include "fuse/session.h"
#include "util/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static int refusal(enum park_kind kind)
{
	return kind == PARK_FILL ? -EIO : -EBUSY;
}

/* The first one counts. park->lock held. */
static void judge(struct parked *parked, int verdict)
{
	if (parked->verdict)
		return;
	parked->verdict = verdict;
	pthread_cond_signal(&parked->park->changed);
}

static void broken(struct lease_break *brk, int err)
{
	struct parked *parked = (struct parked *)brk;
	struct park *park = parked->park;

	pthread_mutex_lock(&park->lock);
	parked->done = true;
	if (err)
		judge(parked, refusal(parked->kind));
	pthread_cond_signal(&park->changed);
	pthread_mutex_unlock(&park->lock);
}

/* ---------------------------------------------------------------- the park */

int park_create(struct park **out, struct fs *fs, struct session *session,
		const struct park_limits *limits)
{
	struct park *park = calloc(1, sizeof(*park));
	pthread_condattr_t attr;

	if (!park)
		return -ENOMEM;
	park->fs = fs;
	park->session = session;
	park->limits = *limits;
	pthread_mutex_init(&park->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&park->changed, &attr);
	pthread_condattr_destroy(&attr);
	*out = park;
	return 0;
}

int park_start(struct park *park)
{
	int err = -pthread_create(&park->thread, NULL, park_main, park);

	if (err)
		return err;
	pthread_mutex_lock(&park->lock);
	while (!park->running && !park->error)
		pthread_cond_wait(&park->changed, &park->lock);
	err = park->error;
	pthread_mutex_unlock(&park->lock);
	if (err)
		pthread_join(park->thread, NULL);
	return err;
}

void park_stop(struct park *park)
{
	if (!park->running)
		return;
	pthread_mutex_lock(&park->lock);
	park->stopping = true;
	pthread_cond_signal(&park->changed);
	pthread_mutex_unlock(&park->lock);
	pthread_join(park->thread, NULL);
	park->running = false;
}

void park_destroy(struct park *park)
{
	assert(!park->running && !park->first && !park->bars);
	pthread_cond_destroy(&park->changed);
	pthread_mutex_destroy(&park->lock);
	free(park);
}

/* ---------------------------------------------------------------- arrivals */

static bool barred(const struct park *park, uint64_t ino)
{
	const struct park_bar *bar;

	for (bar = park->bars; bar; bar = bar->next)
		if (bar->at_once && bar->ino == ino)
			return true;
	return false;
}

/* A removal says that it blocks before it looks for what is parked. */
static bool is_going(const struct fs *fs, uint64_t devices)
{
	devices |= UINT64_C(1) << fs->metadata_device;
	for (; devices; devices &= devices - 1) {
		const struct removal *removal =
			fs->devices[__builtin_ctzll(devices)].removal;

		if (removal && removal_state(removal) != DEVICE_LIVE)
			return true;
	}
	return false;
}

/* The same fault as just now, which has waited enough. */
static bool is_late(const struct park *park, uint64_t ino,
		    const struct park_want *want)
{
	int64_t since = clock_monotonic_ns() - park_ns(park->limits.late_ms);

	for (unsigned int i = 0; i < PARK_LATE; i++) {
		const struct park_late *late = &park->late[i];

		if (late->at_ns > since && late->ino == ino &&
		    late->first <= want->last && want->first <= late->last)
			return true;
	}
	return false;
}

static int admit(struct park *park, const struct request *like,
		 const struct park_want *want, size_t bytes)
{
	uint64_t ino = atomic_load(&like->ino);

	if (barred(park, ino) || is_going(park->fs, want->devices))
		return -EIO;
	if (want->kind == PARK_FILL && is_late(park, ino, want))
		return -EIO;
	if (!park->running || park->stopping ||
	    park->count >= park->limits.count ||
	    bytes > park->limits.bytes - park->bytes)
		return refusal(want->kind);
	return 0;
}

static void append(struct park *park, struct parked *parked)
{
	struct parked **at = &park->first;

	while (*at)
		at = &(*at)->next;
	parked->next = NULL;
	*at = parked;
	park->count++;
	park->bytes += session_kept_bytes(parked->message);
}

static struct parked *make(struct park *park)
{
	struct parked *parked = calloc(1, sizeof(*parked));

	if (!parked)
		return NULL;
	parked->message = session_keep();
	if (!parked->message) {
		free(parked);
		return NULL;
	}
	parked->park = park;
	parked->since_ns = clock_monotonic_ns();
	return parked;
}

static void describe(struct parked *parked, const struct request *like,
		     const struct park_want *want)
{
	parked->kind = want->kind;
	parked->devices = want->devices;
	parked->first_page = want->first;
	parked->last_page = want->last;
	parked->ino = atomic_load(&like->ino);
	parked->begun = false;
	parked->done = false;
	parked->deadline_ns = INT64_MAX;
	if (want->kind == PARK_FILL)
		parked->deadline_ns = parked->since_ns +
				      park_ns(parked->park->limits.fill_ms);
	parked->not_before_ns = 0;
}

int park_add(struct park *park, const struct request *like,
	     const struct park_want *want, struct parked **out)
{
	bool again = session_message_kept(); /* then this is the thread */
	struct parked *parked = again ? park->served : make(park);
	int err;

	if (!parked)
		return refusal(want->kind);
	pthread_mutex_lock(&park->lock);
	err = admit(park, like, want, session_kept_bytes(parked->message));
	if (!err) {
		describe(parked, like, want);
		append(park, parked);
	}
	pthread_mutex_unlock(&park->lock);
	if (err && !again) {
		session_kept_free(parked->message);
		free(parked);
	}
	if (err)
		return err;
	request_wait_begin(park->fs, &parked->shown, like, want->operation,
			   want->devices);
	if (again)
		park->served = NULL;
	*out = parked;
	return 0;
}

/*
 * Nothing in the way, although core said so: it has gone meanwhile, or is not
 * for us to take away (an entry locked for long, say). So not forever, and
 * after a moment.
 */
static void nothing_there(struct parked *parked)
{
	parked->done = true;
	parked->tries++;
	parked->not_before_ns = clock_monotonic_ns() +
				parked->tries * NS_PER_MS;
	if (parked->tries > PARK_TRIES_MAX)
		judge(parked, refusal(parked->kind));
}

void park_begin(struct parked *parked)
{
	struct park *park = parked->park;
	int err;

	if (parked->in_force)
		lease_break_end(park->fs, &parked->brk);
	parked->brk = (struct lease_break){ .ino = parked->ino,
					    .first = parked->first_page,
					    .last = parked->last_page,
					    .done = broken };
	err = lease_break_start(park->fs, &parked->brk);
	pthread_mutex_lock(&park->lock);
	parked->in_force = !err || err == -EINPROGRESS;
	if (!err)
		nothing_there(parked);
	else if (err != -EINPROGRESS)
		judge(parked, refusal(parked->kind));
	if (!parked->in_force)
		parked->done = true;
	/* From here on it is the thread's. */
	parked->begun = true;
	pthread_cond_signal(&park->changed);
	pthread_mutex_unlock(&park->lock);
}

/* ---------------------------------------------------------------- verdicts */

bool park_interrupt(struct park *park, uint64_t unique)
{
	struct parked *parked;

	pthread_mutex_lock(&park->lock);
	for (parked = park->first; parked; parked = parked->next)
		if (session_kept_unique(parked->message) == unique)
			break;
	if (parked && parked->kind != PARK_FILL)
		judge(parked, -EINTR);
	pthread_mutex_unlock(&park->lock);
	return parked != NULL;
}

void park_fail_device(struct park *park, unsigned int device)
{
	struct parked *parked;

	pthread_mutex_lock(&park->lock);
	for (parked = park->first; parked; parked = parked->next)
		if (device == park->fs->metadata_device ||
		    parked->devices & UINT64_C(1) << device)
			judge(parked, -EIO);
	pthread_mutex_unlock(&park->lock);
}

void park_bar(struct park *park, struct park_bar *bar, uint64_t ino,
	      bool at_once)
{
	struct parked *parked;

	*bar = (struct park_bar){ .ino = ino,
				  .at_once = at_once,
				  .since_ns = clock_monotonic_ns() };
	pthread_mutex_lock(&park->lock);
	bar->next = park->bars;
	park->bars = bar;
	for (parked = park->first; parked && at_once; parked = parked->next)
		if (parked->ino == ino)
			judge(parked, -EIO);
	pthread_cond_signal(&park->changed);
	pthread_mutex_unlock(&park->lock);
}

void park_unbar(struct park *park, struct park_bar *bar)
{
	struct park_bar **at;

	pthread_mutex_lock(&park->lock);
	for (at = &park->bars; *at != bar; at = &(*at)->next)
		assert(*at);
	*at = bar->next;
	pthread_mutex_unlock(&park->lock);
}
