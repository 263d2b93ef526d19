/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conn.h -- a connection to the daemon of one mount, and calls over it
 *
 * One a process and mount, made by the first file of that mount that is
 * mapped. It lives until the daemon ends, and is remembered as lost then.
 *
 * A call is a request with an answer. Who waits owns it; a detached one is
 * freed by the udax thread when it is answered. At most CONN_CALLS are under
 * way, so that the daemon never stops reading what we send beside them
 * (RETURNED above all); a detached call does not wait for room.
 *
 * Errors:  -ENOTSUP no udaxfs, or no direct mappings; -EACCES; -ENOTCONN the
 *          daemon has ended; -ETIMEDOUT it does not answer.
 * Locking: _locked and what says nothing: client.lock held; the others without.
 */
#ifndef UDAX_CLIENT_CONN_H
#define UDAX_CLIENT_CONN_H

#include "client/client.h"

#include <sys/types.h>

#define CONN_DEVICES_MAX 256
#define CONN_CALLS 12
#define CONN_CALL_MS 60000

struct conn_device {
	int fd[2];	   /* by "writable"; -1 */
	ino_t ino[2];	   /* what they were: a zap closes them behind us */
	bool going;	   /* recalled: nothing of it is mapped any more */
	uint8_t no_sync;   /* MAP_SYNC is refused */
	uint8_t volatile_; /* a tmpfs */
	uint64_t recall;   /* the daemon's number, for what comes at unpin */
};

struct pin;

struct conn {
	struct conn *next;
	dev_t dev;
	int socket; /* -1: lost */
	_Atomic bool lost;
	uint64_t last_id;
	unsigned int under_way;
	struct unsent *unsent, **unsent_end; /* waiting for room */
	_Atomic int room; /* futex: rises when a call is answered */
	struct call *calls;
	struct handle *handles;
	struct pin *pins;
	struct early *early; /* recalled before we heard of the lease */
	struct conn_device device[CONN_DEVICES_MAX];
	const _Atomic uint64_t *sizes;
	_Atomic uint64_t *stored;
	uint32_t sizes_words, stored_words;
	uint8_t filesystem[16];
	uint64_t lineage;
};

struct call {
	struct call *next;
	struct conn *conn;
	uint64_t id;
	bool detached;
	_Atomic int answered; /* futex */
	int status;
	union {
		struct udax_open_reply open;
		struct udax_pin_reply pin;
	} reply;
	/* MAP: what for (fetch.h) */
	struct mapping *mapping;
	uintptr_t addr, fault; /* fault: the page that is waited for, or 0 */
	uint64_t offset, length, covered;
	bool writable;
	/* PIN, with offset and length: */
	uint64_t lease, token;
	uint32_t device;
};

/* The connection for an open file; fd must be of a udaxfs mount. */
int conn_for(int fd, dev_t dev, struct conn **out)
	__attribute__((warn_unused_result));
struct conn *conn_find_locked(dev_t dev);

/*
 * Begin: header.type and the body are the caller's, id is given here. Waits
 * for room first, without the lock, unless detached. -ENOTCONN: lost.
 */
int call_start(struct conn *conn, struct call *call, void *message)
	__attribute__((warn_unused_result));
int call_start_locked(struct conn *conn, struct call *call, void *message)
	__attribute__((warn_unused_result));
void call_wait_for_room(struct conn *conn);
/* Its status. After -ETIMEDOUT the call is not the caller's any more. */
int call_wait(struct call *call) __attribute__((warn_unused_result));
struct call *call_create(struct conn *conn);
void call_free(struct call *call);

/* Sent and forgotten: UNMAP, CLOSE, UNPIN. */
void conn_send_unmap_locked(struct conn *conn, uint64_t lease, uint64_t offset,
			    uint64_t length);
void conn_send_close_locked(struct conn *conn, uint32_t handle);
void conn_send_unpin_locked(struct conn *conn, uint64_t pin);
void conn_send_returned_locked(struct conn *conn,
			       const struct udax_recall *recall);

/* A device's descriptor has come; it goes, if it is still what it was. */
void conn_know_device(struct conn *conn, uint32_t device, bool writable);
void conn_close_device(struct conn *conn, uint32_t device, bool writable);

/* By the udax thread: read what has come. May find it lost. */
void conn_receive(struct conn *conn);

#endif
