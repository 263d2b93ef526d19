/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * private.h -- what the parts of direct/ share
 *
 *   loop.c      the ring: connections, packets, pidfds, time; the only thread
 *               that makes, closes and frees clients and moves their jobs
 *   client.c    how it does that
 *   message.c   one packet: answered at once, or handed to a worker
 *   work.c      the workers: OPEN, MAP, SYNC, PIN may block
 *   handle.c    a client's open files and their words in its stored page
 *   grant.c     a client's descriptors of devices and their locks
 *   send.c      replies and news, in order
 *   takeback*.c jobs: recall → zap → kill (takeback.h)
 *   force.c     the threads that zap, kill and look for who maps on
 *
 * Locks, in order: client.send_lock, direct.lock. core's lease_lock comes
 * before direct.lock (ops.recall), so nothing of core is called under that one.
 *
 * What is said about a lease reaches its client in the order in which it
 * became true: under send_lock a worker looks, once more, whether anything has
 * taken the lease back since it was granted, and only then sends it [publish];
 * the loop sends every RECALL under send_lock. So a client never hears of the
 * recall of a lease before it hears of the lease, and never gets one that was
 * recalled already.
 */
#ifndef UDAX_DIRECT_PRIVATE_H
#define UDAX_DIRECT_PRIVATE_H

#include "core/fs.h"
#include "core/lease.h"
#include "core/request.h"
#include "core/token.h"
#include "direct/direct.h"
#include "direct/zap.h"
#include "udax/protocol.h"
#include "util/deadline.h"
#include "wire/wire.h"

#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>

#define WORKERS 4
#define WORKERS_A_CLIENT 2 /* so that one client does not stop the others */
#define FORCES 2
#define HANDLES_MAX 4096 /* a client; the words of its stored page */
#define OUT_MAX 256	 /* packets that wait for a client to read */
#define OUT_BYTES_MAX (1u << 20)
#define CLIENT_IDLE_MS 10000 /* to say HELLO; to read what it is sent */
#define SOCKET_BACKLOG 128
#define REQUEST_ROOM 128 /* more than the longest request */
#define RECALLS_SEEN 4

/* A device and mode that a client has a descriptor of. */
struct grant {
	struct grant *next;
	unsigned int device;
	bool writable;
	bool opening; /* a worker is about to send it; counts as held */
	uint64_t lock_byte;
};

struct handle {
	struct inode *inode;
	uint64_t ino;
	uint64_t generation;
	bool may_write;
	bool open;
	unsigned int users; /* tasks */
	uint32_t word;
};

/* A request in the hands of the workers. */
struct task {
	struct task *next;
	struct client *client;
	struct handle *handle; /* MAP */
	union {
		struct udax_header header;
		struct udax_open open;
		struct udax_map map;
		struct udax_range range;
	} message;
	/* What was taken back from the client while it was being served. */
	uint64_t gone_seq;
	uint64_t recalled[RECALLS_SEEN];
	unsigned int recalled_count; /* more than fit: all of them */
};

struct out {
	struct out *next;
	struct wire_fds fds;
	size_t length;
	unsigned char bytes[];
};

enum job_kind { JOB_CHANGE, JOB_REMOVAL, JOB_NAME };
enum job_step {
	STEP_NEW,
	STEP_RECALLED, /* the client has been asked */
	STEP_ZAPPING,  /* in the hands of a force */
	STEP_ZAPPED,   /* look whether it helped */
	STEP_KILLING,
	STEP_KILLED,
	STEP_PINNED, /* only pins are left; goes on at UNPIN */
	STEP_STUCK,  /* nothing has helped: looked at, tried again at times */
	STEP_SETTLE, /* the removal was cancelled: wait for the lock alone */
};

/* Something to be had back from one client. */
struct job {
	struct job *next;	/* of the client's */
	struct job *next_force; /* of those that wait for one */
	struct client *client;
	enum job_kind kind;
	enum job_step step;
	uint64_t id;
	uint64_t lease, first, last; /* CHANGE */
	unsigned int device;	     /* CHANGE: may be LEASE_NO_DEVICE */
	unsigned int removal;	     /* the device whose removal asked */
	enum removal_mode mode;
	struct removal_limits limits;
	struct deadline deadline; /* of this step */
	struct deadline give_up;  /* CHANGE: of all of them */
	uint64_t zapped_bytes;	  /* by all zaps of it */
	int64_t look_ns;	  /* next, at the lock */
	int64_t pause_ns;	  /* between looks */
	bool returned;
	bool served; /* by a force; direct.lock */
	int force_result;
};

struct worker;

struct client {
	struct lease_client lease; /* pid: may become that of a child */
	struct direct *direct;
	struct client *next; /* changed by the loop, under direct.lock */
	struct token_caller who;
	int pidfd;

	/* The loop's alone: */
	bool said_hello;
	bool process_gone;
	bool receiving, watching, polling_out; /* the ring has our address */
	bool orphan;		/* no socket; perhaps it maps on */
	bool named;		/* who maps on has been looked for */
	bool cancelled;		/* the watch on its pidfd */
	unsigned int todo_seen; /* todo_count, when looked at last */
	struct deadline idle;
	struct msghdr in;
	struct iovec in_vector;
	union {
		struct udax_header header;
		unsigned char bytes[REQUEST_ROOM];
	} in_message;
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(sizeof(int) * 16)];
	} in_control;
	int64_t look_ns;  /* an orphan's locks */
	int64_t pause_ns; /* between looks */

	/* send_lock: */
	pthread_mutex_t send_lock;
	int fd;				/* -1: closed */
	_Atomic unsigned int out_count; /* read without, too */
	struct out *out;
	struct out **out_end;
	size_t out_bytes;
	struct deadline out_stuck;

	/* direct.lock: */
	bool closed; /* nothing more is accepted, granted or sent */
	bool drop;   /* the loop is asked to close it */
	bool gone;   /* nothing is held any more */
	bool in_todo;
	struct task *todo;
	struct task **todo_end;
	struct client *next_todo;
	struct task *serving[WORKERS_A_CLIENT + 1]; /* and the loop */
	unsigned int serving_count;
	unsigned int todo_count; /* with those being served */
	struct handle **handles;
	uint32_t handles_room, handles_top;
	struct grant *grants;
	uint64_t gone_seq;
	struct job *jobs;

	_Atomic uint64_t *stored; /* HANDLES_MAX words */
};

/* A device that is being taken back from everybody. direct.lock. */
struct revocation {
	bool active; /* no lease of it is published */
	bool begun;  /* the jobs have been made */
	bool clear;  /* but for pins */
	unsigned int removal;
	enum removal_mode mode;
	struct removal_limits limits;
	enum removal_state state; /* the last heard of */
	enum removal_state told;  /* the last that clients were sent */
};

struct direct {
	struct fs *fs;
	struct io_uring ring;
	char socket_path[UDAX_SOCKET_PATH_BYTES];
	int listen_fd;
	int event_fd;
	int sizes_fd;
	int uffd; /* /dev/userfaultfd, or -1 */
	uint32_t sizes_words;
	uint64_t lineage;
	uint64_t event_count; /* where the ring reads the eventfd to */

	/* The loop's alone: */
	unsigned int client_count;
	bool accepting;
	struct worker *worker;
	int64_t due_ns; /* look round then */
	int64_t log_since_ns;
	unsigned int log_count;

	pthread_mutex_t lock;
	pthread_cond_t work;	  /* for workers */
	pthread_cond_t force;	  /* for forces */
	pthread_cond_t evaluated; /* for direct_revoke_device */
	bool stop;
	struct client *clients;
	struct client *todo; /* clients with tasks that may be served */
	struct client **todo_end;
	struct job *fresh; /* from ops.recall, for the loop */
	struct job **fresh_end;
	struct job *forced; /* for the forces */
	struct job **forced_end;
	uint64_t next_job;
	uint64_t next_lock_byte;
	struct revocation revocations[ROLL_MAX];
	unsigned int grants[ROLL_MAX]; /* how many clients have */
	int probes[ROLL_MAX];	       /* -1: nobody has any (grant.c) */
	uint64_t looks;		       /* of the loop, at all of them */

	pthread_t loop;
	pthread_t workers[WORKERS];
	pthread_t forces[FORCES];
	unsigned int worker_count, force_count;
	bool looping;
};

/* ------------------------------------------------------------------ loop.c */

void *direct_loop(void *direct);
/* It shall look round. Any thread, any lock. */
void direct_wake(struct direct *direct);
/* No later than then. The loop. */
void direct_due(struct direct *direct, int64_t at_ns);
/* Have the ring tell of the client's packets, of its process's end; not. */
void loop_arm_receive(struct client *client);
void loop_arm_pidfd(struct client *client);
void loop_disarm_pidfd(struct client *client);

/* ---------------------------------------------------------------- client.c */

/* The loop: a connection from whoever. Takes the descriptor. */
int direct_serve(struct direct *direct, int fd);
/* The loop: no more of it. why: for the log; NULL: it left by itself. */
void client_close(struct client *client, const char *why);
/* The ring has let go of it, perhaps. */
void client_close_socket(struct client *client);
/* Those that nothing holds any more. */
void clients_reap(struct direct *direct);
/* When the loop is gone. */
void direct_free_clients(struct direct *direct);

/* --------------------------------------------------------------- message.c */

/* The loop: one packet that wire_check() has passed. 0, or the connection is to
 * be closed. */
int message_handle(struct client *client, const struct udax_header *header);

/* ------------------------------------------------------------------ work.c */

void *direct_worker(void *direct);
/* The loop has one of its own, for work_at_once(); NULL: no memory. */
struct worker *worker_create(struct direct *direct);
void worker_destroy(struct worker *worker);
/* The loop: serve it if nothing is to be waited for; else false, and it is the
 * caller's still. */
bool work_at_once(struct worker *worker, struct task *task);
void work_queue(struct client *client, struct task *task);
/* direct.lock held: what has not been begun, to be freed. */
struct task *work_drop_locked(struct client *client);
void work_free(struct client *client, struct task *dropped);

/* ---------------------------------------------------------------- handle.c */

/* Takes the hold on the inode, also when it fails. */
int handle_add(struct client *client, struct inode *inode, bool may_write,
	       uint32_t *number);
/* With a user more. NULL: no such handle. */
struct handle *handle_get(struct client *client, uint32_t number);
void handle_put(struct client *client, struct handle *handle);
int handle_close(struct client *client, uint32_t number);
void handle_close_all(struct client *client);
void handle_free_all(struct client *client);

/* ----------------------------------------------------------------- grant.c */

/*
 * The client's descriptor for a lease that is about to be sent; send_lock held.
 * *fd: to be sent along and closed, or -1: the client has it. *opened: not
 * NULL: to be told to grant_sent() when it was tried.
 */
int grant_take(struct client *client, const struct task *task,
	       const struct lease_grant *lease, bool writable, int *fd,
	       struct grant **opened);
void grant_sent(struct client *client, struct grant *grant);
/* How many locks of the client's on the device (LEASE_NO_DEVICE: on any) are
 * held. Forgets nothing. */
unsigned int grant_held(struct client *client, unsigned int device);
/* What was held is proven gone: forget it. direct.lock held. */
void grant_forget_locked(struct client *client, unsigned int device);
/* -ENXIO: nobody has a grant of it. */
int grant_device_file(struct direct *direct, unsigned int device,
		      struct zap_file *out);
bool grant_any_locked(const struct client *client, unsigned int device);

/* ------------------------------------------------------------------ send.c */

/* send_lock held or not. A client that is closed is no error: nothing is sent.
 * Descriptors stay the caller's. */
int send_locked(struct client *client, const void *message,
		const struct wire_fds *fds);
int send_message(struct client *client, const void *message,
		 const struct wire_fds *fds);
void send_status(struct client *client, const struct udax_header *request,
		 int status);
/* The loop: it can be written to again. False: it is gone. */
bool send_more(struct client *client);
void send_drop(struct client *client);

/* -------------------------------------------------------------- takeback.c */

extern const struct lease_ops takeback_ops;

/* The loop's, with no lock held. */
void takeback_take_fresh(struct direct *direct);
void takeback_devices(struct direct *direct); /* begin, end, judge */
void takeback_look(struct client *client, int64_t now_ns);
void takeback_returned(struct client *client,
		       const struct udax_returned *returned);
void takeback_unpinned(struct client *client);
/* An orphan, or one whose process ended: what does it hold? True: nothing any
 * more. */
bool takeback_look_at_orphan(struct client *client, int64_t now_ns);
/* Its socket is closed. */
void takeback_orphaned(struct client *client);
void job_free_all(struct client *client);

/* ----------------------------------------------------------------- force.c */

void *direct_force(void *direct);
/* direct.lock held; job->served tells when. */
void force_queue_locked(struct job *job);

#endif
