/* SPDX-License-Identifier: BSD-3-Clause */
/* The marks of leased entries, and fsync over them [R8]. */
#include "dax/entry_private.h"

#include "trace/trace.h"

static uint64_t after(struct entry_slot slot)
{
	return entry_slot_index(slot) + entry_pages(entry_slot_value(slot));
}

/* By somebody who may store to it: a hole has nothing to be flushed. */
static bool is_leased(struct entry_slot slot)
{
	uint64_t value = entry_slot_value(slot);

	return entry_is_lease(value) && entry_is_real(value);
}

/* A lock bit of somebody else; the caller starts over from what it sees. */
static void wait_for(struct entry_table *table, struct entry_slot slot)
{
	uint64_t index = entry_slot_index(slot);

	entry_wait_sleep(table, index);
	entry_wait_wake_next(table, index);
}

void entry_table_set_mark(struct entry_table *table, uint64_t first,
			  uint64_t last, enum entry_mark mark)
{
	struct entry_slot slot;

	pthread_mutex_lock(&table->lock);
	while ((slot = entry_tree_next(table->root, first, last)).node) {
		if (is_leased(slot) && mark == ENTRY_DIRTY &&
		    entry_is_locked(entry_slot_value(slot))) {
			wait_for(table, slot);
			continue;
		}
		if (is_leased(slot))
			entry_slot_mark(slot, mark, true);
		first = after(slot);
	}
	pthread_mutex_unlock(&table->lock);
}

void entry_table_clear_mark(struct entry_table *table, uint64_t first,
			    uint64_t last, enum entry_mark mark)
{
	struct entry_slot slot;

	pthread_mutex_lock(&table->lock);
	while ((slot = entry_tree_next(table->root, first, last)).node) {
		entry_slot_mark(slot, mark, false);
		first = after(slot);
	}
	pthread_mutex_unlock(&table->lock);
}

bool entry_table_test_mark(struct entry_table *table, uint64_t index,
			   enum entry_mark mark)
{
	struct entry_slot slot;
	bool marked;

	pthread_mutex_lock(&table->lock);
	slot = entry_tree_find(table->root, index);
	marked = slot.node && entry_slot_marked(slot, mark);
	pthread_mutex_unlock(&table->lock);
	return marked;
}

/* What is dirty now is this fsync's to write; what becomes so later, not. */
static void tag_dirty(struct entry_table *table, uint64_t first, uint64_t last)
{
	struct entry_slot slot;

	pthread_mutex_lock(&table->lock);
	while ((slot = entry_tree_next(table->root, first, last)).node) {
		if (entry_slot_marked(slot, ENTRY_DIRTY))
			entry_slot_mark(slot, ENTRY_TOWRITE, true);
		first = after(slot);
	}
	pthread_mutex_unlock(&table->lock);
}

/* Called and answers with the table locked; not locked during the flush. */
static int writeback_one(struct entry_table *table, struct entry_slot slot,
			 entry_flush_fn *flush, void *arg)
{
	uint64_t value = entry_slot_value(slot);
	uint64_t index = entry_slot_index(slot);
	int err;

	entry_slot_set(slot, value | ENTRY_LOCKED);
	entry_slot_mark(slot, ENTRY_TOWRITE, false);
	pthread_mutex_unlock(&table->lock);
	err = flush(arg, entry_device(value), entry_page(value),
		    entry_order(value));
	pthread_mutex_lock(&table->lock);
	/* Locked, so it is still the same; where its node is may differ. */
	slot = entry_tree_find(table->root, index);
	assert(slot.node &&
	       entry_order(entry_slot_value(slot)) == entry_order(value));
	if (!err)
		entry_slot_mark(slot, ENTRY_DIRTY, false);
	entry_unlock_slot(table, slot);
	TRACE3(dax_writeback_one, table, index, err);
	return err;
}

int entry_table_writeback_range(struct entry_table *table, uint64_t first,
				uint64_t last, entry_flush_fn *flush, void *arg)
{
	struct entry_slot slot;
	int err = 0;

	TRACE3(dax_writeback_range, table, first, last);
	tag_dirty(table, first, last);
	pthread_mutex_lock(&table->lock);
	while (!err &&
	       (slot = entry_tree_next(table->root, first, last)).node) {
		if (!entry_slot_marked(slot, ENTRY_TOWRITE)) {
			first = after(slot);
		} else if (entry_is_locked(entry_slot_value(slot))) {
			wait_for(table, slot);
		} else {
			first = after(slot);
			err = writeback_one(table, slot, flush, arg);
		}
	}
	pthread_mutex_unlock(&table->lock);
	TRACE4(dax_writeback_range_done, table, first, last, err);
	return err;
}
