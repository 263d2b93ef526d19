/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranges that are to be free of leases and pins, and who waits for that. */
#include "core/lease_private.h"

#include "trace/trace.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static bool concerns(const struct lease_break *brk, uint64_t first,
		     uint64_t last)
{
	return lease_overlaps(brk->first, brk->last, first, last);
}

bool lease_breaking_locked(const struct lease_file *file, uint64_t first,
			   uint64_t last)
{
	const struct lease_break *brk;

	for (brk = LIST_FIRST(&file->breaks); brk;
	     brk = LIST_NEXT(brk, of_file))
		if (concerns(brk, first, last))
			return true;
	return false;
}

static void tell(struct lease_break *brk, int err, struct lease_after *after)
{
	TRACE4(lease_break_done, brk->ino, brk->first, brk->last, err);
	brk->waiting = false;
	brk->told = true;
	brk->err = err;
	brk->next = after->breaks;
	after->breaks = brk;
}

void lease_obstacle_locked(struct lease_file *file, uint64_t first,
			   uint64_t last, int64_t n, struct lease_after *after)
{
	struct lease_break *brk;

	for (brk = LIST_FIRST(&file->breaks); brk;
	     brk = LIST_NEXT(brk, of_file)) {
		if (!concerns(brk, first, last))
			continue;
		brk->obstacles += (uint64_t)n;
		if (brk->obstacles == 0 && brk->waiting)
			tell(brk, 0, after);
	}
}

/* Ask for the lease's pages of that range, but for pinned ones. */
static void recall(struct fs *fs, const struct lease_file *file,
		   const struct lease *lease, uint64_t first, uint64_t last)
{
	const struct leases *leases = fs->leases;
	uint64_t from, to;

	while (first <= last &&
	       lease_unpinned_locked(file, lease->by_id.key, first, last, &from,
				     &to)) {
		TRACE3(lease_recall, lease->by_id.key, from, to);
		leases->ops->recall(leases->arg, lease->client,
				    lease->by_id.key, from, to, lease->device);
		if (to == UINT64_MAX)
			break;
		first = to + 1;
	}
}

void lease_recall_again_locked(struct fs *fs, struct lease_file *file,
			       const struct lease *lease, uint64_t first,
			       uint64_t last)
{
	const struct lease_break *brk;
	unsigned i;

	if (!fs->leases->ops)
		return;
	for (brk = LIST_FIRST(&file->breaks); brk;
	     brk = LIST_NEXT(brk, of_file)) {
		if (!brk->waiting || !concerns(brk, first, last))
			continue;
		for (i = lease_piece_at(lease, first);
		     i < lease->count && lease->pieces[i]->first <= last; i++) {
			uint64_t from = lease_max(first, brk->first);
			uint64_t to = lease_min(last, brk->last);

			from = lease_max(from, lease->pieces[i]->first);
			to = lease_min(to, lease->pieces[i]->last);
			if (from <= to)
				recall(fs, file, lease, from, to);
		}
	}
}

static uint64_t count_obstacles(const struct lease_break *brk)
{
	const struct lease_piece *piece;
	const struct lease_pin *pin;
	uint64_t count = 0;

	for (piece = LIST_FIRST(&brk->file->pieces); piece;
	     piece = LIST_NEXT(piece, of_file))
		count += concerns(brk, piece->first, piece->last);
	for (pin = LIST_FIRST(&brk->file->pins); pin;
	     pin = LIST_NEXT(pin, of_file))
		count += concerns(brk, pin->first, pin->last);
	return count;
}

static void recall_all(struct fs *fs, const struct lease_break *brk)
{
	const struct lease_piece *piece;

	for (piece = LIST_FIRST(&brk->file->pieces); piece;
	     piece = LIST_NEXT(piece, of_file))
		if (!piece->leaving && concerns(brk, piece->first, piece->last))
			recall(fs, brk->file, piece->lease,
			       lease_max(piece->first, brk->first),
			       lease_min(piece->last, brk->last));
}

static int start_locked(struct fs *fs, struct lease_break *brk)
{
	brk->waiting = brk->told = false;
	brk->err = 0;
	brk->file = lease_file_make_locked(fs, brk->ino);
	if (!brk->file)
		return -ENOMEM;
	brk->obstacles = count_obstacles(brk);
	if (brk->obstacles && !fs->leases->ops) {
		lease_file_put_locked(fs, brk->file);
		return -EBUSY;
	}
	LIST_INSERT_HEAD(&brk->file->breaks, brk, of_file);
	if (!brk->obstacles)
		return 0;
	brk->waiting = true;
	recall_all(fs, brk);
	return -EINPROGRESS;
}

int lease_break_start(struct fs *fs, struct lease_break *brk)
{
	int err;

	pthread_mutex_lock(&fs->lease_lock);
	err = start_locked(fs, brk);
	TRACE4(lease_break_start, brk->ino, brk->first, brk->last, err);
	pthread_mutex_unlock(&fs->lease_lock);
	return err; /* it may be done and gone by now */
}

bool lease_break_cancel(struct fs *fs, struct lease_break *brk)
{
	bool told;

	pthread_mutex_lock(&fs->lease_lock);
	brk->waiting = false;
	told = brk->told;
	pthread_mutex_unlock(&fs->lease_lock);
	return !told;
}

void lease_break_end(struct fs *fs, struct lease_break *brk)
{
	pthread_mutex_lock(&fs->lease_lock);
	assert(!brk->waiting);
	LIST_REMOVE(brk, of_file);
	lease_file_put_locked(fs, brk->file);
	pthread_mutex_unlock(&fs->lease_lock);
}

void lease_unyielding(struct fs *fs, struct lease_client *client, uint64_t id,
		      uint64_t first, uint64_t last)
{
	struct lease_after after = { .leases = NULL };
	struct lease_break *brk;
	const struct lease *lease;
	unsigned i;

	pthread_mutex_lock(&fs->lease_lock);
	lease = lease_find_locked(fs, client, id);
	for (i = lease ? lease_piece_at(lease, first) : 0;
	     lease && i < lease->count && lease->pieces[i]->first <= last;
	     i++) {
		for (brk = LIST_FIRST(&lease->file->breaks); brk;
		     brk = LIST_NEXT(brk, of_file))
			if (brk->waiting && concerns(brk, first, last) &&
			    concerns(brk, lease->pieces[i]->first,
				     lease->pieces[i]->last))
				tell(brk, -EBUSY, &after);
	}
	pthread_mutex_unlock(&fs->lease_lock);
	lease_after(fs, &after);
}

/* ---------------------------------------------------------- for nobody else */

/* A break that nobody waits for: who wanted the range comes again by himself.
 */
struct call_back {
	struct lease_break brk;
	struct fs *fs;
};

static void called_back(struct lease_break *brk, int err)
{
	struct call_back *call = (struct call_back *)brk;

	lease_break_end(call->fs, brk);
	free(call);
}
_Static_assert(offsetof(struct call_back, brk) == 0, "one is the other");

int lease_call_back(struct fs *fs, uint64_t ino, uint64_t first, uint64_t last)
{
	struct call_back *call = calloc(1, sizeof(*call));
	int err;

	if (!call)
		return -ENOMEM;
	call->fs = fs;
	call->brk = (struct lease_break){
		.ino = ino, .first = first, .last = last, .done = called_back
	};
	err = lease_break_start(fs, &call->brk);
	if (err == -EINPROGRESS)
		return 0;
	if (err)
		free(call);
	else
		called_back(&call->brk, 0);
	return err;
}
