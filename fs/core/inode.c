/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/inode.h"

#include "core/file.h"
#include "core/fs.h"
#include "core/inode_table.h"
#include "core/xattr.h"
#include "journal/journal.h"
#include "util/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct inode *inode_of(struct fs *fs, uint64_t ino)
{
	struct inode_table *table = fs->inodes;
	struct inode_chunk *chunk;
	uint64_t at = ino / INODE_CHUNK;

	if (at >=
	    atomic_load_explicit(&table->chunk_count, memory_order_acquire))
		return NULL;
	chunk = atomic_load_explicit(&table->chunks[at], memory_order_acquire);
	if (!chunk)
		return NULL;
	return atomic_load_explicit(&chunk->slots[ino % INODE_CHUNK],
				    memory_order_acquire);
}

/* Make it from the media; the table's lock is held. */
static int load_locked(struct fs *fs, uint64_t ino, struct inode **out)
{
	struct inode_table *table = fs->inodes;
	inode_media *media = inode_slot(table, ino);
	struct inode *inode;
	int err;

	if (ino / INODE_CHUNK >= atomic_load(&table->chunk_count))
		return -ESTALE; /* its chunk went meanwhile */
	if (!inode_chunk_load_locked(table, ino / INODE_CHUNK))
		return -ENOMEM;
	if (media->mode == 0)
		return -ESTALE;
	err = inode_media_check(media, ino);
	if (err) {
		log_error_limited("inode %llu: damaged; run fsck.udaxfs",
				  (unsigned long long)ino);
		return err;
	}
	inode = inode_alloc(fs, ino);
	if (!inode)
		return -ENOMEM;
	inode->state = INODE_ALIVE;
	inode_enter_locked(table, inode);
	*out = inode;
	return 0;
}

int inode_look(struct fs *fs, uint64_t ino, struct inode **out)
{
	struct inode_table *table = fs->inodes;
	struct inode *inode;
	int err = 0;

	if (ino == INO_INODE_FILE || (ino == INO_SHARED && fs->shared.media) ||
	    ino / INODE_CHUNK >= atomic_load_explicit(&table->chunk_count,
						      memory_order_acquire))
		return -ESTALE;
	pthread_mutex_lock(&table->lock);
	inode = inode_of(fs, ino);
	if (!inode)
		err = load_locked(fs, ino, &inode);
	else if (inode->state != INODE_ALIVE)
		err = -ESTALE;
	if (!err) {
		inode->lookups++;
		inode->looked = true;
		*out = inode;
	}
	pthread_mutex_unlock(&table->lock);
	return err;
}

/* Nobody else can come: its name is gone and ours is the last lookup. */
static bool begin_dying(struct fs *fs, struct inode *inode)
{
	struct inode_table *table = fs->inodes;
	bool last;

	pthread_mutex_lock(&table->lock);
	last = inode->lookups == 1 && inode_opens(inode) == 0;
	if (last)
		inode->state = INODE_DYING;
	pthread_mutex_unlock(&table->lock);
	return last;
}

int inode_free_locked(struct fs *fs, struct inode *inode)
{
	int err = xattr_free_all_locked(fs, inode);

	if (!err)
		err = file_free_locked(fs, inode);
	if (err) {
		atomic_store(&fs->orphans_left, true);
		log_error_limited("inode %llu: cannot be freed: %s",
				  (unsigned long long)inode->ino,
				  strerror(-err));
		return err;
	}
	pthread_mutex_lock(&fs->inodes->lock);
	inode->state = INODE_GONE;
	fs->inodes->used--;
	pthread_mutex_unlock(&fs->inodes->lock);
	return 0;
}

/*
 * What an inode leaves behind when its last user has gone: free it, or write
 * the timestamps that lag. A slot whose blocks could not be freed stays an
 * orphan, for unmount or the next mount. True: freed.
 */
static bool last_work(struct fs *fs, struct inode *inode)
{
	bool dying;
	int err = 0;

	if (fs->options.read_only)
		return false;
	if (!fs_metadata_enter(fs)) {
		atomic_store(&fs->orphans_left, true);
		return false;
	}
	pthread_rwlock_wrlock(&inode->lock);
	dying = inode->media->nlink == 0 && begin_dying(fs, inode);
	inode_settle_locked(fs, inode, !dying);
	if (dying)
		err = inode_free_locked(fs, inode);
	pthread_rwlock_unlock(&inode->lock);
	fs_metadata_exit(fs);
	return dying && !err; /* which is told there */
}

static bool has_work(const struct inode *inode)
{
	return inode->state == INODE_ALIVE && inode->looked &&
	       inode->lookups == 1;
}

void inode_forget(struct fs *fs, struct inode *inode, uint64_t lookups)
{
	struct inode_table *table = fs->inodes;
	bool freed = false;

	pthread_mutex_lock(&table->lock);
	inode->lookups -= lookups < inode->lookups ? lookups : inode->lookups;
	if (inode->lookups != 0 || inode_opens(inode) != 0)
		goto out_unlock;
	/* Keep it by a lookup of ours while the lock is away; whoever came
	 * meanwhile may have unlinked it: start over. */
	inode->lookups = 1;
	inode->looked = true;
	while (has_work(inode) && inode_opens(inode) == 0) {
		inode->looked = false;
		pthread_mutex_unlock(&table->lock);
		freed = last_work(fs, inode);
		pthread_mutex_lock(&table->lock);
	}
	inode->lookups--;
	if (inode->lookups == 0 && inode_opens(inode) == 0)
		inode_drop_locked(table, inode);
out_unlock:
	pthread_mutex_unlock(&table->lock);
	if (freed)
		inode_file_shrink(fs);
}

inode_media *inode_edit(struct txn *txn, struct inode *inode)
{
	return txn_edit_sealed(txn, inode->addr, INODE_BYTES, false,
			       (txn_seal_fn *)inode_media_seal);
}

static int by_number(const void *a, const void *b)
{
	const struct inode *left = *(struct inode *const *)a;
	const struct inode *right = *(struct inode *const *)b;

	if (!left || !right)
		return !left - !right; /* NULL comes last */
	return (left->ino > right->ino) - (left->ino < right->ino);
}

void inodes_lock(struct inode **inodes, unsigned count)
{
	unsigned i;

	qsort(inodes, count, sizeof(struct inode *), by_number);
	for (i = 0; i < count && inodes[i]; i++)
		if (i == 0 || inodes[i] != inodes[i - 1])
			pthread_rwlock_wrlock(&inodes[i]->lock);
}

void inodes_unlock(struct inode **inodes, unsigned count)
{
	while (count-- > 0)
		if (inodes[count] &&
		    (count == 0 || inodes[count] != inodes[count - 1]))
			pthread_rwlock_unlock(&inodes[count]->lock);
}

/* Nobody in there: not in memory, or all have gone again. */
static bool chunk_is_idle(struct inode_table *table, uint64_t at)
{
	struct inode_chunk *chunk = atomic_load(&table->chunks[at]);

	return !chunk || atomic_load(&chunk->inodes) == 0;
}

/* By index, so that inodes may come and go meanwhile. */
static struct inode *hold_next(struct fs *fs, uint64_t *ino)
{
	struct inode_table *table = fs->inodes;
	uint64_t count = atomic_load(&table->chunk_count) * INODE_CHUNK;
	struct inode *found = NULL;

	while (!found && *ino < count) {
		struct inode *inode = inode_of(fs, *ino);

		if (!inode && chunk_is_idle(table, *ino / INODE_CHUNK)) {
			*ino = (*ino / INODE_CHUNK + 1) * INODE_CHUNK;
			continue;
		}
		if (inode) {
			pthread_mutex_lock(&table->lock);
			inode = inode_of(fs, *ino);
			if (inode && inode->state == INODE_ALIVE) {
				inode->lookups++;
				found = inode;
			}
			pthread_mutex_unlock(&table->lock);
		}
		++*ino;
	}
	return found;
}

void inode_for_each(struct fs *fs, inode_fn *fn, void *arg)
{
	struct inode *inode;
	uint64_t ino = 0;

	while ((inode = hold_next(fs, &ino)) != NULL) {
		fn(inode, arg);
		inode_forget(fs, inode, 1);
	}
}

void inode_table_evict(struct fs *fs)
{
	struct inode_table *table = fs->inodes;
	struct inode *inode;
	uint64_t ino = 0;

	while ((inode = hold_next(fs, &ino)) != NULL) {
		struct inode_active *active = atomic_load(&inode->active);

		pthread_mutex_lock(&table->lock);
		inode->lookups = 1;
		if (active) {
			active->opens = 0;
			active->holds = 0;
			atomic_store(&active->writers, 0);
		}
		pthread_mutex_unlock(&table->lock);
		inode_forget(fs, inode, 1);
	}
}

uint64_t inodes_used(struct fs *fs)
{
	uint64_t used;

	pthread_mutex_lock(&fs->inodes->lock);
	used = fs->inodes->used;
	pthread_mutex_unlock(&fs->inodes->lock);
	return used;
}

uint64_t inodes_free(struct fs *fs)
{
	struct inode_table *table = fs->inodes;

	return atomic_load(&table->chunk_count) * INODE_CHUNK - inodes_used(fs);
}
