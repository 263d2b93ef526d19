/* SPDX-License-Identifier: BSD-3-Clause */
/* The counts of a pgmap's folios: R1 and R2 live here. */
#include "dax/pgmap_private.h"

#include "dax/read_side.h"
#include "trace/pause.h"
#include "trace/trace.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* -EAGAIN below: the count is none at the moment, look at the unit again. */

static struct pgmap_unit *unit_of(const struct pgmap *pgmap, uint64_t page)
{
	assert(page < pgmap->npages);
	return &pgmap->units[page >> PGMAP_ORDER_PMD];
}

static unsigned slot_of(uint64_t page)
{
	return page & (PGMAP_PMD_PAGES - 1);
}

static void assert_pmd(const struct pgmap *pgmap, uint64_t page)
{
	assert(slot_of(page) == 0);
	assert(page + PGMAP_PMD_PAGES <= pgmap->npages);
}

/* What the policy asks of a reference that makes an idle folio busy. */
static int first_reference(struct pgmap *pgmap)
{
	bool live = true;

	if (pgmap->policy == PGMAP_COUNTER)
		live = percpu_ref_tryget_live(&pgmap->ref);
	else if (pgmap->policy == PGMAP_FLAG)
		live = !percpu_ref_is_dying(&pgmap->ref);
	return live ? 0 : -ENXIO;
}

static void drop_first_reference(struct pgmap *pgmap)
{
	if (pgmap->policy == PGMAP_COUNTER)
		percpu_ref_put(&pgmap->ref);
}

bool pgmap_admits(const struct pgmap *pgmap)
{
	return pgmap->policy == PGMAP_MOUNT ||
	       !percpu_ref_is_dying(&pgmap->ref);
}

/* Inside a read-side section, which makes the liveness seen here hold [R3]. */
static int count_get(struct pgmap *pgmap, _Atomic uint32_t *count, bool live)
{
	uint32_t seen = atomic_load(count);

	for (;;) {
		if (seen >= COUNT_FROZEN)
			return -EAGAIN;
		assert(seen < COUNT_MAX);
		if (seen > 0) {
			if (live && !pgmap_admits(pgmap))
				return -ENXIO;
			if (atomic_compare_exchange_weak(count, &seen,
							 seen + 1))
				return 0;
			continue;
		}
		assert(live); /* a plain get needs a reference to start from */
		if (first_reference(pgmap))
			return -ENXIO;
		pause_point("pgmap-before-count");
		if (atomic_compare_exchange_strong(count, &seen, 1))
			return 0;
		drop_first_reference(pgmap); /* lost the race [R1] */
	}
}

/* Inside a read-side section: the put may release the pgmap. */
static int count_put(struct pgmap *pgmap, _Atomic uint32_t *count)
{
	uint32_t seen = atomic_load(count);

	do {
		if (seen >= COUNT_FROZEN)
			return -EAGAIN;
		assert(seen > 0); /* else: a put too many */
	} while (!atomic_compare_exchange_weak(count, &seen, seen - 1));
	if (seen > 1)
		return 0;
	drop_first_reference(pgmap);
	if (atomic_load(&pgmap->idle_waiters) > 0)
		pgmap_wake(pgmap);
	return 0;
}

/* Whoever froze a count holds the lock until it is thawed. */
static void wait_for_thaw(struct pgmap *pgmap)
{
	pthread_mutex_lock(&pgmap->split_lock);
	pthread_mutex_unlock(&pgmap->split_lock);
}

static _Atomic uint32_t *counts_made_locked(struct pgmap_unit *unit)
{
	_Atomic uint32_t *counts = atomic_load(&unit->counts);

	if (counts)
		return counts;
	counts = malloc(PGMAP_PMD_PAGES * sizeof(*counts));
	if (!counts)
		return NULL;
	for (unsigned i = 0; i < PGMAP_PMD_PAGES; i++)
		atomic_init(&counts[i], COUNT_FROZEN);
	atomic_store(&unit->counts, counts);
	return counts;
}

static int split_locked(struct pgmap *pgmap, struct pgmap_unit *unit)
{
	_Atomic uint32_t *counts;
	uint32_t count;

	if (atomic_load(&unit->count) == UNIT_SPLIT)
		return 0;
	counts = counts_made_locked(unit);
	if (!counts)
		return -ENOMEM;
	count = atomic_exchange(&unit->count, COUNT_FROZEN);
	/* One busy folio becomes 512: plain gets, it has a reference [R1]. */
	if (count > 0 && pgmap->policy == PGMAP_COUNTER)
		percpu_ref_get_many(&pgmap->ref, PGMAP_PMD_PAGES - 1);
	for (unsigned i = 0; i < PGMAP_PMD_PAGES; i++)
		atomic_store(&counts[i], count);
	atomic_store(&unit->count, UNIT_SPLIT);
	return 0;
}

static int unit_split(struct pgmap *pgmap, struct pgmap_unit *unit)
{
	int err;

	pthread_mutex_lock(&pgmap->split_lock);
	err = split_locked(pgmap, unit);
	pthread_mutex_unlock(&pgmap->split_lock);
	return err;
}

/* All 512 idle: back to a whole unit, idle. */
static bool merge_locked(struct pgmap_unit *unit)
{
	_Atomic uint32_t *counts = atomic_load(&unit->counts);
	unsigned frozen;

	for (frozen = 0; frozen < PGMAP_PMD_PAGES; frozen++) {
		uint32_t idle = 0;

		if (!atomic_compare_exchange_strong(&counts[frozen], &idle,
						    COUNT_FROZEN))
			break;
	}
	if (frozen == PGMAP_PMD_PAGES) {
		atomic_store(&unit->count, 0);
		return true;
	}
	while (frozen > 0)
		atomic_store(&counts[--frozen], 0);
	return false;
}

static int page_get(struct pgmap *pgmap, uint64_t page, bool live)
{
	struct pgmap_unit *unit = unit_of(pgmap, page);
	int err;

	for (;;) {
		if (atomic_load(&unit->count) != UNIT_SPLIT) {
			err = unit_split(pgmap, unit);
			if (err)
				return err;
		}
		err = count_get(pgmap, &unit->counts[slot_of(page)], live);
		if (err != -EAGAIN)
			return err;
		wait_for_thaw(pgmap);
	}
}

static void page_put(struct pgmap *pgmap, uint64_t page)
{
	struct pgmap_unit *unit = unit_of(pgmap, page);
	int err;

	/* The reference keeps the unit from being merged. */
	assert(atomic_load(&unit->count) == UNIT_SPLIT);
	err = count_put(pgmap, &unit->counts[slot_of(page)]);
	assert(err == 0);
}

/* An order-9 reference on a split unit is one on each page. */
static int pages_get_locked(struct pgmap *pgmap, struct pgmap_unit *unit,
			    bool live)
{
	_Atomic uint32_t *counts = atomic_load(&unit->counts);

	for (unsigned i = 0; i < PGMAP_PMD_PAGES; i++) {
		int err = count_get(pgmap, &counts[i], live);

		if (!err)
			continue;
		assert(err == -ENXIO); /* frozen only under the lock we hold */
		while (i > 0)
			(void)count_put(pgmap, &counts[--i]);
		return err;
	}
	return 0;
}

static int split_pmd_get(struct pgmap *pgmap, struct pgmap_unit *unit,
			 bool live)
{
	int err = -EAGAIN;

	pthread_mutex_lock(&pgmap->split_lock);
	if (atomic_load(&unit->count) == UNIT_SPLIT &&
	    !(live && merge_locked(unit)))
		err = pages_get_locked(pgmap, unit, live);
	pthread_mutex_unlock(&pgmap->split_lock);
	return err;
}

static int pmd_get(struct pgmap *pgmap, uint64_t page, bool live)
{
	struct pgmap_unit *unit = unit_of(pgmap, page);
	int err;

	assert_pmd(pgmap, page);
	do {
		err = count_get(pgmap, &unit->count, live);
		if (err == -EAGAIN)
			err = split_pmd_get(pgmap, unit, live);
	} while (err == -EAGAIN);
	return err;
}

static void pmd_put(struct pgmap *pgmap, uint64_t page)
{
	struct pgmap_unit *unit = unit_of(pgmap, page);

	assert_pmd(pgmap, page);
	while (count_put(pgmap, &unit->count)) {
		if (atomic_load(&unit->count) == UNIT_SPLIT) {
			for (unsigned i = 0; i < PGMAP_PMD_PAGES; i++)
				page_put(pgmap, page + i);
			return;
		}
		wait_for_thaw(pgmap);
	}
}

static int folio_get(struct pgmap *pgmap, uint64_t page, unsigned order,
		     bool live)
{
	int err;

	assert(order == PGMAP_ORDER_PTE || order == PGMAP_ORDER_PMD);
	read_side_enter();
	if (order == PGMAP_ORDER_PMD)
		err = pmd_get(pgmap, page, live);
	else
		err = page_get(pgmap, page, live);
	read_side_exit();
	return err;
}

int pgmap_get_live(struct pgmap *pgmap, uint64_t page, unsigned order)
{
	int err = folio_get(pgmap, page, order, true);

	if (err)
		TRACE3(pgmap_get_fail, page, order, err);
	else
		TRACE2(pgmap_get, page, order);
	return err;
}

void pgmap_get(struct pgmap *pgmap, uint64_t page, unsigned order)
{
	int err = folio_get(pgmap, page, order, false);

	/* Nothing is asked and the unit already has the shape it needs. */
	assert(err == 0);
	TRACE2(pgmap_get, page, order);
}

void pgmap_put(struct pgmap *pgmap, uint64_t page, unsigned order)
{
	TRACE2(pgmap_put, page, order);
	read_side_enter();
	if (order == PGMAP_ORDER_PMD)
		pmd_put(pgmap, page);
	else
		page_put(pgmap, page);
	read_side_exit();
}

int pgmap_split(struct pgmap *pgmap, uint64_t page)
{
	assert_pmd(pgmap, page);
	return unit_split(pgmap, unit_of(pgmap, page));
}

int pgmap_pin_live(struct pgmap *pgmap, uint64_t page, unsigned order)
{
	int err = pgmap_get_live(pgmap, page, order);

	if (err)
		return err;
	pgmap_account(pgmap, PGMAP_PINS, 1);
	pgmap_account(pgmap, PGMAP_PINNED_PAGES, INT64_C(1) << order);
	return 0;
}

void pgmap_unpin(struct pgmap *pgmap, uint64_t page, unsigned order)
{
	/* Counted off first: the put may be the last thing pgmap sees. */
	pgmap_account(pgmap, PGMAP_PINS, -1);
	pgmap_account(pgmap, PGMAP_PINNED_PAGES, -(INT64_C(1) << order));
	pgmap_put(pgmap, page, order);
}
