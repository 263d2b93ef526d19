/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * devices.h -- each device's removal, and the watch for one that vanishes
 *
 * Ties the state machine of dax/ to what the front ends and core do for it.
 * Locking: create and destroy while nothing is served; devices_check() is for
 * one thread.
 */
#ifndef UDAX_DAEMON_DEVICES_H
#define UDAX_DAEMON_DEVICES_H

#include "dax/removal.h"

#include <pthread.h>

struct control;
struct direct;
struct front;
struct fs;

struct devices {
	struct fs *fs;
	struct front *front;	 /* set when there is one */
	struct direct *direct;	 /* the same; NULL: off */
	pthread_mutex_t lock;	 /* of control, against its end */
	struct control *control; /* NULL: nobody is told */
};

int devices_init(struct devices *devices, struct fs *fs)
	__attribute__((warn_unused_result));
/* Removals under way are cancelled: an unmount leaves all devices clean. */
void devices_fini(struct devices *devices);

/* Who hears of states from now on; NULL before it ends. */
void devices_set_control(struct devices *devices, struct control *control);

/* A device failed, or its file shrank: begin what a vanished one needs. */
void devices_check(struct devices *devices);

#endif
