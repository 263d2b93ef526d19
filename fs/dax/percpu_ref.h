/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * percpu_ref.h -- a reference count that costs no shared cache line until
 *                 somebody wants it to reach zero
 *
 *                    kill_and_confirm
 *         ┌────────┐ mode := ATOMIC|DEAD  ┌───────────┐ last put  ┌──────────┐
 *  init → │ percpu │ ───────────────────→ │   dead    │ ────────→ │ released │
 *         └────────┘   grace period, sum, └───────────┘  count 0  └──────────┘
 *              ↑ ↑    confirm, initial put      │           release(), once
 *              │ └──────────────────────────────┘                │
 *              │           resurrect                             │
 *              └─────────────────────────────────────────────────┘
 *                            reinit
 *
 *   percpu    get and put add to a word of this CPU; zero cannot be seen. The
 *             master count stands at BIAS + 1: the initial reference
 *   dead      get and put change the master count; tryget_live fails. While
 *             the switch is on, BIAS keeps the count from reaching zero; the
 *             sum of the words is added in the same operation that takes BIAS
 *             away. The initial reference is dropped after confirm has
 *             returned and so is the guard: no second one is needed
 *   released  count 0: nobody raises it from there but reinit
 *
 * The words' address and the mode bits are one word, read once by each get and
 * put, inside a read-side section that lasts until the add is done.
 *
 * Owns:    the words, by init and fini.
 * Errors:  -ENOMEM (init), -EALREADY killed before, -EINVAL not killed,
 *          -ESHUTDOWN released. A put too many aborts, at once when dead and at
 *          the switch when it happened in percpu mode.
 * Locking: get and put: none to hold, do not block, any thread (no
 *          registration). kill_and_confirm and resurrect block for a grace
 *          period at most: not from a read-side section, not from release,
 *          confirm or any thread whose section a switch could wait for.
 *          release runs in the thread of the last put, inside a read-side
 *          section: it may take a short mutex, it may not wait.
 *
 * Invariants:
 *   I1  a tryget_live that begins after confirm fails
 *   I2  the count is not seen at zero before confirm has returned
 *   I3  a kill ends in exactly one of release and resurrect: both decide by one
 *       compare-and-swap on the master count
 *   I4  a second kill is refused and changes nothing
 */
#ifndef UDAX_DAX_PERCPU_REF_H
#define UDAX_DAX_PERCPU_REF_H

#include "dax/percpu.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct percpu_ref;

/* release: the count fell to zero. confirm: every tryget_live fails now. */
typedef void percpu_ref_fn(struct percpu_ref *ref, void *arg);

struct percpu_ref {
	_Atomic uintptr_t words_mode; /* address of words | mode bits */
	_Atomic int64_t count;	      /* master */
	percpu_ref_fn *release;
	void *arg;
	pthread_mutex_t switch_lock; /* held from kill to confirm, and by
					resurrect: so that it waits */
};

int percpu_ref_init(struct percpu_ref *ref, percpu_ref_fn *release, void *arg)
	__attribute__((warn_unused_result));

/*
 * Nobody may reach the ref any more. Waits for a grace period, so that the last
 * put, which may have called release just now, is out of it.
 */
void percpu_ref_fini(struct percpu_ref *ref);

/* The caller has a reference already. */
void percpu_ref_get(struct percpu_ref *ref);
void percpu_ref_get_many(struct percpu_ref *ref, uint32_t n);

void percpu_ref_put(struct percpu_ref *ref);
void percpu_ref_put_many(struct percpu_ref *ref, uint32_t n);

/* Fails once released. */
bool percpu_ref_tryget(struct percpu_ref *ref)
	__attribute__((warn_unused_result));
/* Fails once killed: for certain from confirm on, maybe earlier [I1]. */
bool percpu_ref_tryget_live(struct percpu_ref *ref)
	__attribute__((warn_unused_result));

/*
 * Drop the initial reference and refuse new ones; confirm, which may be NULL,
 * is called with ref->arg. Release may have run when this returns.
 * 0, -EALREADY [I4].
 */
int percpu_ref_kill_and_confirm(struct percpu_ref *ref, percpu_ref_fn *confirm)
	__attribute__((warn_unused_result));

/*
 * Take the kill back: the initial reference returns. Called during the switch
 * it first waits for confirm. 0, -EINVAL not killed, -ESHUTDOWN too late [I3].
 */
int percpu_ref_resurrect(struct percpu_ref *ref)
	__attribute__((warn_unused_result));

/*
 * From released back to as after init. Release has returned. 0, -EINVAL not
 * released.
 */
int percpu_ref_reinit(struct percpu_ref *ref)
	__attribute__((warn_unused_result));

/* Killed. Means something to a caller inside a read-side section only. */
bool percpu_ref_is_dying(const struct percpu_ref *ref);

/* All references, the initial one too; exact when nobody gets or puts. */
int64_t percpu_ref_read(const struct percpu_ref *ref);

#endif
