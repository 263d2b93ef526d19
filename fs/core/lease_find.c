/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases by their number, files by theirs, pieces of a lease by page. */
#include "core/lease_private.h"

#include <stdlib.h>

#define HASH_MULTIPLIER UINT64_C(0x9e3779b97f4a7c15) /* 2^64 / golden ratio */

static struct lease_link **head_of(const struct lease_hash *hash, uint64_t key)
{
	return &hash->heads[key * HASH_MULTIPLIER >> 48];
}
_Static_assert(LEASE_BUCKETS == 1u << 16, "48 bits are shifted out");

struct lease_link *lease_hash_find(const struct lease_hash *hash, uint64_t key)
{
	struct lease_link *link = *head_of(hash, key);

	while (link && link->key != key)
		link = link->next;
	return link;
}

void lease_hash_add(struct lease_hash *hash, struct lease_link *link)
{
	struct lease_link **head = head_of(hash, link->key);

	link->next = *head;
	*head = link;
	hash->count++;
}

void lease_hash_remove(struct lease_hash *hash, struct lease_link *link)
{
	struct lease_link **at = head_of(hash, link->key);

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	hash->count--;
}

struct lease_file *lease_file_find_locked(struct fs *fs, uint64_t ino)
{
	return lease_file_of(lease_hash_find(&fs->leases->files, ino));
}

struct lease_file *lease_file_make_locked(struct fs *fs, uint64_t ino)
{
	struct lease_file *file = lease_file_find_locked(fs, ino);

	if (file)
		return file;
	file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->by_ino.key = ino;
	lease_hash_add(&fs->leases->files, &file->by_ino);
	return file;
}

void lease_file_put_locked(struct fs *fs, struct lease_file *file)
{
	if (!LIST_EMPTY(&file->pieces) || !LIST_EMPTY(&file->pins) ||
	    !LIST_EMPTY(&file->breaks))
		return;
	lease_hash_remove(&fs->leases->files, &file->by_ino);
	free(file);
}

struct lease *lease_find_locked(struct fs *fs,
				const struct lease_client *client, uint64_t id)
{
	struct lease *lease = lease_of(lease_hash_find(&fs->leases->by_id, id));

	return lease && lease->client == client ? lease : NULL;
}

unsigned lease_piece_at(const struct lease *lease, uint64_t page)
{
	unsigned low = 0, high = lease->count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (lease->pieces[middle]->last < page)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Neighbouring pieces need not be one. */
bool lease_covers(const struct lease *lease, uint64_t first, uint64_t last)
{
	unsigned i = lease_piece_at(lease, first);

	for (; i < lease->count && lease->pieces[i]->first <= first; i++) {
		if (lease->pieces[i]->last >= last)
			return true;
		first = lease->pieces[i]->last + 1;
	}
	return false;
}
