/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * record.h -- everything that was done to the members, in order, with the bytes
 *
 * Listens at the seam of fs/device (device_set_recorder()): each store, cached
 * store, flush and drain, by which thread, on which member; in between stand
 * the marks "operation N begins" and "is answered". Members are known by their
 * files, so a record goes on across mounts.
 *
 * While nothing is recorded the same seam tells which bytes a mount stores to
 * (record_listen()): what a judge has to undo after it looked at a state.
 *
 * Owns:    the events and their bytes.
 * Locking: its own; events of several threads are put in one order.
 */
#ifndef UDAX_TESTS_CRASH_RECORD_H
#define UDAX_TESTS_CRASH_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CRASH_DEVICES 2
#define CLIENT_THREADS 8 /* a client's own stores: its thread, and so many */

enum event_kind {
	EVENT_STORE,
	EVENT_CACHED,
	EVENT_FLUSH,
	EVENT_DRAIN,
	EVENT_BEGIN,
	EVENT_ANSWER
};

struct event {
	uint8_t kind;
	uint8_t device;
	uint16_t thread;
	uint32_t op; /* of a mark */
	uint64_t offset;
	uint32_t length;
	uint32_t bytes; /* where they stand in record.bytes */
};

struct record {
	struct event *events;
	size_t count, room;
	unsigned char *bytes;
	size_t used, bytes_room;
};

typedef void record_listener(void *arg, unsigned device, uint64_t offset,
			     size_t length);

/* The file of a member, whoever opens it. */
void record_member(unsigned device, ino_t file);

void record_begin(struct record *record);
void record_end(void);
void record_fini(struct record *record);
/* NULL: nobody. Called while nothing is recorded. */
void record_listen(record_listener *listener, void *arg);

/* Who this thread is from now on, in events. */
void record_thread(unsigned thread);
unsigned record_thread_now(void);
void record_mark(enum event_kind kind, unsigned op);

/* What a client does by itself, without the device layer. */
void record_client_store(unsigned device, uint64_t offset, const void *bytes,
			 size_t length);
/* Past the caches: durable at the client's fence. */
void record_client_copy(unsigned device, uint64_t offset, const void *bytes,
			size_t length);
void record_client_fence(unsigned device);
void record_client_persist(unsigned device, uint64_t offset, size_t length);

#endif
