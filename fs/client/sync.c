/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/copy.h"
#include "client/handle.h"
#include "client/map.h"
#include "client/section.h"
#include "client/sys.h"
#include "wire/wire.h"

#include <stdlib.h>

#define PAGE_UP(x) (((x) + SYS_PAGE - 1) & ~(SYS_PAGE - 1))
#define PAGE_DOWN(x) ((x) & ~(SYS_PAGE - 1))
#define PART_BYTES (4ul << 20) /* so long a recall may have to wait */

/* ----------------------------------------------------------------- persist */

/* Where this thread persisted last; true as long as nobody has held the lock
 * since. The word is in a page that stays mapped (conn.c). */
struct spot {
	uint64_t turn;
	uintptr_t start, end;
	uint8_t granularity;
	_Atomic uint64_t *stored;
};

static __thread struct spot last;

static void note_time(_Atomic uint64_t *stored)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	atomic_store_explicit(stored,
			      (uint64_t)now.tv_sec * 1000000000u +
				      (uint64_t)now.tv_nsec,
			      memory_order_release);
}

static int make_durable(const struct spot *spot, uintptr_t at, size_t length)
{
	int err = 0;

	if (spot->granularity == 1)
		copy_flush((const void *)at, length);
	copy_fence();
	if (spot->granularity == 2)
		err = sys_msync(PAGE_DOWN(at),
				PAGE_UP(at + length) - PAGE_DOWN(at), MS_SYNC);
	if (spot->stored)
		note_time(spot->stored);
	return err;
}

/* What is there; -ENXIO: taken away. 1: nothing that could be durable. */
static int find_spot(uintptr_t at, struct spot *spot)
{
	struct segment *segment;
	size_t i;
	int result = 0;

	client_lock();
	i = table_find(&client.table, at);
	segment = i < client.table.count ? client.table.segment[i] : NULL;
	*spot = (struct spot){ .turn = atomic_load(&client.turn),
			       .start = at,
			       .end = UINTPTR_MAX,
			       .granularity = 2 };
	if (segment && segment->start > at) {
		spot->end = segment->start; /* not ours: msync(2) says */
	} else if (segment) {
		spot->start = segment->start;
		spot->end = segment->end;
		spot->granularity = segment->granularity;
		if (segment->state == SEGMENT_POISON && segment->forever)
			result = -ENXIO;
		else if (segment->state != SEGMENT_MAPPED || segment->recalled)
			result = 1;
		else if (segment->writable)
			spot->stored = segment->mapping->handle->stored;
	}
	client_unlock();
	return result;
}

static int persist_part(uintptr_t at, size_t *length)
{
	struct spot *spot = &last;
	int found = 0;

	if (spot->turn != atomic_load(&client.turn) || at < spot->start ||
	    at >= spot->end || at + *length > spot->end) {
		if (!client_enter())
			return -EDEADLK;
		found = find_spot(at, spot);
		client_leave();
	}
	if (*length > spot->end - at)
		*length = spot->end - at;
	if (found) {
		spot->turn = 0;
		return found < 0 ? found : 0;
	}
	return make_durable(spot, at, *length);
}

int udax_persist(const void *addr, size_t length)
{
	uintptr_t at = (uintptr_t)addr, end = at + length;
	int err = end < at ? -EINVAL : 0;

	while (at < end && !err) {
		size_t part = end - at < PART_BYTES ? end - at : PART_BYTES;
		bool nested;

		if (!section_enter(&nested))
			return client_result(-ENOMEM);
		err = persist_part(at, &part);
		section_leave(nested);
		at += part;
	}
	return client_result(err);
}

/* ------------------------------------------------------------------- msync */

struct sync {
	struct call **calls;
	size_t count;
	int err;
};

static void send_one(struct sync *sync, struct conn *conn, uint64_t lease,
		     uint64_t offset, uint64_t length)
{
	struct udax_range message = { .header = wire_header(UDAX_SYNC, 0,
							    sizeof(message)),
				      .lease = lease,
				      .offset = offset,
				      .length = length };
	struct call *call = call_create(conn);
	struct call **more = realloc(sync->calls,
				     (sync->count + 1) * sizeof(struct call *));
	int err;

	if (more)
		sync->calls = more;
	if (!call || !more) {
		free(call);
		sync->err = -ENOMEM;
		return;
	}
	err = call_start(conn, call, &message);
	if (!err) {
		sync->calls[sync->count++] = call;
		return;
	}
	call_free(call);
	sync->err = err;
}

static void wait_all(struct sync *sync)
{
	for (size_t i = 0; i < sync->count; i++) {
		struct call *call = sync->calls[i];
		int err = call_wait(call);

		/* given back meanwhile: the daemon has seen to it */
		if (err && err != -ENOENT)
			sync->err = err;
		if (err != -ETIMEDOUT)
			call_free(call);
	}
	free(sync->calls);
}

/* From at on, as far as one lease goes; where it ends. */
static uintptr_t sync_part(uintptr_t at, uintptr_t end, int flags,
			   struct sync *sync)
{
	struct segment found = { .lease = 0 };
	size_t i;

	client_lock();
	i = table_find(&client.table, at);
	if (i < client.table.count)
		found = *client.table.segment[i];
	if (found.end && found.start <= at && found.state == SEGMENT_MAPPED &&
	    found.writable)
		handle_stored(found.mapping->handle);
	else
		found.writable = false;
	client_unlock();
	if (!found.end || found.start > at) {
		if (found.end && found.start < end)
			end = found.start;
		if (sys_msync(at, end - at, flags))
			sync->err = -ENOMEM;
		return end;
	}
	if (found.end < end)
		end = found.end;
	if (found.state == SEGMENT_POISON && found.forever)
		sync->err = -ENXIO;
	else if (found.writable && flags & MS_SYNC)
		send_one(sync, found.mapping->handle->conn, found.lease,
			 found.offset + (at - found.start), end - at);
	return end;
}

int udax_msync(void *addr, size_t length, int flags)
{
	uintptr_t at = (uintptr_t)addr, end = PAGE_UP(at + length);
	struct sync sync = { .count = 0 };

	if (at & (SYS_PAGE - 1) || end < at ||
	    flags & ~(MS_SYNC | MS_ASYNC | MS_INVALIDATE) ||
	    (flags & (MS_SYNC | MS_ASYNC)) == (MS_SYNC | MS_ASYNC))
		return client_result(-EINVAL);
	if (!client_enter())
		return client_result(sys_msync(at, length, flags));
	while (at < end)
		at = sync_part(at, end, flags, &sync);
	wait_all(&sync);
	client_leave();
	return client_result(sync.err == -ENOTCONN ? -ENXIO : sync.err);
}
