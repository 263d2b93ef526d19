/* SPDX-License-Identifier: BSD-3-Clause */
#include "alloc/bits.h"
#include "blocks.h"
#include "check_dir.h"
#include "fsck.h"
#include "inodes.h"
#include "report.h"
#include "salvage.h"
#include "shared.h"
#include "tree_scan.h"
#include "util/crc32c.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#define PROGRESS_MASK 0xffff

struct extent_scan {
	struct fsck *fsck;
	uint64_t ino;
	uint64_t blocks;
	uint64_t next; /* first file block after the last extent */
	bool target;
	bool damaged;
};

static void take_extent(void *arg, uint64_t key, const void *value,
			unsigned length_bytes)
{
	struct extent_scan *scan = arg;
	const extent_media *extent = value;
	enum claim claim;

	if (key < scan->next) {
		problem_inode(scan->fsck, "extent", scan->ino, MEND_TREE,
			      "the extent at file block %ju overlaps the one "
			      "before, which ends at %ju",
			      (uintmax_t)key, (uintmax_t)scan->next);
		scan->damaged = true;
	}
	scan->target |= key == 0 && addr_device(extent->addr) ==
					    scan->fsck->metadata_device;
	scan->next = key + extent->blocks;
	scan->blocks += extent->blocks;
	if (extent->flags & EXTENT_SHARED)
		claim = shared_claim(scan->fsck, extent->addr, extent->blocks,
				     scan->ino);
	else
		claim = blocks_claim(scan->fsck, extent->addr, extent->blocks,
				     scan->ino, OWNER_DATA);
	if (claim == CLAIM_BAD)
		scan->damaged = true;
	if (scan->fsck->look == LOOK_CLAIM)
		scan->fsck->counts.extents++;
}

static void check_extents(struct fsck *fsck, const inode_media *inode,
			  struct inode_found *found)
{
	struct extent_scan extents = { .fsck = fsck, .ino = inode->ino };
	struct tree_scan scan = {
		.fsck = fsck,
		.ino = inode->ino,
		.kind = TREE_EXTENTS,
		.value = take_extent,
		.arg = &extents,
	};

	tree_scan_inode(&scan, inode);
	found->damaged = found->damaged || scan.damaged || extents.damaged;
	found->blocks += scan.nodes + extents.blocks;
	found->target = extents.target;
}

void scan_inode(struct fsck *fsck, const inode_media *inode,
		struct inode_found *found)
{
	*found = (struct inode_found){ .blocks = 0 };
	if (inode->format == INODE_EXTENTS)
		check_extents(fsck, inode, found);
	else if (inode->format == INODE_ENTRIES)
		check_dir(fsck, inode, found);
	check_xattrs(fsck, inode, found);
}

/* ---------------------------------------------------------- first: slots */

static void explain(struct fsck *fsck, const inode_media *inode, uint64_t ino,
		    unsigned mend)
{
	const char *fate = mend & MEND_SLOT ? "what can be is saved"
					    : "nothing can be saved";
	uint32_t crc = crc32c_skipping(inode, sizeof(*inode),
				       offsetof(inode_media, crc));

	if (inode->magic != INODE_MAGIC)
		problem_inode(fsck, "inode", ino, mend,
			      "magic is %#x, not %#x; %s", inode->magic,
			      INODE_MAGIC, fate);
	else if (inode->crc != crc)
		problem_inode(fsck, "inode", ino, mend,
			      "checksum is %08x, its bytes give %08x; %s",
			      inode->crc, crc, fate);
	else if (inode->ino != ino)
		problem_inode(fsck, "inode", ino, mend,
			      "says it is inode %ju; %s", (uintmax_t)inode->ino,
			      fate);
	else
		problem_inode(fsck, "inode", ino, mend,
			      "mode %o, format %u, size %ju or another field "
			      "is not possible; %s",
			      inode->mode, inode->format,
			      (uintmax_t)inode->size, fate);
}

static void count(struct fsck *fsck, const inode_media *inode)
{
	switch (inode->mode & S_IFMT) {
	case S_IFREG:
		fsck->counts.files++;
		break;
	case S_IFDIR:
		fsck->counts.directories++;
		break;
	case S_IFLNK:
		fsck->counts.symlinks++;
		break;
	default:
		fsck->counts.others++;
	}
}

/* What was saved is looked at as if it stood there. */
static const inode_media *salvage(struct fsck *fsck, const inode_media *slot,
				  uint64_t ino)
{
	inode_media saved;

	if (!salvage_slot(slot, ino, &saved)) {
		explain(fsck, slot, ino, MEND_CLEAR);
		return NULL;
	}
	if (salvage_keep(fsck, &saved) != 0) {
		operational(fsck, "out of memory for damaged inodes");
		return NULL;
	}
	fsck->inodes[ino].mend |= MEND_SAVED;
	fsck->inodes[ino].type = IFTODT(saved.mode); /* its path is told */
	explain(fsck, slot, ino, MEND_SLOT);
	return inodes_slot(fsck, ino);
}

static void check_slot(struct fsck *fsck, uint64_t ino)
{
	const inode_media *inode = inodes_slot(fsck, ino);

	if (ino == INO_SHARED && shares(fsck))
		return; /* nobody's, for whoever names it: shared.h */
	if (inode_media_check(inode, ino) != 0)
		inode = salvage(fsck, inode, ino);
	if (inode != NULL && inode->format == INODE_SHARED) {
		problem_inode(fsck, "inode", ino, MEND_CLEAR,
			      "counts shared blocks, which is for inode %u, if "
			      "the filesystem has that feature",
			      INO_SHARED);
		return;
	}
	if (inode == NULL || inode->mode == 0)
		return;
	fsck->inodes[ino].type = IFTODT(inode->mode);
	count(fsck, inode);
}

/* Without it nothing has a name. */
static void check_root(struct fsck *fsck)
{
	struct fsck_inode *root = &fsck->inodes[INO_ROOT];

	if (root->type == DT_DIR)
		return;
	problem_inode(fsck, "inode", INO_ROOT, MEND_CLEAR,
		      "there is no root directory");
	root->type = DT_UNKNOWN;
}

/* ---------------------------------------------------------- second: trees */

static void check_left_over(struct fsck *fsck, const inode_media *inode)
{
	if (inode->nlink == 0) {
		fsck->counts.orphans++;
		if (fsck->clean)
			problem_inode(fsck, "orphan", inode->ino, MEND_LINKS,
				      "has no name and was not freed, though "
				      "the filesystem is marked clean");
	}
	if (inode->pending_end == 0)
		return;
	fsck->counts.pending++;
	if (fsck->clean) {
		problem_inode(fsck, "pending", inode->ino, MEND_PENDING,
			      "freeing of bytes %ju to %ju is unfinished, "
			      "though the filesystem is marked clean",
			      (uintmax_t)inode->pending_start,
			      (uintmax_t)inode->pending_end);
		return;
	}
	fsck_mend(fsck, inode->ino, MEND_PENDING);
	fsck->work++;
}

static void check_trees(struct fsck *fsck, uint64_t ino)
{
	const inode_media *inode = inodes_find(fsck, ino);
	struct inode_found found;

	if (inode == NULL)
		return;
	scan_inode(fsck, inode, &found);
	if (!found.damaged && inode->blocks != found.blocks)
		problem_inode(fsck, "inode", ino, MEND_COUNTS,
			      "blocks is %ju, found %ju",
			      (uintmax_t)inode->blocks,
			      (uintmax_t)found.blocks);
	if (!found.damaged && inode->format == INODE_ENTRIES &&
	    inode->size != found.entries)
		problem_inode(fsck, "directory", ino, MEND_COUNTS,
			      "size is %ju, found %ju entries",
			      (uintmax_t)inode->size, (uintmax_t)found.entries);
	if (!found.damaged && S_ISLNK(inode->mode) &&
	    inode->format == INODE_EXTENTS && !found.target)
		problem_inode(fsck, "symlink", ino, MEND_CLEAR,
			      "its target is lost");
	check_left_over(fsck, inode);
}

/*
 * All that are sound, then, for what they name is to be believed less, those
 * whose slots are not. found: the second look, which has nothing to check.
 */
static void trees_in_order(struct fsck *fsck, bool saved,
			   struct inode_found *found)
{
	uint64_t ino, inodes = fsck->inode_file.inodes;

	if (saved && fsck->saved_count == 0)
		return;
	for (ino = INO_ROOT; ino < inodes; ino++) {
		if (((fsck->inodes[ino].mend & MEND_SAVED) != 0) != saved)
			continue;
		if (found == NULL)
			check_trees(fsck, ino);
		else if (inodes_find(fsck, ino))
			scan_inode(fsck, inodes_find(fsck, ino), found);
		if ((ino & PROGRESS_MASK) == 0)
			progress(fsck, 2, "trees", ino, inodes);
	}
}

/* Who was there first? Everything again, in the same order. */
static void resolve_conflicts(struct fsck *fsck)
{
	const struct fsck_device *metadata =
		&fsck->device[fsck->metadata_device];
	struct inode_found found;
	unsigned i;

	if (fsck->conflict_count == 0)
		return;
	fsck->look = LOOK_RESOLVE;
	inodes_look_again(fsck);
	shared_open(fsck);
	for (i = 0; i < 2; i++)
		trees_in_order(fsck, i == 1, &found);
	fsck->look = LOOK_CLAIM;
	memset(fsck->seen, 0,
	       BITS_WORDS(metadata->sb.size_blocks) * sizeof(uint64_t));
	blocks_report(fsck);
}

int check_inodes(struct fsck *fsck)
{
	uint64_t ino, inodes;
	unsigned i;
	int err;

	err = blocks_init(fsck);
	if (err == 0)
		err = inodes_open(fsck);
	if (err != 0)
		return err;
	inodes = fsck->inode_file.inodes;
	for (ino = INO_ROOT; ino < inodes; ino++) {
		check_slot(fsck, ino);
		if ((ino & PROGRESS_MASK) == 0)
			progress(fsck, 1, "inodes", ino, inodes);
	}
	check_root(fsck);
	shared_open(fsck);
	for (i = 0; i < 2; i++)
		trees_in_order(fsck, i == 1, NULL);
	shared_report(fsck);
	resolve_conflicts(fsck);
	return 0;
}
