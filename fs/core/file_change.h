/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_change.h -- one bounded transaction that changes a file
 *
 * Every change of a file's map or size is one of these, or a chain of them.
 * In between begin and commit the map is edited in the transaction's copies
 * and data is stored straight to the device, to blocks that nothing on the
 * media names yet or whose bytes may change in place. The commit drains the
 * devices that were stored to, and only then makes the change durable; when
 * one of them failed it changes nothing.
 *
 *   file_change_begin → edits, stores, while file_change_has_room()
 *                     → file_change_commit | file_change_abort
 *
 * Owns:    the transaction and the blocks taken in it.
 * Locking: inode.lock exclusive from begin to commit or abort; shared.lock
 *          from the first shared block on.
 * Fences:  one a device stored to, and the commit's.
 * Errors:  -EROFS, -EIO, -ENOSPC, -EUCLEAN.
 */
#ifndef UDAX_CORE_FILE_CHANGE_H
#define UDAX_CORE_FILE_CHANGE_H

#include "core/file_extent.h"
#include "core/fs.h"
#include "core/inode.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;
struct txn;

struct file_change {
	struct fs *fs;
	struct request *request; /* NULL: at mount, nothing is gated */
	struct inode *inode;
	struct txn *txn;
	inode_media *copy;
	struct tree map;
	struct shared_edit shared; /* begun with the first shared block */
	/* File blocks whose kernel entries have moved to new places. */
	uint64_t moved_start, moved_end; /* end 0: none */
	uint64_t stored;		 /* devices to drain, a bit each */
	unsigned steps;			 /* asked for room so often */
	bool broken;			 /* an edit failed half way: abort */
};

int file_change_begin(struct file_change *change, struct fs *fs,
		      struct request *request, struct inode *inode)
	__attribute__((warn_unused_result));
/* Room for one more step: an extent cut, taken or converted. */
bool file_change_has_room(struct file_change *change);
/* For one that adds so much to the record. */
bool file_change_has_room_for(struct file_change *change, size_t bytes);
/* mtime and ctime become now. */
void file_change_stamp(struct file_change *change);
/* The file clears suid and sgid as write(2) does. */
void file_change_kill_suidgid(struct file_change *change);
int file_change_commit(struct file_change *change)
	__attribute__((warn_unused_result));
void file_change_abort(struct file_change *change);
/* Commit, or abort when done < 0; answers done, or why it was not committed. */
int file_change_end(struct file_change *change, int done)
	__attribute__((warn_unused_result));

/* May this device be touched: it is there, and gated by the request. */
int file_change_gate(struct file_change *change, unsigned device)
	__attribute__((warn_unused_result));

/* Bytes to and zeros on a place on a device that was gated. */
void file_change_copy(struct file_change *change, uint64_t addr,
		      const void *bytes, size_t length);
void file_change_zero(struct file_change *change, uint64_t addr,
		      uint64_t length);
/* Zero [start, end) bytes of the file where blocks are written. */
int file_change_zero_range(struct file_change *change, uint64_t start,
			   uint64_t end) __attribute__((warn_unused_result));

/* size grows: what becomes visible reads as zeros. No-op when it would not. */
int file_change_extend(struct file_change *change, uint64_t size)
	__attribute__((warn_unused_result));

/* From INODE_INLINE to INODE_EXTENTS; nothing to do when it is that. */
int file_change_leave_inline(struct file_change *change)
	__attribute__((warn_unused_result));

/*
 * New blocks for the hole at `hole->start`, as many of hole->blocks as one run
 * gives (file_space.c: which device, which blocks), put into the map. *taken:
 * what was got. -ENOSPC and not broken: the change is as it was. -EBUSY: they
 * would have bytes that a lease shows as zeros; nothing was done.
 */
int file_change_fill_hole(struct file_change *change, const struct extent *hole,
			  unsigned flags, struct extent *taken)
	__attribute__((warn_unused_result));
/* A piece of an extent gets other flags; -EBUSY as above. */
int file_change_mark(struct file_change *change, const struct extent *piece,
		     unsigned flags) __attribute__((warn_unused_result));
/*
 * A piece (extent_first) leaves the map, and its blocks are free if nobody else
 * has them. It is cut to as many as are alike in that.
 */
int file_change_drop(struct file_change *change, struct extent *piece)
	__attribute__((warn_unused_result));

/*
 * A run (extent_at) that has bytes becomes the file's own: one that is shared
 * is copied to new blocks, as many as one run gives: *run is then those. What
 * is to be stored to the bytes [from, to) of the file next need not be copied.
 * The old blocks are not touched; entries of the kernel go with the bytes.
 * -ENOSPC and not broken: the change is as it was. -EBUSY: a lease or a pin
 * shows the old ones.
 */
int file_change_own(struct file_change *change, struct extent *run,
		    uint64_t from, uint64_t to)
	__attribute__((warn_unused_result));

/* Blocks that new data may still take, on all devices. */
uint64_t file_space_free(const struct fs *fs);
/* file_space.c's part of file_change_fill_hole(): blocks of the change, not
 * in the map yet. */
int file_space_take(struct file_change *change, const struct extent *hole,
		    struct extent *taken) __attribute__((warn_unused_result));

#endif
