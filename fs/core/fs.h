/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fs.h -- a mounted filesystem: its members, its log, its free space
 *
 * Owns everything below core/: fs_mount() opens and locks the devices, replays
 * the journal, frees orphans, rebuilds (or loads) free space and resumes
 * pending punches; fs_unmount() leaves the media clean.
 *
 * Lock order (doc/LOCKING.md), outermost first:
 *   fs.namespace_lock   every call that changes a directory
 *   inode.lock          shared to read, exclusive to change; several in
 *                       ascending order (inodes_lock, file_copy)
 *   fs.shared.lock      owners of shared blocks (shared.h)
 *   fs.lease_lock       leases, pins, breaks (lease.h)
 *   entry table lock, entry lock bits
 *   journal's mutex
 *   alloc's mutex, pgmap's
 * The inode table's mutex is a leaf. Nothing here ever waits for a FUSE
 * notification, a client or a lease.
 */
#ifndef UDAX_CORE_FS_H
#define UDAX_CORE_FS_H

#include "core/shared.h"
#include "dax/pgmap.h"
#include "device/members.h"
#include "media/superblock.h"
#include "tree/tree.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/statvfs.h>

struct alloc;
struct inode_table;
struct journal;
struct leases;
struct removal;
struct request;
struct sizes;
struct token_table;

enum dax_mode { DAX_ALWAYS, DAX_INODE, DAX_NEVER };

/* Who may have direct mappings; OWNER: the daemon's user, and root. */
enum direct_policy { DIRECT_OWNER, DIRECT_GROUP, DIRECT_ANY, DIRECT_OFF };

struct fs_options {
	bool read_only;
	bool no_atime;	   /* reads move no atime */
	bool no_diratime;  /* of a directory */
	bool strict_atime; /* each does; else as relatime has it */
	bool degraded;	   /* mount although members are missing */
	enum dax_mode dax;
	enum pgmap_policy pgmap;
	enum direct_policy direct;
	gid_t direct_group;
};

/*
 * What only the mount's front can do. Set by the daemon before anything is
 * served. Called with no lock held and in no request, by threads that serve no
 * FUSE request; may wait for the kernel, which may wait for our handlers.
 */
struct fs_hooks {
	/* Write back and drop the kernel's pages of [offset, offset + length)
	 * (length 0: to the end), and its attributes; offset -1: these alone.
	 */
	int (*invalidate)(void *arg, uint64_t ino, off_t offset, off_t length);
	void *arg;
};

/* One member, by roll index. */
struct fs_device {
	char *path; /* as given at mount; NULL when missing */
	uint8_t uuid[16];
	uint64_t size_bytes;
	const char *granularity_name; /* NULL when missing */
	superblock_media sb;  /* the copy in memory; written by fs_super.c */
	_Atomic bool missing; /* not given at mount, or removed since */
	struct pgmap *pgmap;  /* NULL when missing */
	struct removal *removal;
	/* Data requests on it that failed because it is blocked. */
	_Atomic uint64_t refused;
};

struct fs {
	struct fs_options options;
	struct members members; /* slot NULL: missing or dead */
	struct fs_device devices[ROLL_MAX];
	unsigned device_count;
	unsigned metadata_device;
	struct pgmap *pgmaps[ROLL_MAX]; /* for entry tables */
	struct alloc *allocs[ROLL_MAX];
	struct journal *journal; /* NULL on a read-only mount */
	struct tree_env tree_env;
	struct inode_table *inodes;
	struct shared shared; /* owners of shared blocks */
	uint64_t hash_seed;
	pthread_mutex_t namespace_lock;
	pthread_mutex_t super_lock;    /* superblocks; inside the journal's */
	pthread_mutex_t requests_lock; /* the registry of request.h; a leaf */
	struct request *requests;
	pthread_mutex_t lease_lock; /* lease.h */
	struct leases *leases;
	struct token_table *tokens;
	struct sizes *sizes;
	int sizes_fd; /* the page of sizes.h; to be handed out read-only */
	atomic_uint next_home; /* new files go to devices in turn */
	/* An orphan could not be freed when its last user left. */
	_Atomic bool orphans_left;
	_Atomic bool shut_down; /* the metadata is gone: EIO everywhere */
	struct fs_hooks hooks;	/* NULL functions: there is no mount */
	/* Where clients of direct mappings connect; empty: nowhere. */
	char direct_socket[108];
};

/* why: one clear line's reason on failure. */
int fs_mount(struct fs **out, char *const *paths, unsigned path_count,
	     const struct fs_options *options, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));

/*
 * Free what is still orphaned, write back lazy timestamps, save the free maps,
 * checkpoint, mark clean, unmap. After a shutdown only what can still be done.
 */
void fs_unmount(struct fs *fs);

/* Everything acknowledged so far and every lazy timestamp is on the media. */
int fs_sync(struct fs *fs) __attribute__((warn_unused_result));

/*
 * For who must reach metadata outside a request (forget, release, control):
 * a gate of its device, also while that one drains. False: it is gone, do
 * without. Never blocks; also fine inside a request.
 */
bool fs_metadata_enter(struct fs *fs) __attribute__((warn_unused_result));
void fs_metadata_exit(struct fs *fs);

int fs_statvfs(struct fs *fs, struct statvfs *out)
	__attribute__((warn_unused_result));

/*
 * Removal's last act on the media (called by the removal thread when the
 * device has no reference left): checkpoint, roll update on the others, clean
 * mark on this one. If it holds the only metadata: the whole filesystem is
 * left clean and fs.shut_down is set.
 */
int fs_retire_device(struct fs *fs, unsigned index)
	__attribute__((warn_unused_result));
/* Unmap, close and unlock it; it has been retired (or has failed). */
void fs_close_device(struct fs *fs, unsigned index);

#endif
