/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * takeback.h -- getting back what clients were given
 *
 *   NEW → RECALLED → ZAPPING → ZAPPED → KILLING → KILLED → STUCK
 *            │  returned, proven: done        mode kill      │ zapped again
 *            └→ PINNED: all but pins is back; on at UNPIN    └─ every 5 s
 *
 * CHANGE, for a break: pages of one lease. Done when the client says so or the
 * zap says so; pinned pages wait for UNPIN and are asked for again then. When
 * no step has helped by the end of both limits, the break ends with
 * lease_unyielding().
 * REMOVAL: all that a client has on a device. Done when the bytes of its locks
 * are free, and only then; never given up. Cancelled it becomes SETTLE: nothing
 * more is done to the client, but it gets nothing new on the device until the
 * bytes are free.
 *
 * Jobs are moved by the loop alone; a force has one while it is ZAPPING or
 * KILLING. Looking at a job may free it.
 *
 *   takeback_job.c     what both kinds have in common
 *   takeback_change.c  CHANGE, and ops.recall
 *   takeback_removal.c REMOVAL of one client
 *   takeback_device.c  REMOVAL of a device from all clients, and its news
 *   takeback.c         time, what clients answer, orphans
 */
#ifndef UDAX_DIRECT_TAKEBACK_H
#define UDAX_DIRECT_TAKEBACK_H

#include "direct/private.h"
#include "util/clock.h"

#define LOOK_FIRST_NS NS_PER_MS
#define LOOK_LAST_NS (20 * NS_PER_MS)

void job_add(struct client *client, struct job *job);
void job_remove(struct client *client, struct job *job);
/* A force has it. */
bool job_in_force(const struct job *job);
void job_enter(struct job *job, enum job_step step, int64_t timeout_ms);
void job_look_soon(struct job *job);
void job_force(struct job *job, enum job_step step);
/* The client's, on the job's device. */
uint64_t job_pins(const struct job *job);
/* Ask; who cannot be asked is helped at once. */
void job_begin(struct job *job);

/* The client cannot reach the pages any more, but for pinned ones. */
void change_take_return(struct job *job);
void change_look(struct job *job);

/* Proven: what the client had on the device ends. */
void removal_job_done(struct job *job);
void removal_job_look(struct job *job, int64_t now_ns);

#endif
