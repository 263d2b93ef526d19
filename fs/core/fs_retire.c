/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fs_retire.c -- the last stores before a device is dead
 *
 * Its gate is closed and nobody is in it (removal.h). A data device's leaving
 * is an update of the others' roll, while the filesystem goes on. The metadata
 * device's is an unmount of the media, while the kernel still holds inodes:
 * those in memory stay, and know from here on that there is nothing behind
 * them (fs_metadata_enter).
 */
#include "core/attr.h"
#include "core/fs_private.h"
#include "core/inode_table.h"
#include "core/lease.h"
#include "alloc/alloc.h"
#include "journal/journal.h"
#include "util/log.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static void settle_one(struct inode *inode, void *arg)
{
	struct fs *fs = arg;
	int err;

	pthread_rwlock_wrlock(&inode->lock);
	err = inode->media->nlink ? attr_sync_locked(fs, inode) : 0;
	pthread_rwlock_unlock(&inode->lock);
	if (err)
		log_warn("inode %llu: timestamps not written: %s",
			 (unsigned long long)inode->ino, strerror(-err));
}

struct flushing {
	struct fs *fs;
	unsigned index;
};

static void flush_one(struct inode *inode, void *arg)
{
	struct flushing *flushing = arg;
	struct fs *fs = flushing->fs;
	bool mine = flushing->index == fs->metadata_device;

	if (!mine && !fs_metadata_enter(fs))
		return;
	pthread_rwlock_rdlock(&inode->lock);
	lease_store_settle_locked(fs, inode, flushing->index);
	pthread_rwlock_unlock(&inode->lock);
	if (!mine)
		fs_metadata_exit(fs);
}

/* What leases stored to it and to others is durable, before it goes. */
static void flush_stores(struct fs *fs, unsigned index)
{
	struct flushing flushing = { fs, index };

	if (!fs->options.read_only)
		inode_for_each(fs, flush_one, &flushing);
}

static int retire_metadata(struct fs *fs)
{
	int err = 0;

	if (fs->journal) {
		inode_for_each(fs, settle_one, fs);
		err = fs_free_orphans(fs);
		if (!err)
			err = fs_leave_clean(fs);
		journal_stop(fs->journal);
	}
	atomic_store(&fs->shut_down, true);
	return err;
}

struct leaving {
	struct fs *fs;
	unsigned index;
	uint8_t lineage[16];
};

static int publish(void *arg)
{
	struct leaving *leaving = arg;

	return fs_super_remove(leaving->fs, leaving->index, leaving->lineage);
}

static int retire_data(struct fs *fs, unsigned index)
{
	struct leaving leaving = { .fs = fs, .index = index };
	struct device *device = fs->members.device[index];
	int err;

	alloc_stop(fs->allocs[index], true);
	if (!fs->journal)
		return 0;
	if (getrandom(leaving.lineage, sizeof(leaving.lineage), 0) !=
	    (ssize_t)sizeof(leaving.lineage))
		return -EIO;
	err = device_failed(device) ? 0 : fs_freemap_save(fs, index);
	if (err)
		log_error("%s: free map not saved: %s", fs->devices[index].path,
			  strerror(-err));
	return journal_set_lineage(fs->journal, fs_metadata(fs)->sb.generation,
				   leaving.lineage, publish, &leaving);
}

int fs_retire_device(struct fs *fs, unsigned index)
{
	if (index >= fs->device_count || !fs->members.device[index])
		return -ENODEV;
	flush_stores(fs, index);
	if (index == fs->metadata_device)
		return retire_metadata(fs);
	return retire_data(fs, index);
}

void fs_close_device(struct fs *fs, unsigned index)
{
	struct device *device = fs->members.device[index];

	if (!device)
		return;
	if (index == fs->metadata_device)
		atomic_store(&fs->shut_down, true);
	else
		alloc_stop(fs->allocs[index], true);
	fs->devices[index].missing = true;
	fs->members.device[index] = NULL;
	device_close(device);
}
