/* SPDX-License-Identifier: BSD-3-Clause */
#include "crash/record.h"

#include "device/device.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct record *recording;
static record_listener *listener_now;
static void *listener_arg;
static ino_t files[CRASH_DEVICES];
static __thread unsigned this_thread;

static void *grow(void *array, size_t *room, size_t needed, size_t size)
{
	if (needed <= *room)
		return array;
	*room = needed * 2;
	array = realloc(array, *room * size);
	if (!array)
		abort();
	return array;
}

static void add_locked(const struct event *event, const void *bytes)
{
	struct record *record = recording;

	record->events = grow(record->events, &record->room, record->count + 1,
			      sizeof(*record->events));
	record->events[record->count] = *event;
	if (bytes) {
		record->bytes = grow(record->bytes, &record->bytes_room,
				     record->used + event->length, 1);
		memcpy(record->bytes + record->used, bytes, event->length);
		record->events[record->count].bytes = (uint32_t)record->used;
		record->used += event->length;
	}
	record->count++;
}

static void add(struct event event, const void *bytes)
{
	event.thread = (uint16_t)this_thread;
	pthread_mutex_lock(&lock);
	if (recording)
		add_locked(&event, bytes);
	else if (listener_now && bytes)
		listener_now(listener_arg, event.device, event.offset,
			     event.length);
	pthread_mutex_unlock(&lock);
}

static int index_of(const struct device *device)
{
	int i;

	for (i = 0; i < CRASH_DEVICES; i++)
		if (files[i] == device->file_ino)
			return i;
	return -1;
}

/* A private copy's stores reach nobody. */
static bool is_heard(const struct device *device, int index)
{
	return index >= 0 && !device->options.private_copy;
}

static void on_stored(struct device *device, const void *to,
		      size_t length_bytes, bool cached)
{
	int index = index_of(device);

	if (is_heard(device, index) && length_bytes > 0)
		add((struct event){ .kind = cached ? EVENT_CACHED : EVENT_STORE,
				    .device = (uint8_t)index,
				    .offset = device_offset(device, to),
				    .length = (uint32_t)length_bytes },
		    to);
}

static void on_flushed(struct device *device, const void *from,
		       size_t length_bytes)
{
	int index = index_of(device);

	if (is_heard(device, index))
		add((struct event){ .kind = EVENT_FLUSH,
				    .device = (uint8_t)index,
				    .offset = device_offset(device, from),
				    .length = (uint32_t)length_bytes },
		    NULL);
}

static void on_drained(struct device *device)
{
	int index = index_of(device);

	if (is_heard(device, index))
		add((struct event){ .kind = EVENT_DRAIN,
				    .device = (uint8_t)index },
		    NULL);
}

static const struct device_recorder recorder = { .stored = on_stored,
						 .flushed = on_flushed,
						 .drained = on_drained };

void record_member(unsigned device, ino_t file)
{
	files[device] = file;
	device_set_recorder(&recorder);
}

void record_begin(struct record *record)
{
	memset(record, 0, sizeof(*record));
	recording = record;
}

void record_end(void)
{
	recording = NULL;
}

void record_fini(struct record *record)
{
	free(record->events);
	free(record->bytes);
	memset(record, 0, sizeof(*record));
}

void record_listen(record_listener *listener, void *arg)
{
	listener_now = listener;
	listener_arg = arg;
}

void record_thread(unsigned thread)
{
	this_thread = thread;
}

unsigned record_thread_now(void)
{
	return this_thread;
}

void record_mark(enum event_kind kind, unsigned op)
{
	add((struct event){ .kind = (uint8_t)kind, .op = op }, NULL);
}

static void client_stored(enum event_kind kind, unsigned device,
			  uint64_t offset, const void *bytes, size_t length)
{
	add((struct event){ .kind = (uint8_t)kind,
			    .device = (uint8_t)device,
			    .offset = offset,
			    .length = (uint32_t)length },
	    bytes);
}

void record_client_store(unsigned device, uint64_t offset, const void *bytes,
			 size_t length)
{
	client_stored(EVENT_CACHED, device, offset, bytes, length);
}

void record_client_copy(unsigned device, uint64_t offset, const void *bytes,
			size_t length)
{
	client_stored(EVENT_STORE, device, offset, bytes, length);
}

void record_client_fence(unsigned device)
{
	add((struct event){ .kind = EVENT_DRAIN, .device = (uint8_t)device },
	    NULL);
}

void record_client_persist(unsigned device, uint64_t offset, size_t length)
{
	client_stored(EVENT_FLUSH, device, offset, NULL, length);
	record_client_fence(device);
}
