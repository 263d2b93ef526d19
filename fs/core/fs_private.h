/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fs_private.h -- what the files of fs_*.c share
 *
 * The order of a mount: members, replay, free maps (if clean), superblocks
 * with a new generation and without CLEAN, journal, inode table, recovery.
 * Nothing before the superblocks changes the media but replay, which is
 * idempotent.
 */
#ifndef UDAX_CORE_FS_PRIVATE_H
#define UDAX_CORE_FS_PRIVATE_H

#include "core/fs.h"

#include <stddef.h>
#include <stdio.h>

/* The reason of a failure, for people; a NULL buffer is fine. */
struct why {
	char *text;
	size_t bytes;
};

#define why_is(why, ...)                                                       \
	do {                                                                   \
		if ((why)->text)                                               \
			snprintf((why)->text, (why)->bytes, __VA_ARGS__);      \
	} while (0)

static inline struct fs_device *fs_metadata(struct fs *fs)
{
	return &fs->devices[fs->metadata_device];
}

/* What the members' superblocks made of a mount. */
struct fs_join {
	bool rebuild; /* one was taken back: saved free maps do not hold */
	bool apart;   /* one is missing: a lineage of our own begins */
};

/* fs_members.c: open, put in roll order, agree, lock. */
int fs_members_open(struct fs *fs, char *const *paths, unsigned count,
		    struct fs_join *join, const struct why *why)
	__attribute__((warn_unused_result));

/* fs_super.c: the media's own account of who belongs to it. super_lock is
 * theirs to take. */
/* generation + 1, CLEAN erased, on every member, fenced. */
int fs_super_begin(struct fs *fs, const struct fs_join *join)
	__attribute__((warn_unused_result));
/* CLEAN on every member, the metadata device last. */
int fs_super_finish(struct fs *fs, uint64_t journal_sequence)
	__attribute__((warn_unused_result));
/* A data device leaves: CLEAN on it, REMOVED in the others' roll, who go on
 * as a lineage of their own. An error is the metadata device's. */
int fs_super_remove(struct fs *fs, unsigned index, const uint8_t lineage[16])
	__attribute__((warn_unused_result));

/* fs_freemap.c */
/* With nothing free. */
int fs_allocs_create(struct fs *fs) __attribute__((warn_unused_result));
/* Anew: free but for the fixed areas. */
int fs_allocs_open(struct fs *fs) __attribute__((warn_unused_result));
/* False: at least one does not hold. */
bool fs_freemaps_load(struct fs *fs);
int fs_freemap_save(struct fs *fs, unsigned index)
	__attribute__((warn_unused_result));

/* fs.c: checkpoint, free maps, CLEAN; nothing is committed after. */
int fs_leave_clean(struct fs *fs) __attribute__((warn_unused_result));

/* fs_recover.c: one pass over all inodes: orphans are freed (if writable),
 * blocks in use marked, pending work finished. */
int fs_recover(struct fs *fs, const struct why *why)
	__attribute__((warn_unused_result));
/* Orphans that the media has, whether in memory or not, while nobody else
 * changes anything. */
int fs_free_orphans(struct fs *fs) __attribute__((warn_unused_result));

#endif
