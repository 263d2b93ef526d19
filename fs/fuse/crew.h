/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crew.h -- how many of the serving threads take part
 *
 * The kernel hands requests to the threads that wait for one, in turn. With
 * more of them waiting than there is work for, each request meets the thread
 * whose stack and buffer left the caches longest ago, often on another
 * processor: a fifth of a small request's cost at best, more than half of it at
 * worst. So only as many read as are needed; the rest are parked:
 *
 *   - one more takes part when requests are found queueing behind the one just
 *     received: up to half the processors, since clients need some too, or all
 *     threads, if requests take CREW_SLOW_US or more;
 *   - one is parked when none have been found for a while;
 *   - one more, whatever the number, when for CREW_TICK_MS all who take part
 *     have been serving and none has finished: they wait for something, and
 *     what they wait for may be in the queue. A parked thread watches for that,
 *     on a timer while there are requests, asleep otherwise.
 *
 * Owns:    its members; a thread has one from crew_join() on.
 * Errors:  negative errno.
 * Locking: its own, taken when the number changes; none of the caller's. Only
 *          crew_join() and crew_served() block, by parking.
 *
 * [I1] At least one member takes part, until crew_end().
 * [I2] While requests are served and a member is parked, one member watches.
 */
#ifndef UDAX_FUSE_CREW_H
#define UDAX_FUSE_CREW_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CREW_MAX 64
#define CREW_TICK_MS 20
#define CREW_SLOW_US 50

enum crew_state { CREW_PARKED, CREW_READING, CREW_SERVING };

/* Each on a line of its own: its thread writes it with every request. */
struct crew_member {
	_Alignas(64) _Atomic int state; /* enum crew_state */
	atomic_uint received;
	/* its thread's alone: */
	bool looking; /* at this request */
	bool slow;    /* the last one looked at */
	int pressure;
	int64_t began_ns;
	/* the watcher's: */
	unsigned int seen; /* received, a tick ago */
};

struct crew {
	pthread_mutex_t lock;
	pthread_cond_t change;
	unsigned int size;
	unsigned int processors;
	atomic_uint active; /* taking part or called to; set under lock */
	/* under lock: */
	unsigned int called; /* of the active: still to leave the park */
	bool watched;
	bool ended;
	_Atomic bool asleep; /* the watcher; set under lock */
	struct crew_member members[CREW_MAX];
};

/* size: 1 to CREW_MAX */
int crew_init(struct crew *crew, unsigned int size, unsigned int processors)
	__attribute__((warn_unused_result));
void crew_fini(struct crew *crew);

/* First in its thread. false: the crew has ended. */
bool crew_join(struct crew *crew) __attribute__((warn_unused_result));
/* About to wait for a request. */
void crew_reading(struct crew_member *member);
/* A request came from fd; others may be in its queue. */
void crew_received(struct crew *crew, struct crew_member *member, int fd);
/* It is done. false: the crew has ended. */
bool crew_served(struct crew *crew, struct crew_member *member)
	__attribute__((warn_unused_result));
/* Any thread: everybody who is parked, or would be, leaves. */
void crew_end(struct crew *crew);
unsigned int crew_active(const struct crew *crew);

#endif
