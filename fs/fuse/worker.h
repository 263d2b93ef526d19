/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker.h -- one serving thread: its descriptor, its buffer, its message
 *
 * Private to the session module (session.c owns the workers; worker.c moves
 * messages; negotiate.c rewrites the one INIT reply).
 */
#ifndef UDAX_FUSE_WORKER_H
#define UDAX_FUSE_WORKER_H

#include "fuse/session.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/uio.h>

struct worker {
	struct session *session;
	pthread_t thread;
	int fd; /* the session's, or a clone of it */
	bool cloned;
	unsigned char *map;	/* what the buffer lies in */
	unsigned char *message; /* so placed that a write's bytes are aligned */
	size_t length;
	struct session_kept *kept; /* it is, or NULL */
	uint32_t opcode;     /* as it came; the message's may be changed */
	uint32_t open_flags; /* FOPEN_*, to be added to the open reply */
	void *state;
};

struct session {
	struct session_config config;
	struct fuse_session *fuse;
	int fd;
	int finished; /* eventfd */
	bool mounted;
	uint64_t init_unique; /* of the INIT being answered, else 0 */
	uint64_t offered;     /* FUSE_* flags in it, both words */
	unsigned int granted;
	atomic_uint running;
	_Atomic bool stopping;
	unsigned int worker_count;
	struct worker workers[SESSION_THREADS_MAX];
};

int worker_init(struct worker *worker, struct session *session, bool clone);
void worker_fini(struct worker *worker);
/* The next message: its length, 0 to try again, -ENODEV at the end. */
ssize_t worker_receive(struct worker *worker);
void worker_serve(struct worker *worker, size_t length);
/* Threads inherit it: nothing but what a thread does to itself, and what
 * session_stop() sends. before: NULL, or what was blocked until now. */
void worker_block_signals(sigset_t *before);
/* Thread's main; arg: struct worker. */
void *worker_main(void *arg);
/* Makes it the calling thread's, or none with NULL. */
void worker_adopt(struct worker *worker);
struct worker *worker_self(void);

/* libfuse's custom I/O: replies and notifications leave through here. */
extern const struct fuse_custom_io worker_io;

/* Remember what INIT offers. */
void negotiate_seen(struct session *session, const struct fuse_in_header *in);
/* Is it INIT's good reply? Then: what goes out in its place. */
bool negotiate_reply(struct session *session, struct iovec *iov, int count,
		     struct fuse_init_out *out);

#endif
