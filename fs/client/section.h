/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * section.h -- "a copy is under way": read-side sections of this library
 *
 * Who copies from or to a region (io.h) is in a section meanwhile. Who wants to
 * take the memory away first makes it invisible, then takes a snapshot, and
 * waits until everybody who was in a section then has left it. A thread costs
 * one atomic exchange at entry and a store at the end; it shares no cache line
 * with another one.
 *
 * A section inside a section (a signal handler) is covered by the outer one.
 *
 * Errors:  -ENOMEM: section_enter() says false, and there is no section.
 * Locking: none.
 */
#ifndef UDAX_CLIENT_SECTION_H
#define UDAX_CLIENT_SECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct section_wait {
	struct section_seen {
		struct section_slot *slot;
		uint64_t value;
	} * seen;
	size_t count;
};

/* False: no memory. *nested says what section_leave() wants to know. */
bool section_enter(bool *nested);
void section_leave(bool nested);

/* Who is in a section now. -ENOMEM. */
int section_snapshot(struct section_wait *out)
	__attribute__((warn_unused_result));
/* Have they all left? Then the snapshot is freed. */
bool section_passed(struct section_wait *wait);
/* Leaving threads kick the udax thread as long as somebody waits. */
void section_waiting(int change);

/* A forked child: one thread, none of the slots but its own. */
void section_after_fork(void);

#endif
