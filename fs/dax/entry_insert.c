/* SPDX-License-Identifier: BSD-3-Clause */
/* What an entry means and how that changes: its references and its numbers. */
#include "dax/entry_private.h"

#include "dax/read_side.h"
#include "trace/pause.h"
#include "trace/trace.h"

#include <errno.h>

/* What the table has of the kernel's: n entries of this value more (less). */
static void count_kernel(struct entry_table *table, uint64_t value, int64_t n)
{
	if (!entry_is_kernel(value))
		return;
	table->kernel += (uint64_t)n;
	if (entry_is_zero(value))
		table->kernel_zeros += (uint64_t)n;
}

/* The entry there means something else from now on. */
static void change_value(struct entry_table *table, struct entry_slot slot,
			 uint64_t value)
{
	count_kernel(table, entry_slot_value(slot), -1);
	count_kernel(table, value, 1);
	entry_slot_set(slot, value);
}

/* Inside a read-side section, or while an entry holds a reference. */
static struct pgmap *pgmap_of(const struct entry_table *table, unsigned device)
{
	return __atomic_load_n(&table->pgmaps[device], __ATOMIC_ACQUIRE);
}

static void batch_flush(struct entry_batch *batch)
{
	if (!batch->pgmap)
		return;
	pgmap_account(batch->pgmap, PGMAP_ENTRIES, batch->entries);
	pgmap_account(batch->pgmap, PGMAP_KERNEL_MAPPINGS, batch->kernel);
	pgmap_account(batch->pgmap, PGMAP_LEASES, batch->leases);
	*batch = (struct entry_batch){ .pgmap = NULL };
}

void entry_batch_begin(struct entry_table *table, struct entry_batch *batch)
{
	*batch = (struct entry_batch){ .pgmap = NULL };
	pthread_mutex_lock(&table->lock);
	read_side_enter();
	table->batch = batch;
}

void entry_batch_end(struct entry_table *table)
{
	batch_flush(table->batch);
	table->batch = NULL;
	read_side_exit();
	pthread_mutex_unlock(&table->lock);
}

/* What an entry adds to its device's numbers, n associations of it. */
static void account(struct entry_table *table, struct pgmap *pgmap,
		    uint64_t value, int64_t entries, int64_t associations)
{
	struct entry_batch one = { .pgmap = NULL };
	struct entry_batch *batch = table->batch ? table->batch : &one;

	if (batch->pgmap != pgmap)
		batch_flush(batch);
	batch->pgmap = pgmap;
	batch->entries += entries;
	if (entry_is_lease(value))
		batch->leases += associations;
	else
		batch->kernel += associations;
	if (batch == &one)
		batch_flush(batch);
}

static void put_associations(struct pgmap *pgmap, uint64_t value, unsigned n)
{
	while (n-- > 0)
		pgmap_put(pgmap, entry_page(value), entry_order(value));
}

static int get_associations(struct pgmap *pgmap, uint64_t value, unsigned n)
{
	for (unsigned got = 0; got < n; got++) {
		int err = pgmap_get_live(pgmap, entry_page(value),
					 entry_order(value));

		if (err) {
			put_associations(pgmap, value, got);
			return err;
		}
	}
	return 0;
}

/* Look-up, liveness and publication in one section [I3]. */
static int publish(struct entry_table *table, struct entry_slot slot,
		   uint64_t value, int64_t entries, unsigned references)
{
	struct pgmap *pgmap;
	int err = -ENXIO;

	read_side_enter();
	pgmap = pgmap_of(table, entry_device(value));
	if (pgmap)
		err = get_associations(pgmap, value, references);
	if (!err) {
		pause_point("entry-insert-before-publish");
		change_value(table, slot, value);
		account(table, pgmap, value, entries, references);
	}
	read_side_exit();
	return err;
}

/* What an entry gave up: a real one's numbers, then its references. */
static void disassociate(struct entry_table *table, uint64_t value,
			 int64_t entries, unsigned n)
{
	struct pgmap *pgmap;

	if (!entry_is_real(value))
		return;
	pgmap = pgmap_of(table, entry_device(value));
	account(table, pgmap, value, -entries, -(int64_t)n);
	put_associations(pgmap, value, n);
}

/* New first: when it fails nothing has changed. */
static int replace(struct entry_table *table, struct entry_slot slot,
		   const struct entry_new *new)
{
	uint64_t old = entry_slot_value(slot), value;
	unsigned n = entry_is_real(old) ? entry_associations(old) : 1;
	int err;

	value = entry_make_real(new->device, new->device_page, entry_order(old),
				new->holder == ENTRY_LEASE, n);
	err = publish(table, slot, value | (old & ENTRY_LOCKED), 1, n);
	if (err)
		return err;
	if (entry_is_real(old))
		disassociate(table, old, 1, n);
	TRACE4(dax_insert_pfn, table, entry_slot_index(slot), new->device_page,
	       entry_order(value));
	return 0;
}

static int associate_more(struct entry_table *table, struct entry_slot slot)
{
	uint64_t value = entry_slot_value(slot);
	unsigned n = entry_associations(value);

	if (n == ENTRY_ASSOCIATIONS_MAX)
		return -EUSERS;
	if (entry_is_zero(value)) {
		entry_slot_set(slot, entry_with_associations(value, n + 1));
		return 0;
	}
	return publish(table, slot, entry_with_associations(value, n + 1), 0,
		       1);
}

int entry_check_live(struct entry_table *table, unsigned device)
{
	struct pgmap *pgmap;
	int err;

	read_side_enter();
	pgmap = pgmap_of(table, device);
	err = pgmap && pgmap_admits(pgmap) ? 0 : -ENXIO;
	read_side_exit();
	return err;
}

bool entry_conflicts(uint64_t value, const struct entry_new *new)
{
	bool lease = new->holder == ENTRY_LEASE;

	if (entry_is_empty(value))
		return false;
	if (entry_is_lease(value) != lease)
		return true;
	return lease && entry_is_zero(value) != (new->kind == ENTRY_ZERO);
}

static int insert_real(struct entry_table *table, struct entry_slot slot,
		       const struct entry_new *new)
{
	uint64_t old = entry_slot_value(slot);
	int err;

	if (!entry_is_real(old) || entry_device(old) != new->device ||
	    entry_page(old) != new->device_page)
		err = replace(table, slot, new);
	else if (entry_is_lease(old))
		err = associate_more(table, slot);
	else
		err = entry_check_live(table, new->device);
	if (!err && new->dirty)
		entry_slot_mark(slot, ENTRY_DIRTY, true);
	return err;
}

static int insert_zero(struct entry_table *table, struct entry_slot slot,
		       const struct entry_new *new)
{
	bool lease = new->holder == ENTRY_LEASE;
	uint64_t old = entry_slot_value(slot);

	if (entry_is_real(old))
		return 0;
	if (entry_is_lease(old))
		return associate_more(table, slot);
	change_value(table, slot,
		     entry_make_zero(entry_order(old), lease, lease) |
			     (old & ENTRY_LOCKED));
	TRACE3(dax_load_hole, table, entry_slot_index(slot), entry_order(old));
	return 0;
}

int entry_insert_slot(struct entry_table *table, struct entry_slot slot,
		      const struct entry_new *new)
{
	assert(new->kind != ENTRY_EMPTY &&new->holder != ENTRY_UNHELD);
	assert(!new->dirty ||
	       (new->kind == ENTRY_REAL &&new->holder == ENTRY_LEASE));
	if (entry_conflicts(entry_slot_value(slot), new))
		return -EBUSY;
	entry_slot_mark(slot, ENTRY_LEAVING, false); /* it is back */
	return new->kind == ENTRY_REAL ? insert_real(table, slot, new)
				       : insert_zero(table, slot, new);
}

/* The folio first: split folios under an order-9 entry change no count. */
static int split_real(struct entry_table *table, struct entry_slot slot)
{
	uint64_t value = entry_slot_value(slot);
	struct pgmap *pgmap = pgmap_of(table, entry_device(value));
	int err = pgmap_split(pgmap, entry_page(value));

	if (!err)
		err = entry_tree_split(slot, value & ~ENTRY_PMD,
				       UINT64_C(1) << ENTRY_PAGE_SHIFT);
	if (!err)
		account(table, pgmap, value, ENTRY_SLOTS - 1,
			(int64_t)(ENTRY_SLOTS - 1) * entry_associations(value));
	return err;
}

int entry_split_slot(struct entry_table *table, struct entry_slot slot)
{
	uint64_t value = entry_slot_value(slot);
	uint64_t index = entry_slot_index(slot);
	int err;

	assert(!entry_is_locked(value) && (value & ENTRY_PMD));
	if (entry_is_empty(value)) {
		entry_delete_slot(table, slot);
		return 0;
	}
	if (entry_is_real(value))
		err = split_real(table, slot);
	else
		err = entry_tree_split(slot, value & ~ENTRY_PMD, 0);
	if (err)
		return err;
	table->count += ENTRY_SLOTS - 1;
	count_kernel(table, value, ENTRY_SLOTS - 1);
	entry_wait_wake_all(table, index);
	return 0;
}

void entry_drop_associations(struct entry_table *table, struct entry_slot slot,
			     unsigned n)
{
	uint64_t value = entry_slot_value(slot);

	assert(entry_associations(value) > n);
	entry_slot_set(slot, entry_with_associations(
				     value, entry_associations(value) - n));
	disassociate(table, value, 0, n);
}

void entry_delete_slot(struct entry_table *table, struct entry_slot slot)
{
	uint64_t value = entry_slot_value(slot);
	uint64_t index = entry_slot_index(slot);

	assert(!entry_is_locked(value));
	entry_tree_erase(&table->root, slot);
	table->count--;
	count_kernel(table, value, -1);
	disassociate(table, value, 1, entry_associations(value));
	TRACE3(entry_delete, table, index, entry_order(value));
	entry_wait_wake_all(table, index);
}
