/* SPDX-License-Identifier: BSD-3-Clause */
/* Deleting, disassociating: operations over ranges of a table. */
#include "dax/entry_private.h"

#include <errno.h>

#define HOLD_MAX 512 /* entries under one hold of the lock */
#define DEVICE_ANY UINT32_MAX

/* True: the entry is gone. */
typedef bool act_fn(struct entry_table *table, struct entry_slot slot);

struct range_op {
	uint64_t first;
	uint64_t last;
	unsigned device;
	unsigned which;
	act_fn *act;
};

static bool is_meant(const struct range_op *op, struct entry_slot slot)
{
	uint64_t value = entry_slot_value(slot);

	if (op->device != DEVICE_ANY &&
	    (!entry_is_real(value) || entry_device(value) != op->device))
		return false;
	if (entry_is_empty(value))
		return op->act == NULL;
	if (op->which & ENTRY_KEEP_DIRTY &&
	    entry_slot_marked(slot, ENTRY_DIRTY))
		return false;
	return op->which &
	       (entry_is_lease(value) ? ENTRY_OF_LEASES : ENTRY_OF_KERNEL);
}

static bool is_inside(const struct range_op *op, struct entry_slot slot)
{
	uint64_t first = entry_slot_index(slot);
	uint64_t last = first + entry_pages(entry_slot_value(slot)) - 1;

	return op->first <= first && last <= op->last;
}

/* 1 deleted, 0 not (or cut: look again), or an error. */
static int act_on(struct entry_table *table, const struct range_op *op,
		  struct entry_slot slot, uint64_t *next)
{
	uint64_t index = entry_slot_index(slot);
	uint64_t value = entry_slot_value(slot);

	if (!is_inside(op, slot) && !entry_is_empty(value))
		return entry_split_slot(table, slot);
	*next = index + entry_pages(value);
	if (op->act)
		return op->act(table, slot);
	entry_delete_slot(table, slot);
	return 1;
}

/* Until somebody has unlocked it, if it is locked still; then look again. */
static void wait_for(struct entry_table *table, uint64_t index)
{
	struct entry_slot slot;

	pthread_mutex_lock(&table->lock);
	slot = entry_tree_find(table->root, index);
	if (slot.node && entry_is_locked(entry_slot_value(slot))) {
		index = entry_slot_index(slot);
		entry_wait_sleep(table, index);
		/* We take no lock bit: let the next one look, too. */
		entry_wait_wake_next(table, index);
	}
	pthread_mutex_unlock(&table->lock);
}

static int64_t for_each_meant(struct entry_table *table,
			      const struct range_op *op)
{
	uint64_t index = op->first;
	struct entry_batch batch;
	int64_t deleted = 0;
	unsigned held = 0;
	int ret = 0;

	entry_batch_begin(table, &batch);
	while (ret >= 0) {
		struct entry_slot slot = entry_tree_next(table->root, index,
							 op->last);

		if (!slot.node)
			break;
		if (++held % HOLD_MAX == 0) {
			entry_batch_end(table);
			entry_batch_begin(table, &batch);
			continue; /* I5 */
		}
		if (!is_meant(op, slot)) {
			index = entry_slot_index(slot) +
				entry_pages(entry_slot_value(slot));
		} else if (entry_is_locked(entry_slot_value(slot))) {
			uint64_t met = entry_slot_index(slot);

			entry_batch_end(table);
			wait_for(table, met);
			entry_batch_begin(table, &batch);
		} else {
			ret = act_on(table, op, slot, &index);
			if (ret > 0)
				deleted++;
		}
	}
	entry_batch_end(table);
	return ret < 0 ? ret : deleted;
}

int64_t entry_table_delete_range(struct entry_table *table, uint64_t first,
				 uint64_t last, unsigned which)
{
	const struct range_op op = { .first = first,
				     .last = last,
				     .device = DEVICE_ANY,
				     .which = which };

	return for_each_meant(table, &op);
}

int64_t entry_table_delete_device(struct entry_table *table, unsigned device,
				  unsigned which)
{
	const struct range_op op = { .last = UINT64_MAX,
				     .device = device,
				     .which = which };

	return for_each_meant(table, &op);
}

static bool disassociate_one(struct entry_table *table, struct entry_slot slot)
{
	if (entry_associations(entry_slot_value(slot)) > 1) {
		entry_drop_associations(table, slot, 1);
		return false;
	}
	entry_delete_slot(table, slot);
	return true;
}

static int cut_before(struct entry_table *table, uint64_t index)
{
	struct entry_waited waited = { .any = false };
	struct entry_slot slot;
	int err;

	if (index % ENTRY_SLOTS == 0)
		return 0;
	err = entry_get_unlocked(table, index, PGMAP_ORDER_PTE, &waited, &slot);
	if (!err && slot.node && entry_pages(entry_slot_value(slot)) > 1 &&
	    entry_is_lease(entry_slot_value(slot)))
		err = entry_split_slot(table, slot);
	entry_pass_on(table, &waited);
	return err;
}

int entry_table_cut(struct entry_table *table, uint64_t index)
{
	int err;

	pthread_mutex_lock(&table->lock);
	err = cut_before(table, index);
	pthread_mutex_unlock(&table->lock);
	return err;
}

/*
 * The cuts come first: what they leave keeps our association until it is
 * dropped, so nobody makes it an order-9 entry again.
 */
int64_t entry_table_disassociate(struct entry_table *table, uint64_t first,
				 uint64_t last)
{
	const struct range_op op = { .first = first,
				     .last = last,
				     .device = DEVICE_ANY,
				     .which = ENTRY_OF_LEASES,
				     .act = disassociate_one };
	int err;

	pthread_mutex_lock(&table->lock);
	err = cut_before(table, first);
	if (!err && last < ENTRY_INDEX_MAX)
		err = cut_before(table, last + 1);
	pthread_mutex_unlock(&table->lock);
	return err ? err : for_each_meant(table, &op);
}
