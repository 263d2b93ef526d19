/* SPDX-License-Identifier: BSD-3-Clause */
/* Declared DMA: folio references that outlast recall and zap. */
#include "core/lease_private.h"

#include "core/request.h"
#include "dax/pgmap.h"
#include "trace/trace.h"
#include "util/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The pin of that lease that reaches into the range first; NULL: none. */
static const struct lease_pin *first_pin(const struct lease_file *file,
					 uint64_t lease, uint64_t first,
					 uint64_t last)
{
	const struct lease_pin *found = NULL;
	const struct lease_pin *pin;

	for (pin = LIST_FIRST(&file->pins); pin; pin = LIST_NEXT(pin, of_file))
		if (pin->lease == lease &&
		    lease_overlaps(pin->first, pin->last, first, last) &&
		    (!found || pin->first < found->first))
			found = pin;
	return found;
}

bool lease_unpinned_locked(const struct lease_file *file, uint64_t lease,
			   uint64_t first, uint64_t last, uint64_t *from,
			   uint64_t *to)
{
	const struct lease_pin *pin;

	while ((pin = first_pin(file, lease, first, last)) != NULL &&
	       pin->first <= first) {
		if (pin->last >= last)
			return false;
		first = pin->last + 1;
	}
	*from = first;
	*to = pin ? pin->first - 1 : last;
	return true;
}

bool lease_pinned(struct fs *fs, uint64_t ino, uint64_t first, uint64_t last)
{
	const struct lease_file *file;
	const struct lease_pin *pin;

	if (!fs->leases) /* at mount */
		return false;
	pthread_mutex_lock(&fs->lease_lock);
	file = lease_file_find_locked(fs, ino);
	pin = file ? LIST_FIRST(&file->pins) : NULL;
	while (pin && !lease_overlaps(pin->first, pin->last, first, last))
		pin = LIST_NEXT(pin, of_file);
	pthread_mutex_unlock(&fs->lease_lock);
	return pin != NULL;
}

/* ------------------------------------------------------------------ places */

/* Leased pages as runs on their device, joined where they go on. */
struct gather {
	struct lease_pin_run *runs;
	unsigned count, room;
};

static int gather_run(const struct entry_run *run, void *arg)
{
	struct gather *gather = arg;
	struct lease_pin_run *runs = gather->runs;
	unsigned room = 2 * gather->room + 4;

	if (gather->count > 0) {
		struct lease_pin_run *last = &runs[gather->count - 1];

		if (last->device_page + last->npages == run->device_page) {
			last->npages += run->npages;
			return 0;
		}
	}
	if (gather->count == gather->room) {
		runs = realloc(runs, room * sizeof(*runs));
		if (!runs)
			return -ENOMEM;
		gather->runs = runs;
		gather->room = room;
	}
	runs[gather->count++] = (struct lease_pin_run){ run->device_page,
							run->npages };
	return 0;
}

/* Where the lease's pages are; file pages that are there by now. */
static int gather_range(struct gather *gather, struct inode *inode,
			uint64_t first, uint64_t last)
{
	return entry_table_walk_leased(lease_entries(inode), first, last,
				       gather_run, gather);
}

/* All unpinned parts of one piece in the range. */
static int gather_piece(struct gather *gather, const struct lease *lease,
			uint64_t first, uint64_t last)
{
	uint64_t from, to;
	int err = 0;

	while (!err && first <= last &&
	       lease_unpinned_locked(lease->file, lease->by_id.key, first, last,
				     &from, &to)) {
		err = gather_range(gather, lease->inode, from, to);
		first = to + 1;
	}
	return err;
}

unsigned lease_places(struct fs *fs, struct lease_client *client, uint64_t id,
		      uint64_t first, uint64_t last, struct lease_place *places,
		      unsigned room)
{
	struct gather gather = { .count = 0 };
	const struct lease *lease;
	int err = 0;
	unsigned i;

	pthread_mutex_lock(&fs->lease_lock);
	lease = lease_find_locked(fs, client, id);
	for (i = lease ? lease_piece_at(lease, first) : 0;
	     lease && !err && i < lease->count &&
	     lease->pieces[i]->first <= last;
	     i++)
		err = gather_piece(&gather, lease,
				   lease_max(first, lease->pieces[i]->first),
				   lease_min(last, lease->pieces[i]->last));
	pthread_mutex_unlock(&fs->lease_lock);
	for (i = 0; i < gather.count && i < room; i++)
		places[i] = (struct lease_place){
			gather.runs[i].device_page * BLOCK_BYTES,
			gather.runs[i].npages * BLOCK_BYTES
		};
	free(gather.runs);
	/* Without memory for all of them: more than there is room for. */
	return err ? room + 1 : gather.count;
}

/* --------------------------------------------------------------------- pins */

/* A run in folios: whole aligned ones as such. Get and put cut it alike. */
static unsigned folio_order(const struct lease_pin_run *run, uint64_t done)
{
	uint64_t page = run->device_page + done;

	return page % PGMAP_PMD_PAGES == 0 &&
			       run->npages - done >= PGMAP_PMD_PAGES
		       ? PGMAP_ORDER_PMD
		       : PGMAP_ORDER_PTE;
}

static void unpin_run(struct pgmap *pgmap, const struct lease_pin_run *run,
		      uint64_t npages)
{
	uint64_t done = 0;

	while (done < npages) {
		unsigned order = folio_order(run, done);

		pgmap_unpin(pgmap, run->device_page + done, order);
		done += UINT64_C(1) << order;
	}
}

static int pin_run(struct pgmap *pgmap, const struct lease_pin_run *run)
{
	uint64_t done = 0;

	while (done < run->npages) {
		unsigned order = folio_order(run, done);
		int err = pgmap_pin_live(pgmap, run->device_page + done, order);

		if (err) {
			unpin_run(pgmap, run, done);
			return err;
		}
		done += UINT64_C(1) << order;
	}
	return 0;
}

static int pin_runs(struct pgmap *pgmap, const struct lease_pin_run *runs,
		    unsigned count)
{
	int err = 0;
	unsigned i;

	for (i = 0; i < count && !err; i++)
		err = pin_run(pgmap, &runs[i]);
	for (i = err ? i - 1 : 0; err && i > 0; i--)
		unpin_run(pgmap, &runs[i - 1], runs[i - 1].npages);
	return err;
}

/* The lease holds its pages, so they are where its entries say. */
static int pin_make_locked(struct fs *fs, struct lease *lease, uint64_t first,
			   uint64_t last, struct lease_pin *pin)
{
	struct gather gather = { .count = 0 };
	int err = gather_range(&gather, lease->inode, first, last);

	if (!err && lease->device != LEASE_NO_DEVICE)
		err = pin_runs(fs->pgmaps[lease->device], gather.runs,
			       gather.count);
	if (err) {
		free(gather.runs);
		return err;
	}
	pin->client = lease->client;
	pin->file = lease->file;
	pin->inode = lease->inode;
	pin->lease = lease->by_id.key;
	pin->first = first;
	pin->last = last;
	pin->device = lease->device;
	pin->since_ns = clock_monotonic_ns();
	pin->pid = lease->pid;
	memcpy(pin->command, lease->command, sizeof(pin->command));
	pin->run_count = gather.count;
	pin->runs = gather.runs;
	pin->by_id.key = ++fs->leases->next_id;
	return 0;
}

static int pin_locked(struct fs *fs, struct lease_client *client, uint64_t id,
		      uint64_t first, uint64_t last, struct lease_pin *pin)
{
	struct lease *lease = lease_find_locked(fs, client, id);
	int err;

	if (!lease || first > last || !lease_covers(lease, first, last))
		return -ENOENT;
	if (lease_breaking_locked(lease->file, first, last))
		return -EAGAIN;
	if (client->pin_count >= LEASE_PINS_MAX)
		return -EUSERS;
	err = pin_make_locked(fs, lease, first, last, pin);
	if (err)
		return err;
	client->pin_count++;
	lease_hash_add(&fs->leases->pins, &pin->by_id);
	LIST_INSERT_HEAD(&client->pins, pin, of_client);
	LIST_INSERT_HEAD(&lease->file->pins, pin, of_file);
	inode_hold_again(fs, pin->inode);
	return 0;
}

int lease_pin(struct request *request, struct lease_client *client, uint64_t id,
	      uint64_t first, uint64_t last, uint64_t *out)
{
	struct lease_pin *pin = calloc(1, sizeof(*pin));
	struct fs *fs = request->fs;
	int err;

	if (!pin)
		return -ENOMEM;
	pthread_mutex_lock(&fs->lease_lock);
	err = pin_locked(fs, client, id, first, last, pin);
	if (!err)
		*out = pin->by_id.key;
	pthread_mutex_unlock(&fs->lease_lock);
	TRACE4(lease_pin, id, first, last, err);
	if (err)
		free(pin);
	return err;
}

void lease_pin_drop_locked(struct fs *fs, struct lease_pin *pin,
			   struct lease_after *after)
{
	struct lease_file *file = pin->file;

	for (unsigned i = 0; i < pin->run_count; i++)
		unpin_run(fs->pgmaps[pin->device], &pin->runs[i],
			  pin->runs[i].npages);
	lease_hash_remove(&fs->leases->pins, &pin->by_id);
	LIST_REMOVE(pin, of_file);
	if (!fs->leases->closing) {
		LIST_REMOVE(pin, of_client);
		pin->client->pin_count--;
	}
	lease_obstacle_locked(file, pin->first, pin->last, -1, after);
	lease_file_put_locked(fs, file);
	pin->next = after->pins;
	after->pins = pin;
}

int lease_unpin(struct fs *fs, struct lease_client *client, uint64_t id)
{
	struct lease_after after = { .leases = NULL };
	struct lease_pin *pin;
	const struct lease *lease;

	pthread_mutex_lock(&fs->lease_lock);
	pin = lease_pin_of(lease_hash_find(&fs->leases->pins, id));
	if (!pin || pin->client != client) {
		pthread_mutex_unlock(&fs->lease_lock);
		return -ENOENT;
	}
	TRACE3(lease_unpin, pin->lease, pin->first, pin->last);
	lease = lease_find_locked(fs, client, pin->lease);
	lease_pin_drop_locked(fs, pin, &after);
	/* What the pin kept from being asked for before; the lease keeps the
	 * file. */
	if (lease)
		lease_recall_again_locked(fs, lease->file, lease, pin->first,
					  pin->last);
	pthread_mutex_unlock(&fs->lease_lock);
	lease_after(fs, &after);
	return 0;
}
