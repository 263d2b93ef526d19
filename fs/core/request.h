/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * request.h -- one request in flight: what it is, which devices it may touch
 *
 * A request enters the gate of the metadata device when it begins and that of
 * each data device before it touches it; it leaves all of them when it ends,
 * which for a read is after the reply was written, because the reply is sent
 * straight from device memory. So a device that has drained has no request in
 * it. Each serving thread has one struct request, registered so that
 * list-holders can show it.
 *
 * Errors:  -EIO when a device is blocked, dead, missing or failed.
 * Locking: gates only; no lock is held between calls but the inode that a
 *          read holds (file_read).
 */
#ifndef UDAX_CORE_REQUEST_H
#define UDAX_CORE_REQUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct fs;
struct inode;

struct request {
	struct fs *fs;
	/* Read by list-holders from another thread, hence atomic. */
	_Atomic(const char *) operation; /* NULL: idle */
	_Atomic uint64_t ino;
	_Atomic uint64_t offset;
	_Atomic uint64_t length;
	_Atomic pid_t pid;
	_Atomic int64_t since_ns; /* CLOCK_MONOTONIC */
	_Atomic uint64_t gates;	  /* bit per device index */
	_Atomic uint64_t waiting; /* of the same, for their leases */
	bool writeback;	      /* of pages dirty before the block: let in until
				 the last notification has returned */
	bool no_atime;	      /* O_NOATIME: a read moves none */
	struct inode *held;   /* locked shared until request_end */
	struct request *next; /* in the registry */
};

/* Once per serving thread; registers the thread with RCU, too. */
int request_thread_init(struct fs *fs, struct request *request);
void request_thread_fini(struct request *request);

/* Enter the metadata gate. caller: what FUSE says; for messages only. */
int request_begin(struct request *request, const char *operation, uint64_t ino,
		  pid_t caller, bool writeback)
	__attribute__((warn_unused_result));
/* Enter a data device's gate (once; again is free). */
int request_gate(struct request *request, unsigned device)
	__attribute__((warn_unused_result));
/* Unlock what is held, leave every gate. */
void request_end(struct request *request);

/* For requests that must work on a dead filesystem (release, forget). */
void request_begin_ungated(struct request *request, const char *operation,
			   uint64_t ino);

/*
 * One that waits outside, parked, and holds nothing: shown by list-holders
 * until the end. like: it, as it was under way.
 */
void request_wait_begin(struct fs *fs, struct request *shown,
			const struct request *like, const char *operation,
			uint64_t devices);
void request_wait_end(struct request *shown);

/* Any device this request is in has failed under it (device_failed): -EIO. */
int request_verdict(const struct request *request)
	__attribute__((warn_unused_result));

/* Snapshot every busy request: list-holders. */
typedef void request_fn(const struct request *request, void *arg);
void request_for_each(struct fs *fs, request_fn *fn, void *arg);
unsigned request_count(struct fs *fs, unsigned device);

#endif
