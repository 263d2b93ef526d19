/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * park.h -- requests that wait for a client to give a lease back [R13]
 *
 * A handler that core answers -EBUSY ends its request without a reply and
 * leaves the message here; it holds no gate, no lock and no worker while it
 * waits. When the range is free of leases and pins the message is served again
 * from scratch by a thread of ours, as if it had just come; that may end here
 * again.
 *
 *   handler             park                     core/lease.h
 *   op_park()  ───────→ park_add
 *    (no reply)         park_begin  ──────────→  lease_break_start
 *                       served once more  ←────  done()
 *                       lease_break_end
 *
 * What waits is answered otherwise when
 *   a lease cannot be had back        EBUSY; a fill EIO
 *   it is a fill and fill_ms pass     EIO: a fault waits in the kernel, deaf
 *                                     to signals, with its page locked. It
 *                                     fills twice, with its neighbours and
 *                                     alone: the second is refused at once
 *   its caller has a signal           EINTR; not a fill, whose fault would
 *                                     become a SIGBUS
 *   its device blocks                 EIO
 *   a notification needs its inode    park_bar
 *   the session ends                  not at all
 *
 * While it is unanswered a size change holds back its inode's writeback in the
 * kernel, and a fill or a cached write its pages. Whoever sends the inode a
 * notification would wait for what is parked: so it says so (park_bar).
 *
 * Owns:    the messages, one thread.
 * Bounds:  struct park_limits; beyond: -EBUSY, a fill -EIO.
 * Locking: a mutex of its own, a leaf. Nothing here waits but the thread, and
 *          that never for a client or a notification. All that is answered or
 *          served is so by the thread; who decides it only leaves a verdict.
 */
#ifndef UDAX_FUSE_PARK_H
#define UDAX_FUSE_PARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fs;
struct park;
struct parked;
struct request;
struct session;

struct park_limits {
	unsigned int count;
	size_t bytes;	      /* of messages */
	unsigned int fill_ms; /* the default steps of taking back, and a bit */
	unsigned int late_ms; /* a fill was refused: so are its like */
	unsigned int bar_ms;  /* a notification waits for a size change */
};

#define PARK_LIMITS_DEFAULT                                                    \
	((struct park_limits){ .count = 1024,                                  \
			       .bytes = 64u << 20,                             \
			       .fill_ms = 10000,                               \
			       .late_ms = 250,                                 \
			       .bar_ms = 1000 })

/* CHANGE: of size or blocks, with the kernel holding back writeback. */
enum park_kind { PARK_FILL, PARK_WRITE, PARK_CHANGE };

struct park_want {
	const char *operation;
	enum park_kind kind;
	uint64_t first, last; /* file pages; last UINT64_MAX: to the end */
	uint64_t devices;     /* whose leases are waited for, a bit each */
};

int park_create(struct park **out, struct fs *fs, struct session *session,
		const struct park_limits *limits)
	__attribute__((warn_unused_result));
/* The session is mounted. */
int park_start(struct park *park) __attribute__((warn_unused_result));
/* No other thread serves any more. Everything that waits is dropped. */
void park_stop(struct park *park);
void park_destroy(struct park *park);

/*
 * In a serving thread, with the request ended, two steps: from the first on the
 * message can be interrupted; the second, when libfuse has forgotten it, asks
 * for the break. like: the request, as list-holders is to show it. An error is
 * to be answered.
 */
int park_add(struct park *park, const struct request *like,
	     const struct park_want *want, struct parked **out)
	__attribute__((warn_unused_result));
void park_begin(struct parked *parked);

/* FUSE_INTERRUPT. False: it is not here. */
bool park_interrupt(struct park *park, uint64_t unique);
/* removal_ops.blocked. */
void park_fail_device(struct park *park, unsigned int device);

/*
 * Around a notification of an inode's pages, by who sends it. at_once: what is
 * parked on it, and what would be meanwhile, fails with EIO (removal). Else
 * size changes have bar_ms left, then fail with EBUSY: the notification may be
 * part of a grant whose client would have to unpin first.
 */
struct park_bar {
	uint64_t ino;
	bool at_once;
	int64_t since_ns;
	struct park_bar *next;
};
void park_bar(struct park *park, struct park_bar *bar, uint64_t ino,
	      bool at_once);
void park_unbar(struct park *park, struct park_bar *bar);

#endif
