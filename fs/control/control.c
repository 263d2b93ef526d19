/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/control.h"

#include "control/command.h"
#include "control/conn.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/runtime_dir.h"

#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RING_ENTRIES 512 /* one operation a client, accept, event */
#define IDLE_WAKE_MS 60000

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

/* user_data: one of these, or a connection's address with TAG_SEND or not. */
#define OP_ACCEPT UINT64_C(2)
#define OP_EVENT UINT64_C(4)
#define TAG_SEND UINT64_C(1)

static void wake(struct control *control)
{
	uint64_t one = 1;

	if (write(control->event_fd, &one, sizeof(one)) < 0)
		return; /* full: it is awake */
}

void control_device_changed(struct control *control, unsigned device,
			    enum removal_state state)
{
	if (control)
		wake(control);
}

/* ------------------------------------------------------------------ ring */

static struct io_uring_sqe *sqe(struct control *control)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&control->ring);

	if (!entry) {
		io_uring_submit(&control->ring);
		entry = io_uring_get_sqe(&control->ring);
	}
	return entry;
}

static void arm_accept(struct control *control)
{
	struct io_uring_sqe *entry;

	if (control->accepting || control->conn_count >= CONTROL_CLIENTS_MAX)
		return;
	entry = sqe(control);
	if (!entry)
		return;
	io_uring_prep_accept(entry, control->listen_fd, NULL, NULL,
			     SOCK_CLOEXEC);
	io_uring_sqe_set_data64(entry, OP_ACCEPT);
	control->accepting = true;
}

static void arm_event(struct control *control)
{
	struct io_uring_sqe *entry = sqe(control);

	if (!entry)
		return;
	io_uring_prep_read(entry, control->event_fd, &control->event_count,
			   sizeof(control->event_count), 0);
	io_uring_sqe_set_data64(entry, OP_EVENT);
}

/* Receive more of the request; after it, only to see the client go. */
static void arm_receive(struct control *control, struct conn *conn)
{
	struct io_uring_sqe *entry = sqe(control);

	if (!entry) {
		conn->closing = true;
		return;
	}
	io_uring_prep_recv(entry, conn->fd, conn->in + conn->in_used,
			   CONTROL_REQUEST_BYTES - conn->in_used, 0);
	io_uring_sqe_set_data64(entry, (uintptr_t)conn);
	conn->receiving = true;
}

static void arm_send(struct control *control, struct conn *conn)
{
	struct io_uring_sqe *entry = sqe(control);

	if (!entry) {
		conn->closing = true;
		return;
	}
	io_uring_prep_send(entry, conn->fd, conn->out + conn->out_sent,
			   conn->out_bytes - conn->out_sent, MSG_NOSIGNAL);
	io_uring_sqe_set_data64(entry, (uintptr_t)conn | TAG_SEND);
	conn->sending = true;
}

/* ----------------------------------------------------------- connections */

static bool may_enter(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	log_warn("control: connection of uid %u, pid %d refused", peer.uid,
		 peer.pid);
	return false;
}

static void accepted(struct control *control, int fd)
{
	struct conn *conn;

	control->accepting = false;
	if (fd < 0)
		return;
	conn = may_enter(fd) ? calloc(1, sizeof(*conn)) : NULL;
	if (conn)
		conn->in = malloc(CONTROL_REQUEST_BYTES);
	if (!conn || !conn->in) {
		free(conn);
		close(fd);
		return;
	}
	conn->fd = fd;
	conn->phase = CONN_RECEIVING;
	conn->idle = deadline_in(CONTROL_IDLE_MS);
	conn->next = control->conns;
	control->conns = conn;
	control->conn_count++;
	arm_receive(control, conn);
}

static void conn_free(struct conn *conn)
{
	close(conn->fd);
	json_object_put(conn->answer.json);
	free(conn->in);
	free(conn->out);
	free(conn);
}

/* Free those that are over and that neither ring nor helper has. */
static void reap(struct control *control)
{
	struct conn **at = &control->conns;

	while (*at) {
		struct conn *conn = *at;

		if (conn->closing && (conn->receiving || conn->sending))
			shutdown(conn->fd, SHUT_RDWR);
		if (!conn->closing || conn->receiving || conn->sending ||
		    conn->phase == CONN_WORKING) {
			at = &conn->next;
			continue;
		}
		*at = conn->next;
		control->conn_count--;
		conn_free(conn);
	}
}

static void hand_to_helper(struct control *control, struct conn *conn)
{
	conn->phase = CONN_WORKING;
	pthread_mutex_lock(&control->lock);
	control->todo[control->todo_count++] = conn;
	pthread_cond_signal(&control->work);
	pthread_mutex_unlock(&control->lock);
}

static void start_sending(struct control *control, struct conn *conn)
{
	conn->phase = CONN_SENDING;
	conn->idle = deadline_in(CONTROL_IDLE_MS);
	conn->out = answer_line(&conn->answer, &conn->out_bytes);
	if (conn->out)
		arm_send(control, conn);
	else
		conn->closing = true;
}

static void received(struct control *control, struct conn *conn, int bytes)
{
	conn->receiving = false;
	if (conn->phase == CONN_SENDING)
		return; /* it may have shut its side: let it read */
	if (bytes <= 0 || conn->phase != CONN_RECEIVING) {
		conn->closing = true; /* gone, or talks out of turn */
		return;
	}
	conn->in_used += (size_t)bytes;
	if (memchr(conn->in, '\n', conn->in_used))
		hand_to_helper(control, conn);
	else if (conn->in_used == CONTROL_REQUEST_BYTES)
		conn->closing = true;
	else
		arm_receive(control, conn);
}

static void sent(struct control *control, struct conn *conn, int bytes)
{
	conn->sending = false;
	if (bytes <= 0) {
		conn->closing = true;
		return;
	}
	conn->out_sent += (size_t)bytes;
	conn->idle = deadline_in(CONTROL_IDLE_MS);
	if (conn->out_sent < conn->out_bytes)
		arm_send(control, conn);
	else
		conn->closing = true;
}

/* What the helper has finished. */
static void take_done(struct control *control)
{
	struct conn *done[CONTROL_CLIENTS_MAX];
	unsigned count, i;

	pthread_mutex_lock(&control->lock);
	count = control->done_count;
	memcpy(done, control->done, count * sizeof(struct conn *));
	control->done_count = 0;
	pthread_mutex_unlock(&control->lock);
	for (i = 0; i < count; i++) {
		if (done[i]->answer.wait == WAIT_NOTHING) {
			start_sending(control, done[i]);
			continue;
		}
		done[i]->phase = CONN_WAITING;
		done[i]->in_used = 0;
		arm_receive(control, done[i]);
	}
}

/* Look at every waiter and every idle client; how long until the next look. */
static int64_t look_round(struct control *control)
{
	int64_t next_ms = IDLE_WAKE_MS;
	struct conn *conn;

	for (conn = control->conns; conn; conn = conn->next) {
		int64_t left_ms = IDLE_WAKE_MS;

		if (conn->closing)
			continue;
		if (conn->phase == CONN_WAITING) {
			if (answer_ready(&control->context, &conn->answer))
				start_sending(control, conn);
			else
				left_ms = deadline_remaining_ms(
					conn->answer.deadline);
		} else if (conn->phase != CONN_WORKING) {
			left_ms = deadline_remaining_ms(conn->idle);
			if (left_ms == 0)
				shutdown(conn->fd, SHUT_RDWR);
		}
		if (left_ms > 0 && left_ms < next_ms)
			next_ms = left_ms;
	}
	return next_ms;
}

static void handle(struct control *control, uint64_t data, int result)
{
	struct conn *conn = (struct conn *)(uintptr_t)(data & ~TAG_SEND);

	if (data == OP_ACCEPT)
		accepted(control, result);
	else if (data == OP_EVENT)
		arm_event(control);
	else if (data & TAG_SEND)
		sent(control, conn, result);
	else
		received(control, conn, result);
}

static void *loop(void *arg)
{
	struct control *control = arg;

	arm_event(control);
	while (!atomic_load(&control->stop)) {
		struct io_uring_cqe *cqe;
		struct __kernel_timespec wait = { 0 };
		int64_t wait_ms;

		take_done(control);
		wait_ms = look_round(control);
		reap(control);
		arm_accept(control);
		wait.tv_sec = wait_ms / 1000;
		wait.tv_nsec = wait_ms % 1000 * NS_PER_MS;
		io_uring_submit_and_wait_timeout(&control->ring, &cqe, 1, &wait,
						 NULL);
		while (io_uring_peek_cqe(&control->ring, &cqe) == 0) {
			uint64_t data = io_uring_cqe_get_data64(cqe);
			int result = cqe->res;

			io_uring_cqe_seen(&control->ring, cqe);
			if (data)
				handle(control, data, result);
		}
	}
	return NULL;
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
		wake(control);
	}
	pthread_mutex_unlock(&control->lock);
	return NULL;
}

/* --------------------------------------------------------- start and stop */

static int listen_at(struct control *control)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char dir[sizeof(at.sun_path)];
	int err, n;

	err = runtime_dir(dir, sizeof(dir), true);
	if (err)
		return err;
	n = snprintf(at.sun_path, sizeof(at.sun_path), "%s/%d.control", dir,
		     getpid());
	if (n < 0 || (size_t)n >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	unlink(at.sun_path); /* of a daemon that had our pid and is dead */
	control->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (control->listen_fd < 0)
		return -errno;
	if (bind(control->listen_fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -errno;
	memcpy(control->socket_path, at.sun_path, sizeof(at.sun_path));
	if (chmod(at.sun_path, 0600) < 0 || listen(control->listen_fd, 64) < 0)
		return -errno;
	return 0;
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
	int err = pthread_create(&control->loop, NULL, loop, control);

	if (err)
		return -err;
	err = pthread_create(&control->helper, NULL, help, control);
	if (!err)
		return 0;
	atomic_store(&control->stop, true);
	wake(control);
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
	wake(control);
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
