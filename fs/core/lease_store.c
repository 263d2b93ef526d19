/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients store through leases, which nobody sees, is made durable. */
#include "core/lease_private.h"

#include "core/attr.h"
#include "core/file_extent.h"
#include "core/request.h"
#include "dax/pgmap.h"
#include "device/device.h"
#include "trace/mutate.h"
#include "util/clock.h"

#include <errno.h>
#include <stdlib.h>

struct flush {
	struct fs *fs;
	uint64_t devices; /* to drain, a bit each */
	/* Gathered, to be flushed as one. */
	unsigned device;
	uint64_t page, npages;
	uint64_t entered; /* gates that are ours, a bit each */
	uint64_t alone;	  /* a device that is ours alone */
};

static void flush_gathered(struct flush *flush)
{
	struct device *device = flush->fs->members.device[flush->device];

	if (flush->npages > 0 && !mutated(MUTATE_LEASE_FLUSH))
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

/*
 * A lease that ends owes nobody durability, no more than munmap(2) does; the
 * file does: at fsync, at its last close, when the device is given up.
 */
void lease_store_left(struct inode *inode, uint64_t first, uint64_t last)
{
	struct inode_active *active = atomic_load(&inode->active);

	pthread_mutex_lock(&active->lazy_lock);
	if (!active->unflushed_end || first < active->unflushed_start)
		active->unflushed_start = first;
	active->unflushed_end = lease_max(active->unflushed_end, last + 1);
	pthread_mutex_unlock(&active->lazy_lock);
}

/* end 0: nothing. */
static void take_unflushed(struct inode *inode, uint64_t *start, uint64_t *end)
{
	struct inode_active *active = atomic_load(&inode->active);

	*start = *end = 0;
	if (!active)
		return;
	pthread_mutex_lock(&active->lazy_lock);
	*start = active->unflushed_start;
	*end = active->unflushed_end;
	active->unflushed_end = 0;
	pthread_mutex_unlock(&active->lazy_lock);
}

/* May its device be touched until the end of this? */
static int enter_device(const struct flush *flush, struct request *request,
			unsigned index)
{
	const struct fs_device *member = &flush->fs->devices[index];

	if ((flush->alone | flush->entered) & UINT64_C(1) << index)
		return 0;
	if (request)
		return request_gate(request, index);
	return member->pgmap ? pgmap_gate_enter_draining(member->pgmap)
			     : -ENXIO;
}

static void leave_devices(struct flush *flush)
{
	for (; flush->entered; flush->entered &= flush->entered - 1)
		pgmap_gate_exit(
			flush->fs->devices[__builtin_ctzll(flush->entered)]
				.pgmap);
}

static int flush_extents(struct flush *flush, struct request *request,
			 struct inode *inode, uint64_t start, uint64_t end)
{
	struct extent extent;
	struct tree map;
	int err;

	extent_map_init(&map, flush->fs, NULL, inode->ino, inode->media);
	while (!(err = extent_first(flush->fs, &map, start, end, &extent))) {
		unsigned index = addr_device(extent.addr);

		start = extent_end(&extent);
		if (!extent_is_written(&extent))
			continue;
		err = enter_device(flush, request, index);
		if (!err && !request)
			flush->entered |= UINT64_C(1) << index & ~flush->alone;
		if (!err)
			err = flush_pages(flush, index, addr_block(extent.addr),
					  extent.blocks);
		if (err && request)
			return err;
		/* Else what can be had, from the others. */
	}
	return err == -ENOENT ? 0 : err;
}

static int flush_unflushed(struct fs *fs, struct request *request,
			   struct inode *inode, uint64_t alone)
{
	struct flush flush = { .fs = fs, .alone = alone };
	uint64_t start, end;
	int drained;
	int err = 0;

	take_unflushed(inode, &start, &end);
	if (!end)
		return 0;
	if (inode->media->format == INODE_EXTENTS)
		err = flush_extents(&flush, request, inode, start, end);
	drained = flush_drain(&flush);
	leave_devices(&flush);
	if (!err)
		err = drained;
	if (err && request)
		lease_store_left(inode, start, end - 1); /* still owed */
	return err;
}

void lease_store_settle_locked(struct fs *fs, struct inode *inode,
			       unsigned retiring)
{
	uint64_t alone = 0;

	if (retiring != LEASE_NO_DEVICE)
		alone = UINT64_C(1) << retiring;
	/* What is on a device that is gone, or has failed, is lost anyway. */
	(void)flush_unflushed(fs, NULL, inode, alone);
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

/* What leases may have stored to is dirty, be it marked so or not. */
static void mark_writable(struct fs *fs, struct inode *inode)
{
	const struct lease_piece *piece;
	struct lease_file *file;

	pthread_mutex_lock(&fs->lease_lock);
	file = lease_file_find_locked(fs, inode->ino);
	if (file)
		for (piece = LIST_FIRST(&file->pieces); piece;
		     piece = LIST_NEXT(piece, of_file))
			if (piece->lease->writable)
				entry_table_set_mark(lease_entries(inode),
						     piece->first, piece->last,
						     ENTRY_DIRTY);
	pthread_mutex_unlock(&fs->lease_lock);
}

int lease_fsync(struct request *request, struct inode *inode)
{
	int err = 0;

	if (lease_writable_on(inode)) {
		mark_writable(request->fs, inode);
		err = write_back(request, lease_entries(inode), 0, UINT64_MAX);
	}
	if (err)
		return err;
	pthread_rwlock_rdlock(&inode->lock);
	err = flush_unflushed(request->fs, request, inode, 0);
	lease_gather_mtime(request->fs, inode);
	pthread_rwlock_unlock(&inode->lock);
	return err;
}
