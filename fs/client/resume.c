/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/resume.h"
#include "client/fetch.h"
#include "client/handle.h"
#include "client/lazy.h"
#include "client/sys.h"

#include "util/clock.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 50

/* One of the lost connection's mappings that still waits, held. */
static struct mapping *next_waiting(const struct conn *lost)
{
	for (size_t i = 0; i < client.table.count; i++) {
		const struct segment *segment = client.table.segment[i];

		if (segment->mapping->resume &&
		    segment->mapping->handle->conn == lost &&
		    segment->state != SEGMENT_MAPPED) {
			mapping_hold(segment->mapping);
			return segment->mapping;
		}
	}
	return NULL;
}

static bool is_same(const struct handle *old, const struct handle *found)
{
	return old->inode == found->inode &&
	       old->generation == found->generation &&
	       memcmp(old->conn->filesystem, found->conn->filesystem,
		      sizeof(old->conn->filesystem)) == 0;
}

/* 0, -ESTALE: it is another file; others: not yet. */
static int find_again(const struct mapping *mapping, struct handle **out)
{
	struct handle_file file;
	int fd, err;

	if (!mapping->path)
		return -ESTALE;
	fd = sys_open(mapping->path, (mapping->may_write ? O_RDWR : O_RDONLY) |
					     O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fd;
	err = handle_file_of(fd, &file);
	if (!err && (!file.regular || !file.access))
		err = -ENOTSUP;
	if (!err)
		err = handle_open(fd, &file, out);
	sys_close(fd);
	if (err || is_same(mapping->handle, *out))
		return err;
	client_lock();
	handle_put_locked(*out);
	client_unlock();
	return -ESTALE;
}

/* Its segments: fetched when touched (again), or poison for good. */
static void settle(struct mapping *mapping, struct handle *handle)
{
	client_lock();
	if (handle) /* the old one stays: somebody may be looking at it */
		mapping->handle = handle;
	else
		mapping->resume = false;
	for (size_t i = 0; i < client.table.count; i++) {
		struct segment *segment = client.table.segment[i];
		size_t length = segment->end - segment->start;

		if (segment->mapping != mapping)
			continue;
		if (handle && !lazy_available())
			fetch_range_locked(segment->start, length);
		if (!handle && segment->state != SEGMENT_MAPPED) {
			(void)!lazy_put_poison(segment->start, length,
					       segment->prot);
			segment->state = SEGMENT_POISON;
			segment->forever = true;
		}
		lazy_wake(segment->start, length);
	}
	client_unlock();
}

static void *run(void *arg)
{
	struct conn *lost = arg;
	struct timespec nap = { .tv_nsec = LOOK_MS * NS_PER_MS };
	int64_t end = clock_monotonic_ns() + RESUME_MS * NS_PER_MS;
	struct mapping *mapping;

	(void)client_enter();
	for (;;) {
		struct handle *handle = NULL;
		int err;

		client_lock();
		mapping = next_waiting(lost);
		client_unlock();
		if (!mapping)
			break;
		err = find_again(mapping, &handle);
		if (!err || err == -ESTALE || clock_monotonic_ns() > end)
			settle(mapping, err ? NULL : handle);
		client_lock();
		mapping_drop(mapping);
		client_unlock();
		if (err && err != -ESTALE)
			nanosleep(&nap, NULL);
	}
	return NULL;
}

void resume_begin_locked(struct conn *lost)
{
	struct mapping *mapping = next_waiting(lost);
	sigset_t all, before;
	pthread_t thread;

	if (!mapping)
		return;
	mapping_drop(mapping);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, run, lost) == 0)
		pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}
