/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fsck.h -- one run of fsck.udaxfs
 *
 * A check never changes the media; with -n every device is mapped
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
 *
 * A pass that finds something wrong notes at the inode what would mend it
 * (MEND_*). With -p and -y, if that is allowed, mend.c then does it, and the
 * passes from `inodes 1` on begin again (a round), until nothing is found:
 * so what fsck leaves has passed a check, and what a mending step does not
 * care for (a count that its loss of a name made wrong) the next round does.
 *
 * How a mending step writes: blocks that nobody owns are filled and drained,
 * then one transaction of the journal makes an inode own them. What the inode
 * had before stays as it is until the round is over. So a fsck that is cut
 * short leaves what another one finishes.
 *
 * Bounds: the media is not trusted. A tree descends at most NODE_LEVELS_MAX
 * levels and visits a block once, because a block is claimed before it is
 * read; names are climbed PATH_DEPTH_MAX deep; findings are kept up to
 * FINDINGS_MAX and counted beyond; rounds are ROUNDS_MAX. Memory is three
 * bits a block, 16 bytes an inode, 48 an extent that is shared, and a
 * directory's names while it is built anew.
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
#define EXIT_CANCELED 32

enum fsck_mode { MODE_CHECK, MODE_PREEN, MODE_YES };

struct fsck_options {
	enum fsck_mode mode;
	bool force;
	bool verbose;
	bool json;
	int progress_fd; /* -C, or -1 */
};

/* A member, by roll index. Maps have a bit per block. */
struct fsck_device {
	struct device *device; /* NULL: missing or unusable */
	superblock_media sb;   /* the copy that holds */
	bool clean;
	bool stale;	    /* left out, then unchanged: its free map is old */
	uint64_t *used;	    /* has an owner; past the end: used */
	uint64_t *meta;	    /* ... a tree, an attribute or a fixed area */
	uint64_t *maybe;    /* damage names it: not to be given away */
	uint64_t *disputed; /* data of more than one, or of one and meta */
	uint64_t *again;    /* claimed in the second look */
	uint64_t *shared; /* all its owners are flagged; NULL: there are none */
};

/*
 * What an inode needs. The first group decides about data: -y only. The second
 * one loses nothing.
 */
#define MEND_SLOT 0x1u	/* store what could be saved of a damaged slot */
#define MEND_CLEAR 0x2u /* nothing could: empty it */
#define MEND_TREE 0x4u	/* its extents or entries anew */
#define MEND_XATTRS 0x8u
#define MEND_OTHER 0x10u /* no step of its own: another one's mends it */
#define MEND_YES 0x1fu

#define MEND_COUNTS 0x20u  /* blocks; the size of a directory */
#define MEND_PENDING 0x40u /* finish a freeing, or forget it */
#define MEND_LINKS 0x80u   /* nlink and parent as found */
#define MEND_LOST 0x100u   /* a name in lost+found */
#define MEND_FREE 0x200u   /* an orphan's end */
#define MEND_SHARED 0x400u /* the counts of shared blocks */
/* Only once all trees are sound. */
#define MEND_NAMES (MEND_LINKS | MEND_LOST | MEND_FREE | MEND_SHARED)

#define MEND_OUT 0x2000u    /* a directory's entry is to go */
#define MEND_SAVED 0x4000u  /* inodes_slot() answers the saved copy */
#define MEND_PLACED 0x8000u /* a directory being built has an entry for it */
#define MEND_STEPS 0x7ffu

/* Of a problem that no inode has. */
enum mend_class {
	MENDED_NOT,	/* nothing here can */
	MENDED_ALREADY, /* it is on the media */
	MENDED_SAFELY,	/* by begin and end of mending: superblocks, maps, log
			 */
	MENDED_BY_YES,	/* the same, with -y only */
};

#define ROUNDS_MAX 12

/* What is known of an inode beside the media. */
struct fsck_inode {
	uint32_t links;	  /* entries that name it */
	uint32_t subdirs; /* directories: entries in it naming directories */
	uint32_t parent;  /* directories: where its entry is; 0 none yet */
	uint8_t type;	  /* DT_*; DT_UNKNOWN: free, or not usable */
	uint8_t reached;  /* directories: hangs below the root */
	uint16_t mend;	  /* MEND_* */
};

/* A run of the inode file, sorted by first block. */
struct chunk {
	uint64_t block; /* of the inode file */
	uint64_t addr;	/* ADDR_NONE: lost, nothing but free slots */
	uint64_t blocks;
};

/* What could be saved of a slot. */
struct saved_slot {
	uint64_t ino;
	inode_media media;
};

struct inode_file {
	struct chunk *chunks;
	size_t chunk_count;
	size_t chunk_room;
	uint64_t inodes;  /* slots that are mapped without a gap */
	inode_media own;  /* its own inode, as it is to be believed */
	uint16_t mend;	  /* as in fsck_inode */
	bool is_searched; /* chunks were found beside its tree */
};

/* Blocks [key, end), keys being addresses >> BLOCK_SHIFT. */
struct shared_run {
	uint64_t key;
	uint64_t end;
	uint32_t owners;
};

struct shared_runs {
	struct shared_run *run;
	size_t count;
	size_t room;
};

/* shared.h */
struct shared {
	struct shared_runs told;    /* by inode 2; no overlaps */
	struct shared_runs flagged; /* extents, in the order of their inodes */
	struct shared_runs sums;    /* their owners, sorted */
	bool out_of_memory;
};

/* OWNER_SHARED: data that others may have, too. */
enum owner_kind { OWNER_DATA, OWNER_SHARED, OWNER_NODE, OWNER_XATTR };

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

enum look {
	LOOK_CLAIM,   /* who owns what */
	LOOK_RESOLVE, /* the same way again: who was first */
	LOOK_COUNT,   /* one inode, to count what it has */
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
	struct shared shared;
	struct saved_slot *saved; /* in the order of their numbers */
	size_t saved_count, saved_room;
	struct fsck_counts counts;
	enum look look; /* only LOOK_CLAIM reports */
	uint64_t *seen; /* nodes of the second look, of a collection */
	struct conflict conflicts[CONFLICTS_MAX];
	unsigned conflict_count;
	/* Mending: write.h. */
	bool writing; /* no longer marked clean, the log is open */
	struct journal *journal;
	struct alloc *allocs[ROLL_MAX];
	bool full;	    /* a step had no room */
	bool gave_up;	    /* a step failed: one more check, no more steps */
	bool reset_log;	    /* begin a new one instead of replaying */
	uint64_t work;	    /* inodes with something to do and nothing wrong */
	uint64_t log_first; /* sequence of the next record */
};

static inline bool may_write(const struct fsck *fsck)
{
	return fsck->options.mode != MODE_CHECK;
}

static inline bool is_member(const struct fsck *fsck, unsigned index)
{
	return index < fsck->device_count && fsck->device[index].device != NULL;
}

/* Note what an inode needs. */
static inline void fsck_mend(struct fsck *fsck, uint64_t ino, unsigned mend)
{
	if (ino == INO_INODE_FILE)
		fsck->inode_file.mend |= (uint16_t)mend;
	else if (fsck->inodes && ino < fsck->inode_file.inodes)
		fsck->inodes[ino].mend |= (uint16_t)mend;
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

#endif
