/* SPDX-License-Identifier: BSD-3-Clause */
/* loop.c -- the ring: clients come, ask, are asked, go */
#include "direct/private.h"
#include "util/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOK_AT_LEAST_NS (60 * NS_PER_S)

/* user_data: one of these, or a client's address with a tag. */
#define OP_NONE UINT64_C(0)
#define OP_ACCEPT UINT64_C(8)
#define OP_EVENT UINT64_C(16)
#define TAGS UINT64_C(3)
#define TAG_RECEIVE UINT64_C(0)
#define TAG_PIDFD UINT64_C(1)
#define TAG_WRITABLE UINT64_C(2)

static struct io_uring_sqe *sqe(struct direct *direct, uint64_t data)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&direct->ring);

	if (!entry) {
		io_uring_submit(&direct->ring);
		entry = io_uring_get_sqe(&direct->ring);
	}
	if (entry)
		entry->user_data = data;
	return entry;
}

/* liburing's prep functions leave user_data alone, but for the old ones. */
static void tag(struct io_uring_sqe *entry, uint64_t data)
{
	io_uring_sqe_set_data64(entry, data);
}

void direct_due(struct direct *direct, int64_t at_ns)
{
	if (at_ns < direct->due_ns)
		direct->due_ns = at_ns;
}

static void arm_accept(struct direct *direct)
{
	struct io_uring_sqe *entry;

	if (direct->accepting || direct->listen_fd < 0 ||
	    direct->client_count >= DIRECT_CLIENTS_MAX)
		return;
	entry = sqe(direct, OP_ACCEPT);
	if (!entry)
		return;
	io_uring_prep_accept(entry, direct->listen_fd, NULL, NULL,
			     SOCK_CLOEXEC);
	tag(entry, OP_ACCEPT);
	direct->accepting = true;
}

static void arm_event(struct direct *direct)
{
	struct io_uring_sqe *entry = sqe(direct, OP_EVENT);

	if (!entry)
		return;
	io_uring_prep_read(entry, direct->event_fd, &direct->event_count,
			   sizeof(direct->event_count), 0);
	tag(entry, OP_EVENT);
}

void loop_arm_receive(struct client *client)
{
	struct io_uring_sqe *entry;

	if (client->receiving || client->orphan ||
	    client->todo_seen >= DIRECT_QUEUE_MAX)
		return;
	entry = sqe(client->direct, TAG_RECEIVE);
	if (!entry) {
		direct_due(client->direct, 0);
		return;
	}
	client->in_vector = (struct iovec){ client->in_message.bytes,
					    sizeof(client->in_message) };
	client->in =
		(struct msghdr){ .msg_iov = &client->in_vector,
				 .msg_iovlen = 1,
				 .msg_control = client->in_control.bytes,
				 .msg_controllen = sizeof(client->in_control) };
	io_uring_prep_recvmsg(entry, client->fd, &client->in, MSG_CMSG_CLOEXEC);
	tag(entry, (uintptr_t)client | TAG_RECEIVE);
	client->receiving = true;
}

void loop_arm_pidfd(struct client *client)
{
	struct io_uring_sqe *entry = sqe(client->direct, TAG_PIDFD);

	if (!entry)
		return;
	io_uring_prep_poll_add(entry, client->pidfd, POLLIN);
	tag(entry, (uintptr_t)client | TAG_PIDFD);
	client->watching = true;
}

static void arm_writable(struct client *client)
{
	struct io_uring_sqe *entry;

	if (client->polling_out || client->orphan || client->out_count == 0)
		return;
	entry = sqe(client->direct, TAG_WRITABLE);
	if (!entry)
		return;
	io_uring_prep_poll_add(entry, client->fd, POLLOUT);
	tag(entry, (uintptr_t)client | TAG_WRITABLE);
	client->polling_out = true;
}

void loop_disarm_pidfd(struct client *client)
{
	struct io_uring_sqe *entry;

	if (!client->watching || client->cancelled)
		return;
	entry = sqe(client->direct, OP_NONE);
	if (!entry)
		return;
	io_uring_prep_poll_remove(entry, (uintptr_t)client | TAG_PIDFD);
	tag(entry, OP_NONE);
	client->cancelled = true;
}

/* ------------------------------------------------------------------- events */

static void accepted(struct direct *direct, int fd)
{
	direct->accepting = false;
	if (fd >= 0 && direct_serve(direct, fd))
		return; /* it has been said */
}

static const char *take_packet(struct client *client, int length)
{
	struct wire_fds fds = { .count = 0 };
	unsigned int count;
	int err = wire_take_fds(&client->in, &fds);

	count = fds.count;
	wire_close_fds(&fds); /* nobody asks for any */
	if (!err && client->in.msg_flags & MSG_TRUNC)
		err = -EPROTO;
	if (!err)
		err = wire_check(&client->in_message, (size_t)length, count,
				 WIRE_CLIENT);
	if (!err)
		err = message_handle(client, &client->in_message.header);
	return err ? "what it sends is no request" : NULL;
}

static void received(struct client *client, int length)
{
	const char *why = NULL;

	client->receiving = false;
	if (client->orphan) {
		if (length > 0) {
			struct wire_fds fds;

			if (wire_take_fds(&client->in, &fds) == 0)
				wire_close_fds(&fds);
		}
	} else if (length <= 0) {
		client_close(client, NULL);
	} else {
		why = take_packet(client, length);
	}
	if (why)
		client_close(client, why);
	client_close_socket(client);
	pthread_mutex_lock(&client->direct->lock);
	client->todo_seen = client->todo_count;
	pthread_mutex_unlock(&client->direct->lock);
	loop_arm_receive(client);
}

static void process_ended(struct client *client, int result)
{
	client->watching = false;
	if (result < 0)
		return; /* cancelled */
	client->process_gone = true;
	client_close(client, NULL);
	client->look_ns = 0;
	client->pause_ns = 0;
	direct_due(client->direct, 0);
}

static void writable(struct client *client)
{
	client->polling_out = false;
	if (!client->orphan && !send_more(client))
		client_close(client, NULL);
	client_close_socket(client);
	arm_writable(client);
}

static void handle(struct direct *direct, uint64_t data, int result)
{
	struct client *client = (struct client *)(uintptr_t)(data & ~TAGS);

	if (data == OP_NONE)
		return;
	if (data == OP_ACCEPT) {
		accepted(direct, result);
	} else if (data == OP_EVENT) {
		arm_event(direct);
		direct_due(direct, 0);
	} else if ((data & TAGS) == TAG_RECEIVE) {
		received(client, result);
	} else if ((data & TAGS) == TAG_PIDFD) {
		process_ended(client, result);
	} else {
		writable(client);
	}
}

/* --------------------------------------------------------------------- time */

static void look_at_client(struct client *client, int64_t now_ns)
{
	struct direct *direct = client->direct;
	bool drop;

	pthread_mutex_lock(&direct->lock);
	drop = client->drop;
	client->todo_seen = client->todo_count;
	pthread_mutex_unlock(&direct->lock);
	if (client->out_count > 0 && !client->orphan) {
		struct deadline stuck;

		pthread_mutex_lock(&client->send_lock);
		stuck = client->out_stuck;
		pthread_mutex_unlock(&client->send_lock);
		drop = drop ||
		       (client->out_count > 0 && deadline_passed(stuck));
		direct_due(direct, stuck.at_ns);
	}
	if (drop && !client->orphan)
		client_close(client, "it does not read what it is sent");
	if (!client->orphan && deadline_passed(client->idle))
		client_close(client, "it says nothing");
	if (client->orphan) {
		takeback_look_at_orphan(client, now_ns);
		return;
	}
	direct_due(direct, client->idle.at_ns);
	loop_arm_receive(client);
	arm_writable(client);
}

static void look_round(struct direct *direct)
{
	int64_t now_ns = clock_monotonic_ns();
	struct client *client;

	if (now_ns < direct->due_ns)
		return;
	direct->due_ns = now_ns + LOOK_AT_LEAST_NS;
	takeback_take_fresh(direct);
	for (client = direct->clients; client; client = client->next)
		look_at_client(client, now_ns);
	takeback_devices(direct);
	clients_reap(direct);
}

static bool stopping(struct direct *direct)
{
	bool stop;

	pthread_mutex_lock(&direct->lock);
	stop = direct->stop;
	pthread_mutex_unlock(&direct->lock);
	return stop;
}

void *direct_loop(void *arg)
{
	struct direct *direct = arg;

	direct->worker = worker_create(direct);
	arm_event(direct);
	while (!stopping(direct)) {
		struct io_uring_cqe *cqe;
		struct __kernel_timespec wait = { 0 };
		int64_t left_ns;

		look_round(direct);
		arm_accept(direct);
		left_ns = direct->due_ns - clock_monotonic_ns();
		if (left_ns < 0)
			left_ns = 0;
		wait.tv_sec = left_ns / NS_PER_S;
		wait.tv_nsec = left_ns % NS_PER_S;
		io_uring_submit_and_wait_timeout(&direct->ring, &cqe, 1, &wait,
						 NULL);
		while (io_uring_peek_cqe(&direct->ring, &cqe) == 0) {
			uint64_t data = io_uring_cqe_get_data64(cqe);
			int result = cqe->res;

			io_uring_cqe_seen(&direct->ring, cqe);
			handle(direct, data, result);
		}
	}
	worker_destroy(direct->worker);
	direct->worker = NULL;
	return NULL;
}
