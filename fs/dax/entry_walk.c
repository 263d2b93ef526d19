/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking at the entries of a table without changing them. */
#include "dax/entry_private.h"

#define HOLD_MAX 4096 /* entries under one hold of the lock */
#define SNAPSHOTS 32

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

		*more = count == SNAPSHOTS || held++ == HOLD_MAX;
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
