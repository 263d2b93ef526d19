/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pin.h -- parts of leases that stay where they are, whatever is recalled
 *
 * The program's token stands for one pin at the daemon for each lease in its
 * range. What is unmapped while it is pinned is given back at unpin.
 *
 * Locking: client.lock.
 */
#ifndef UDAX_CLIENT_PIN_H
#define UDAX_CLIENT_PIN_H

#include "client/conn.h"

struct pin {
	struct pin *next;
	uint64_t token; /* the program's */
	uint64_t id;	/* the daemon's */
	uint64_t lease, offset, length;
	uint32_t device;
	bool left; /* some of it was unmapped */
};

/* By the udax thread, before any later recall is looked at. */
int pin_answered(struct conn *conn, struct call *call,
		 const struct udax_pin_reply *reply);

/* Pinned and unpinned parts become segments of their own; the one that was
 * given is the first of them afterwards. */
int pin_cut_locked(struct conn *conn, const struct segment *segment)
	__attribute__((warn_unused_result));
bool pin_covers(const struct conn *conn, const struct segment *segment);

/* This part of a lease is not mapped any more: UNMAP, or later. */
void pin_give_back_locked(struct conn *conn, uint64_t lease, uint64_t offset,
			  uint64_t length);

#endif
