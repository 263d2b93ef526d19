/* SPDX-License-Identifier: BSD-3-Clause */
/* Deleting, disassociating, walking: operations over ranges of a table. */
#include "dax/entry_private.h"

#include <errno.h>

#define HOLD_MAX 512	  /* entries under one hold of the lock */
#define RUN_HOLD_MAX 4096 /* the same where they are only looked at */
#define SNAPSHOTS 32
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

static int64_t for_each_meant(struct entry_table *table,
			      const struct range_op *op)
{
	uint64_t index = op->first;
	int64_t deleted = 0;
	unsigned held = 0;
	int ret = 0;

	pthread_mutex_lock(&table->lock);
	while (ret >= 0) {
		struct entry_slot slot = entry_tree_next(table->root, index,
							 op->last);

		if (!slot.node)
			break;
		if (++held % HOLD_MAX == 0) {
			pthread_mutex_unlock(&table->lock);
			pthread_mutex_lock(&table->lock);
			continue; /* I5 */
		}
		if (!is_meant(op, slot)) {
			index = entry_slot_index(slot) +
				entry_pages(entry_slot_value(slot));
		} else if (entry_is_locked(entry_slot_value(slot))) {
			uint64_t met = entry_slot_index(slot);

			entry_wait_sleep(table, met);
			/* We take no lock bit: let the next one look, too. */
			entry_wait_wake_next(table, met);
		} else {
			ret = act_on(table, op, slot, &index);
			if (ret > 0)
				deleted++;
		}
	}
	pthread_mutex_unlock(&table->lock);
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

static unsigned snapshot(struct entry_table *table, uint64_t first,
			 uint64_t last, struct entry_info infos[SNAPSHOTS])
{
	unsigned count = 0;

	pthread_mutex_lock(&table->lock);
	while (count < SNAPSHOTS) {
		struct entry_slot slot = entry_tree_next(table->root, first,
							 last);

		if (!slot.node)
			break;
		entry_info_of(slot, &infos[count++]);
		first = entry_slot_index(slot) +
			entry_pages(entry_slot_value(slot));
	}
	pthread_mutex_unlock(&table->lock);
	return count;
}

int entry_table_walk(struct entry_table *table, uint64_t first, uint64_t last,
		     entry_fn *fn, void *arg)
{
	struct entry_info infos[SNAPSHOTS];
	unsigned count;

	do {
		count = snapshot(table, first, last, infos);
		for (unsigned i = 0; i < count; i++) {
			int ret = fn(&infos[i], arg);

			if (ret)
				return ret;
			first = infos[i].index +
				(UINT64_C(1) << infos[i].order);
		}
	} while (count == SNAPSHOTS);
	return 0;
}

/* What of an entry lies in the range; npages 0: no leased block. */
static struct entry_run run_of(struct entry_slot slot, uint64_t first,
			       uint64_t last)
{
	uint64_t value = entry_slot_value(slot);
	uint64_t index = entry_slot_index(slot);
	uint64_t end = index + entry_pages(value);
	uint64_t skip = first > index ? first - index : 0;

	if (!entry_is_lease(value) || !entry_is_real(value))
		return (struct entry_run){ .npages = 0 };
	if (last < end - 1)
		end = last + 1;
	return (struct entry_run){ .index = index + skip,
				   .npages = end - index - skip,
				   .device = entry_device(value),
				   .device_page = entry_page(value) + skip };
}

static bool run_goes_on(const struct entry_run *run,
			const struct entry_run *next)
{
	return run->index + run->npages == next->index &&
	       run->device == next->device &&
	       run->device_page + run->npages == next->device_page;
}

/* As many as fit, of as many entries as are looked at under one hold; *first
 * moves on, *more: there may be others. */
static unsigned run_snapshot(struct entry_table *table, uint64_t *first,
			     uint64_t last, struct entry_run runs[SNAPSHOTS],
			     bool *more)
{
	unsigned count = 0, held = 0;
	struct entry_slot slot;

	*more = false;
	pthread_mutex_lock(&table->lock);
	while ((slot = entry_tree_next(table->root, *first, last)).node) {
		struct entry_run run = run_of(slot, *first, last);

		*more = count == SNAPSHOTS || held++ == RUN_HOLD_MAX;
		if (*more)
			break;
		*first = entry_slot_index(slot) +
			 entry_pages(entry_slot_value(slot));
		if (run.npages == 0)
			continue;
		if (count > 0 && run_goes_on(&runs[count - 1], &run))
			runs[count - 1].npages += run.npages;
		else
			runs[count++] = run;
	}
	pthread_mutex_unlock(&table->lock);
	return count;
}

int entry_table_walk_leased(struct entry_table *table, uint64_t first,
			    uint64_t last, entry_run_fn *fn, void *arg)
{
	struct entry_run runs[SNAPSHOTS];
	bool more;

	do {
		unsigned count = run_snapshot(table, &first, last, runs, &more);

		for (unsigned i = 0; i < count; i++) {
			int ret = fn(&runs[i], arg);

			if (ret)
				return ret;
		}
	} while (more);
	return 0;
}

uint64_t entry_table_count(struct entry_table *table)
{
	uint64_t count;

	pthread_mutex_lock(&table->lock);
	count = table->count;
	pthread_mutex_unlock(&table->lock);
	return count;
}

uint64_t entry_table_kernel(struct entry_table *table)
{
	uint64_t count;

	pthread_mutex_lock(&table->lock);
	count = table->kernel;
	pthread_mutex_unlock(&table->lock);
	return count;
}

uint64_t entry_table_kernel_zeros(struct entry_table *table)
{
	uint64_t count;

	pthread_mutex_lock(&table->lock);
	count = table->kernel_zeros;
	pthread_mutex_unlock(&table->lock);
	return count;
}

struct active {
	unsigned device;
	uint64_t pages;
};

static int add_active(const struct entry_info *info, void *arg)
{
	struct active *active = arg;

	if (info->kind == ENTRY_REAL && info->device == active->device)
		active->pages += (uint64_t)info->associations << info->order;
	return 0;
}

uint64_t entry_table_active(struct entry_table *table, unsigned device)
{
	struct active active = { .device = device };

	entry_table_walk(table, 0, UINT64_MAX, add_active, &active);
	return active.pages;
}

/* References on the page that a kernel mapping of it here accounts for. */
static uint32_t kernel_references(struct entry_table *table, uint64_t index,
				  unsigned device, uint64_t page)
{
	struct entry_slot slot = entry_tree_find(table->root, index);
	uint64_t value;

	if (!slot.node)
		return 0;
	value = entry_slot_value(slot);
	return entry_is_real(value) && !entry_is_lease(value) &&
	       entry_device(value) == device &&
	       entry_page(value) + (index - entry_slot_index(slot)) == page;
}

bool entry_table_busy_range(struct entry_table *table, uint64_t index,
			    uint64_t npages, unsigned device,
			    uint64_t device_page, uint64_t *busy)
{
	struct pgmap *pgmap = __atomic_load_n(&table->pgmaps[device],
					      __ATOMIC_ACQUIRE);
	bool found = false;
	uint64_t done = 0;
	uint64_t page;

	if (!pgmap)
		return false;
	pthread_mutex_lock(&table->lock);
	while (!found && done < npages &&
	       pgmap_busy_range(pgmap, device_page + done, npages - done,
				&page)) {
		done = page - device_page;
		found = pgmap_count(pgmap, page) >
			kernel_references(table, index + done, device, page);
		if (!found)
			done++;
	}
	pthread_mutex_unlock(&table->lock);
	if (found && busy)
		*busy = index + done;
	return found;
}
