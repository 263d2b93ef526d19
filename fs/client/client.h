/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client.h -- libudax inside: the one state of a process, and its lock
 *
 *   udax_*()              asks: sends a call, waits for its answer
 *   thread "udax"         receives answers and recalls, in their order, and is
 *                         the only one to put device memory into place: so a
 *                         recall never crosses a lease that is being mapped
 *   thread "udax-fault"   reads userfaultfd: a touch of a hole becomes a call
 *
 *   io.h region.h   reads and writes     map.c remap.c sync.c pin.c
 *        \________________________________/
 *   fetch.h recall.h    leases into place, and out again
 *   lazy.h              holes: userfaultfd
 *   conn.h handle.h     the daemon, its files
 *   table.h section.h sys.h
 *
 * Locking: client.connecting (making a connection; may block) outside
 *          client.lock. client.lock guards everything but what is said to be
 *          atomic; it is held for short, system calls on our own memory
 *          included, never while waiting for the daemon or for a thread of the
 *          program. The udax-fault thread must go on reading while others make
 *          an mremap(2) under the lock: see lazy.h.
 *          A signal handler that calls in while its thread is inside is turned
 *          away by client_enter().
 * fork:    both locks are held over it; the child closes every descriptor and
 *          forgets (fork.c). Descriptors of devices are received under the
 *          lock, so that the child knows all of them.
 */
#ifndef UDAX_CLIENT_CLIENT_H
#define UDAX_CLIENT_CLIENT_H

#include "client/table.h"

#include "udax/protocol.h"
#include "udax/udax.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct conn;
struct handle;
struct recall;
struct region;

/* One udax_mmap(); what mremap and mprotect make of it is still the same one.
 * refs, under client.lock: its segments, and calls that fetch for it. */
struct mapping {
	unsigned int refs;
	struct handle *handle;
	struct region *region; /* of reads and writes; else NULL */
	char *path; /* UDAX_MAP_RESUME: where to find the file again */
	bool resume;
	bool lazy;
	bool may_write; /* as the open file allowed */
};

struct client {
	pthread_mutex_t connecting;
	pthread_mutex_t lock;
	_Atomic uint64_t turn; /* rises whenever the lock is taken */
	bool started;
	struct table table;
	struct conn *conns;
	struct recall *recalls; /* waiting for copies that are under way */
	struct later *later;	/* thread.h */
	uint64_t recall_count;
	unsigned int poisoned; /* segments that will be holes again */
	int wake_fd;	       /* eventfd: the udax thread shall look */
	int poison_fd;	       /* an empty memfd */
	int fault_fd;	       /* userfaultfd, or -1 */
	int offered_fd;	       /* ... as the daemon gave it */
	bool fault_tried, fault_running;
	pthread_t thread, fault_thread;
	void (*revoked)(void *addr, size_t length, void *arg);
	void *revoked_arg;
};

extern struct client client;

/* False: the caller is a signal handler that interrupted this very thread
 * inside the library; no leave() then. */
bool client_enter(void);
void client_leave(void);
bool client_inside(void);

void client_lock(void);
void client_unlock(void);

/* Threads and descriptors, once, under the lock. */
int client_start_locked(void) __attribute__((warn_unused_result));
/* The udax thread shall look around. Any thread. */
void client_kick(void);
/* A descriptor where programs that count on low numbers do not look. */
int client_high_fd(int fd);

/* -1 and errno, as libc does. */
int client_result(int err);

#endif
