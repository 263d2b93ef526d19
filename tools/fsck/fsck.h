/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fsck.h -- one run of fsck.udaxfs
 *
 * A check never changes the media: without -p or -y every device is mapped
 * copy-on-write and the journal is replayed into the copy. Passes, each of
 * which leaves to the next what it has found sound:
 *
 *   super     superblocks of each device, then what the members say of one
 *             another; decides which devices are looked at further
 *   journal   anchors; replay if the filesystem is not clean
 *   inodes 1  the inode file's own tree, then every slot: what is in use
 *   inodes 2  every tree: nodes, extents, entries, xattrs; who owns a block
 *   links     each directory in one place, each name counted
 *   free      the saved free maps against the blocks that have an owner
 *   repair    with -p and -y: what is safe to mend
 *
 * Bounds: the media is not trusted. A tree descends at most NODE_LEVELS_MAX
 * levels and visits a block once, because a block is claimed before it is
 * read; names are climbed PATH_DEPTH_MAX deep; findings are kept up to
 * FINDINGS_MAX and counted beyond. Memory is a bit a block, 16 bytes an inode
 * and 4 bytes a shared block.
 */
#ifndef UDAX_FSCK_FSCK_H
#define UDAX_FSCK_FSCK_H

#include "device/members.h"
#include "journal/journal.h"
#include "media/inode.h"
#include "media/layout.h"
#include "media/node.h"
#include "media/superblock.h"
#include "tree/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* fsck(8) */
#define EXIT_CLEAN 0
#define EXIT_CORRECTED 1
#define EXIT_LEFT 4
#define EXIT_OPERATIONAL 8
#define EXIT_USAGE 16

enum fsck_mode { MODE_CHECK, MODE_PREEN, MODE_YES };

struct fsck_options {
	enum fsck_mode mode;
	bool force;
	bool verbose;
	bool json;
	int progress_fd; /* -C, or -1 */
};

/* A member, by roll index. */
struct fsck_device {
	struct device *device; /* NULL: missing or unusable */
	superblock_media sb;   /* the copy that holds */
	bool clean;
	bool stale;	/* left out, then unchanged: its free map is old */
	uint64_t *used; /* bit per block; past the end: used */
};

/* What is known of an inode beside the media. */
struct fsck_inode {
	uint32_t links;	  /* entries that name it */
	uint32_t subdirs; /* directories: entries in it naming directories */
	uint32_t parent;  /* directories: where its entry is; 0 none yet */
	uint8_t type;	  /* DT_*; DT_UNKNOWN: free, or not usable */
	uint8_t reached;  /* directories: hangs below the root */
	uint16_t pad;
};

/* A run of the inode file, sorted by first block. */
struct chunk {
	uint64_t block; /* of the inode file */
	uint64_t addr;
	uint64_t blocks;
};

struct inode_file {
	struct chunk *chunks;
	size_t chunk_count;
	size_t chunk_room;
	uint64_t inodes; /* slots that are mapped without a gap */
};

/* A run of inode 2, sorted by key; overlaps have been refused. */
struct shared_run {
	uint64_t key; /* address >> BLOCK_SHIFT */
	uint64_t blocks;
	uint32_t owners;
	uint32_t *found; /* of each block */
};

struct shared_runs {
	struct shared_run *run;
	size_t count;
	size_t room;
	bool out_of_memory;
};

enum owner_kind { OWNER_DATA, OWNER_NODE, OWNER_XATTR };

/* Blocks that two claim; the first owner is found by looking again. */
#define CONFLICTS_MAX 256
struct conflict {
	unsigned device;
	uint64_t block;
	uint64_t blocks;
	uint64_t ino;
	enum owner_kind kind;
	bool first_known;
	uint64_t first_ino;
	enum owner_kind first_kind;
};

struct fsck_counts {
	uint64_t files, directories, symlinks, others;
	uint64_t orphans, pending;
	uint64_t extents, blocks_used, blocks_total;
	uint64_t xattrs, entries;
};

struct findings;

struct fsck {
	struct fsck_options options;
	struct findings *findings;
	struct members members; /* by roll index */
	struct members aside;	/* opened, but not to be relied on */
	struct fsck_device device[ROLL_MAX];
	unsigned device_count;
	unsigned metadata_device;
	const superblock_media *sb; /* the metadata device's, or the newest */
	bool clean;		    /* the metadata device says so */
	unsigned missing;	    /* present ones that are not here */
	unsigned removed;	    /* left out and not here either */
	bool checked;		    /* all passes have run */
	struct journal_replay_report replay;
	struct tree_env tree_env; /* look-ups of single entries */
	struct inode_file inode_file;
	struct fsck_inode *inodes;
	struct shared_runs shared;
	struct fsck_counts counts;
	/* Second look at blocks with two owners: nothing is claimed. */
	bool resolving;
	uint64_t *seen; /* nodes of the second look */
	struct conflict conflicts[CONFLICTS_MAX];
	unsigned conflict_count;
};

static inline bool may_write(const struct fsck *fsck)
{
	return fsck->options.mode != MODE_CHECK;
}

static inline bool is_member(const struct fsck *fsck, unsigned index)
{
	return index < fsck->device_count && fsck->device[index].device != NULL;
}

/*
 * run.c: the whole of it, as the program does it; findings go to standard
 * output. The exit status.
 */
int fsck_run(const struct fsck_options *options, const char *const *paths,
	     unsigned count) __attribute__((warn_unused_result));

/* check_super.c: opens them, too. Negative: nothing more can be checked. */
int check_super(struct fsck *fsck, const char *const *paths, unsigned count)
	__attribute__((warn_unused_result));
/* check_roll.c: what members say of each other, and who is missing. */
int check_roll(struct fsck *fsck) __attribute__((warn_unused_result));
/* check_journal.c: 0, or negative when the metadata cannot be relied on. */
int check_journal(struct fsck *fsck) __attribute__((warn_unused_result));
/* check_inode.c */
int check_inodes(struct fsck *fsck) __attribute__((warn_unused_result));
/* check_links.c */
void check_links(struct fsck *fsck);
/* check_free.c */
void check_free(struct fsck *fsck);
/* repair.c: true once it is on the media. */
bool repair_superblock(struct device *device, const superblock_media *good,
		       uint64_t offset_bytes);
/* After a replay, when nothing is wrong and nothing left over. */
void repair_mark_clean(struct fsck *fsck);

#endif
