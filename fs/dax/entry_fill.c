/* SPDX-License-Identifier: BSD-3-Clause */
/* Filling runs of pages: no lock bit is needed while the table is locked. */
#include "dax/entry_private.h"

#include <errno.h>

#define LEAF_MASK ((uint64_t)ENTRY_SLOTS - 1)

/* May one entry of order 9 stand for all npages from index on? */
static bool fits_pmd(uint64_t index, uint64_t npages,
		     const struct entry_new *new)
{
	return npages == ENTRY_SLOTS && (index & LEAF_MASK) == 0 &&
	       (new->kind == ENTRY_ZERO || (new->device_page &LEAF_MASK) == 0);
}

/* Does the order-9 entry say the same about this page? */
static bool says_the_same(struct entry_slot slot, uint64_t index,
			  const struct entry_new *new)
{
	uint64_t value = entry_slot_value(slot);
	uint64_t page = entry_page(value) + (index - entry_slot_index(slot));

	return entry_device(value) == new->device &&page == new->device_page;
}

/* A part of an order-9 entry. *pages 0: it was split, look again. */
static int fill_part(struct entry_table *table, struct entry_slot slot,
		     uint64_t index, uint64_t npages,
		     const struct entry_new *new, uint64_t *pages)
{
	uint64_t value = entry_slot_value(slot);

	*pages = 0;
	if (entry_conflicts(value, new))
		return -EBUSY;
	if (!entry_is_real(value))
		return entry_split_slot(table, slot); /* downgrade */
	entry_slot_mark(slot, ENTRY_LEAVING, false);
	if (new->kind == ENTRY_ZERO) {
		*pages = npages;
		return 0;
	}
	/* Of leases each page is counted, of the kernel the entry [R4]. */
	if (new->holder == ENTRY_LEASE || !says_the_same(slot, index, new))
		return entry_split_slot(table, slot);
	*pages = npages;
	return entry_check_live(table, new->device);
}

static int fill_new(struct entry_table *table, uint64_t index, unsigned order,
		    const struct entry_new *new)
{
	struct entry_slot slot;
	int err = entry_make_slot(table, index, order, &slot);

	if (err)
		return err;
	err = entry_insert_slot(table, slot, new);
	if (err)
		entry_delete_slot(table, slot);
	return err;
}

/* As far as one entry goes; npages end with the leaf at the latest. */
static int fill_step(struct entry_table *table, uint64_t index, uint64_t npages,
		     const struct entry_new *new, uint64_t *pages)
{
	struct entry_waited waited = { .any = false };
	bool fits = fits_pmd(index, npages, new);
	struct entry_slot slot;
	int err = entry_get_unlocked(table, index, PGMAP_ORDER_PTE, &waited,
				     &slot);

	assert(err == 0);
	*pages = 1;
	if (!slot.node) {
		fits = fits && !entry_tree_has_smaller(table->root, index);
		if (fits)
			*pages = ENTRY_SLOTS;
		err = fill_new(table, index,
			       fits ? PGMAP_ORDER_PMD : PGMAP_ORDER_PTE, new);
	} else if (entry_order(entry_slot_value(slot)) == PGMAP_ORDER_PTE) {
		err = entry_insert_slot(table, slot, new);
	} else if (fits) {
		*pages = ENTRY_SLOTS;
		err = entry_insert_slot(table, slot, new);
	} else {
		err = fill_part(table, slot, index, npages, new, pages);
	}
	entry_pass_on(table, &waited);
	return err;
}

int entry_table_fill_run(struct entry_table *table, uint64_t index,
			 uint64_t npages, const struct entry_new *new,
			 uint64_t *filled)
{
	struct entry_new at = *new;
	uint64_t done = 0;
	int err = 0;

	assert(index <= ENTRY_INDEX_MAX &&
	       npages <= ENTRY_INDEX_MAX + 1 - index);
	while (!err && done < npages) {
		uint64_t leaf_end = ((index + done) | LEAF_MASK) + 1 - index;

		if (leaf_end > npages)
			leaf_end = npages;
		pthread_mutex_lock(&table->lock);
		while (!err && done < leaf_end) {
			uint64_t pages;

			at.device_page = new->device_page + done;
			err = fill_step(table, index + done, leaf_end - done,
					&at, &pages);
			if (!err)
				done += pages;
		}
		pthread_mutex_unlock(&table->lock);
	}
	if (filled)
		*filled = done;
	return err;
}

int entry_table_fill(struct entry_table *table, uint64_t index,
		     const struct entry_new *new)
{
	return entry_table_fill_run(table, index, 1, new, NULL);
}
