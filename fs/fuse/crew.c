/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuse/crew.h"
#include "util/clock.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <time.h>

/* A look at the queue is a system call: with every sixteenth request only, or
 * with each while they are slow. */
#define LOOK_EVERY 16
/* Two looks in a row that find a queue call one in; eight that do not, park. */
#define QUEUE_FOUND 4
#define PRESSURE_HIGH 7
#define PRESSURE_LOW (-8)
#define IDLE_TICKS 10

int crew_init(struct crew *crew, unsigned int size, unsigned int processors)
{
	pthread_condattr_t attr;
	int err;

	assert(size >= 1 && size <= CREW_MAX);
	*crew = (struct crew){
		.size = size, .processors = processors, .active = 1, .called = 1
	};
	err = pthread_condattr_init(&attr);
	if (err)
		return -err;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	err = pthread_cond_init(&crew->change, &attr);
	pthread_condattr_destroy(&attr);
	if (err)
		return -err;
	pthread_mutex_init(&crew->lock, NULL);
	return 0;
}

void crew_fini(struct crew *crew)
{
	pthread_mutex_destroy(&crew->lock);
	pthread_cond_destroy(&crew->change);
}

unsigned int crew_active(const struct crew *crew)
{
	return atomic_load(&crew->active);
}

static void call_one_locked(struct crew *crew)
{
	if (crew_active(crew) >= crew->size)
		return;
	atomic_fetch_add(&crew->active, 1);
	crew->called++;
	pthread_cond_broadcast(&crew->change);
}

struct sight {
	bool progress; /* since the last */
	bool reading;  /* somebody waits for a request */
	bool serving;
};

static struct sight look_locked(struct crew *crew)
{
	struct sight sight = { 0 };

	for (unsigned int i = 0; i < crew->size; i++) {
		struct crew_member *member = &crew->members[i];
		int state = atomic_load(&member->state);
		unsigned int received = atomic_load(&member->received);

		sight.reading |= state == CREW_READING;
		sight.serving |= state == CREW_SERVING;
		sight.progress |= received != member->seen;
		member->seen = received;
	}
	return sight;
}

static void sleep_until_tick_locked(struct crew *crew)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += CREW_TICK_MS * 1000000L;
	if (end.tv_nsec >= 1000000000) {
		end.tv_nsec -= 1000000000;
		end.tv_sec++;
	}
	pthread_cond_timedwait(&crew->change, &crew->lock, &end);
}

/*
 * Whoever begins to serve sees asleep, or is seen to serve: each side stores
 * before it loads.
 */
static void sleep_until_request_locked(struct crew *crew)
{
	atomic_store(&crew->asleep, true);
	if (!look_locked(crew).serving) {
		while (atomic_load(&crew->asleep) && !crew->called &&
		       !crew->ended)
			pthread_cond_wait(&crew->change, &crew->lock);
	}
	atomic_store(&crew->asleep, false);
}

/* Until somebody is called: watch the others. */
static void watch_locked(struct crew *crew)
{
	unsigned int idle = 0;

	look_locked(crew);
	while (!crew->called && !crew->ended) {
		struct sight sight;

		if (idle < IDLE_TICKS) {
			sleep_until_tick_locked(crew);
		} else {
			sleep_until_request_locked(crew);
			idle = 0;
		}
		sight = look_locked(crew);
		idle = sight.progress || sight.serving ? 0 : idle + 1;
		if (sight.serving && !sight.reading && !sight.progress &&
		    !crew->called)
			call_one_locked(crew);
	}
}

static bool park_locked(struct crew *crew)
{
	while (!crew->called && !crew->ended) {
		if (crew->watched) {
			pthread_cond_wait(&crew->change, &crew->lock);
			continue;
		}
		crew->watched = true; /* [I2] */
		watch_locked(crew);
		crew->watched = false;
		pthread_cond_broadcast(&crew->change);
	}
	if (crew->ended)
		return false;
	crew->called--;
	return true;
}

bool crew_join(struct crew *crew)
{
	bool stays;

	pthread_mutex_lock(&crew->lock);
	stays = park_locked(crew);
	pthread_mutex_unlock(&crew->lock);
	return stays;
}

void crew_reading(struct crew_member *member)
{
	atomic_store_explicit(&member->state, CREW_READING,
			      memory_order_release);
}

static void wake_watcher(struct crew *crew)
{
	pthread_mutex_lock(&crew->lock);
	atomic_store(&crew->asleep, false);
	pthread_cond_broadcast(&crew->change);
	pthread_mutex_unlock(&crew->lock);
}

static bool has_queue(int fd)
{
	struct pollfd queue = { .fd = fd, .events = POLLIN };

	return poll(&queue, 1, 0) == 1;
}

/* As many as a queue is a reason for. */
static unsigned int worth_having(const struct crew *crew,
				 const struct crew_member *member)
{
	if (member->slow)
		return crew->size;
	return crew->processors < 4 ? 1 : crew->processors / 2;
}

static void look_at_queue(struct crew *crew, struct crew_member *member, int fd)
{
	unsigned int limit = worth_having(crew, member);
	unsigned int active = crew_active(crew);

	if (active > limit || !has_queue(fd)) {
		member->pressure--;
		return;
	}
	if (active == limit) {
		member->pressure = 0;
		return;
	}
	if (member->pressure < 0)
		member->pressure = 0;
	member->pressure += QUEUE_FOUND;
	if (member->pressure < PRESSURE_HIGH)
		return;
	member->pressure = 0;
	pthread_mutex_lock(&crew->lock);
	call_one_locked(crew);
	pthread_mutex_unlock(&crew->lock);
}

void crew_received(struct crew *crew, struct crew_member *member, int fd)
{
	unsigned int received = atomic_load_explicit(&member->received,
						     memory_order_relaxed);

	atomic_store_explicit(&member->received, received + 1,
			      memory_order_relaxed);
	atomic_store(&member->state, CREW_SERVING);
	if (atomic_load(&crew->asleep))
		wake_watcher(crew);
	member->looking = member->slow || received % LOOK_EVERY == 0;
	if (member->looking) {
		look_at_queue(crew, member, fd);
		member->began_ns = clock_monotonic_ns();
	}
}

bool crew_served(struct crew *crew, struct crew_member *member)
{
	bool stays = true;

	if (member->looking)
		member->slow = clock_monotonic_ns() - member->began_ns >=
			       CREW_SLOW_US * INT64_C(1000);
	if (member->pressure > PRESSURE_LOW)
		return true;
	member->pressure = 0;
	pthread_mutex_lock(&crew->lock);
	if (crew_active(crew) > 1) { /* [I1] */
		atomic_fetch_sub(&crew->active, 1);
		atomic_store(&member->state, CREW_PARKED);
		stays = park_locked(crew);
	}
	pthread_mutex_unlock(&crew->lock);
	return stays;
}

void crew_end(struct crew *crew)
{
	pthread_mutex_lock(&crew->lock);
	crew->ended = true;
	pthread_cond_broadcast(&crew->change);
	pthread_mutex_unlock(&crew->lock);
}
