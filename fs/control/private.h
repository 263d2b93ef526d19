/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * private.h -- what the loop (loop.c) and the rest of control.c share
 *
 * The connections are the loop's alone; a connection in the helper's hands is
 * in neither list but `todo` or `done`, which the mutex guards.
 */
#ifndef UDAX_CONTROL_PRIVATE_H
#define UDAX_CONTROL_PRIVATE_H

#include "control/command.h"
#include "control/control.h"

#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/un.h>

struct control {
	struct command_context context;
	struct io_uring ring;
	char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int listen_fd;
	int event_fd;
	uint64_t event_count; /* where the ring reads the eventfd to */
	struct conn *conns;   /* the loop's alone */
	unsigned conn_count;
	bool accepting;
	_Atomic bool stop;
	pthread_t loop;
	pthread_t helper;
	/* Between the loop and the helper: */
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct conn *todo[CONTROL_CLIENTS_MAX];
	unsigned todo_count;
	struct conn *done[CONTROL_CLIENTS_MAX];
	unsigned done_count;
};

/* The loop's thread: runs until control->stop. */
void *control_loop(void *control);
/* It shall look round. Any thread. */
void control_wake(struct control *control);
void conn_free(struct conn *conn);

#endif
