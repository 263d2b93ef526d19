/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/thread.h"
#include "client/client.h"
#include "client/conn.h"
#include "client/fetch.h"
#include "client/lazy.h"
#include "client/recall.h"
#include "client/sys.h"

#include "util/clock.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#define POLL_MAX 64 /* mounts */
#define STACK_BYTES (256 * 1024)

struct later {
	struct later *next;
	int64_t at_ns;
	uintptr_t addr;
	size_t length;
};

void thread_later_locked(uintptr_t addr, size_t length, unsigned int in_ms)
{
	struct later *later = malloc(sizeof(*later));

	if (!later) { /* now, then: it comes round again */
		lazy_wake(addr, length);
		return;
	}
	*later = (struct later){ .next = client.later,
				 .at_ns = clock_monotonic_ns() +
					  in_ms * NS_PER_MS,
				 .addr = addr,
				 .length = length };
	client.later = later;
	client_kick();
}

static void run_later(int64_t now)
{
	struct later **at = &client.later;

	while (*at) {
		struct later *later = *at;

		if (later->at_ns > now) {
			at = &later->next;
			continue;
		}
		*at = later->next;
		if (lazy_available())
			lazy_wake(later->addr, later->length);
		else
			fetch_range_locked(later->addr, later->length);
		free(later);
		at = &client.later; /* the list may have changed */
	}
}

/* When to look again without being asked; -1: not. */
static int patience_ms(void)
{
	int64_t now = clock_monotonic_ns(), soonest = INT64_MAX;
	struct later *later;

	if (client.recalls)
		return 1;
	for (later = client.later; later; later = later->next)
		if (later->at_ns < soonest)
			soonest = later->at_ns;
	if (client.poisoned && soonest > now + SEGMENT_POISON_MS * NS_PER_MS)
		return SEGMENT_POISON_MS;
	if (soonest == INT64_MAX)
		return -1;
	return soonest <= now ? 0 : (int)((soonest - now) / NS_PER_MS) + 1;
}

static unsigned int collect(struct pollfd *wait, struct conn **conns)
{
	struct conn *conn;
	unsigned int count = 1;

	wait[0] = (struct pollfd){ .fd = client.wake_fd, .events = POLLIN };
	for (conn = client.conns; conn && count < POLL_MAX; conn = conn->next) {
		if (conn->lost)
			continue;
		conns[count] = conn;
		wait[count++] = (struct pollfd){ .fd = conn->socket,
						 .events = POLLIN };
	}
	return count;
}

static void *serve(void *arg)
{
	struct pollfd wait[POLL_MAX];
	struct conn *conns[POLL_MAX];
	uint64_t kicks;

	(void)client_enter(); /* it is the library: revoke callbacks, too */
	for (;;) {
		unsigned int count;
		int timeout;

		client_lock();
		recall_go_on_locked();
		run_later(clock_monotonic_ns());
		if (client.poisoned)
			recall_unpoison_locked();
		count = collect(wait, conns);
		timeout = patience_ms();
		client_unlock();
		recall_tell();
		if (SYS_CALL(SYS_poll, wait, count, timeout) <= 0)
			continue;
		if (wait[0].revents)
			(void)sys_read(wait[0].fd, &kicks, sizeof(kicks));
		for (unsigned int i = 1; i < count; i++)
			if (wait[i].revents)
				conn_receive(conns[i]);
	}
	return NULL;
}

static void *serve_faults(void *arg)
{
	(void)client_enter();
	for (;;) {
		uintptr_t fault = lazy_next_fault();

		lazy_lock();
		fetch_fault_locked(fault);
		client_unlock();
	}
	return NULL;
}

static int start(pthread_t *thread, void *(*run)(void *), const char *name)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int err;

	err = pthread_attr_init(&attr);
	if (err)
		return -err;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(thread, &attr, run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (err)
		return -err;
	pthread_setname_np(*thread, name);
	return 0;
}

int thread_start_locked(void)
{
	return start(&client.thread, serve, "udax");
}

int thread_start_faults_locked(void)
{
	int err;

	if (client.fault_running || !lazy_available())
		return 0;
	err = start(&client.fault_thread, serve_faults, "udax-fault");
	client.fault_running = !err;
	return err;
}
