/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lease.h -- who maps device memory directly, and how it is got back
 *
 * A lease is a client's right to map a range of one file's pages straight from
 * one device. Its pages have entries with holder LEASE, one association a
 * lease [R1]; holes of a read-only lease have zero entries that a later write
 * into the hole must take back first. A pin is a declared DMA on a part of a
 * lease: folio references that outlast recall and zap.
 *
 * Taking back is a conversation with a client and has its end at a time nobody
 * knows. Who must change blocks under a lease gets -EBUSY from core, lets go of
 * everything [R13] and asks for a break; it is called when nothing is in the
 * way any more and tries again from scratch:
 *
 *   front (parked request)      core                       direct
 *   lease_break_start  ────────→ ops.recall for each ─────→ RECALL, zap
 *                                lease_return ←──────────── RETURNED, proven
 *   done()  ←─────────────────── range free of leases and pins
 *   the operation again, lease_break_end
 *
 * From start to end new leases and pins of the range are refused (-EAGAIN), so
 * that it cannot starve. R12: nothing is freed before the client has let go:
 * the waiting break is the quarantine; an unlinked file keeps its blocks as
 * long as a lease holds its inode.
 *
 * R11: granting first invalidates the kernel's pages of the range (if there are
 * entries that say it may have some) with no lock held, then looks whether a
 * fill came in between (entry_table_expel_end), and starts over if so.
 *
 * Among leases: who wants to write to a hole that others, or he himself, have
 * leased as zeros gets -EAGAIN, and the zeros are called back meanwhile.
 *
 * Owns:    leases, pins; each lease holds its inode (inode_hold).
 * Units:   file pages of 4 KiB; ranges [first, last].
 * Locking: fs.lease_lock guards lists and breaks: inside inode.lock, outside
 *          the entry table's. ops.recall is called under it and only queues;
 *          done() is called without any lock, by whoever removed the last
 *          obstacle. Grants take inode.lock; nothing here waits for a client.
 * Errors:  -ENXIO the device is going; -EAGAIN a break of the range is under
 *          way; -EBUSY the kernel's mapping comes back each time; -ENODATA
 *          beyond EOF; -ENOSPC, -ENOMEM, -EUSERS.
 */
#ifndef UDAX_CORE_LEASE_H
#define UDAX_CORE_LEASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#define LEASE_RUNS_MAX 2000
#define LEASE_NO_DEVICE (~0u)

struct fs;
struct inode;
struct lease;
struct lease_pin;
struct request;

LIST_HEAD(lease_list, lease);
LIST_HEAD(lease_pin_list, lease_pin);

/* A client as core sees it; embedded in direct's own. Zeroed but for the first
 * two. May go when lease_client_gone(LEASE_NO_DEVICE) has returned. */
struct lease_client {
	pid_t pid; /* thread group */
	char command[16];
	/* under fs.lease_lock: */
	struct lease_list leases;
	struct lease_pin_list pins;
	uint64_t lease_count; /* what a lease was cut into counts singly */
	uint64_t pin_count;
	unsigned returning; /* threads on their way out with some of it */
};

struct lease_ops {
	/*
	 * Begin to take these pages of that lease back: under lease_lock, queue
	 * and return. Ends with lease_return() or lease_client_gone(), or with
	 * lease_unyielding().
	 */
	void (*recall)(void *arg, struct lease_client *client, uint64_t lease,
		       uint64_t first, uint64_t last, unsigned device);
};

int lease_init(struct fs *fs) __attribute__((warn_unused_result));
/* What is left ends, with a line of log a client; none is looked at again. */
void lease_fini(struct fs *fs);
/* NULL: no door; then a break of a leased range is -EBUSY at once. */
void lease_set_ops(struct fs *fs, const struct lease_ops *ops, void *arg);

/* ----------------------------------------------------------------- grants */

struct lease_want {
	uint64_t first;
	uint64_t npages;
	bool writable;
	/* -EINPROGRESS, and nothing is done, where it would have to wait for
	 * the log, the kernel, or who has the inode. */
	bool nowait;
	/* Where the client says when it stored last (udax/protocol.h); or NULL.
	 * Stays mapped as long as a lease of it is there. */
	_Atomic uint64_t *stored_ns;
};

struct lease_run {
	uint64_t index;
	uint64_t npages;
	uint64_t device_page;
	bool zero;
};

struct lease_grant {
	uint64_t id;
	uint64_t first, last; /* a prefix of what was wanted */
	unsigned device;      /* LEASE_NO_DEVICE: all zeros */
	unsigned run_count;
	struct lease_run runs[LEASE_RUNS_MAX];
};

/*
 * By a registered thread (request_thread_init) that serves no FUSE request and
 * is in no request: it begins and ends its own. The caller has the inode open
 * or held. May block, unless nowait: transactions, notifications.
 */
int lease_grant(struct request *request, struct lease_client *client,
		struct inode *inode, const struct lease_want *want,
		struct lease_grant *out) __attribute__((warn_unused_result));

/*
 * The client has let go of these pages of that lease (parts of it that are not
 * there are fine; pinned pages are -EBUSY, and nothing is done). Entries
 * deleted, or an error.
 */
int64_t lease_return(struct fs *fs, struct lease_client *client, uint64_t id,
		     uint64_t first, uint64_t last)
	__attribute__((warn_unused_result));

struct lease_gone {
	uint64_t leases;
	uint64_t entries;
};

/* It has provably let go of a device (or, LEASE_NO_DEVICE, of everything, pins
 * too: it is dead): all its leases there end. */
void lease_client_gone(struct fs *fs, struct lease_client *client,
		       unsigned device, struct lease_gone *gone);

/* What does the client have on the device? */
struct lease_tally {
	uint64_t leases;
	uint64_t pins;
};
void lease_client_tally(struct fs *fs, const struct lease_client *client,
			unsigned device, struct lease_tally *out);

/* Another process maps on for the client (a child of it): it is the one that
 * holds from now on. */
void lease_client_renamed(struct fs *fs, struct lease_client *client, pid_t pid,
			  const char *command);

/* Where a lease's pages are on its device, for a zap: at most `room` ranges of
 * bytes, pinned ones left out; how many there are. */
struct lease_place {
	uint64_t device_offset;
	uint64_t length;
};
unsigned lease_places(struct fs *fs, struct lease_client *client, uint64_t id,
		      uint64_t first, uint64_t last, struct lease_place *places,
		      unsigned room);

/* R8: what was stored through the lease is durable, mtime on the media. */
int lease_sync(struct request *request, struct lease_client *client,
	       uint64_t id, uint64_t first, uint64_t last)
	__attribute__((warn_unused_result));

/* The same for all leases of an inode that is open, those that have ended too:
 * fsync(2) of it. */
int lease_fsync(struct request *request, struct inode *inode)
	__attribute__((warn_unused_result));
/* What ended leases have stored and nobody has made durable yet; as far as its
 * devices are there. inode.lock held. retiring: a device that has drained and
 * is the caller's alone, or LEASE_NO_DEVICE. */
void lease_store_settle_locked(struct fs *fs, struct inode *inode,
			       unsigned retiring);

/* ---------------------------------------------------------------- devices */

/*
 * A client's descriptor of a device, and its lock (device_lease_open): -ENXIO
 * when the device is not live any more.
 */
int lease_device_open(struct fs *fs, unsigned device, bool writable,
		      uint64_t lock_byte) __attribute__((warn_unused_result));
/* 1: somebody still holds that lock, 0: nobody (or the device is closed). */
int lease_device_held(struct fs *fs, unsigned device, uint64_t lock_byte)
	__attribute__((warn_unused_result));
/* Its file, as /proc/PID/maps shows it. -ENXIO: closed. */
int lease_device_file(struct fs *fs, unsigned device, dev_t *dev, ino_t *ino)
	__attribute__((warn_unused_result));

/* ------------------------------------------------------------------- pins */

int lease_pin(struct request *request, struct lease_client *client, uint64_t id,
	      uint64_t first, uint64_t last, uint64_t *pin)
	__attribute__((warn_unused_result));
/* -ENOENT: no such pin of this client. */
int lease_unpin(struct fs *fs, struct lease_client *client, uint64_t pin)
	__attribute__((warn_unused_result));

/* Does the inode have a pin of a page of the range? */
bool lease_pinned(struct fs *fs, uint64_t ino, uint64_t first, uint64_t last);

/* ----------------------------------------------------------------- breaks */

struct lease_break {
	uint64_t ino;
	uint64_t first, last; /* last UINT64_MAX: to the end */
	/* Once, unless cancelled: 0, try again; -EBUSY a lease could not be had
	 * back. Any thread, no lock held. */
	void (*done)(struct lease_break *brk, int err);
	/* private, under lease_lock: */
	LIST_ENTRY(lease_break) of_file;
	struct lease_file *file;
	struct lease_break *next; /* to be told */
	uint64_t obstacles;	  /* leases and pins in the range */
	bool waiting;
	bool told; /* done() is about to be called, or was */
	int err;
};

/*
 * 0: nothing is in the way (done is not called; the break is in force all the
 * same); -EINPROGRESS: done() will be called. -EBUSY: no door, -ENOMEM: it is
 * not in force. The inode stays: the caller's request holds it.
 */
int lease_break_start(struct fs *fs, struct lease_break *brk)
	__attribute__((warn_unused_result));
/* True: done() will not be called any more. False: it was, is being or is about
 * to be: wait for it. Then lease_break_end() still. */
bool lease_break_cancel(struct fs *fs, struct lease_break *brk);
/* No longer in force; after done() or cancel. */
void lease_break_end(struct fs *fs, struct lease_break *brk);
/* Every step has failed: breaks that wait for these pages end with -EBUSY. */
void lease_unyielding(struct fs *fs, struct lease_client *client, uint64_t id,
		      uint64_t first, uint64_t last);

/* -------------------------------------------------------------- questions */

/* Somebody may store to it unseen: attributes are not to be cached. */
bool lease_writable_on(struct inode *inode);
/* What clients say of their last stores becomes lazy mtime (attr_get does). */
void lease_gather_mtime(struct fs *fs, struct inode *inode);

/* The inode's word in the sizes page, taken at the first call; UDAX_NO_WORD.
 * Given back with `active`. fs.sizes_fd is the page, to be handed out
 * read-only. */
uint32_t lease_sizes_word(struct fs *fs, struct inode *inode);

struct lease_info {
	bool pin;
	uint64_t id;
	pid_t pid;
	char command[16];
	uint64_t ino;
	unsigned device;
	bool writable;
	uint64_t offset, length; /* bytes */
	int64_t since_ns;	 /* CLOCK_MONOTONIC */
};
/* Under lease_lock: fn may not call back. */
typedef void lease_fn(const struct lease_info *info, void *arg);
void lease_for_each(struct fs *fs, lease_fn *fn, void *arg);
/* Pinned pages on a device: R10's other term. */
uint64_t lease_pinned_pages(struct fs *fs, unsigned device);

#endif
