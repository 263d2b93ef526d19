/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * park_private.h -- shared by park.c (arrivals, verdicts) and park_thread.c
 *
 * Life of a parked request: in the list from park_add(); `begun` hands it to
 * the thread, which alone takes it out, and frees it. `done` and `verdict` say
 * that there is something to do.
 */
#ifndef UDAX_FUSE_PARK_PRIVATE_H
#define UDAX_FUSE_PARK_PRIVATE_H

#include "core/lease.h"
#include "core/request.h"
#include "fuse/park.h"
#include "util/clock.h"

#include <pthread.h>

/* A millisecond more before each; so about two seconds. */
#define PARK_TRIES_MAX 64

#define PARK_LATE 16

/* A fill that was refused. */
struct park_late {
	uint64_t ino;
	uint64_t first, last;
	int64_t at_ns; /* 0: none */
};

struct parked {
	struct lease_break brk; /* first: what done() is given */
	struct park *park;
	struct parked *next;
	struct session_kept *message;
	struct request shown;
	enum park_kind kind;
	uint64_t ino;
	uint64_t first_page, last_page;
	uint64_t devices;
	int64_t since_ns;
	int64_t deadline_ns;   /* INT64_MAX: none */
	int64_t not_before_ns; /* is it served again */
	unsigned int tries;    /* that found nothing in the way */
	bool begun;
	bool in_force; /* the break, to be ended */
	bool done;     /* called, or never will be */
	int verdict;   /* 0: to be served again when done */
};

struct park {
	struct fs *fs;
	struct session *session;
	struct park_limits limits;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under the lock: */
	struct parked *first; /* in the order in which they came */
	unsigned int count;
	size_t bytes;
	struct park_bar *bars;
	struct park_late late[PARK_LATE]; /* the last ones, around and around */
	unsigned int late_next;
	bool running;
	bool stopping;
	int error; /* of the thread's start */
	/* the thread's own: */
	struct parked *served; /* NULL: it has come here again */
};

static inline int64_t park_ns(unsigned int ms)
{
	return ms * NS_PER_MS;
}

/* The thread's main; arg: struct park. */
void *park_main(void *arg);

#endif
