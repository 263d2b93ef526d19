/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's entries and leases' in one table: who has which page [R11]. */
#include "dax/entry_private.h"

#include <errno.h>

typedef bool stop_fn(struct entry_slot slot);

/* The first entry of the range that stop() wants; table->lock held. */
static bool find(struct entry_table *table, uint64_t first, uint64_t last,
		 stop_fn *stop)
{
	struct entry_slot slot;

	while ((slot = entry_tree_next(table->root, first, last)).node) {
		if (stop(slot))
			return true;
		first = entry_slot_index(slot) +
			entry_pages(entry_slot_value(slot));
	}
	return false;
}

static bool is_leased(struct entry_slot slot)
{
	return entry_is_lease(entry_slot_value(slot));
}

/* Filled anew, or for the first time, since the kernel was asked. */
static bool is_staying(struct entry_slot slot)
{
	return entry_is_kernel(entry_slot_value(slot)) &&
	       !entry_slot_marked(slot, ENTRY_LEAVING);
}

bool entry_table_has_leases(struct entry_table *table, uint64_t first,
			    uint64_t last)
{
	bool found;

	pthread_mutex_lock(&table->lock);
	found = table->count > table->kernel &&
		find(table, first, last, is_leased);
	pthread_mutex_unlock(&table->lock);
	return found;
}

bool entry_table_expel_begin(struct entry_table *table, uint64_t first,
			     uint64_t last)
{
	struct entry_slot slot;
	bool any = false;

	pthread_mutex_lock(&table->lock);
	while (table->kernel &&
	       (slot = entry_tree_next(table->root, first, last)).node) {
		uint64_t value = entry_slot_value(slot);

		if (entry_is_kernel(value)) {
			entry_slot_mark(slot, ENTRY_LEAVING, true);
			any = true;
		}
		first = entry_slot_index(slot) + entry_pages(value);
	}
	pthread_mutex_unlock(&table->lock);
	return any;
}

int64_t entry_table_expel_end(struct entry_table *table, uint64_t first,
			      uint64_t last)
{
	bool staying;

	pthread_mutex_lock(&table->lock);
	staying = table->kernel && find(table, first, last, is_staying);
	pthread_mutex_unlock(&table->lock);
	if (staying)
		return -EAGAIN;
	return entry_table_delete_range(table, first, last, ENTRY_OF_KERNEL);
}
