/* SPDX-License-Identifier: BSD-3-Clause */
/* inode_slot.c -- free slots of the inode file, taken and given back */
#include "core/attr.h"
#include "core/fs.h"
#include "core/inode_table.h"
#include "alloc/bits.h"
#include "journal/journal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Chunks not yet in memory that one search may read before the file rather
 * grows: a search must not take longer than some requests. */
#define SEARCH_CHUNKS 16

static uint64_t slots_total(const struct inode_table *table)
{
	return atomic_load(&table->chunk_count) * INODE_CHUNK;
}

/* Free slots in chunks that nobody has looked at yet. */
static bool free_elsewhere(const struct inode_table *table)
{
	return slots_total(table) > table->used + table->free_known;
}

static uint64_t pick_in(struct inode_table *table, struct inode_chunk *chunk,
			uint64_t at)
{
	unsigned word = 0;
	unsigned bit;

	while (!chunk->free[word])
		word++;
	bit = (unsigned)__builtin_ctzll(chunk->free[word]);
	chunk->free[word] &= chunk->free[word] - 1;
	chunk->free_count--;
	table->free_known--;
	if (chunk->free_count == 0)
		bits_fill(table->free_chunks, at, 1, false);
	return at * INODE_CHUNK + word * 64 + bit;
}

/* Get to know chunks until one has a free slot. */
static int explore_locked(struct inode_table *table, unsigned budget)
{
	uint64_t count = atomic_load(&table->chunk_count);

	while (table->free_known == 0 && free_elsewhere(table) &&
	       table->explored < count && budget-- > 0) {
		if (!inode_chunk_load_locked(table, table->explored))
			return -ENOMEM;
		table->explored++;
	}
	return 0;
}

/* -ENOSPC: none found within budget. */
static int pick_locked(struct inode_table *table, unsigned budget,
		       uint64_t *ino)
{
	uint64_t at;
	int err;

	err = explore_locked(table, budget);
	if (err)
		return err;
	if (table->free_known == 0)
		return -ENOSPC;
	at = bits_find(table->free_chunks, 0, table->chunks_max, true);
	*ino = pick_in(table, atomic_load(&table->chunks[at]), at);
	table->used++;
	return 0;
}

static int pick(struct fs *fs, unsigned budget, uint64_t *ino)
{
	int err;

	pthread_mutex_lock(&fs->inodes->lock);
	err = pick_locked(fs->inodes, budget, ino);
	pthread_mutex_unlock(&fs->inodes->lock);
	return err;
}

int inode_take(struct fs *fs, struct inode **out)
{
	struct inode_table *table = fs->inodes;
	struct inode *inode;
	uint64_t ino;
	int err;

	err = pick(fs, SEARCH_CHUNKS, &ino);
	if (err == -ENOSPC) {
		err = inode_file_grow(fs);
		if (!err || err == -ENOSPC)
			err = pick(fs, UINT32_MAX, &ino);
	}
	if (err)
		return err;
	inode = inode_alloc(fs, ino);
	pthread_mutex_lock(&table->lock);
	if (inode) {
		inode->state = INODE_UNBORN;
		inode_enter_locked(table, inode);
	} else {
		inode_slot_free_locked(table, ino);
		table->used--;
		err = -ENOMEM;
	}
	pthread_mutex_unlock(&table->lock);
	*out = inode;
	return err;
}

inode_media *inode_new(struct fs *fs, struct txn *txn, struct inode *inode)
{
	inode_media *copy = inode_edit(txn, inode);
	uint32_t floor = atomic_load(&fs->inodes->generation_floor);
	uint32_t generation = copy->generation > floor ? copy->generation
						       : floor;

	memset(copy, 0, sizeof(*copy));
	copy->ino = inode->ino;
	copy->generation = generation + 1;
	attr_stamp(copy, ATTR_ATIME | ATTR_MTIME | ATTR_CTIME);
	copy->btime_s = copy->ctime_s;
	copy->btime_ns = copy->ctime_ns;
	return copy;
}

void inode_born(struct fs *fs, struct inode *inode)
{
	pthread_mutex_lock(&fs->inodes->lock);
	inode->state = INODE_ALIVE;
	inode->lookups = 1;
	pthread_mutex_unlock(&fs->inodes->lock);
}

void inode_unborn(struct fs *fs, struct inode *inode)
{
	pthread_mutex_lock(&fs->inodes->lock);
	inode->state = INODE_GONE;
	fs->inodes->used--;
	inode_drop_locked(fs->inodes, inode);
	pthread_mutex_unlock(&fs->inodes->lock);
}
