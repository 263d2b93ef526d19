/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * removal.h -- the state machine that ends with a device dead
 *
 *   live → blocking → revoking → draining → dead     cancel: back to live from
 *                                                    any state before dead
 *   live      removal_start()
 *   blocking  holders told (queued), ref killed and confirmed: from here every
 *             new entry, pin and gate is refused; requests in flight finish
 *   revoking  ops.revoke takes back kernel mappings and leases; entries go;
 *             dirty pages are written back meanwhile (removal_admits_writeback)
 *   draining  only pins are left: pgmap->ref is waited for
 *   dead      ops.retire, then ops.close; final
 *
 * One thread per removal (it may block in a FUSE notification, serves no
 * request, holds no lock a handler wants). A deadline
 * of a waiter ends the wait, never the removal.
 *
 * R9: cancel and release decide by one compare-and-swap; whoever wins, the
 * other sees it. Release runs once.
 *
 * Locking: a mutex of its own guards everything but the state, the verdict and
 * the writeback flag (atomic: read on the request path). Callbacks run without
 * it. Order: outside inode locks. Errors: -EBUSY removal under way already,
 * -EALREADY dead, -EINVAL nothing to cancel or to continue, -ETIMEDOUT.
 */
#ifndef UDAX_DAX_REMOVAL_H
#define UDAX_DAX_REMOVAL_H

#include "util/deadline.h"

#include <stdbool.h>
#include <stdint.h>

struct pgmap;
struct removal;

enum removal_state {
	DEVICE_LIVE,
	DEVICE_BLOCKING,
	DEVICE_REVOKING,
	DEVICE_DRAINING,
	DEVICE_DEAD,
	DEVICE_MISSING,
	DEVICE_FAILED
};

enum removal_mode { REMOVAL_DRAIN, REMOVAL_REVOKE, REMOVAL_KILL };

/* How long each step of taking a lease back may last. */
struct removal_limits {
	unsigned recall_ms; /* the client does it itself */
	unsigned zap_ms;    /* it is done to the client */
	unsigned kill_ms;   /* the client is ended */
};

#define REMOVAL_LIMITS_DEFAULT                                                 \
	((struct removal_limits){                                              \
		.recall_ms = 3000, .zap_ms = 3000, .kill_ms = 3000 })

struct removal_report {
	enum removal_state state;
	uint64_t entries_deleted;
	uint64_t leases_revoked;
	uint64_t kernel_mappings_revoked;
	int64_t references;	  /* -1: not known */
	int64_t elapsed_us;	  /* accepted → now, or → dead */
	int64_t first_refusal_us; /* accepted → kill confirmed; -1 not yet */
	bool stopped;		  /* --step: waits for removal_continue */
	int error;		  /* of retire: the device may be unclean */
};

/* What core and the front ends do for it; arg is given at create. */
struct removal_ops {
	/* Tell holders (queue, do not wait). */
	void (*tell)(void *arg, unsigned device);
	/* Fail parked requests that would need the device. */
	void (*blocked)(void *arg, unsigned device);
	/*
	 * REVOKE, KILL: take back what can be taken; counts go into report via
	 * removal_count(). Called again until the device has no entry left;
	 * 0 when nothing but pins is left, -EAGAIN when something still holds
	 * (DRAIN: kernel mappings that programs have). Checks
	 * removal_cancelled() between inodes.
	 */
	int (*revoke)(void *arg, unsigned device, enum removal_mode mode,
		      const struct removal_limits *limits);
	/*
	 * Draining: can anybody reach the device whatever the counter says,
	 * who was given a descriptor and has perhaps only said that he
	 * unmapped? Asked until not. NULL: nobody can.
	 */
	bool (*reachable)(void *arg, unsigned device);
	/* Last stores: checkpoint, roll, clean mark. */
	int (*retire)(void *arg, unsigned device);
	/* Unmap, close, unlock. */
	void (*close)(void *arg, unsigned device);
	/* A state was entered, the kill confirmed, a step stopped at (monitor,
	 * waiters). Any thread, no lock held. */
	void (*changed)(void *arg, unsigned device, enum removal_state state);
};

int removal_create(struct removal **out, unsigned device, struct pgmap *pgmap,
		   const struct removal_ops *ops, void *arg)
	__attribute__((warn_unused_result));
/* Joins its thread: cancel or finish first. */
void removal_destroy(struct removal *removal);

/* limits: NULL for the default. */
int removal_start(struct removal *removal, enum removal_mode mode, bool step,
		  const struct removal_limits *limits)
	__attribute__((warn_unused_result));
/* The device vanished by itself: from blocking on, ending in FAILED. */
void removal_device_failed(struct removal *removal);
/* Asks; done when the state is live again: what it waits for there is the
 * kill's grace period or one notification. -EALREADY: released first (R9). */
int removal_cancel(struct removal *removal) __attribute__((warn_unused_result));
int removal_continue(struct removal *removal)
	__attribute__((warn_unused_result));
/* Sleep until `state` (or a later one on the way there) is reached. */
int removal_wait(struct removal *removal, enum removal_state state,
		 struct deadline deadline) __attribute__((warn_unused_result));

enum removal_state removal_state(const struct removal *removal);
const char *removal_state_name(enum removal_state state);
/* -EINVAL for a word that is none. */
int removal_state_of_name(const char *name, enum removal_state *out)
	__attribute__((warn_unused_result));
void removal_report(const struct removal *removal, struct removal_report *out);
bool removal_cancelled(const struct removal *removal);
/* Under way with --step: it will stop, or has. */
bool removal_is_stepping(const struct removal *removal);
/*
 * Has `state` been reached, or passed on the way to dead? Blocking counts from
 * the confirmed kill on: who waited for it may rely on the refusal.
 */
bool removal_reached(const struct removal_report *now,
		     enum removal_state state);
/* Live, or blocked but the last notification has not returned yet. */
bool removal_admits_writeback(const struct removal *removal);
/* What was taken back, by any thread. It also wakes the removal: revoke is
 * asked again at once, not in a moment. */
void removal_count(struct removal *removal, uint64_t entries_deleted,
		   uint64_t leases_revoked, uint64_t kernel_mappings_revoked);

#endif
