/* SPDX-License-Identifier: BSD-3-Clause */
/* removal_private.h -- the state that its thread (removal_thread.c) and those
 * who ask (removal.c) share */
#ifndef UDAX_DAX_REMOVAL_PRIVATE_H
#define UDAX_DAX_REMOVAL_PRIVATE_H

#include "dax/removal.h"

#include <pthread.h>
#include <stdatomic.h>

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
	pthread_cond_t moved; /* state, stopped, step, verdict, progress */
	/* under lock: */
	enum removal_mode mode;
	struct removal_limits limits;
	bool step;
	bool stopped;
	bool failing;
	bool has_thread; /* to be joined */
	bool running;
	pthread_t thread;
	struct removal_report count;
	bool progress; /* something was counted since revoke was asked */
	int64_t accepted_ns;
	int64_t ended_ns;
};

/* The removal's thread, from blocking to its end. */
void *removal_thread(void *removal);

#endif
