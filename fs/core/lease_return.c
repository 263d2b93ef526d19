/* SPDX-License-Identifier: BSD-3-Clause */
/* How leases end: in part, as a whole, with their client. */
#include "core/lease_private.h"

#include "trace/trace.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ cutting */

/* What cutting may need, made before anything is changed. */
struct spare {
	struct lease_piece *pieces[2];
	unsigned count;
};

static void spare_free(struct spare *spare)
{
	while (spare->count > 0)
		free(spare->pieces[--spare->count]);
}

/* Only the pieces at the ends of a range are cut: two more at most. */
static int spare_make(struct spare *spare, struct lease *lease)
{
	struct lease_piece **grown;

	spare->count = 0;
	if (lease->count + 2 > lease->room) {
		unsigned room = 2 * lease->room + 2;

		grown = realloc(lease->pieces,
				room * sizeof(struct lease_piece *));
		if (!grown)
			return -ENOMEM;
		lease->pieces = grown;
		lease->room = room;
	}
	for (; spare->count < 2; spare->count++) {
		spare->pieces[spare->count] =
			calloc(1, sizeof(struct lease_piece));
		if (!spare->pieces[spare->count]) {
			spare_free(spare);
			return -ENOMEM;
		}
	}
	return 0;
}

/* Cut the piece at index i before `page`: the rest becomes piece i + 1. */
static void cut(struct lease *lease, unsigned i, uint64_t page,
		struct spare *spare, struct lease_after *after)
{
	struct lease_piece *piece = lease->pieces[i];
	struct lease_piece *rest = spare->pieces[--spare->count];

	assert(rest); /* a range has two ends */
	rest->lease = lease;
	rest->first = page;
	rest->last = piece->last;
	/* More first: what waits for it is not to believe that it has gone. */
	lease_obstacle_locked(lease->file, piece->first, page - 1, 1, after);
	lease_obstacle_locked(lease->file, page, rest->last, 1, after);
	lease_obstacle_locked(lease->file, piece->first, rest->last, -1, after);
	piece->last = page - 1;
	LIST_INSERT_HEAD(&lease->file->pieces, rest, of_file);
	memmove(&lease->pieces[i + 2], &lease->pieces[i + 1],
		(lease->count - i - 1) * sizeof(struct lease_piece *));
	lease->pieces[i + 1] = rest;
	lease->count++;
	lease->client->lease_count++;
}

/* ------------------------------------------------------------------ leaving */

static void leave_piece(struct lease_piece *piece, struct lease_piece **leaving)
{
	piece->leaving = true;
	piece->lease->leaving++;
	piece->next = *leaving;
	*leaving = piece;
}

/* Pieces of [first, last], cut out of the lease. */
static void leave_range(struct lease *lease, uint64_t first, uint64_t last,
			struct spare *spare, struct lease_piece **leaving,
			struct lease_after *after)
{
	unsigned from = lease_piece_at(lease, first);
	unsigned to;

	if (from < lease->count && lease->pieces[from]->first < first)
		cut(lease, from++, first, spare, after);
	for (to = from; to < lease->count && lease->pieces[to]->first <= last;
	     to++) {
		if (lease->pieces[to]->last > last)
			cut(lease, to, last + 1, spare, after);
		leave_piece(lease->pieces[to], leaving);
	}
	memmove(&lease->pieces[from], &lease->pieces[to],
		(lease->count - to) * sizeof(struct lease_piece *));
	lease->count -= to - from;
}

void lease_leave_locked(struct lease *lease, struct lease_piece **leaving)
{
	while (lease->count > 0)
		leave_piece(lease->pieces[--lease->count], leaving);
}

/* ----------------------------------------------------------------- arriving */

static uint64_t delete_entries(struct fs *fs, const struct lease_piece *piece)
{
	int64_t deleted;

	if (piece->lease->writable)
		lease_store_left(piece->lease->inode, piece->first,
				 piece->last);
	deleted = entry_table_disassociate(lease_entries(piece->lease->inode),
					   piece->first, piece->last);
	assert(deleted >= 0); /* it was cut before */
	return (uint64_t)deleted;
}

/* It has no piece any more. */
static void drop_lease(struct fs *fs, struct lease *lease,
		       struct lease_after *after)
{
	if (lease->writable)
		atomic_fetch_sub(&lease->inode->lease_writers, 1);
	if (lease->word)
		lease->stored_ns = lease_word_put_locked(lease->word);
	lease_hash_remove(&fs->leases->by_id, &lease->by_id);
	if (!fs->leases->closing)
		LIST_REMOVE(lease, of_client);
	lease->next = after->leases;
	after->leases = lease;
}

static void drop_piece(struct fs *fs, struct lease_piece *piece,
		       struct lease_after *after)
{
	struct lease *lease = piece->lease;
	struct lease_file *file = lease->file;

	LIST_REMOVE(piece, of_file);
	lease_obstacle_locked(file, piece->first, piece->last, -1, after);
	if (!fs->leases->closing)
		lease->client->lease_count--;
	free(piece);
	lease->leaving--;
	if (lease->count == 0 && lease->leaving == 0)
		drop_lease(fs, lease, after);
	lease_file_put_locked(fs, file);
}

uint64_t lease_finish(struct fs *fs, struct lease_piece *leaving,
		      struct lease_after *after)
{
	const struct lease_piece *piece;
	uint64_t deleted = 0;

	for (piece = leaving; piece; piece = piece->next)
		deleted += delete_entries(fs, piece);
	pthread_mutex_lock(&fs->lease_lock);
	while (leaving) {
		struct lease_piece *next = leaving->next;

		drop_piece(fs, leaving, after);
		leaving = next;
	}
	pthread_mutex_unlock(&fs->lease_lock);
	return deleted;
}

/* The same on behalf of a client, who is waited for (lease_client_gone). */
static uint64_t client_finish(struct fs *fs, struct lease_client *client,
			      struct lease_piece *leaving,
			      struct lease_after *after)
{
	uint64_t deleted = lease_finish(fs, leaving, after);

	pthread_mutex_lock(&fs->lease_lock);
	client->returning--;
	pthread_cond_broadcast(&fs->leases->returned);
	pthread_mutex_unlock(&fs->lease_lock);
	lease_after(fs, after);
	return deleted;
}

/* So that deleting them cannot fail. */
static int entries_cut(const struct lease *lease, uint64_t first, uint64_t last)
{
	struct entry_table *table = lease_entries(lease->inode);
	int err = entry_table_cut(table, first);

	if (!err && last < ENTRY_INDEX_MAX)
		err = entry_table_cut(table, last + 1);
	return err;
}

static int return_locked(struct fs *fs, struct lease_client *client,
			 uint64_t id, uint64_t first, uint64_t last,
			 struct lease_piece **leaving,
			 struct lease_after *after)
{
	struct lease *lease = lease_find_locked(fs, client, id);
	uint64_t from = first, to = last;
	struct spare spare = { .count = 0 };
	int err;

	if (!lease || first > last)
		return 0;
	/* Of the whole range, be some of it gone before or not. */
	if (!lease_unpinned_locked(lease->file, id, first, last, &from, &to) ||
	    from != first || to != last)
		return -EBUSY;
	err = entries_cut(lease, first, last);
	if (!err)
		err = spare_make(&spare, lease);
	if (err)
		return err;
	leave_range(lease, first, last, &spare, leaving, after);
	spare_free(&spare);
	return 0;
}

int64_t lease_return(struct fs *fs, struct lease_client *client, uint64_t id,
		     uint64_t first, uint64_t last)
{
	struct lease_piece *leaving = NULL;
	struct lease_after after = { .leases = NULL };
	int err;

	pthread_mutex_lock(&fs->lease_lock);
	err = return_locked(fs, client, id, first, last, &leaving, &after);
	if (!err)
		client->returning++;
	pthread_mutex_unlock(&fs->lease_lock);
	TRACE4(lease_return, id, first, last, err);
	if (err)
		return err;
	return (int64_t)client_finish(fs, client, leaving, &after);
}

void lease_client_gone(struct fs *fs, struct lease_client *client,
		       unsigned device, struct lease_gone *gone)
{
	struct lease_piece *leaving = NULL;
	struct lease_after after = { .leases = NULL };
	bool all = device == LEASE_NO_DEVICE;
	struct lease *lease;

	*gone = (struct lease_gone){ .leases = 0 };
	pthread_mutex_lock(&fs->lease_lock);
	while (client->returning > 0)
		pthread_cond_wait(&fs->leases->returned, &fs->lease_lock);
	for (lease = LIST_FIRST(&client->leases); lease;
	     lease = LIST_NEXT(lease, of_client)) {
		if (!all && lease->device != device)
			continue;
		gone->leases++;
		lease_leave_locked(lease, &leaving);
	}
	while (all && !LIST_EMPTY(&client->pins))
		lease_pin_drop_locked(fs, LIST_FIRST(&client->pins), &after);
	client->returning++;
	pthread_mutex_unlock(&fs->lease_lock);
	TRACE3(lease_client_gone, client->pid, device, gone->leases);
	gone->entries = client_finish(fs, client, leaving, &after);
}
