/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inode_table.h -- the inodes in memory, by number
 *
 * Private to core/. A chunk stands for 256 KiB of the inode file, which is
 * contiguous on the metadata device; it is made at the first look at one of
 * its inodes and then knows its free slots from one pass over the media. So a
 * mounted filesystem of a million files costs nothing until it is used.
 *
 * Owns:    chunks and the inodes in them.
 * Locking: `lock`, a leaf, for all but slots[] and chunk_count, which are read
 *          without it (inode_of); `file_lock` before it, for the file's growth
 *          and shrinking. A chunk in memory outlives its part of the file:
 *          whoever reads without the lock may look at it.
 *
 * Invariants:
 *   I1  an inode is in its slot from inode_take() or the first look until it
 *       is dropped; a slot that has one is never handed out as free
 *   I2  free bits are known only where a chunk is in memory, and every change
 *       of a slot's state on the media happens with its inode in memory
 */
#ifndef UDAX_CORE_INODE_TABLE_H
#define UDAX_CORE_INODE_TABLE_H

#include "core/inode.h"
#include "media/addr.h"

#define CHUNK_BLOCKS (INODE_CHUNK_BYTES / BLOCK_BYTES)

struct inode_chunk {
	struct inode *_Atomic slots[INODE_CHUNK];
	_Atomic unsigned inodes; /* in slots[] */
	uint64_t free[INODE_CHUNK / 64];
	unsigned free_count;
};

struct inode_table {
	pthread_mutex_t file_lock;
	pthread_mutex_t lock;
	struct inode_chunk *_Atomic *chunks;
	inode_media **media; /* each chunk's first slot */
	_Atomic uint64_t chunk_count;
	uint64_t chunks_max;
	uint64_t used;	       /* slots with mode != 0 or taken, and 0 */
	uint64_t free_known;   /* sum of free_count over chunks */
	uint64_t *free_chunks; /* a bit each: with free slots, in memory */
	uint64_t explored;     /* chunks below have been in memory */
	/* No slot that went with its chunk had a generation above this. */
	_Atomic uint32_t generation_floor;
};

/* The chunk in memory, made if need be; lock held. NULL: no memory. */
struct inode_chunk *inode_chunk_load_locked(struct inode_table *table,
					    uint64_t chunk);
/* Its free slots, anew: it is in memory with none. */
void inode_chunk_learn_locked(struct inode_table *table, uint64_t chunk);
/* By a chunk; -ENOSPC. No transaction of the caller's is open. */
int inode_file_grow(struct fs *fs) __attribute__((warn_unused_result));
/* As far as nobody has the last chunks. As above; no inode lock is held. */
void inode_file_shrink(struct fs *fs);
/* An inode of that slot, in no table yet. NULL: no memory. */
struct inode *inode_alloc(struct fs *fs, uint64_t ino);
void inode_destroy(struct inode *inode);
/* Enter it in the table; lock held. */
void inode_enter_locked(struct inode_table *table, struct inode *inode);
void inode_active_destroy(struct inode_active *active);
/* It may be taken again. */
void inode_slot_free_locked(struct inode_table *table, uint64_t ino);
/* Out of the table; if it is GONE, its slot may be taken again. */
void inode_drop_locked(struct inode_table *table, struct inode *inode);
/* Free it on the media, nlink is 0: GONE then. inode.lock exclusive. */
int inode_free_locked(struct fs *fs, struct inode *inode)
	__attribute__((warn_unused_result));

/* At mount: every slot of the inode file in order; stops at non-zero. */
typedef int inode_slot_fn(struct fs *fs, uint64_t ino, inode_media *media,
			  void *arg);
int inode_table_scan(struct fs *fs, inode_slot_fn *fn, void *arg)
	__attribute__((warn_unused_result));
/* What the superblock says of it can be true. */
bool inode_table_used_fits(const struct fs *fs);
void inode_table_set_used(struct fs *fs, uint64_t used);
/* At unmount: close and forget all that is in memory, whoever holds it. */
void inode_table_evict(struct fs *fs);

/* Unless it is open: the kernel's entries go, lazy timestamps too (if the
 * media is there), then `active` if nothing is left. inode.lock exclusive. */
void inode_settle_locked(struct fs *fs, struct inode *inode, bool media);

/* lock held. */
static inline unsigned inode_opens(struct inode *inode)
{
	struct inode_active *active = atomic_load(&inode->active);

	return active ? active->opens : 0;
}

static inline inode_media *inode_slot(const struct inode_table *table,
				      uint64_t ino)
{
	return table->media[ino / INODE_CHUNK] + ino % INODE_CHUNK;
}

#endif
