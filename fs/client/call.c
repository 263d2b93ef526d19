/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/conn.h"
#include "client/fetch.h"
#include "client/pin.h"
#include "client/recall.h"
#include "client/sys.h"
#include "wire/wire.h"

#include "util/clock.h"

#include <stdlib.h>
#include <string.h>

struct call *call_create(struct conn *conn)
{
	struct call *call = calloc(1, sizeof(*call));

	if (call)
		call->conn = conn;
	return call;
}

void call_free(struct call *call)
{
	free(call);
}

int call_start_locked(struct conn *conn, struct call *call, void *message)
{
	struct udax_header *header = message;
	int err;

	if (conn->lost)
		return -ENOTCONN;
	header->id = call->id = ++conn->last_id;
	err = wire_send(conn->socket, message, NULL, MSG_DONTWAIT);
	if (err)
		return err == -EAGAIN ? -EAGAIN : -ENOTCONN;
	if (call->mapping)
		mapping_hold(call->mapping);
	call->next = conn->calls;
	conn->calls = call;
	conn->under_way++;
	return 0;
}

void call_wait_for_room(struct conn *conn)
{
	struct timespec second = { .tv_sec = 1 };

	for (;;) {
		int room = atomic_load(&conn->room);
		bool full;

		client_lock();
		full = !conn->lost && conn->under_way >= CONN_CALLS;
		client_unlock();
		if (!full)
			return;
		(void)sys_futex_wait(&conn->room, room, &second);
	}
}

int call_start(struct conn *conn, struct call *call, void *message)
{
	int err;

	call_wait_for_room(conn);
	client_lock();
	err = call_start_locked(conn, call, message);
	client_unlock();
	return err;
}

int call_wait(struct call *call)
{
	int64_t end = clock_monotonic_ns() + CONN_CALL_MS * NS_PER_MS;
	bool answered;

	while (!atomic_load(&call->answered)) {
		int64_t left = end - clock_monotonic_ns();
		struct timespec timeout = { left / NS_PER_S, left % NS_PER_S };

		if (left <= 0)
			break;
		(void)sys_futex_wait(&call->answered, 0, &timeout);
	}
	client_lock();
	answered = atomic_load(&call->answered);
	if (!answered)
		call->detached = true; /* the udax thread frees it */
	client_unlock();
	return answered ? call->status : -ETIMEDOUT;
}

/* ----------------------------------------------------------------- answers */

static void send_queued(struct conn *conn);

static struct call *take_call(struct conn *conn, uint64_t id)
{
	struct call **at;

	for (at = &conn->calls; *at; at = &(*at)->next) {
		struct call *call = *at;

		if (call->id != id)
			continue;
		*at = call->next;
		return call;
	}
	return NULL;
}

static void finish(struct conn *conn, struct call *call, int status)
{
	struct mapping *mapping = call->mapping;

	conn->under_way--;
	call->status = status;
	if (call->detached) {
		call_free(call);
	} else {
		atomic_store(&call->answered, 1);
		sys_futex_wake(&call->answered);
	}
	if (mapping)
		mapping_drop(mapping);
	send_queued(conn);
	atomic_fetch_add(&conn->room, 1);
	sys_futex_wake(&conn->room);
}

static void take_reply(struct conn *conn, const struct udax_header *header,
		       struct wire_fds *fds)
{
	struct call *call = take_call(conn, header->id);
	int status = header->status;

	if (!call)
		return; /* the descriptors are closed by the caller */
	switch (header->type) {
	case UDAX_OPEN:
		if (!status)
			memcpy(&call->reply.open, header,
			       sizeof(call->reply.open));
		if (!status && call->detached) /* nobody waits any more */
			conn_send_close_locked(conn, call->reply.open.handle);
		break;
	case UDAX_PIN:
		if (!status)
			status = pin_answered(conn, call, (const void *)header);
		break;
	case UDAX_MAP:
		status = fetch_answered(conn, call, (const void *)header, fds);
		break;
	default:
		break;
	}
	finish(conn, call, status);
}

static void lose(struct conn *conn)
{
	if (conn->lost)
		return;
	conn->lost = true;
	sys_close(conn->socket);
	conn->socket = -1;
	while (conn->calls) {
		struct call *call = conn->calls;

		conn->calls = call->next;
		finish(conn, call, -ENOTCONN);
	}
	recall_lost(conn);
}

static void take_message(struct conn *conn, const struct udax_header *header,
			 struct wire_fds *fds)
{
	if (header->reply)
		take_reply(conn, header, fds);
	else if (header->type == UDAX_RECALL)
		recall_begin(conn, (const void *)header);
	else
		recall_news(conn, (const void *)header);
	for (unsigned int i = 0; i < fds->count; i++)
		if (fds->fd[i] >= 0)
			sys_close(fds->fd[i]);
}

/* One message at a time under the lock: others get in between. */
void conn_receive(struct conn *conn)
{
	static union {
		struct udax_header header;
		char bytes[UDAX_MESSAGE_BYTES_MAX];
	} message; /* one thread */
	struct wire_fds fds;
	ssize_t length = 0;

	while (length >= 0) {
		client_lock();
		length = conn->lost ? -EAGAIN
				    : wire_receive(conn->socket, &message,
						   sizeof(message), &fds,
						   WIRE_DAEMON, MSG_DONTWAIT);
		if (length >= 0)
			take_message(conn, &message.header, &fds);
		else if (length != -EAGAIN)
			lose(conn);
		client_unlock();
	}
}

/* ------------------------------------------------------ sent and forgotten */

/* The daemon reads no more than so many at once, so the rest waits here. What
 * is lost for want of memory it finds out when the connection ends. */
struct unsent {
	struct unsent *next;
	union {
		struct udax_header header;
		char bytes[sizeof(struct udax_range)];
	} message;
};

static void send_detached(struct conn *conn, struct udax_header *message)
{
	struct call *call = call_create(conn);

	if (!call)
		return;
	call->detached = true;
	if (call_start_locked(conn, call, message))
		call_free(call);
}

static void send_or_queue(struct conn *conn, struct udax_header *message)
{
	struct unsent *unsent;

	if (conn->lost)
		return;
	if (!conn->unsent && conn->under_way < CONN_CALLS) {
		send_detached(conn, message);
		return;
	}
	unsent = calloc(1, sizeof(*unsent));
	if (!unsent)
		return;
	memcpy(&unsent->message, message, message->length);
	*(conn->unsent ? conn->unsent_end : &conn->unsent) = unsent;
	conn->unsent_end = &unsent->next;
}

static void send_queued(struct conn *conn)
{
	while (conn->unsent && (conn->lost || conn->under_way < CONN_CALLS)) {
		struct unsent *unsent = conn->unsent;

		conn->unsent = unsent->next;
		if (!conn->lost)
			send_detached(conn, &unsent->message.header);
		free(unsent);
	}
}

void conn_send_unmap_locked(struct conn *conn, uint64_t lease, uint64_t offset,
			    uint64_t length)
{
	struct udax_range message = { .header = wire_header(UDAX_UNMAP, 0,
							    sizeof(message)),
				      .lease = lease,
				      .offset = offset,
				      .length = length };

	send_or_queue(conn, &message.header);
}

void conn_send_close_locked(struct conn *conn, uint32_t handle)
{
	struct udax_close message = { .header = wire_header(UDAX_CLOSE, 0,
							    sizeof(message)),
				      .handle = handle };

	send_or_queue(conn, &message.header);
}

void conn_send_unpin_locked(struct conn *conn, uint64_t pin)
{
	struct udax_unpin message = { .header = wire_header(UDAX_UNPIN, 0,
							    sizeof(message)),
				      .pin = pin };

	send_or_queue(conn, &message.header);
}

void conn_send_returned_locked(struct conn *conn,
			       const struct udax_recall *recall)
{
	struct udax_returned message = { .header = wire_header(UDAX_RETURNED, 0,
							       sizeof(message)),
					 .recall = recall->recall,
					 .lease = recall->lease,
					 .offset = recall->offset,
					 .length = recall->length,
					 .device = recall->device };

	if (!conn->lost)
		(void)!wire_send(conn->socket, &message, NULL, MSG_DONTWAIT);
}
