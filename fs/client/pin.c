/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/pin.h"
#include "client/fetch.h"
#include "client/handle.h"
#include "client/recall.h"
#include "client/sys.h"

#include <stdlib.h>

#define TRIES 200

/* Is there such a part of that lease in the table? The lowest one. */
static bool next_mapped(const struct conn *conn, const struct pin *pin,
			uint64_t at, uint64_t *from, uint64_t *to)
{
	uint64_t end = pin->offset + pin->length;
	bool found = false;

	*from = *to = end;
	for (size_t i = 0; i < client.table.count; i++) {
		const struct segment *segment = client.table.segment[i];
		uint64_t low = segment->offset;
		uint64_t high = low + (segment->end - segment->start);

		if (segment->state != SEGMENT_MAPPED || segment->recalled ||
		    segment->lease != pin->lease ||
		    segment->mapping->handle->conn != conn || high <= at ||
		    low >= *from)
			continue;
		found = true;
		*from = low > at ? low : at;
		*to = high;
	}
	return found;
}

static bool all_mapped(const struct conn *conn, const struct pin *pin)
{
	uint64_t at = pin->offset, from, to;

	while (at < pin->offset + pin->length) {
		if (!next_mapped(conn, pin, at, &from, &to) || from > at)
			return false;
		at = to;
	}
	return true;
}

int pin_answered(struct conn *conn, struct call *call,
		 const struct udax_pin_reply *reply)
{
	struct pin *pin = calloc(1, sizeof(*pin));
	bool there;

	if (pin)
		*pin = (struct pin){ .next = conn->pins,
				     .token = call->token,
				     .id = reply->pin,
				     .lease = call->lease,
				     .offset = call->offset,
				     .length = call->length,
				     .device = call->device };
	there = pin && !call->detached && all_mapped(conn, pin);
	if (!there) { /* recalled, or unmapped, while we asked */
		conn_send_unpin_locked(conn, reply->pin);
		free(pin);
		return pin ? -EAGAIN : -ENOMEM;
	}
	conn->pins = pin;
	return 0;
}

int pin_cut_locked(struct conn *conn, const struct segment *segment)
{
	const struct pin *pin;

	for (pin = conn->pins; pin; pin = pin->next) {
		uint64_t end = pin->offset + pin->length;
		uint64_t length = segment->end - segment->start;
		int err = 0;

		if (pin->lease != segment->lease ||
		    pin->offset >= segment->offset + length ||
		    end <= segment->offset)
			continue;
		if (end < segment->offset + length)
			err = table_split(&client.table,
					  segment->start +
						  (end - segment->offset));
		if (!err && pin->offset > segment->offset)
			err = table_split(&client.table,
					  segment->start + (pin->offset -
							    segment->offset));
		if (err)
			return err;
	}
	return 0;
}

bool pin_covers(const struct conn *conn, const struct segment *segment)
{
	uint64_t end = segment->offset + (segment->end - segment->start);
	const struct pin *pin;

	for (pin = conn->pins; pin; pin = pin->next)
		if (pin->lease == segment->lease && pin->offset < end &&
		    segment->offset < pin->offset + pin->length)
			return true;
	return false;
}

void pin_give_back_locked(struct conn *conn, uint64_t lease, uint64_t offset,
			  uint64_t length)
{
	uint64_t at = offset, end = offset + length;

	while (at < end) {
		uint64_t from = end, to = end;
		struct pin *pin;

		for (pin = conn->pins; pin; pin = pin->next) {
			if (pin->lease != lease || pin->offset >= end ||
			    pin->offset + pin->length <= at)
				continue;
			pin->left = true;
			if (pin->offset < from) {
				from = pin->offset > at ? pin->offset : at;
				to = pin->offset + pin->length;
			}
		}
		if (from > at)
			conn_send_unmap_locked(conn, lease, at, from - at);
		at = to;
	}
}

/* ------------------------------------------------------------------- calls */

static void unpin_one(struct conn *conn, struct pin *pin)
{
	uint64_t at = pin->offset, from, to;

	recall_unpinned_locked(conn, pin->device);
	conn_send_unpin_locked(conn, pin->id);
	while (pin->left && at < pin->offset + pin->length) {
		next_mapped(conn, pin, at, &from, &to);
		if (from > at)
			pin_give_back_locked(conn, pin->lease, at, from - at);
		at = to;
	}
	free(pin);
}

static int unpin(uint64_t token)
{
	struct conn *conn;
	int found = -EINVAL;

	client_lock();
	for (conn = client.conns; conn; conn = conn->next) {
		struct pin **at = &conn->pins;

		while (*at) {
			struct pin *pin = *at;

			if (pin->token != token) {
				at = &pin->next;
				continue;
			}
			found = 0;
			*at = pin->next;
			unpin_one(conn, pin);
			at = &conn->pins;
		}
	}
	client_unlock();
	return found;
}

struct piece {
	struct mapping *mapping;
	struct conn *conn;
	bool writable;
	uint64_t offset, length;
};

static int look(uintptr_t at, uintptr_t end, struct piece *piece)
{
	struct segment *segment = table_at(&client.table, at);

	if (!segment || segment->mapping->region)
		return -ENOMEM;
	if (segment->state == SEGMENT_POISON)
		return segment->forever ? -ENXIO : -EFAULT;
	*piece = (struct piece){
		.mapping = segment->mapping,
		.conn = segment->mapping->handle->conn,
		.writable = segment->prot & PROT_WRITE,
		.offset = segment->offset + (at - segment->start),
		.length = (segment->end < end ? segment->end : end) - at
	};
	if (segment->state == SEGMENT_MAPPED && !segment->recalled) {
		if (segment->device == UDAX_DEVICE_NONE)
			return -EFAULT; /* a hole, read-only: nothing there */
		mapping_hold(piece->mapping);
		return 1;
	}
	mapping_hold(piece->mapping);
	return 0;
}

/* One piece, as far as one lease goes; its length, or an error. */
static int64_t pin_piece(uintptr_t at, uintptr_t end, uint64_t token)
{
	struct udax_range message = { .header = wire_header(UDAX_PIN, 0,
							    sizeof(message)) };
	struct piece piece;
	uint64_t covered;
	struct call *call = calloc(1, sizeof(*call));
	struct segment *segment;
	int err;

	if (!call)
		return -ENOMEM;
	client_lock();
	err = look(at, end, &piece);
	if (err == 1) {
		segment = table_at(&client.table, at);
		call->conn = piece.conn;
		call->token = token;
		message.lease = call->lease = segment->lease;
		message.offset = call->offset = piece.offset;
		message.length = call->length = piece.length;
		call->device = segment->device;
	}
	client_unlock();
	if (err < 0)
		goto out_free;
	if (err == 0) {
		err = fetch_now(piece.mapping, at, piece.length, piece.offset,
				piece.writable, &covered);
		if (!err)
			err = covered ? -EAGAIN : -EFAULT;
	} else {
		err = call_start(piece.conn, call, &message);
		if (!err)
			err = call_wait(call);
		if (err == -ETIMEDOUT)
			call = NULL;
	}
	client_lock();
	mapping_drop(piece.mapping);
	client_unlock();
out_free:
	free(call);
	return err ? err : (int64_t)piece.length;
}

static int pin_all(uintptr_t at, uintptr_t end, uint64_t token)
{
	struct timespec nap = { .tv_nsec = 1000000 };
	int tries = 0;

	while (at < end) {
		int64_t done = pin_piece(at, end, token);

		if (done > 0) {
			at += (uint64_t)done;
			continue;
		}
		if ((done != -EAGAIN && done != -ENOENT) || ++tries > TRIES)
			return (int)done;
		if (tries > 2) /* it is being recalled, or fetched */
			nanosleep(&nap, NULL);
	}
	return 0;
}

int udax_pin(void *addr, size_t length, uint64_t *token)
{
	static _Atomic uint64_t last;
	uintptr_t start = (uintptr_t)addr & ~(SYS_PAGE - 1);
	uintptr_t end = ((uintptr_t)addr + length + SYS_PAGE - 1) &
			~(SYS_PAGE - 1);
	uint64_t number = atomic_fetch_add(&last, 1) + 1;
	int err;

	if (!length || end <= start)
		return client_result(-EINVAL);
	if (!client_enter())
		return client_result(-EDEADLK);
	err = pin_all(start, end, number);
	if (err)
		(void)unpin(number);
	else
		*token = number;
	client_leave();
	return client_result(err == -ENOTCONN ? -ENXIO : err);
}

int udax_unpin(uint64_t token)
{
	bool entered = client_enter();
	int err;

	/* a revoke callback is inside, and holds nothing */
	if (!entered && !pthread_equal(pthread_self(), client.thread))
		return client_result(-EDEADLK);
	err = unpin(token);
	if (entered)
		client_leave();
	return client_result(err);
}
