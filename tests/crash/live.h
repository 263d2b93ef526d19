/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * live.h -- a filesystem mounted in this process, on which a script runs
 *
 * No FUSE: each operation is the request that a serving thread would make, by
 * as many threads as the script has. A client of direct mappings is a function
 * here; its stores go to the device's map and are recorded as its own.
 */
#ifndef UDAX_TESTS_CRASH_LIVE_H
#define UDAX_TESTS_CRASH_LIVE_H

#include "core/fs.h"
#include "core/lease.h"
#include "core/request.h"
#include "crash/op.h"
#include "crash/record.h"

#define LIVE_THREADS 4

struct live_slot {
	struct inode *inode; /* NULL: free */
	struct lease_client client;
	struct lease_grant *grant; /* NULL: none */
};

struct live {
	char *paths[CRASH_DEVICES];
	unsigned devices;
	struct fs *fs; /* NULL: not mounted */
	struct live_slot slot[OP_SLOTS];
	unsigned long ran; /* operations */
};

/* Performs ops in order, marks around each, one thread for each op.thread:
 * between a mount and an unmount they run side by side. */
void live_run(struct live *live, struct op *ops, unsigned count);

/* live_lease.c */
void live_lease(struct live *live, struct request *request,
		const struct op *op);
void live_lease_end(struct live *live, struct live_slot *slot);

/* The thread's request. */
struct request *live_request(struct live *live);
void live_request_done(void);

/* All is well, or the end. */
void live_check(const struct op *op, long answer, long expected);

#endif
