/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pgmap.h -- a device's page map: who uses which page, and the one counter
 *            that says whether anybody uses the device at all
 *
 * A folio is one page (order 0) or 512 aligned pages (order 9) that are
 * referenced as a unit. Its count rises with every association of an entry and
 * every pin [R1]. Under the counter policy the count's 0→1 takes one reference
 * of pgmap->ref and 1→0 drops it; beside those only gates and the initial
 * reference are in it. So
 *
 *   active folios + gates held == pgmap_references()
 *   Σ pages of associations + pinned pages == page references [R10]
 *
 * where both left sides can be recomputed (pgmap_active_folios_walk and
 * entry_table_active).
 *
 * The three designs differ in what a new reference asks and what removal waits
 * for (doc/LIFECYCLE.md):
 *   counter  0→1: tryget_live; above: liveness   waits for the counter
 *   flag     liveness, in the read-side section  waits for the gates, sweeps
 *            through publication                 the pages until all are idle
 *   mount    nothing: only the gate blocks       as flag
 *
 * Life:    create, kill, wait_idle, destroy; or resurrect after kill. Between
 *          create and the first wait_idle the pgmap holds a reference of its
 *          own, so that it is not released, and writeback not refused, before
 *          the remover has begun to wait for that. Released means that nobody
 *          uses the device; whether it is given up then is the remover's to
 *          decide: resurrect works from there, too.
 * Owns:    a 16-byte unit per 2 MiB, and 512 counts for a unit whose pages were
 *          ever referenced singly: at most 0.1 % of the device.
 * Units:   device pages of 4 KiB; order-9 pages are multiples of 512.
 * Errors:  -ENXIO the device is going [R2]; -ENOMEM; -ETIMEDOUT; -ECANCELED the
 *          kill was taken back meanwhile; -EALREADY killed before; -EINVAL not
 *          killed. A failed get leaves all counts as they were [I4].
 * Locking: nothing to hold. get and put take a mutex only to split or merge a
 *          2 MiB unit and to wake a waiter; they may be called in a read-side
 *          section and under a table's lock. kill, resurrect and destroy block
 *          for a grace period, wait_* for their deadline: hold no lock.
 */
#ifndef UDAX_DAX_PGMAP_H
#define UDAX_DAX_PGMAP_H

#include "util/deadline.h"

#include <stdbool.h>
#include <stdint.h>

#define PGMAP_ORDER_PTE 0u
#define PGMAP_ORDER_PMD 9u
#define PGMAP_PMD_PAGES (UINT64_C(1) << PGMAP_ORDER_PMD)
#define PGMAP_PAGES_MAX (UINT64_C(1) << 36) /* a media address ends there */

enum pgmap_policy { PGMAP_COUNTER, PGMAP_FLAG, PGMAP_MOUNT };

/* What a pgmap counts beside the references; for display and for R10. */
enum pgmap_stat {
	PGMAP_GATES,	       /* held now */
	PGMAP_ENTRIES,	       /* entries with a block of this device */
	PGMAP_KERNEL_MAPPINGS, /* of them held by a kernel mapping */
	PGMAP_LEASES,	       /* associations of leases */
	PGMAP_PINS,
	PGMAP_PINNED_PAGES, /* an order-9 pin counts 512 */
	PGMAP_STATS
};

struct pgmap;

/*
 * Called once for a kill, when the last reference is gone: in the thread that
 * dropped it, inside a read-side section, maybe under a table's lock; may not
 * block.
 */
typedef void pgmap_release_fn(struct pgmap *pgmap, void *arg);

/* release may be NULL. -EFBIG: more than PGMAP_PAGES_MAX. */
int pgmap_create(struct pgmap **out, uint64_t npages, enum pgmap_policy policy,
		 pgmap_release_fn *release, void *arg)
	__attribute__((warn_unused_result));

/*
 * Released, or live with nothing referenced (anything else aborts). The caller
 * has taken the pointer from wherever threads look it up; it is freed after a
 * grace period. NULL is fine.
 */
void pgmap_destroy(struct pgmap *pgmap);

uint64_t pgmap_npages(const struct pgmap *pgmap);
enum pgmap_policy pgmap_policy(const struct pgmap *pgmap);
/* "counter", "flag", "mount". */
const char *pgmap_policy_name(enum pgmap_policy policy);
/* -EINVAL for a word that is none. */
int pgmap_policy_of_name(const char *name, enum pgmap_policy *out)
	__attribute__((warn_unused_result));

/* ------------------------------------------------------------ references */

/*
 * A new reference [R1, R2]. To publish what it protects, call it and publish
 * inside one read-side section of your own [R3]. 0, -ENXIO, -ENOMEM.
 */
int pgmap_get_live(struct pgmap *pgmap, uint64_t page, unsigned order)
	__attribute__((warn_unused_result));

/*
 * Would a folio that is busy already get one more reference now? For who keeps
 * what is there and still has to refuse on a device that is going [R2]. Inside
 * a read-side section.
 */
bool pgmap_admits(const struct pgmap *pgmap);

/* One more of a page and order that the caller has one of. */
void pgmap_get(struct pgmap *pgmap, uint64_t page, unsigned order);

void pgmap_put(struct pgmap *pgmap, uint64_t page, unsigned order);

/*
 * Turn an order-9 folio into 512 of order 0, each with its count, busy or not;
 * an order-9 reference is then put as 512 of order 0 (or still as one of
 * order 9, which comes to the same). 0, -ENOMEM.
 */
int pgmap_split(struct pgmap *pgmap, uint64_t page)
	__attribute__((warn_unused_result));

/* A declared DMA reference: as get_live and put, and counted as a pin. */
int pgmap_pin_live(struct pgmap *pgmap, uint64_t page, unsigned order)
	__attribute__((warn_unused_result));
void pgmap_unpin(struct pgmap *pgmap, uint64_t page, unsigned order);

/* How often the folio that holds the page is referenced. */
uint32_t pgmap_count(const struct pgmap *pgmap, uint64_t page);

/* Is a page of [first, first + npages) referenced? busy, if not NULL: which. */
bool pgmap_busy_range(const struct pgmap *pgmap, uint64_t first,
		      uint64_t npages, uint64_t *busy);

/*
 * Sleep until a moment at which no page of the range was seen busy. Unless new
 * references are kept out otherwise, scan again under the lock that does. 0,
 * -ETIMEDOUT.
 */
int pgmap_wait_range_idle(struct pgmap *pgmap, uint64_t first, uint64_t npages,
			  struct deadline deadline)
	__attribute__((warn_unused_result));

/*
 * Recompute the ledger by walking all units: folios with a count, and, if not
 * NULL, the sum of counts over pages. Exact when nobody gets or puts.
 */
uint64_t pgmap_active_folios_walk(const struct pgmap *pgmap,
				  uint64_t *page_references);

/* ----------------------------------------------------------------- gates */

/* Is the device live; and it stays until exit. 0, -ENXIO. */
int pgmap_gate_enter(struct pgmap *pgmap) __attribute__((warn_unused_result));

/*
 * The same for what must still be let in between the kill and the end of
 * revoking: writeback of pages that were dirty before. Who calls it knows that
 * revoking has not ended. 0, -ENXIO once released.
 */
int pgmap_gate_enter_draining(struct pgmap *pgmap)
	__attribute__((warn_unused_result));

void pgmap_gate_exit(struct pgmap *pgmap);

/* --------------------------------------------------------------- removal */

/*
 * Refuse every new reference and gate: for certain, when this returns. The
 * release may have run by then. 0, -EALREADY.
 */
int pgmap_kill(struct pgmap *pgmap) __attribute__((warn_unused_result));

/*
 * Cancel [R9]: waits for a kill under way. Racing with the release it either
 * prevents it or undoes it. 0, -EINVAL not killed.
 */
int pgmap_resurrect(struct pgmap *pgmap) __attribute__((warn_unused_result));

/*
 * After a kill, with nothing more to let in: sleep until released. May be
 * called again after a timeout. 0, -ETIMEDOUT, -ECANCELED.
 */
int pgmap_wait_idle(struct pgmap *pgmap, struct deadline deadline)
	__attribute__((warn_unused_result));

/* Killed. A caller outside a read-side section may be told yesterday's news. */
bool pgmap_is_dying(const struct pgmap *pgmap);
bool pgmap_is_released(const struct pgmap *pgmap);

/* ---------------------------------------------------------------- numbers */

/*
 * References that keep the device: active folios and gates held. 0 is what
 * removal waits for. -1: not known, the policy has no counter.
 */
int64_t pgmap_references(const struct pgmap *pgmap);

int64_t pgmap_stat(const struct pgmap *pgmap, enum pgmap_stat stat);
/* For the entry table, which counts its entries here. */
void pgmap_account(struct pgmap *pgmap, enum pgmap_stat stat, int64_t n);

static inline int64_t pgmap_gates(const struct pgmap *pgmap)
{
	return pgmap_stat(pgmap, PGMAP_GATES);
}

#endif
