/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fetch.h -- leases asked for, and put into place
 *
 * Whoever asks, the udax thread puts the memory into place when the answer
 * comes: only where the table still wants it (the same mapping at that file
 * offset: a hole, poison that is not for good, or a read-only lease that is
 * asked for again, writable). What nobody wants any more is given back at once.
 *
 * A recall that came before we heard of the lease it names (its answer was on
 * its way) is remembered, and holds.
 *
 * Locking: client.lock, fetch_now() aside.
 */
#ifndef UDAX_CLIENT_FETCH_H
#define UDAX_CLIENT_FETCH_H

#include "client/conn.h"
#include "wire/wire.h"

#define FETCH_AROUND (2ul << 20)

/*
 * All of [addr, addr + length), which is `offset` in the file; waits. Up to
 * EOF's page: *covered. Or an error, with what came before it in place.
 */
int fetch_now(struct mapping *mapping, uintptr_t addr, uint64_t length,
	      uint64_t offset, bool writable, uint64_t *covered)
	__attribute__((warn_unused_result));

/* A thread waits in that page. */
void fetch_fault_locked(uintptr_t fault);
/* Without userfaultfd: ask for what is missing of it, and do not wait. */
void fetch_range_locked(uintptr_t addr, size_t length);

/* An answer; status for who waits. Takes descriptors out of fds. */
int fetch_answered(struct conn *conn, struct call *call,
		   const struct udax_map_reply *reply, struct wire_fds *fds);

/* That range of a lease we do not know was recalled. */
void fetch_early_recall(struct conn *conn, const struct udax_recall *recall);

#endif
