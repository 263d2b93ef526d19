/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/inode_table.h"

#include "core/fs.h"
#include "alloc/bits.h"
#include "util/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

void inode_slot_free_locked(struct inode_table *table, uint64_t ino)
{
	struct inode_chunk *chunk =
		atomic_load(&table->chunks[ino / INODE_CHUNK]);
	unsigned slot = ino % INODE_CHUNK;

	assert(!(chunk->free[slot / 64] >> slot % 64 & 1));
	chunk->free[slot / 64] |= UINT64_C(1) << slot % 64;
	chunk->free_count++;
	table->free_known++;
	bits_fill(table->free_chunks, ino / INODE_CHUNK, 1, true);
}

void inode_chunk_learn_locked(struct inode_table *table, uint64_t at)
{
	uint64_t first = at * INODE_CHUNK;
	unsigned slot;

	for (slot = 0; slot < INODE_CHUNK; slot++)
		if (first + slot >= INO_FIRST &&
		    table->media[at][slot].mode == 0)
			inode_slot_free_locked(table, first + slot);
}

struct inode_chunk *inode_chunk_load_locked(struct inode_table *table,
					    uint64_t at)
{
	struct inode_chunk *chunk = atomic_load(&table->chunks[at]);

	if (chunk)
		return chunk;
	chunk = calloc(1, sizeof(*chunk));
	if (!chunk)
		return NULL;
	atomic_store_explicit(&table->chunks[at], chunk, memory_order_release);
	inode_chunk_learn_locked(table, at);
	return chunk;
}

struct inode *inode_alloc(struct fs *fs, uint64_t ino)
{
	struct device *device = fs->members.device[fs->metadata_device];
	struct inode *inode = calloc(1, sizeof(*inode));
	pthread_rwlockattr_t attr;

	if (!inode)
		return NULL;
	inode->ino = ino;
	inode->media = inode_slot(fs->inodes, ino);
	inode->addr = addr_make(fs->metadata_device,
				device_offset(device, inode->media));
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(
		&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&inode->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	return inode;
}

void inode_destroy(struct inode *inode)
{
	inode_active_destroy(atomic_load(&inode->active));
	pthread_rwlock_destroy(&inode->lock);
	free(inode);
}

void inode_enter_locked(struct inode_table *table, struct inode *inode)
{
	struct inode_chunk *chunk =
		atomic_load(&table->chunks[inode->ino / INODE_CHUNK]);

	atomic_store_explicit(&chunk->slots[inode->ino % INODE_CHUNK], inode,
			      memory_order_release);
	chunk->inodes++;
}

void inode_drop_locked(struct inode_table *table, struct inode *inode)
{
	struct inode_chunk *chunk =
		atomic_load(&table->chunks[inode->ino / INODE_CHUNK]);

	atomic_store(&chunk->slots[inode->ino % INODE_CHUNK], NULL);
	chunk->inodes--;
	if (inode->state == INODE_GONE)
		inode_slot_free_locked(table, inode->ino);
	inode_destroy(inode);
}

/* ------------------------------------------------------- the inode file */

static const inode_media *inode_file(const struct fs *fs)
{
	const struct fs_device *member = &fs->devices[fs->metadata_device];

	return device_at(fs->members.device[fs->metadata_device],
			 addr_offset(member->sb.inode_root));
}

/* One extent is whole chunks, in file order, on the metadata device. */
static int add_extent(struct fs *fs, uint64_t key, const extent_media *extent)
{
	struct inode_table *table = fs->inodes;
	uint64_t count = atomic_load(&table->chunk_count);
	char *at;
	uint64_t i;

	if (key != count * CHUNK_BLOCKS || extent->blocks % CHUNK_BLOCKS ||
	    extent->flags || addr_device(extent->addr) != fs->metadata_device ||
	    addr_block(extent->addr) + extent->blocks >
		    fs->tree_env.device_blocks)
		return -EUCLEAN;
	at = device_at(fs->members.device[fs->metadata_device],
		       addr_offset(extent->addr));
	if (count + extent->blocks / CHUNK_BLOCKS > table->chunks_max)
		return -EUCLEAN;
	for (i = 0; i < extent->blocks / CHUNK_BLOCKS; i++)
		table->media[count + i] =
			(inode_media *)(at + i * INODE_CHUNK_BYTES);
	atomic_store(&table->chunk_count, count + i);
	return 0;
}

static int learn_chunks(struct fs *fs)
{
	const inode_media *file = inode_file(fs);
	struct tree tree = {
		.env = &fs->tree_env,
		.owner = INO_INODE_FILE,
		.kind = TREE_EXTENTS,
		.root = (node_media *)file->area,
		.root_capacity_bytes = INODE_AREA_BYTES,
	};
	struct tree_cursor cursor;
	int err;

	err = inode_media_check(file, INO_INODE_FILE);
	if (err || file->format != INODE_EXTENTS)
		return -EUCLEAN;
	fs->inodes->generation_floor = file->generation;
	err = tree_seek(&tree, 0, &cursor);
	while (!err) {
		err = add_extent(fs, cursor.key, cursor.value);
		if (!err)
			err = tree_next(&cursor);
	}
	if (err != -ENOENT)
		return err;
	if (file->size !=
		    atomic_load(&fs->inodes->chunk_count) * INODE_CHUNK_BYTES ||
	    file->size == 0)
		return -EUCLEAN;
	return 0;
}

int inode_table_create(struct fs *fs)
{
	struct inode_table *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	pthread_mutex_init(&table->lock, NULL);
	pthread_mutex_init(&table->file_lock, NULL);
	fs->inodes = table;
	table->chunks_max = fs->tree_env.device_blocks / CHUNK_BLOCKS + 1;
	table->chunks = calloc(table->chunks_max, sizeof(*table->chunks));
	table->media = calloc(table->chunks_max, sizeof(inode_media *));
	table->free_chunks = calloc(BITS_WORDS(table->chunks_max),
				    sizeof(uint64_t));
	if (!table->chunks || !table->media || !table->free_chunks)
		return -ENOMEM;
	table->used = fs->devices[fs->metadata_device].sb.inodes_used;
	return learn_chunks(fs);
}

bool inode_table_used_fits(const struct fs *fs)
{
	const struct inode_table *table = fs->inodes;

	return table->used > INO_ROOT &&
	       table->used <= atomic_load(&table->chunk_count) * INODE_CHUNK;
}

void inode_table_set_used(struct fs *fs, uint64_t used)
{
	fs->inodes->used = used;
}

static void chunk_destroy(struct inode_chunk *chunk)
{
	unsigned slot;

	if (!chunk)
		return;
	for (slot = 0; slot < INODE_CHUNK && chunk->inodes > 0; slot++) {
		struct inode *inode = atomic_load(&chunk->slots[slot]);

		if (inode)
			inode_destroy(inode);
	}
	free(chunk);
}

void inode_table_destroy(struct fs *fs)
{
	struct inode_table *table = fs->inodes;
	uint64_t i;

	if (!table)
		return;
	for (i = 0; table->chunks && i < table->chunks_max; i++)
		chunk_destroy(atomic_load(&table->chunks[i]));
	free(table->chunks);
	free(table->media);
	free(table->free_chunks);
	pthread_mutex_destroy(&table->lock);
	pthread_mutex_destroy(&table->file_lock);
	free(table);
	fs->inodes = NULL;
}

int inode_table_scan(struct fs *fs, inode_slot_fn *fn, void *arg)
{
	struct inode_table *table = fs->inodes;
	uint64_t count = atomic_load(&table->chunk_count) * INODE_CHUNK;
	uint64_t ino;
	int err = 0;

	for (ino = INO_ROOT; ino < count && !err; ino++)
		err = fn(fs, ino, inode_slot(table, ino), arg);
	return err;
}
