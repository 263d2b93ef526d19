/* SPDX-License-Identifier: BSD-3-Clause */
#include "dax/entry_private.h"

#include <errno.h>

int entry_table_init(struct entry_table *table, struct pgmap *const *pgmaps)
{
	table->pgmaps = pgmaps;
	table->root = NULL;
	table->count = table->kernel = table->kernel_zeros = 0;
	table->batch = NULL;
	return -pthread_mutex_init(&table->lock, NULL);
}

void entry_table_fini(struct entry_table *table)
{
	int64_t deleted = entry_table_delete_range(table, 0, UINT64_MAX,
						   ENTRY_OF_ALL);

	assert(deleted >= 0 && !table->root); /* whole entries: no split */
	pthread_mutex_destroy(&table->lock);
}

int entry_get_unlocked(struct entry_table *table, uint64_t index,
		       unsigned order, struct entry_waited *waited,
		       struct entry_slot *out)
{
	for (;;) {
		if (order > 0 && entry_tree_has_smaller(table->root, index))
			return -EEXIST;
		*out = entry_tree_find(table->root, index);
		if (!out->node || !entry_is_locked(entry_slot_value(*out)))
			return 0;
		waited->any = true;
		waited->index = entry_slot_index(*out);
		entry_wait_sleep(table, waited->index);
	}
}

void entry_pass_on(struct entry_table *table, struct entry_waited *waited)
{
	if (waited->any)
		entry_wait_wake_next(table, waited->index);
	waited->any = false;
}

void entry_unlock_slot(struct entry_table *table, struct entry_slot slot)
{
	uint64_t value = entry_slot_value(slot);

	assert(entry_is_locked(value)); /* I4 */
	entry_slot_set(slot, value & ~ENTRY_LOCKED);
	entry_wait_wake_next(table, entry_slot_index(slot));
}

void entry_info_of(struct entry_slot slot, struct entry_info *out)
{
	uint64_t value = entry_slot_value(slot);

	*out = (struct entry_info){
		.index = entry_slot_index(slot),
		.order = entry_order(value),
		.kind = ENTRY_REAL,
		.holder = entry_is_lease(value) ? ENTRY_LEASE : ENTRY_KERNEL,
		.locked = entry_is_locked(value),
		.dirty = entry_slot_marked(slot, ENTRY_DIRTY),
		.towrite = entry_slot_marked(slot, ENTRY_TOWRITE),
	};
	if (entry_is_zero(value)) {
		out->kind = ENTRY_ZERO;
		out->associations = entry_associations(value);
	} else if (entry_is_empty(value)) {
		out->kind = ENTRY_EMPTY;
		out->holder = ENTRY_UNHELD;
	} else {
		out->device = entry_device(value);
		out->device_page = entry_page(value);
		out->associations = entry_associations(value);
	}
}

int entry_make_slot(struct entry_table *table, uint64_t index, unsigned order,
		    struct entry_slot *out)
{
	int err = entry_tree_insert(&table->root, index,
				    entry_make_empty(order), out);

	if (!err)
		table->count++;
	return err;
}

int entry_grab(struct entry_table *table, uint64_t index, unsigned order,
	       struct entry_info *out)
{
	struct entry_waited waited = { .any = false };
	struct entry_slot slot;
	int err;

	assert(index <= ENTRY_INDEX_MAX);
	assert(order == PGMAP_ORDER_PTE ||
	       (order == PGMAP_ORDER_PMD && index % ENTRY_SLOTS == 0)); /* I2 */
	pthread_mutex_lock(&table->lock);
	err = entry_get_unlocked(table, index, order, &waited, &slot);
	if (!err && slot.node && entry_order(entry_slot_value(slot)) > order &&
	    !entry_is_real(entry_slot_value(slot))) {
		/* Zero or empty of order 9, order 0 asked: downgrade. */
		err = entry_split_slot(table, slot);
		if (!err)
			slot = entry_tree_find(table->root, index);
	}
	if (!err && !slot.node)
		err = entry_make_slot(table, index, order, &slot);
	if (err) {
		entry_pass_on(table, &waited);
	} else {
		entry_slot_set(slot, entry_slot_value(slot) | ENTRY_LOCKED);
		entry_info_of(slot, out);
	}
	pthread_mutex_unlock(&table->lock);
	return err;
}

static struct entry_slot find_locked(struct entry_table *table,
				     const struct entry_info *locked)
{
	struct entry_slot slot = entry_tree_find(table->root, locked->index);

	assert(slot.node && entry_is_locked(entry_slot_value(slot)));
	return slot;
}

int entry_insert_locked(struct entry_table *table, struct entry_info *locked,
			const struct entry_new *new)
{
	struct entry_slot slot;
	int err;

	pthread_mutex_lock(&table->lock);
	slot = find_locked(table, locked);
	err = entry_insert_slot(table, slot, new);
	entry_info_of(slot, locked);
	pthread_mutex_unlock(&table->lock);
	return err;
}

void entry_unlock(struct entry_table *table, const struct entry_info *locked)
{
	pthread_mutex_lock(&table->lock);
	entry_unlock_slot(table, find_locked(table, locked));
	pthread_mutex_unlock(&table->lock);
}

void entry_drop(struct entry_table *table, const struct entry_info *locked)
{
	struct entry_slot slot;

	pthread_mutex_lock(&table->lock);
	slot = find_locked(table, locked);
	entry_unlock_slot(table, slot);
	if (entry_is_empty(entry_slot_value(slot)))
		entry_delete_slot(table, slot);
	pthread_mutex_unlock(&table->lock);
}

bool entry_lookup(struct entry_table *table, uint64_t index,
		  struct entry_info *out)
{
	struct entry_slot slot;

	pthread_mutex_lock(&table->lock);
	slot = entry_tree_find(table->root, index);
	if (slot.node)
		entry_info_of(slot, out);
	pthread_mutex_unlock(&table->lock);
	return slot.node;
}
