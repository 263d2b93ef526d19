/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pgmap_private.h -- what pgmap.c and pgmap_folio.c share
 *
 * A unit is 2 MiB of the device. It is whole: `count` is the count of its one
 * order-9 folio; or split: `count` is UNIT_SPLIT and counts[] has one an
 * order-0 folio. COUNT_FROZEN stands where a split or merge is under way: who
 * meets it waits for split_lock and looks again.
 *
 *           first order-0 reference: counts[] = count, 511 plain gets if busy
 *   whole ──────────────────────────────────────────────────────────→ split
 *         ←──────────────────────────────────────────────────────────
 *           order-9 reference, all 512 counts frozen at zero
 *
 * counts[] is kept from then on, merged or not: so a thread that still looks
 * at it meets COUNT_FROZEN and never freed memory.
 *
 * Locking: counts by compare-and-swap. Under split_lock: the change of shape,
 *          and order-9 gets on a split unit. idle_lock is for sleeping only.
 *          hold_lock outside ref.switch_lock; split_lock, idle_lock: leaves.
 */
#ifndef UDAX_DAX_PGMAP_PRIVATE_H
#define UDAX_DAX_PGMAP_PRIVATE_H

#include "dax/percpu_ref.h"
#include "dax/pgmap.h"

#define UNIT_SPLIT UINT32_MAX
#define COUNT_FROZEN (UINT32_MAX - 1)
#define COUNT_MAX (UINT32_MAX - 2)

struct pgmap_unit {
	_Atomic uint32_t count;
	_Atomic(_Atomic uint32_t *) counts; /* NULL: never split */
};
_Static_assert(sizeof(struct pgmap_unit) == 16, "the promise of pgmap.h");
_Static_assert(16 + PGMAP_PMD_PAGES * sizeof(uint32_t) + 32 /* malloc's */ <=
		       PGMAP_PMD_PAGES * 4096 / 1000,
	       "and at most 0.1 % of the device");

struct pgmap {
	struct percpu_ref ref;
	enum pgmap_policy policy;
	uint64_t npages;
	uint64_t nunits;
	struct pgmap_unit *units;
	struct percpu_line *stats;
	pthread_mutex_t split_lock;

	/* Sleepers: for an idle folio (counted), the release, a cancel. */
	pthread_mutex_t idle_lock;
	pthread_cond_t idle_cond;
	uint64_t idle_seq; /* under idle_lock: grows at each wake */
	_Atomic unsigned idle_waiters;
	_Atomic bool released;

	/* The reference that only wait_idle drops: none is the last before. */
	pthread_mutex_t hold_lock;
	_Atomic bool held; /* changed under hold_lock */

	pgmap_release_fn *release;
	void *arg;
};

/* Wake whoever sleeps in pgmap_sleep(). */
void pgmap_wake(struct pgmap *pgmap);

/*
 * The one sleep: until done() says so. while_dying: -ECANCELED when the kill
 * was taken back.
 */
typedef bool pgmap_done_fn(struct pgmap *pgmap, uint64_t first,
			   uint64_t npages);
int pgmap_sleep(struct pgmap *pgmap, pgmap_done_fn *done, uint64_t first,
		uint64_t npages, bool while_dying, struct deadline deadline)
	__attribute__((warn_unused_result));

/* Wait for every folio in turn to be idle: 0, -ETIMEDOUT, -ECANCELED. */
int pgmap_sweep(struct pgmap *pgmap, struct deadline deadline)
	__attribute__((warn_unused_result));

#endif
