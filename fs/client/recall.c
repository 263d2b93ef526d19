/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/recall.h"
#include "client/fetch.h"
#include "client/handle.h"
#include "client/lazy.h"
#include "client/pin.h"
#include "client/region.h"
#include "client/resume.h"
#include "client/sys.h"
#include "client/thread.h"

#include "util/clock.h"

#include <stdlib.h>

struct told {
	struct told *next;
	uintptr_t addr;
	size_t length;
};

static struct told *to_tell; /* under client.lock */

static void tell_later(uintptr_t addr, size_t length)
{
	struct told *told;

	if (to_tell && to_tell->addr + to_tell->length == addr) {
		to_tell->length += length;
		return;
	}
	told = client.revoked ? malloc(sizeof(*told)) : NULL;
	if (!told)
		return;
	*told = (struct told){ to_tell, addr, length };
	to_tell = told;
}

void recall_tell(void)
{
	struct told *told, *next;
	void (*fn)(void *addr, size_t length, void *arg);
	void *arg;

	client_lock();
	told = to_tell;
	to_tell = NULL;
	fn = client.revoked;
	arg = client.revoked_arg;
	client_unlock();
	for (; told; told = next) {
		next = told->next;
		if (fn)
			fn((void *)told->addr, told->length, arg);
		free(told);
	}
}

/* ------------------------------------------------------------------ begin */

static bool is_meant(const struct recall *recall, const struct segment *segment)
{
	const struct udax_recall *message = &recall->message;

	if (segment->state != SEGMENT_MAPPED || segment->recalled ||
	    segment->mapping->handle->conn != recall->conn)
		return false;
	switch (message->reason) {
	case RECALL_LOST:
		return true;
	case UDAX_RECALL_CHANGE:
		return segment->lease == message->lease &&
		       segment->offset < message->offset + message->length &&
		       message->offset < segment->offset + (segment->end -
							    segment->start);
	default:
		return segment->device == message->device;
	}
}

/* The part of the segment that is meant; it ends up as a segment of its own. */
static int cut_to_meant(const struct recall *recall, size_t i)
{
	const struct udax_recall *message = &recall->message;
	const struct segment *segment = client.table.segment[i];
	uint64_t last = message->offset + message->length;
	uint64_t end = segment->offset + (segment->end - segment->start);
	uintptr_t start = segment->start;
	uint64_t offset = segment->offset;
	int err = 0;

	if (message->reason != UDAX_RECALL_CHANGE)
		return 0;
	if (last < end)
		err = table_split(&client.table, start + (last - offset));
	if (!err && offset < message->offset)
		err = table_split(&client.table,
				  start + (message->offset - offset));
	return err;
}

static int mark(struct recall *recall)
{
	size_t i;

	for (i = 0; i < client.table.count; i++) {
		struct segment *segment = client.table.segment[i];

		if (!is_meant(recall, segment))
			continue;
		if (cut_to_meant(recall, i) ||
		    pin_cut_locked(recall->conn, segment))
			return -ENOMEM;
		segment = client.table.segment[i];
		if (!is_meant(recall, segment) ||
		    pin_covers(recall->conn, segment))
			continue; /* the next one, perhaps */
		segment->recalled = recall->number;
		if (segment->mapping->region)
			region_changed_locked(segment->mapping->region,
					      segment->start, segment->end);
	}
	return 0;
}

/* ----------------------------------------------------------------- finish */

enum instead { INSTEAD_NOTHING, INSTEAD_HOLE, INSTEAD_POISON, INSTEAD_REFETCH };

static enum instead what_instead(const struct recall *recall,
				 const struct segment *segment)
{
	if (segment->mapping->region)
		return INSTEAD_NOTHING;
	switch (recall->message.reason) {
	case UDAX_RECALL_CHANGE:
		return lazy_available() ? INSTEAD_HOLE : INSTEAD_REFETCH;
	case RECALL_LOST:
		if (!segment->mapping->resume)
			return INSTEAD_POISON;
		return lazy_available() ? INSTEAD_HOLE : INSTEAD_REFETCH;
	default:
		return INSTEAD_POISON;
	}
}

static int put_instead(enum instead instead, uintptr_t start, size_t length,
		       int prot)
{
	switch (instead) {
	case INSTEAD_NOTHING:
		return lazy_put_nothing(start, length);
	case INSTEAD_HOLE:
		return lazy_put_hole(start, length, prot);
	default:
		return lazy_put_poison(start, length, prot);
	}
}

static void note(const struct recall *recall, struct segment *segment,
		 enum instead instead)
{
	if (segment->writable && segment->prot & PROT_WRITE &&
	    !segment->mapping->region)
		handle_stored(segment->mapping->handle);
	segment->recalled = 0;
	segment->lease = 0;
	segment->writable = false;
	segment->state = SEGMENT_HOLE;
	if (instead == INSTEAD_POISON || instead == INSTEAD_REFETCH) {
		segment->state = SEGMENT_POISON;
		segment->forever = instead == INSTEAD_POISON;
		segment->until_ns = clock_monotonic_ns() +
				    SEGMENT_POISON_MS * NS_PER_MS;
		client.poisoned += !segment->forever;
	}
	if (segment->forever && segment->state == SEGMENT_POISON)
		tell_later(segment->start, segment->end - segment->start);
}

/* One swap for all that lie side by side. */
static int swap_marked(struct recall *recall)
{
	struct table *table = &client.table;
	size_t i = 0, j;

	while (i < table->count) {
		struct segment *first = table->segment[i];
		enum instead instead;
		uintptr_t end;

		if (first->recalled != recall->number) {
			i++;
			continue;
		}
		instead = what_instead(recall, first);
		for (j = i + 1; j < table->count; j++) {
			struct segment *next = table->segment[j];

			if (next->recalled != recall->number ||
			    next->start != table->segment[j - 1]->end ||
			    next->prot != first->prot ||
			    what_instead(recall, next) != instead)
				break;
		}
		end = table->segment[j - 1]->end;
		if (put_instead(instead, first->start, end - first->start,
				first->prot))
			return -ENOMEM;
		for (; i < j; i++)
			note(recall, table->segment[i], instead);
	}
	return 0;
}

static bool is_mapped(const struct conn *conn, uint32_t device)
{
	for (size_t i = 0; i < client.table.count; i++) {
		const struct segment *segment = client.table.segment[i];

		if (segment->state == SEGMENT_MAPPED &&
		    segment->device == device &&
		    segment->mapping->handle->conn == conn)
			return true;
	}
	return false;
}

static void close_device(struct conn *conn, uint32_t number)
{
	struct conn_device *device = &conn->device[number];

	if (device->fd[0] < 0 && device->fd[1] < 0)
		return;
	if (is_mapped(conn, number))
		return; /* pinned */
	conn_close_device(conn, number, false);
	conn_close_device(conn, number, true);
}

static void refetch_poisoned(struct conn *conn)
{
	for (size_t i = 0; i < client.table.count; i++) {
		const struct segment *segment = client.table.segment[i];

		if (segment->state == SEGMENT_POISON && !segment->forever &&
		    segment->mapping->handle->conn == conn)
			fetch_range_locked(segment->start,
					   segment->end - segment->start);
	}
}

static void finish(struct recall *recall)
{
	struct conn *conn = recall->conn;
	uint32_t device = recall->message.device;
	bool change = recall->message.reason == UDAX_RECALL_CHANGE;
	int err = swap_marked(recall);

	if (!err && recall->message.reason == RECALL_LOST)
		for (uint32_t i = 0; i < CONN_DEVICES_MAX; i++)
			close_device(conn, i);
	else if (!err && !change && device < CONN_DEVICES_MAX)
		close_device(conn, device);
	/* without memory for it the daemon has to take it by force */
	if (!err && recall->message.reason != RECALL_LOST)
		conn_send_returned_locked(conn, &recall->message);
	if (change && !lazy_available())
		refetch_poisoned(conn);
	free(recall);
}

static void begin(struct conn *conn, const struct udax_recall *message)
{
	struct recall *recall = calloc(1, sizeof(*recall));
	int err;

	if (!recall)
		return; /* no answer: the daemon helps itself */
	recall->conn = conn;
	recall->message = *message;
	recall->number = ++client.recall_count;
	err = mark(recall);
	if (!err)
		err = section_snapshot(&recall->copies);
	if (err) {
		free(recall);
		return;
	}
	if (section_passed(&recall->copies)) {
		finish(recall);
		return;
	}
	section_waiting(1);
	recall->next = client.recalls;
	client.recalls = recall;
	client_kick();
}

void recall_go_on_locked(void)
{
	struct recall **at = &client.recalls;

	while (*at) {
		struct recall *recall = *at;

		if (!section_passed(&recall->copies)) {
			at = &recall->next;
			continue;
		}
		*at = recall->next;
		section_waiting(-1);
		finish(recall);
	}
}

/* ------------------------------------------------------------ what is heard */

void recall_begin(struct conn *conn, const struct udax_recall *message)
{
	if (message->reason == UDAX_RECALL_CHANGE) {
		fetch_early_recall(conn, message);
	} else {
		if (message->device >= CONN_DEVICES_MAX)
			return;
		conn->device[message->device].going = true;
		conn->device[message->device].recall = message->recall;
	}
	begin(conn, message);
}

void recall_news(struct conn *conn, const struct udax_device *news)
{
	if (news->device < CONN_DEVICES_MAX && news->state == 0)
		conn->device[news->device].going = false;
}

void recall_unpinned_locked(struct conn *conn, uint32_t device)
{
	struct udax_recall message = {
		.device = device,
		.reason = RECALL_UNPIN,
	};

	if (conn->lost)
		message.reason = RECALL_LOST;
	else if (device >= CONN_DEVICES_MAX || !conn->device[device].going)
		return;
	else
		message.recall = conn->device[device].recall;
	begin(conn, &message);
}

void recall_lost(struct conn *conn)
{
	struct udax_recall message = { .reason = RECALL_LOST };

	begin(conn, &message);
	resume_begin_locked(conn);
}

void recall_unpoison_locked(void)
{
	int64_t now = clock_monotonic_ns();
	unsigned int left = 0;

	for (size_t i = 0; i < client.table.count; i++) {
		struct segment *segment = client.table.segment[i];
		size_t length = segment->end - segment->start;
		const _Atomic uint64_t *size = segment->mapping->handle->size;

		if (segment->state != SEGMENT_POISON || segment->forever)
			continue;
		left++;
		if (segment->until_ns > now)
			continue;
		if (lazy_available()) {
			if (lazy_put_hole(segment->start, length,
					  segment->prot))
				continue;
			segment->state = SEGMENT_HOLE;
			left--;
		} else if (size && atomic_load(size) > segment->offset) {
			segment->until_ns = now + SEGMENT_POISON_MS * NS_PER_MS;
			fetch_range_locked(segment->start, length);
		}
	}
	client.poisoned = left;
}
