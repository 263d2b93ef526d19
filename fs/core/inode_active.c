/* SPDX-License-Identifier: BSD-3-Clause */
/* inode_active.c -- what an inode has only while it is in use */
#include "core/attr.h"
#include "core/fs.h"
#include "core/inode_table.h"
#include "core/lease.h"
#include "core/sizes.h"
#include "util/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void inode_active_destroy(struct inode_active *active)
{
	if (!active)
		return;
	sizes_give(active->sizes, active->sizes_word);
	entry_table_fini(&active->entries);
	pthread_mutex_destroy(&active->lazy_lock);
	free(active);
}

int inode_activate(struct fs *fs, struct inode *inode,
		   struct inode_active **out)
{
	struct inode_active *active = atomic_load(&inode->active);
	struct inode_active *there = NULL;
	int err;

	*out = active;
	if (active)
		return 0;
	active = calloc(1, sizeof(*active));
	if (!active)
		return -ENOMEM;
	err = entry_table_init(&active->entries, fs->pgmaps);
	if (err) {
		free(active);
		return err;
	}
	pthread_mutex_init(&active->lazy_lock, NULL);
	active->read_only = fs->options.read_only;
	active->no_atime = fs->options.no_atime ||
			   (fs->options.no_diratime &&
			    S_ISDIR(inode->media->mode));
	active->strict_atime = fs->options.strict_atime;
	if (atomic_compare_exchange_strong(&inode->active, &there, active)) {
		*out = active;
	} else {
		inode_active_destroy(active);
		*out = there;
	}
	return 0;
}

int inode_open(struct fs *fs, struct inode *inode, bool for_writing)
{
	struct inode_active *active;
	int err;

	if (for_writing) /* a fill decides by `writers` */
		pthread_rwlock_wrlock(&inode->lock);
	else
		pthread_rwlock_rdlock(&inode->lock);
	err = inode_activate(fs, inode, &active);
	if (!err) {
		pthread_mutex_lock(&fs->inodes->lock);
		active->opens++;
		active->writers += for_writing;
		pthread_mutex_unlock(&fs->inodes->lock);
	}
	pthread_rwlock_unlock(&inode->lock);
	return err;
}

int inode_hold(struct fs *fs, struct inode *inode)
{
	struct inode_active *active;
	int err;

	pthread_rwlock_rdlock(&inode->lock);
	err = inode_activate(fs, inode, &active);
	if (!err) {
		pthread_mutex_lock(&fs->inodes->lock);
		inode->lookups++;
		active->holds++;
		pthread_mutex_unlock(&fs->inodes->lock);
	}
	pthread_rwlock_unlock(&inode->lock);
	return err;
}

void inode_hold_again(struct fs *fs, struct inode *inode)
{
	pthread_mutex_lock(&fs->inodes->lock);
	inode->lookups++;
	atomic_load(&inode->active)->holds++;
	pthread_mutex_unlock(&fs->inodes->lock);
}

/* Unless somebody has opened it or it has anything left to say. */
static void deactivate(struct fs *fs, struct inode *inode)
{
	struct inode_active *active = atomic_load(&inode->active);

	if (entry_table_count(&active->entries) != 0)
		return;
	pthread_mutex_lock(&fs->inodes->lock);
	if (active->opens == 0 && active->holds == 0)
		atomic_store(&inode->active, NULL);
	else
		active = NULL;
	pthread_mutex_unlock(&fs->inodes->lock);
	inode_active_destroy(active);
}

void inode_settle_locked(struct fs *fs, struct inode *inode, bool media)
{
	struct inode_active *active = atomic_load(&inode->active);
	int64_t deleted = 0;
	unsigned opens;
	int err;

	if (!active)
		return;
	pthread_mutex_lock(&fs->inodes->lock);
	opens = active->opens; /* nobody opens it: that wants inode.lock */
	pthread_mutex_unlock(&fs->inodes->lock);
	if (opens > 0)
		return;
	/* Not through a million entries of leases for nothing. */
	if (entry_table_kernel(&active->entries) > 0)
		deleted = entry_table_delete_range(&active->entries, 0,
						   UINT64_MAX, ENTRY_OF_KERNEL);
	atomic_store(&active->lets_stores_in, false);
	assert(deleted >= 0); /* no part of an entry was meant */
	if (media && inode->media->nlink > 0)
		lease_store_settle_locked(fs, inode, LEASE_NO_DEVICE);
	err = media ? attr_sync_locked(fs, inode) : 0;
	if (err)
		log_warn("inode %llu: timestamps not written: %s",
			 (unsigned long long)inode->ino, strerror(-err));
	deactivate(fs, inode);
}

/* The last open or hold has gone; the caller's lookup goes, too. */
static void settle(struct fs *fs, struct inode *inode)
{
	bool media = fs_metadata_enter(fs);

	pthread_rwlock_wrlock(&inode->lock);
	inode_settle_locked(fs, inode, media);
	pthread_rwlock_unlock(&inode->lock);
	if (media)
		fs_metadata_exit(fs);
	inode_forget(fs, inode, 1);
}

void inode_close(struct fs *fs, struct inode *inode, bool for_writing)
{
	struct inode_table *table = fs->inodes;
	struct inode_active *active = atomic_load(&inode->active);
	bool last;

	pthread_mutex_lock(&table->lock);
	active->writers -= for_writing;
	last = --active->opens == 0;
	if (last)
		inode->lookups++;
	pthread_mutex_unlock(&table->lock);
	if (last)
		settle(fs, inode);
}

void inode_release_hold(struct fs *fs, struct inode *inode)
{
	struct inode_table *table = fs->inodes;
	struct inode_active *active = atomic_load(&inode->active);
	bool last;

	pthread_mutex_lock(&table->lock);
	last = --active->holds == 0 && active->opens == 0;
	pthread_mutex_unlock(&table->lock);
	if (last)
		settle(fs, inode);
	else
		inode_forget(fs, inode, 1);
}
