/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/io.h"
#include "client/copy.h"
#include "client/region.h"
#include "client/section.h"
#include "client/probe.h"
#include "client/sys.h"

#include "util/clock.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LEAF 1024u
#define FDS_MAX (LEAF * LEAF)
#define PAUSE 64 /* operations */

/* An open file. handle NULL: of udaxfs, but not to be mapped. */
struct opened {
	struct handle *handle;
	bool readable, writable; /* directly */
};

typedef _Atomic(struct opened *) opened_slot;

static _Atomic(opened_slot *) leaves[FDS_MAX / LEAF];
/* Learning, fetching, forgetting: one at a time. Outside client.lock. */
static pthread_mutex_t slow = PTHREAD_MUTEX_INITIALIZER;

static opened_slot *slot_of(int fd)
{
	opened_slot *leaf;

	if (fd < 0 || (unsigned int)fd >= FDS_MAX)
		return NULL;
	leaf = atomic_load_explicit(&leaves[(unsigned int)fd / LEAF],
				    memory_order_acquire);
	return leaf ? &leaf[(unsigned int)fd % LEAF] : NULL;
}

static struct opened *opened_of(int fd)
{
	opened_slot *slot = slot_of(fd);

	return slot ? atomic_load_explicit(slot, memory_order_acquire) : NULL;
}

/* ------------------------------------------------------------- the fast way */

/* -EAGAIN: not this way. Inside a section. */
static ssize_t copy(const struct opened *opened, void *out, const void *in,
		    size_t count, uint64_t offset)
{
	struct handle *handle = opened ? opened->handle : NULL;
	struct region *region;
	uint64_t size;

	if (!handle || !(in ? opened->writable : opened->readable))
		return -EAGAIN;
	region = atomic_load(&handle->region);
	if (!region || atomic_load(&handle->conn->lost))
		return -EAGAIN;
	size = atomic_load_explicit(handle->size, memory_order_acquire);
	if (in && (offset > size || count > size - offset))
		return -EAGAIN; /* the file grows */
	if (offset >= size)
		return 0;
	if (count > size - offset)
		count = size - offset;
	if (!region_has(region, offset, count, in != NULL))
		return -EAGAIN;
	if (out) {
		memcpy(out, (void *)(region->base + offset), count);
		return (ssize_t)count;
	}
	copy_in((void *)(region->base + offset), in, count);
	copy_fence();
	handle_stored(handle);
	return (ssize_t)count;
}

static ssize_t directly(int fd, void *out, const void *in, size_t count,
			off_t offset)
{
	ssize_t done;
	bool nested;

	if (count == 0 || offset < 0 || count > SSIZE_MAX)
		return -EAGAIN; /* the system call knows what to say */
	if (!section_enter(&nested))
		return -EAGAIN;
	done = copy(opened_of(fd), out, in, count, (uint64_t)offset);
	section_leave(nested);
	return done;
}

/* ------------------------------------------------------------- the slow way */

static opened_slot *make_slot(int fd)
{
	opened_slot *leaf;

	if (fd < 0 || (unsigned int)fd >= FDS_MAX)
		return NULL;
	if (slot_of(fd))
		return slot_of(fd);
	leaf = calloc(LEAF, sizeof(*leaf));
	if (!leaf)
		return NULL;
	atomic_store_explicit(&leaves[(unsigned int)fd / LEAF], leaf,
			      memory_order_release);
	return &leaf[(unsigned int)fd % LEAF];
}

/* What is behind the number? -ENOTSUP: no file of udaxfs. */
static int learn(int fd, struct opened **out)
{
	opened_slot *slot = make_slot(fd);
	struct opened *opened;
	struct handle_file file;
	int err = handle_file_of(fd, &file);

	if (!err && (!file.regular || !file.access))
		err = probe_socket(fd, NULL);
	if (err)
		return err;
	opened = calloc(1, sizeof(*opened));
	if (!opened || !slot) {
		free(opened);
		return -ENOMEM;
	}
	if (file.regular && file.access) {
		err = handle_open(fd, &file, &opened->handle);
		if (err && err != -EACCES) {
			free(opened);
			return err;
		}
	}
	if (opened->handle && opened->handle->size) {
		client_lock();
		opened->handle->opened++;
		client_unlock();
		opened->readable = true;
		opened->writable = file.access & UDAX_OPEN_WRITE &&
				   !file.append;
	} else if (opened->handle) {
		client_lock();
		handle_put_locked(opened->handle);
		client_unlock();
		opened->handle = NULL;
	}
	atomic_store_explicit(slot, opened, memory_order_release);
	*out = opened;
	return 0;
}

/* A writable lease would fill its holes. */
static bool is_sparse(int fd)
{
	struct stat st;

	return fstat(fd, &st) != 0 || st.st_blocks * 512 < st.st_size;
}

static int prepare(int fd, size_t count, uint64_t offset, bool write)
{
	struct opened *opened = opened_of(fd);
	struct handle *handle;
	uint64_t size;
	int err = 0;

	if (!opened)
		err = learn(fd, &opened);
	if (err)
		return err;
	handle = opened->handle;
	if (!handle || !(write ? opened->writable : opened->readable))
		return -EOPNOTSUPP;
	if (atomic_load(&handle->pause) > 0) {
		atomic_fetch_sub(&handle->pause, 1);
		return -EOPNOTSUPP;
	}
	size = atomic_load(handle->size);
	if (offset >= size || (write && count > size - offset))
		return -EOPNOTSUPP;
	if (count > size - offset)
		count = size - offset;
	err = write && is_sparse(fd)
		      ? -EOPNOTSUPP
		      : region_fetch(handle, offset, count, write);
	if (err)
		atomic_store(&handle->pause, PAUSE);
	return err;
}

/* -EAGAIN: the system call has to. */
static ssize_t slowly(int fd, void *out, const void *in, size_t count,
		      off_t offset)
{
	ssize_t done = -EAGAIN;
	int err = 0;

	if (count == 0 || offset < 0 || count > SSIZE_MAX || !client_enter())
		return -EAGAIN;
	pthread_mutex_lock(&slow);
	for (unsigned int tries = 0; tries < 4 && !err; tries++) {
		err = prepare(fd, count, (uint64_t)offset, in != NULL);
		done = err ? -EAGAIN : directly(fd, out, in, count, offset);
		if (done != -EAGAIN)
			break;
	}
	pthread_mutex_unlock(&slow);
	client_leave();
	return err == -ENOTSUP && !opened_of(fd) ? -ENOTSUP : done;
}

static __thread unsigned long system_calls;

unsigned long udax_system_calls(void)
{
	return system_calls;
}

static ssize_t finish(ssize_t done)
{
	if (done >= 0)
		return done;
	errno = (int)-done;
	return -1;
}

ssize_t udax_pread(int fd, void *buf, size_t count, off_t offset)
{
	ssize_t done = directly(fd, buf, NULL, count, offset);

	if (done == -EAGAIN)
		done = slowly(fd, buf, NULL, count, offset);
	if (done == -EAGAIN) {
		system_calls++;
		done = sys_pread(fd, buf, count, offset);
	}
	return finish(done);
}

ssize_t udax_pwrite(int fd, const void *buf, size_t count, off_t offset)
{
	ssize_t done = directly(fd, NULL, buf, count, offset);

	if (done == -EAGAIN)
		done = slowly(fd, NULL, buf, count, offset);
	if (done == -EAGAIN) {
		system_calls++;
		done = sys_pwrite(fd, buf, count, offset);
	}
	return finish(done);
}

/* ------------------------------------------------------------------ forget */

static void forget(int fd)
{
	struct timespec nap = { .tv_nsec = 50000 };
	opened_slot *slot = slot_of(fd);
	struct opened *opened = slot ? atomic_exchange(slot, NULL) : NULL;
	struct section_wait copies;
	int64_t end = clock_monotonic_ns() + 10 * NS_PER_S;
	bool last;

	if (!opened)
		return;
	if (section_snapshot(&copies))
		return; /* a little is lost, nothing is wrong */
	while (!section_passed(&copies)) {
		if (clock_monotonic_ns() > end)
			return;
		nanosleep(&nap, NULL);
	}
	if (opened->handle) {
		client_lock();
		last = --opened->handle->opened == 0;
		client_unlock();
		if (last)
			region_end(opened->handle);
		client_lock();
		handle_put_locked(opened->handle);
		client_unlock();
	}
	free(opened);
}

int udax_forget(int fd)
{
	if (!opened_of(fd))
		return 0;
	if (!client_enter())
		return client_result(-EDEADLK);
	pthread_mutex_lock(&slow);
	forget(fd);
	pthread_mutex_unlock(&slow);
	client_leave();
	return 0;
}

int udax_close(int fd)
{
	(void)udax_forget(fd);
	return client_result(sys_close(fd));
}

void io_after_fork(void)
{
	pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;

	slow = fresh;
	for (size_t i = 0; i < FDS_MAX / LEAF; i++) {
		opened_slot *leaf = atomic_load(&leaves[i]);

		for (size_t j = 0; leaf && j < LEAF; j++)
			atomic_store(&leaf[j], NULL); /* lost, on purpose */
	}
}
