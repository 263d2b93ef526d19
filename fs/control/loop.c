/* SPDX-License-Identifier: BSD-3-Clause */
/* loop.c -- the ring: clients come, send, wait, are answered, go */
#include "control/private.h"
#include "util/clock.h"
#include "util/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE_WAKE_MS 60000

/* user_data: one of these, or a connection's address with TAG_SEND or not. */
#define OP_ACCEPT UINT64_C(2)
#define OP_EVENT UINT64_C(4)
#define TAG_SEND UINT64_C(1)

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

void conn_free(struct conn *conn)
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

void *control_loop(void *arg)
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
