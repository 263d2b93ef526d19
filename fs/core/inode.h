/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inode.h -- inodes in memory, and their life on the media
 *
 * The table mirrors the inode file: a chunk of INODE_CHUNK slots, each NULL or
 * the inode in memory. FUSE's node id is the inode number; the kernel never
 * names one that it holds no lookup on, so a request finds its inode by two
 * loads. Attributes are read from the media in place; only what may lag
 * (timestamps) and what is about open files is kept beside it, in `active`,
 * which an idle inode does not have.
 *
 * Locking: inode.lock shared to read the media inode, its tree or its data,
 *          exclusive to change them; it prefers writers, so nobody takes it
 *          shared twice. Lookup counts, `opens`, `holds`, `writers` and `state`
 *          are under the table's mutex (a leaf). `active` does not go away
 * while inode.lock is held in any mode, nor while there is an open or a hold.
 * Errors:  -ESTALE no such inode, -EUCLEAN damaged, -ENOMEM, -ENOSPC.
 */
#ifndef UDAX_CORE_INODE_H
#define UDAX_CORE_INODE_H

#include "dax/entry_table.h"
#include "media/inode.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct fs;
struct sizes;
struct txn;

#define LAZY_ATIME 0x1u
#define LAZY_MTIME 0x2u /* mtime and ctime */

/* While open or held, or while entries or lazy timestamps remain. */
struct inode_active {
	unsigned opens; /* the kernel's */
	unsigned holds; /* inode_hold() */
	/* Of them opened for writing; raised only with inode.lock exclusive, so
	 * that what a fill decides by it holds until its reply is written. */
	_Atomic unsigned writers;
	struct entry_table entries;
	/* The kernel may have pages of shared blocks, filled for readers: as
	 * with its zeros, the next writable open has it drop them. */
	_Atomic bool shows_shared;
	/* When it was flagged immutable or append-only somebody had the
	 * kernel's pages to store to: what is written back is let in. */
	_Atomic bool lets_stores_in;
	_Atomic unsigned lazy;	    /* LAZY_*: newer than the media */
	struct timespec lazy_atime; /* under lazy_lock */
	struct timespec lazy_mtime;
	/* Until then (CLOCK_REALTIME) a read need not move atime. */
	_Atomic int64_t atime_good_s;
	/* File pages that leases which have ended may have left unflushed, in
	 * caches that a power loss takes: end 0: none. Under lazy_lock. */
	uint64_t unflushed_start, unflushed_end;
	pthread_mutex_t lazy_lock; /* a leaf */
	bool read_only;		   /* the mount: nothing lags */
	bool no_atime;		   /* the mount, too */
	bool strict_atime;
	/* Its size for all to see (sizes.h); changed under inode.lock. */
	struct sizes *sizes; /* NULL: no word */
	uint32_t sizes_word;
};

/* UNBORN: taken for a create under way. DYING: its last blocks are going.
 * GONE: its slot is free on the media. */
enum inode_state { INODE_UNBORN, INODE_ALIVE, INODE_DYING, INODE_GONE };

struct inode {
	uint64_t ino;
	inode_media *media; /* home; const but through a txn */
	uint64_t addr;	    /* the same, as an address */
	pthread_rwlock_t lock;
	uint64_t lookups; /* what the kernel holds, and ourselves */
	enum inode_state state;
	bool looked;			     /* since the last forget began */
	struct inode_active *_Atomic active; /* NULL while idle */
	_Atomic uint32_t lease_writers;	     /* writable leases (lease.h) */
};

_Static_assert(sizeof(struct inode) <= 128, "an idle inode is small");

/* Learns where the inode file's chunks are; -EUCLEAN if they do not add up. */
int inode_table_create(struct fs *fs) __attribute__((warn_unused_result));
/* Drops every inode in memory; touches no media. */
void inode_table_destroy(struct fs *fs);

/* What a node id means. The caller relies on a lookup count that is held. */
struct inode *inode_of(struct fs *fs, uint64_t ino);
/* Find or load, and take one lookup: 0, -ESTALE (free slot), -EUCLEAN. */
int inode_look(struct fs *fs, uint64_t ino, struct inode **out)
	__attribute__((warn_unused_result));
/*
 * Give lookups back. The last one of an inode with nlink 0 frees it on the
 * media (xattr_free_all_locked, file_free_locked): takes its lock and
 * transactions of its own; call with no lock held and no transaction open.
 */
void inode_forget(struct fs *fs, struct inode *inode, uint64_t lookups);

/*
 * A fresh inode, under fs.namespace_lock. inode_take() comes before the
 * transaction: it finds a free slot and, when none is left, grows the inode
 * file by a chunk, in a transaction of its own. inode_new() answers the copy
 * to set up: zeroed, with number and a new generation. Then inode_born(), with
 * one lookup for the caller, after the commit, or inode_unborn().
 */
int inode_take(struct fs *fs, struct inode **out)
	__attribute__((warn_unused_result));
inode_media *inode_new(struct fs *fs, struct txn *txn, struct inode *inode);
void inode_born(struct fs *fs, struct inode *inode);
void inode_unborn(struct fs *fs, struct inode *inode);

/* The transaction's copy of the media inode, sealed at commit. */
inode_media *inode_edit(struct txn *txn, struct inode *inode);

/* Take or drop an open; the last close deletes the entries (R5) and writes
 * back lazy timestamps. close may free the inode: call with no lock held. */
int inode_open(struct fs *fs, struct inode *inode, bool for_writing)
	__attribute__((warn_unused_result));
void inode_close(struct fs *fs, struct inode *inode, bool for_writing);
/*
 * An open that is not the kernel's (direct mappings): a lookup, and `active`
 * stays; the kernel's entries go with its own last open all the same. For hold
 * the inode stays otherwise (a lookup, an open). Release may free the inode.
 * Both with no lock held.
 */
int inode_hold(struct fs *fs, struct inode *inode)
	__attribute__((warn_unused_result));
void inode_release_hold(struct fs *fs, struct inode *inode);
/* One more, where there is one: with any lock held. */
void inode_hold_again(struct fs *fs, struct inode *inode);
/* active, made if need be (inode.lock held in either mode). */
int inode_activate(struct fs *fs, struct inode *inode,
		   struct inode_active **out)
	__attribute__((warn_unused_result));

/*
 * Several exclusively, in ascending order of their numbers. Sorts the array;
 * NULL and the same one twice are fine.
 */
void inodes_lock(struct inode **inodes, unsigned count);
void inodes_unlock(struct inode **inodes, unsigned count);

/* Every inode in memory; fn may not block on inode locks for long. The inode
 * is kept by a lookup of ours during fn, without any lock held. */
typedef void inode_fn(struct inode *inode, void *arg);
void inode_for_each(struct fs *fs, inode_fn *fn, void *arg);

/* One of its names as a path from the root: 0, -ENOENT if none is known any
 * more (then "(deleted)"), -ENAMETOOLONG. Diagnostic: takes locks shared. */
int inode_path(struct fs *fs, uint64_t ino, char *path, size_t path_bytes)
	__attribute__((warn_unused_result));

uint64_t inodes_used(struct fs *fs);
/* Free slots of the inode file as long as it is. */
uint64_t inodes_free(struct fs *fs);

#endif
