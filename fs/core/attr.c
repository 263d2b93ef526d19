/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/attr.h"

#include "core/fs.h"
#include "core/inode.h"
#include "core/lease.h"
#include "journal/journal.h"

#include <linux/fs.h>
#include <string.h>
#include <sys/sysmacros.h>

#define DAY_S (24 * 60 * 60)

void attr_now(struct timespec *now)
{
	clock_gettime(CLOCK_REALTIME_COARSE, now);
}

void attr_stamp(inode_media *copy, unsigned which)
{
	struct timespec now;

	attr_now(&now);
	if (which & ATTR_ATIME) {
		copy->atime_s = now.tv_sec;
		copy->atime_ns = (uint32_t)now.tv_nsec;
	}
	if (which & ATTR_MTIME) {
		copy->mtime_s = now.tv_sec;
		copy->mtime_ns = (uint32_t)now.tv_nsec;
	}
	if (which & ATTR_CTIME) {
		copy->ctime_s = now.tv_sec;
		copy->ctime_ns = (uint32_t)now.tv_nsec;
	}
}

static struct timespec media_time(int64_t s, uint32_t ns)
{
	return (struct timespec){ .tv_sec = s, .tv_nsec = ns };
}

static bool later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec
				      : a->tv_nsec > b->tv_nsec;
}

/* The three that count: what the media has, or what lags if that is later. */
struct times {
	struct timespec atime, mtime, ctime;
};

static void times_of(const inode_media *media, struct times *out)
{
	out->atime = media_time(media->atime_s, media->atime_ns);
	out->mtime = media_time(media->mtime_s, media->mtime_ns);
	out->ctime = media_time(media->ctime_s, media->ctime_ns);
}

/* lazy_lock held; true if something lags. */
static bool catch_up(const struct inode_active *active, struct times *times)
{
	unsigned lazy = atomic_load(&active->lazy);
	struct times before = *times;

	if (lazy & LAZY_ATIME && later(&active->lazy_atime, &times->atime))
		times->atime = active->lazy_atime;
	if (lazy & LAZY_MTIME && later(&active->lazy_mtime, &times->mtime))
		times->mtime = active->lazy_mtime;
	if (lazy & LAZY_MTIME && later(&active->lazy_mtime, &times->ctime))
		times->ctime = active->lazy_mtime;
	return later(&times->atime, &before.atime) ||
	       later(&times->mtime, &before.mtime) ||
	       later(&times->ctime, &before.ctime);
}

/* relatime: a read that comes after a change, or the first one of a day. */
static bool atime_due(const struct times *times, const struct timespec *now)
{
	return !later(&times->atime, &times->mtime) ||
	       !later(&times->atime, &times->ctime) ||
	       now->tv_sec - times->atime.tv_sec >= DAY_S;
}

static void touch_atime(struct inode *inode, struct inode_active *active,
			const struct timespec *now)
{
	struct times times;

	times_of(inode->media, &times);
	pthread_mutex_lock(&active->lazy_lock);
	catch_up(active, &times);
	if (active->strict_atime || atime_due(&times, now)) {
		active->lazy_atime = times.atime = *now;
		atomic_fetch_or(&active->lazy, LAZY_ATIME);
	}
	if (!active->strict_atime && !atime_due(&times, now))
		atomic_store(&active->atime_good_s, times.atime.tv_sec + DAY_S);
	pthread_mutex_unlock(&active->lazy_lock);
}

void attr_touch(struct inode *inode, unsigned lazy)
{
	struct inode_active *active = atomic_load(&inode->active);
	struct timespec now;

	if (!active || active->read_only)
		return;
	attr_now(&now);
	if (lazy & LAZY_ATIME && !active->no_atime &&
	    !(inode->media->flags & FS_NOATIME_FL) &&
	    now.tv_sec >= atomic_load_explicit(&active->atime_good_s,
					       memory_order_relaxed))
		touch_atime(inode, active, &now);
	if (lazy & LAZY_MTIME) {
		pthread_mutex_lock(&active->lazy_lock);
		active->lazy_mtime = now;
		atomic_fetch_or(&active->lazy, LAZY_MTIME);
		atomic_store(&active->atime_good_s, 0);
		pthread_mutex_unlock(&active->lazy_lock);
	}
}

void attr_move_mtime(struct inode *inode, const struct timespec *then)
{
	struct inode_active *active = atomic_load(&inode->active);
	struct timespec to = *then;
	struct timespec now;
	struct times times;

	if (!active || active->read_only)
		return;
	attr_now(&now);
	if (later(&to, &now))
		to = now;
	times_of(inode->media, &times);
	pthread_mutex_lock(&active->lazy_lock);
	catch_up(active, &times);
	if (later(&to, &times.mtime)) {
		active->lazy_mtime = to;
		atomic_fetch_or(&active->lazy, LAZY_MTIME);
		atomic_store(&active->atime_good_s, 0);
	}
	pthread_mutex_unlock(&active->lazy_lock);
}

static void put_times(inode_media *copy, const struct times *times)
{
	copy->atime_s = times->atime.tv_sec;
	copy->atime_ns = (uint32_t)times->atime.tv_nsec;
	copy->mtime_s = times->mtime.tv_sec;
	copy->mtime_ns = (uint32_t)times->mtime.tv_nsec;
	copy->ctime_s = times->ctime.tv_sec;
	copy->ctime_ns = (uint32_t)times->ctime.tv_nsec;
}

void attr_settle(struct inode *inode, inode_media *copy)
{
	struct inode_active *active = atomic_load(&inode->active);
	struct times times;

	if (!active)
		return;
	times_of(copy, &times);
	pthread_mutex_lock(&active->lazy_lock);
	catch_up(active, &times);
	atomic_store(&active->atime_good_s, 0);
	pthread_mutex_unlock(&active->lazy_lock);
	put_times(copy, &times);
}

/* Does anything lag? What the media has meanwhile is forgotten on the way. */
static bool lags(struct inode *inode, struct inode_active *active)
{
	struct times times;
	bool lag;

	times_of(inode->media, &times);
	pthread_mutex_lock(&active->lazy_lock);
	lag = catch_up(active, &times);
	if (!lag)
		atomic_store(&active->lazy, 0);
	pthread_mutex_unlock(&active->lazy_lock);
	return lag;
}

int attr_sync_locked(struct fs *fs, struct inode *inode)
{
	struct inode_active *active = atomic_load(&inode->active);
	struct txn *txn;
	int err;

	if (!active || !atomic_load(&active->lazy) || !lags(inode, active))
		return 0;
	txn = txn_begin(fs->journal);
	attr_settle(inode, inode_edit(txn, inode));
	err = txn_commit(txn);
	if (!err)
		lags(inode, active);
	return err;
}

int attr_sync(struct fs *fs, struct inode *inode)
{
	struct inode_active *active;
	bool lazy;
	int err = 0;

	pthread_rwlock_rdlock(&inode->lock);
	active = atomic_load(&inode->active);
	lazy = active && atomic_load(&active->lazy);
	pthread_rwlock_unlock(&inode->lock);
	if (!lazy)
		return 0;
	pthread_rwlock_wrlock(&inode->lock);
	err = attr_sync_locked(fs, inode);
	pthread_rwlock_unlock(&inode->lock);
	return err;
}

/* The kernel's new_encode_dev() and back. */
uint32_t attr_encode_rdev(dev_t rdev)
{
	return (minor(rdev) & 0xffu) | major(rdev) << 8 |
	       (minor(rdev) & ~0xffu) << 12;
}

static dev_t decode_rdev(uint32_t rdev)
{
	return makedev((rdev & 0xfff00u) >> 8,
		       (rdev & 0xffu) | (rdev >> 12 & 0xfff00u));
}

void attr_get_locked(struct fs *fs, struct inode *inode, struct stat *out)
{
	const inode_media *media = inode->media;
	struct inode_active *active = atomic_load(&inode->active);
	struct times times;

	lease_gather_mtime(fs, inode);
	times_of(media, &times);
	if (active && atomic_load(&active->lazy)) {
		pthread_mutex_lock(&active->lazy_lock);
		catch_up(active, &times);
		pthread_mutex_unlock(&active->lazy_lock);
	}
	memset(out, 0, sizeof(*out));
	out->st_ino = inode->ino;
	out->st_mode = media->mode;
	out->st_nlink = media->nlink;
	out->st_uid = media->uid;
	out->st_gid = media->gid;
	out->st_rdev = decode_rdev(media->rdev);
	out->st_size = (off_t)media->size;
	out->st_blksize = BLOCK_BYTES;
	out->st_blocks = (blkcnt_t)(media->blocks * (BLOCK_BYTES / 512));
	out->st_atim = times.atime;
	out->st_mtim = times.mtime;
	out->st_ctim = times.ctime;
}

void attr_get(struct fs *fs, struct inode *inode, struct stat *out)
{
	pthread_rwlock_rdlock(&inode->lock);
	attr_get_locked(fs, inode, out);
	pthread_rwlock_unlock(&inode->lock);
}

struct timespec attr_birth(const struct inode *inode)
{
	return media_time(inode->media->btime_s, inode->media->btime_ns);
}
