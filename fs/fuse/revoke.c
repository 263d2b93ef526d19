/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuse/revoke.h"
#include "core/inode.h"
#include "fuse/front.h"
#include "fuse/notify.h"
#include "util/log.h"

#include <errno.h>
#include <string.h>

struct sweep {
	struct front *front;
	struct removal *removal;
	unsigned int device;
	bool everything; /* the metadata goes: every device's entries */
	bool look_only;
	uint64_t left;
	int error;
};

struct question {
	unsigned int device;
	bool any_device;
};

static int is_kernels(const struct entry_info *info, void *arg)
{
	const struct question *question = arg;

	return info->kind == ENTRY_REAL && info->holder == ENTRY_KERNEL &&
	       (question->any_device || info->device == question->device);
}

/* `active` stays while the inode's lock is held; nobody who holds it waits for
 * a notification, so this wait is short. */
static bool has_kernel_entries(struct sweep *sweep, struct inode *inode)
{
	struct question question = { sweep->device, sweep->everything };
	struct inode_active *active;
	bool found = false;

	pthread_rwlock_rdlock(&inode->lock);
	active = inode->active;
	if (active && entry_table_kernel(&active->entries) > 0)
		found = entry_table_walk(&active->entries, 0, ENTRY_INDEX_MAX,
					 is_kernels, &question) != 0;
	pthread_rwlock_unlock(&inode->lock);
	return found;
}

static void delete_entries(struct sweep *sweep, struct inode *inode)
{
	struct fs *fs = sweep->front->fs;
	struct inode_active *active;
	int64_t deleted = 0;

	pthread_rwlock_rdlock(&inode->lock);
	active = inode->active;
	for (unsigned int i = 0; active && i < fs->device_count; i++)
		if (i == sweep->device || sweep->everything)
			deleted += entry_table_delete_device(
				&active->entries, i, ENTRY_OF_KERNEL);
	pthread_rwlock_unlock(&inode->lock);
	removal_count(sweep->removal, (uint64_t)deleted, 0, (uint64_t)deleted);
}

/* What is parked on it would keep the notification waiting [R7]. */
static int invalidate(struct sweep *sweep, const struct inode *inode)
{
	struct front *front = sweep->front;
	struct park_bar bar;
	int err;

	park_bar(front->park, &bar, inode->ino, true);
	err = notify_inval_inode(front->session, inode->ino, 0, 0);
	park_unbar(front->park, &bar);
	return err;
}

static void sweep_inode(struct inode *inode, void *arg)
{
	struct sweep *sweep = arg;
	bool mapped;
	int err;

	if (sweep->error)
		return;
	if (removal_cancelled(sweep->removal)) {
		sweep->error = -ECANCELED;
		return;
	}
	mapped = has_kernel_entries(sweep, inode);
	if (sweep->look_only) {
		sweep->left += mapped;
		return;
	}
	if (!mapped && !sweep->everything)
		return;
	err = invalidate(sweep, inode);
	/* The connection has ended, and with it every mapping's pages. */
	if (err && err != -ENODEV && err != -ENOTCONN && err != -EBADF)
		log_warn("invalidate inode %llu: %s",
			 (unsigned long long)inode->ino, strerror(-err));
	if (mapped)
		delete_entries(sweep, inode);
}

int fuse_revoke_device(struct front *front, unsigned int device,
		       enum removal_mode mode)
{
	struct fs *fs = front->fs;
	struct sweep sweep = { .front = front,
			       .removal = fs->devices[device].removal,
			       .device = device,
			       .everything = device == fs->metadata_device,
			       .look_only = mode == REMOVAL_DRAIN };

	inode_for_each(fs, sweep_inode, &sweep);
	if (sweep.error)
		return sweep.error;
	return sweep.left > 0 ? -EAGAIN : 0;
}
