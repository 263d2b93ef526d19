/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients store through leases, which nobody sees: made durable, and its
 * time the file's. */
#include "core/lease_private.h"

#include "core/attr.h"
#include "core/request.h"
#include "device/device.h"
#include "util/clock.h"

#include <errno.h>
#include <stdlib.h>

/* --------------------------------------------------------------- durability */

struct flush {
	struct fs *fs;
	uint64_t devices; /* to drain, a bit each */
	/* Gathered, to be flushed as one. */
	unsigned device;
	uint64_t page, npages;
};

static void flush_gathered(struct flush *flush)
{
	struct device *device = flush->fs->members.device[flush->device];

	if (flush->npages > 0)
		device_flush(device,
			     device_at(device, flush->page * BLOCK_BYTES),
			     flush->npages * BLOCK_BYTES);
	flush->npages = 0;
}

/* The entry holds its device. */
static int flush_pages(struct flush *flush, unsigned index, uint64_t page,
		       uint64_t npages)
{
	struct device *device = flush->fs->members.device[index];

	if (!device || device_failed(device))
		return -EIO;
	if (index != flush->device || page != flush->page + flush->npages) {
		flush_gathered(flush);
		flush->device = index;
		flush->page = page;
	}
	flush->npages += npages;
	flush->devices |= UINT64_C(1) << index;
	return 0;
}

/* While the pages are still held. */
static int flush_drain(struct flush *flush)
{
	int err = 0;

	flush_gathered(flush);
	for (; flush->devices; flush->devices &= flush->devices - 1) {
		unsigned index = (unsigned)__builtin_ctzll(flush->devices);
		struct device *device = flush->fs->members.device[index];

		device_drain(device);
		if (device_failed(device))
			err = -EIO;
	}
	return err;
}

static int flush_leaving(const struct entry_run *run, void *arg)
{
	(void)flush_pages(arg, run->device, run->device_page, run->npages);
	return 0;
}

void lease_store_flush(struct fs *fs, const struct lease_piece *piece)
{
	struct flush flush = { .fs = fs };

	if (!piece->lease->writable)
		return;
	entry_table_walk_leased(lease_entries(piece->lease->inode),
				piece->first, piece->last, flush_leaving,
				&flush);
	/* Of a device that has failed nothing is believed anyway. */
	(void)flush_drain(&flush);
}

struct writeback {
	struct flush flush;
	struct request *request;
};

static int writeback_entry(void *arg, unsigned index, uint64_t page,
			   unsigned order)
{
	struct writeback *writeback = arg;
	int err = request_gate(writeback->request, index);

	return err ? err
		   : flush_pages(&writeback->flush, index, page,
				 UINT64_C(1) << order);
}

/*
 * R8. What may be stored to at any time is dirty at any time: whoever wants it
 * written marks it first, so that a mark that is cleared before the one drain
 * at the end keeps nobody from writing it himself.
 */
static int write_back(struct request *request, struct entry_table *table,
		      uint64_t first, uint64_t last)
{
	struct writeback writeback = { .flush.fs = request->fs,
				       .request = request };
	int err = entry_table_writeback_range(table, first, last,
					      writeback_entry, &writeback);
	int drained = flush_drain(&writeback.flush);

	if (!err)
		err = drained;
	if (err)
		entry_table_set_mark(table, first, last, ENTRY_DIRTY);
	return err;
}

/* Its inode, held, if there is something to write; the range within it. */
static int sync_begin(struct fs *fs, struct lease_client *client, uint64_t id,
		      uint64_t *first, uint64_t *last, struct inode **out)
{
	const struct lease *lease;
	int err = 0;

	*out = NULL;
	pthread_mutex_lock(&fs->lease_lock);
	lease = lease_find_locked(fs, client, id);
	if (!lease) {
		err = -ENOENT;
	} else if (lease->writable && lease->count > 0) {
		const struct lease_piece *end = lease->pieces[lease->count - 1];

		*first = lease_max(*first, lease->pieces[0]->first);
		*last = lease_min(*last, end->last);
		*out = lease->inode;
		inode_hold_again(fs, lease->inode);
	}
	pthread_mutex_unlock(&fs->lease_lock);
	return err;
}

static int sync_range(struct request *request, struct inode *inode,
		      uint64_t first, uint64_t last)
{
	struct entry_table *table = lease_entries(inode);
	int err = 0;

	if (first <= last) {
		entry_table_set_mark(table, first, last, ENTRY_DIRTY);
		err = write_back(request, table, first, last);
	}
	if (err)
		return err;
	pthread_rwlock_rdlock(&inode->lock);
	lease_gather_mtime(request->fs, inode);
	pthread_rwlock_unlock(&inode->lock);
	return attr_sync(request->fs, inode);
}

int lease_sync(struct request *request, struct lease_client *client,
	       uint64_t id, uint64_t first, uint64_t last)
{
	struct fs *fs = request->fs;
	struct inode *inode;
	int err = sync_begin(fs, client, id, &first, &last, &inode);

	if (err || !inode)
		return err;
	err = request_begin(request, "sync", inode->ino, client->pid, false);
	if (!err) {
		err = sync_range(request, inode, first, last);
		request_end(request);
	}
	inode_release_hold(fs, inode);
	return err == -EIO ? -ENXIO : err;
}

int lease_fsync(struct request *request, struct inode *inode)
{
	struct entry_table *table = lease_entries(inode);
	struct fs *fs = request->fs;
	const struct lease_piece *piece;
	struct lease_file *file;

	pthread_mutex_lock(&fs->lease_lock);
	file = lease_file_find_locked(fs, inode->ino);
	if (file)
		LIST_FOREACH(piece, &file->pieces, of_file)
	if (piece->lease->writable)
		entry_table_set_mark(table, piece->first, piece->last,
				     ENTRY_DIRTY);
	pthread_mutex_unlock(&fs->lease_lock);
	return write_back(request, table, 0, UINT64_MAX);
}

/* --------------------------------------------------------------------- time */

struct lease_word *lease_word_get_locked(struct lease_file *file,
					 _Atomic uint64_t *stored_ns)
{
	struct lease_word *word;

	LIST_FOREACH(word, &file->words, of_file)
	if (word->stored_ns == stored_ns)
		break;
	if (!word) {
		word = calloc(1, sizeof(*word));
		if (!word)
			return NULL;
		word->stored_ns = stored_ns;
		word->seen_ns = atomic_load(stored_ns);
		LIST_INSERT_HEAD(&file->words, word, of_file);
	}
	word->users++;
	return word;
}

/* Once: a time that was set by hand afterwards stays. */
static uint64_t news_of(struct lease_word *word)
{
	uint64_t stored_ns = atomic_load(word->stored_ns);

	if (stored_ns == word->seen_ns)
		return 0;
	word->seen_ns = stored_ns;
	return stored_ns;
}

uint64_t lease_word_put_locked(struct lease_word *word)
{
	uint64_t stored_ns = news_of(word);

	if (--word->users == 0) {
		LIST_REMOVE(word, of_file);
		free(word);
	}
	return stored_ns;
}

static void move_mtime(struct inode *inode, uint64_t stored_ns)
{
	struct timespec stored = { .tv_sec = (time_t)(stored_ns / NS_PER_S),
				   .tv_nsec = (long)(stored_ns % NS_PER_S) };

	if (stored_ns)
		attr_move_mtime(inode, &stored);
}

void lease_gather_mtime(struct fs *fs, struct inode *inode)
{
	struct lease_word *word;
	struct lease_file *file;
	uint64_t latest = 0;

	if (!lease_writable_on(inode))
		return;
	pthread_mutex_lock(&fs->lease_lock);
	file = lease_file_find_locked(fs, inode->ino);
	if (file)
		LIST_FOREACH(word, &file->words, of_file)
	latest = lease_max(latest, news_of(word));
	pthread_mutex_unlock(&fs->lease_lock);
	move_mtime(inode, latest);
}

void lease_store_mtime(struct fs *fs, struct inode *inode, uint64_t stored_ns)
{
	if (!fs_metadata_enter(fs))
		return;
	pthread_rwlock_rdlock(&inode->lock);
	move_mtime(inode, stored_ns);
	pthread_rwlock_unlock(&inode->lock);
	fs_metadata_exit(fs);
}
