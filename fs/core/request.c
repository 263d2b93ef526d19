/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/request.h"

#include "core/fs.h"
#include "core/inode.h"
#include "dax/removal.h"
#include "util/clock.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static void enlist(struct request *request)
{
	struct fs *fs = request->fs;

	pthread_mutex_lock(&fs->requests_lock);
	request->next = fs->requests;
	fs->requests = request;
	pthread_mutex_unlock(&fs->requests_lock);
}

static void delist(struct request *request)
{
	struct fs *fs = request->fs;
	struct request **at;

	pthread_mutex_lock(&fs->requests_lock);
	for (at = &fs->requests; *at != request; at = &(*at)->next)
		assert(*at);
	*at = request->next;
	pthread_mutex_unlock(&fs->requests_lock);
}

int request_thread_init(struct fs *fs, struct request *request)
{
	memset(request, 0, sizeof(*request));
	request->fs = fs;
	enlist(request);
	return 0;
}

void request_thread_fini(struct request *request)
{
	assert(!atomic_load(&request->operation));
	delist(request);
}

/* For the eyes of list-holders: only the thread itself relies on them. */
static void describe(struct request *request, uint64_t ino, pid_t caller)
{
	atomic_store_explicit(&request->ino, ino, memory_order_relaxed);
	atomic_store_explicit(&request->offset, 0, memory_order_relaxed);
	atomic_store_explicit(&request->length, 0, memory_order_relaxed);
	atomic_store_explicit(&request->pid, caller, memory_order_relaxed);
	atomic_store_explicit(&request->since_ns, clock_monotonic_ns(),
			      memory_order_relaxed);
}

void request_begin_ungated(struct request *request, const char *operation,
			   uint64_t ino)
{
	assert(!request->held && !atomic_load(&request->gates));
	request->writeback = false;
	request->no_atime = false;
	describe(request, ino, 0);
	atomic_store_explicit(&request->operation, operation,
			      memory_order_release);
}

int request_begin(struct request *request, const char *operation, uint64_t ino,
		  pid_t caller, bool writeback)
{
	struct fs *fs = request->fs;
	int err;

	assert(!request->held && !atomic_load(&request->gates));
	request->writeback = writeback;
	request->no_atime = false;
	describe(request, ino, caller);
	if (atomic_load_explicit(&fs->shut_down, memory_order_acquire))
		return -EIO;
	err = request_gate(request, fs->metadata_device);
	if (err)
		return err;
	atomic_store_explicit(&request->operation, operation,
			      memory_order_release);
	return 0;
}

/* Kernel writeback of what was dirty before the block is still let in. */
static int enter(const struct request *request, const struct fs_device *device)
{
	if (!device->pgmap)
		return -ENXIO;
	if (request->writeback && device->removal &&
	    removal_admits_writeback(device->removal))
		return pgmap_gate_enter_draining(device->pgmap);
	return pgmap_gate_enter(device->pgmap);
}

int request_gate(struct request *request, unsigned device)
{
	struct fs_device *member;
	uint64_t gates = atomic_load_explicit(&request->gates,
					      memory_order_relaxed);

	if (device >= request->fs->device_count)
		return -EUCLEAN;
	if (gates & UINT64_C(1) << device)
		return 0;
	member = &request->fs->devices[device];
	if (enter(request, member)) {
		atomic_fetch_add_explicit(&member->refused, 1,
					  memory_order_relaxed);
		return -EIO;
	}
	if (device_failed(request->fs->members.device[device])) {
		pgmap_gate_exit(member->pgmap);
		return -EIO;
	}
	atomic_store_explicit(&request->gates, gates | UINT64_C(1) << device,
			      memory_order_relaxed);
	return 0;
}

void request_end(struct request *request)
{
	uint64_t gates = atomic_load_explicit(&request->gates,
					      memory_order_relaxed);

	if (request->held) {
		pthread_rwlock_unlock(&request->held->lock);
		request->held = NULL;
	}
	atomic_store_explicit(&request->gates, 0, memory_order_relaxed);
	atomic_store_explicit(&request->operation, NULL, memory_order_release);
	for (; gates; gates &= gates - 1) {
		unsigned device = (unsigned)__builtin_ctzll(gates);

		pgmap_gate_exit(request->fs->devices[device].pgmap);
	}
}

void request_wait_begin(struct fs *fs, struct request *shown,
			const struct request *like, const char *operation,
			uint64_t devices)
{
	*shown = (struct request){
		.fs = fs,
		.operation = operation,
		.ino = atomic_load(&like->ino),
		.offset = atomic_load(&like->offset),
		.length = atomic_load(&like->length),
		.pid = atomic_load(&like->pid),
		.since_ns = atomic_load(&like->since_ns),
		.waiting = devices,
	};
	enlist(shown);
}

void request_wait_end(struct request *shown)
{
	delist(shown);
}

int request_verdict(const struct request *request)
{
	uint64_t gates = atomic_load_explicit(&request->gates,
					      memory_order_relaxed);

	for (; gates; gates &= gates - 1) {
		unsigned device = (unsigned)__builtin_ctzll(gates);

		if (device_failed(request->fs->members.device[device]))
			return -EIO;
	}
	return 0;
}

void request_for_each(struct fs *fs, request_fn *fn, void *arg)
{
	struct request *request;

	pthread_mutex_lock(&fs->requests_lock);
	for (request = fs->requests; request; request = request->next)
		if (atomic_load_explicit(&request->operation,
					 memory_order_acquire))
			fn(request, arg);
	pthread_mutex_unlock(&fs->requests_lock);
}

struct tally {
	uint64_t gate;
	unsigned count;
};

static void tally_one(const struct request *request, void *arg)
{
	struct tally *tally = arg;

	if (atomic_load_explicit(&request->gates, memory_order_relaxed) &
	    tally->gate)
		tally->count++;
}

unsigned request_count(struct fs *fs, unsigned device)
{
	struct tally tally = { .gate = UINT64_C(1) << device };

	request_for_each(fs, tally_one, &tally);
	return tally.count;
}
