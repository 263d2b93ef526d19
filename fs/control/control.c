/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/control.h"

#include "control/private.h"
#include "util/runtime_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define RING_ENTRIES 512 /* one operation a client, accept, event */

void control_wake(struct control *control)
{
	uint64_t one = 1;

	if (write(control->event_fd, &one, sizeof(one)) < 0)
		return; /* full: it is awake */
}

void control_device_changed(struct control *control, unsigned device,
			    enum removal_state state)
{
	if (control)
		control_wake(control);
}

static void *help(void *arg)
{
	struct control *control = arg;

	pthread_mutex_lock(&control->lock);
	for (;;) {
		struct conn *conn;

		while (control->todo_count == 0 && !atomic_load(&control->stop))
			pthread_cond_wait(&control->work, &control->lock);
		if (atomic_load(&control->stop))
			break;
		conn = control->todo[0];
		control->todo_count--;
		memmove(control->todo, control->todo + 1,
			control->todo_count * sizeof(struct conn *));
		pthread_mutex_unlock(&control->lock);
		command_run(&control->context, conn->in, conn->in_used,
			    &conn->answer);
		pthread_mutex_lock(&control->lock);
		control->done[control->done_count++] = conn;
		control_wake(control);
	}
	pthread_mutex_unlock(&control->lock);
	return NULL;
}

/* --------------------------------------------------------- start and stop */

static int listen_at(struct control *control)
{
	const struct runtime_socket sock = { .name = "control",
					     .type = SOCK_STREAM,
					     .mode = 0600,
					     .group = (gid_t)-1,
					     .backlog = 64 };

	return runtime_listen(&sock, &control->listen_fd, control->socket_path);
}

static void control_free(struct control *control)
{
	if (control->listen_fd >= 0)
		close(control->listen_fd);
	if (control->event_fd >= 0)
		close(control->event_fd);
	if (control->socket_path[0])
		unlink(control->socket_path);
	command_context_fini(&control->context);
	pthread_mutex_destroy(&control->lock);
	pthread_cond_destroy(&control->work);
	free(control);
}

static int start_threads(struct control *control)
{
	int err = pthread_create(&control->loop, NULL, control_loop, control);

	if (err)
		return -err;
	err = pthread_create(&control->helper, NULL, help, control);
	if (!err)
		return 0;
	atomic_store(&control->stop, true);
	control_wake(control);
	pthread_join(control->loop, NULL);
	return -err;
}

int control_start(struct control **out, struct fs *fs, const char *mountpoint,
		  char *why, size_t why_bytes)
{
	struct control *control = calloc(1, sizeof(*control));
	int err;

	if (!control)
		return -ENOMEM;
	control->listen_fd = -1;
	pthread_mutex_init(&control->lock, NULL);
	pthread_cond_init(&control->work, NULL);
	control->event_fd = eventfd(0, EFD_CLOEXEC);
	err = control->event_fd < 0 ? -errno : 0;
	if (!err)
		err = command_context_init(&control->context, fs, mountpoint);
	if (!err)
		err = listen_at(control);
	if (err) {
		snprintf(why, why_bytes, "control socket: %s", strerror(-err));
		goto out_free;
	}
	err = io_uring_queue_init(RING_ENTRIES, &control->ring, 0);
	if (err) {
		snprintf(why, why_bytes, "control ring: %s", strerror(-err));
		goto out_free;
	}
	err = start_threads(control);
	if (err) {
		snprintf(why, why_bytes, "control thread: %s", strerror(-err));
		goto out_ring;
	}
	*out = control;
	return 0;

out_ring:
	io_uring_queue_exit(&control->ring);
out_free:
	control_free(control);
	return err;
}

void control_stop(struct control *control)
{
	if (!control)
		return;
	atomic_store(&control->stop, true);
	control_wake(control);
	pthread_mutex_lock(&control->lock);
	pthread_cond_broadcast(&control->work);
	pthread_mutex_unlock(&control->lock);
	pthread_join(control->loop, NULL);
	pthread_join(control->helper, NULL);
	io_uring_queue_exit(&control->ring);
	while (control->conns) {
		struct conn *conn = control->conns;

		control->conns = conn->next;
		conn_free(conn);
	}
	control_free(control);
}
