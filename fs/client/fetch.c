/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/fetch.h"
#include "client/handle.h"
#include "client/lazy.h"
#include "client/place.h"
#include "client/recall.h"
#include "client/sys.h"
#include "client/thread.h"

#include "util/clock.h"

#include <stdlib.h>

#define AGAIN_MS 1
#define AGAIN_MAX_MS 10000

static struct udax_map request(const struct call *call)
{
	return (struct udax_map){
		.header = wire_header(UDAX_MAP, 0, sizeof(struct udax_map)),
		.handle = call->mapping->handle->number,
		.flags = call->writable ? UDAX_MAP_WRITABLE : 0,
		.offset = call->offset,
		.length = call->length
	};
}

static struct call *prepare(struct mapping *mapping, uintptr_t addr,
			    uint64_t length, uint64_t offset, bool writable)
{
	struct call *call = call_create(mapping->handle->conn);

	if (!call)
		return NULL;
	call->mapping = mapping;
	call->addr = addr;
	call->offset = offset;
	call->length = length;
	call->writable = writable;
	return call;
}

/* --------------------------------------------------------------- who waits */

static int fetch_once(struct mapping *mapping, uintptr_t addr, uint64_t length,
		      uint64_t offset, bool writable, uint64_t *covered)
{
	struct call *call = prepare(mapping, addr, length, offset, writable);
	struct udax_map message;
	int err;

	if (!call)
		return -ENOMEM;
	message = request(call);
	err = call_start(mapping->handle->conn, call, &message);
	if (!err)
		err = call_wait(call);
	if (err == -ETIMEDOUT)
		return err;
	*covered = call->covered;
	call_free(call);
	return err;
}

int fetch_now(struct mapping *mapping, uintptr_t addr, uint64_t length,
	      uint64_t offset, bool writable, uint64_t *covered)
{
	struct timespec nap = { .tv_nsec = AGAIN_MS * NS_PER_MS };
	int naps = 0, err;

	*covered = 0;
	while (*covered < length) {
		uint64_t now = 0;

		err = fetch_once(mapping, addr + *covered, length - *covered,
				 offset + *covered, writable, &now);
		if (err == -EAGAIN && naps++ < AGAIN_MAX_MS / AGAIN_MS) {
			nanosleep(&nap, NULL);
			continue;
		}
		if (err)
			return err == -ENODATA ? 0 : err;
		*covered += now;
	}
	return 0;
}

/* ----------------------------------------------------------------- touches */

static bool is_wanted(const struct segment *segment)
{
	return !segment->recalled &&
	       (segment->state == SEGMENT_HOLE ||
		(segment->state == SEGMENT_POISON && !segment->forever));
}

static void start_detached(struct segment *segment, uintptr_t start,
			   uintptr_t end, uintptr_t fault)
{
	struct mapping *mapping = segment->mapping;
	struct call *call;
	struct udax_map message;
	int err = -ENOMEM;

	call = prepare(mapping, start, end - start,
		       segment->offset + (start - segment->start),
		       segment->prot & PROT_WRITE);
	if (call) {
		call->detached = true;
		call->fault = fault;
		message = request(call);
		err = call_start_locked(mapping->handle->conn, call, &message);
		if (err)
			call_free(call);
	}
	if (err == -ENOTCONN)
		return; /* recall_lost() sees to it */
	if (err)
		thread_later_locked(start, end - start, AGAIN_MS);
}

static bool is_under_way(const struct segment *segment, uintptr_t fault)
{
	const struct call *call;

	for (call = segment->mapping->handle->conn->calls; call;
	     call = call->next)
		if (call->mapping == segment->mapping && call->addr <= fault &&
		    fault < call->addr + call->length)
			return true;
	return false;
}

/* 2 MiB around, in the file; not beyond the hole. */
static void fetch_around(struct segment *segment, uintptr_t fault, bool exactly)
{
	uint64_t at = segment->offset + (fault - segment->start);
	uint64_t before = at & (FETCH_AROUND - 1);
	uint64_t after = FETCH_AROUND - before;
	uintptr_t start = fault, end = segment->end;

	if (!exactly)
		start -= before < fault - segment->start
				 ? before
				 : fault - segment->start;
	if (end - fault > after)
		end = fault + after;
	start_detached(segment, start, end, fault);
}

/* Nothing there for now: one SIGBUS, and it is a hole again. */
static void poison_page(uintptr_t fault, bool forever)
{
	struct segment *segment;

	if (table_cut(&client.table, fault, fault + SYS_PAGE))
		goto out_later;
	segment = table_at(&client.table, fault);
	if (!segment || !is_wanted(segment))
		goto out_wake;
	if (lazy_put_poison(fault, SYS_PAGE, segment->prot))
		goto out_later;
	segment->state = SEGMENT_POISON;
	segment->forever = forever;
	segment->until_ns = clock_monotonic_ns() +
			    SEGMENT_POISON_MS * NS_PER_MS;
	if (!forever && !client.poisoned++)
		client_kick();
out_wake:
	lazy_wake(fault, SYS_PAGE);
	return;
out_later:
	thread_later_locked(fault, SYS_PAGE, AGAIN_MS);
}

void fetch_fault_locked(uintptr_t fault)
{
	struct segment *segment = table_at(&client.table, fault);

	if (!segment || segment->state != SEGMENT_HOLE) {
		lazy_wake(fault, SYS_PAGE); /* it has changed meanwhile */
		return;
	}
	if (segment->mapping->handle->conn->lost) {
		if (!segment->mapping->resume)
			poison_page(fault, true);
		return; /* else until resume.c wakes them */
	}
	if (!is_under_way(segment, fault))
		fetch_around(segment, fault, false);
}

void fetch_range_locked(uintptr_t addr, size_t length)
{
	size_t i;

	for (i = table_find(&client.table, addr); i < client.table.count; i++) {
		struct segment *segment = client.table.segment[i];
		uintptr_t start = segment->start, end = segment->end;

		if (start >= addr + length)
			break;
		if (segment->mapping->region || !is_wanted(segment))
			continue;
		if (start < addr)
			start = addr;
		if (end > addr + length)
			end = addr + length;
		start_detached(segment, start, end, 0);
	}
}

/* ----------------------------------------------------------------- answers */

/* Who waits in the page, or the whole range of one that nobody waits in. */
static void refused(struct call *call, int status)
{
	struct segment *segment;

	if (status == -EAGAIN || status == -ENOMEM) {
		thread_later_locked(call->addr, call->length, AGAIN_MS);
		return;
	}
	if (!call->fault)
		return;
	segment = table_at(&client.table, call->fault);
	if (!segment || segment->state != SEGMENT_HOLE ||
	    segment->mapping != call->mapping)
		lazy_wake(call->fault, SYS_PAGE);
	else if (call->addr != call->fault)
		fetch_around(segment, call->fault, true);
	else
		poison_page(call->fault, status == -ENXIO);
}

int fetch_answered(struct conn *conn, struct call *call,
		   const struct udax_map_reply *reply, struct wire_fds *fds)
{
	int status = reply->header.status;

	if (!status)
		status = place_grant(conn, call, reply, fds);
	if (!status)
		call->covered = reply->length;
	if (status && call->detached)
		refused(call, status);
	else
		lazy_wake(call->addr, call->length);
	return status;
}

void fetch_early_recall(struct conn *conn, const struct udax_recall *recall)
{
	struct call *call;
	bool fetching = false;

	for (call = conn->calls; call; call = call->next)
		fetching |= call->mapping != NULL;
	for (size_t i = 0; i < client.table.count; i++)
		if (client.table.segment[i]->lease == recall->lease &&
		    client.table.segment[i]->state == SEGMENT_MAPPED)
			return;
	if (fetching)
		place_remember(conn, recall);
	else
		place_forget(conn);
}
