/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking over a pgmap's counts without changing them, and sleeping on them. */
#include "dax/pgmap_private.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

/*
 * The count as it was or as it will be when a change of shape is under way:
 * frozen pages of a merge are idle, a frozen whole unit is asked for again.
 */
static uint32_t page_count(const struct pgmap *pgmap, uint64_t page)
{
	struct pgmap_unit *unit = &pgmap->units[page >> PGMAP_ORDER_PMD];
	uint32_t count;

	do {
		count = atomic_load(&unit->count);
		if (count == UNIT_SPLIT) {
			count = atomic_load(
				&unit->counts[page & (PGMAP_PMD_PAGES - 1)]);
			if (count == COUNT_FROZEN &&
			    atomic_load(&unit->count) == UNIT_SPLIT)
				return 0;
		}
	} while (count >= COUNT_FROZEN);
	return count;
}

static bool unit_is_whole(const struct pgmap *pgmap, uint64_t page)
{
	return atomic_load(&pgmap->units[page >> PGMAP_ORDER_PMD].count) <
	       COUNT_FROZEN;
}

/* First page of the next folio, roughly: a unit may change shape meanwhile. */
static uint64_t next_folio(const struct pgmap *pgmap, uint64_t page)
{
	if (unit_is_whole(pgmap, page))
		return (page | (PGMAP_PMD_PAGES - 1)) + 1;
	return page + 1;
}

uint32_t pgmap_count(const struct pgmap *pgmap, uint64_t page)
{
	assert(page < pgmap->npages);
	return page_count(pgmap, page);
}

bool pgmap_busy_range(const struct pgmap *pgmap, uint64_t first,
		      uint64_t npages, uint64_t *busy)
{
	uint64_t page = first;

	assert(first <= pgmap->npages && npages <= pgmap->npages - first);
	while (page < first + npages) {
		/*
		 * Shape first: a unit seen whole and then seen idle by its
		 * first page was idle as a whole.
		 */
		uint64_t next = next_folio(pgmap, page);

		if (page_count(pgmap, page) > 0) {
			if (busy)
				*busy = page;
			return true;
		}
		page = unit_is_whole(pgmap, page) ? next : page + 1;
	}
	return false;
}

uint64_t pgmap_active_folios_walk(const struct pgmap *pgmap,
				  uint64_t *page_references)
{
	uint64_t folios = 0, references = 0, page = 0;

	while (page < pgmap->npages) {
		uint64_t next = next_folio(pgmap, page);
		uint32_t count = page_count(pgmap, page);

		if (count > 0) {
			folios++;
			references += count * (next - page);
		}
		page = next;
	}
	if (page_references)
		*page_references = references;
	return folios;
}

void pgmap_wake(struct pgmap *pgmap)
{
	pthread_mutex_lock(&pgmap->idle_lock);
	pgmap->idle_seq++;
	pthread_cond_broadcast(&pgmap->idle_cond);
	pthread_mutex_unlock(&pgmap->idle_lock);
}

int pgmap_sleep(struct pgmap *pgmap, pgmap_done_fn *done, uint64_t first,
		uint64_t npages, bool while_dying, struct deadline deadline)
{
	int err = 0;

	pthread_mutex_lock(&pgmap->idle_lock);
	while (!err) {
		uint64_t seq = pgmap->idle_seq;

		pthread_mutex_unlock(&pgmap->idle_lock);
		if (done(pgmap, first, npages))
			return 0;
		if (while_dying && !pgmap_is_dying(pgmap))
			err = -ECANCELED;
		pthread_mutex_lock(&pgmap->idle_lock);
		while (!err && seq == pgmap->idle_seq)
			err = deadline_wait(deadline, &pgmap->idle_cond,
					    &pgmap->idle_lock);
	}
	pthread_mutex_unlock(&pgmap->idle_lock);
	return err;
}

static bool range_is_idle(struct pgmap *pgmap, uint64_t first, uint64_t npages)
{
	return !pgmap_busy_range(pgmap, first, npages, NULL);
}

/* Counted as a waiter before the look, so that a put after it wakes us. */
static int sleep_on_folios(struct pgmap *pgmap, uint64_t first, uint64_t npages,
			   bool while_dying, struct deadline deadline)
{
	int err;

	atomic_fetch_add(&pgmap->idle_waiters, 1);
	err = pgmap_sleep(pgmap, range_is_idle, first, npages, while_dying,
			  deadline);
	atomic_fetch_sub(&pgmap->idle_waiters, 1);
	return err;
}

int pgmap_wait_range_idle(struct pgmap *pgmap, uint64_t first, uint64_t npages,
			  struct deadline deadline)
{
	return sleep_on_folios(pgmap, first, npages, false, deadline);
}

/* One pass: behind it nothing becomes busy again, if the policy blocks new. */
int pgmap_sweep(struct pgmap *pgmap, struct deadline deadline)
{
	uint64_t page = 0;
	int err = 0;

	while (!err &&
	       pgmap_busy_range(pgmap, page, pgmap->npages - page, &page))
		err = sleep_on_folios(pgmap, page, 1, true, deadline);
	return err;
}
