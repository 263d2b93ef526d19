/* SPDX-License-Identifier: BSD-3-Clause */
#include "blocks.h"
#include "check_dir.h"
#include "fsck.h"
#include "inodes.h"
#include "report.h"
#include "shared.h"
#include "tree_scan.h"
#include "util/crc32c.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <sys/stat.h>

#define PROGRESS_MASK 0xffff

struct extent_scan {
	struct fsck *fsck;
	uint64_t ino;
	uint64_t blocks;
	uint64_t next; /* first file block after the last extent */
	bool damaged;
};

static void take_extent(void *arg, uint64_t key, const void *value,
			unsigned length_bytes)
{
	struct extent_scan *scan = arg;
	const extent_media *extent = value;
	enum claim claim;

	if (key < scan->next) {
		problem_inode(scan->fsck, "extent", scan->ino,
			      "the extent at file block %ju overlaps the one "
			      "before, which ends at %ju",
			      (uintmax_t)key, (uintmax_t)scan->next);
		scan->damaged = true;
	}
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
	if (!scan->fsck->resolving)
		scan->fsck->counts.extents++;
}

static uint64_t check_extents(struct fsck *fsck, const inode_media *inode,
			      bool *damaged)
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
	*damaged = *damaged || scan.damaged || extents.damaged;
	return scan.nodes + extents.blocks;
}

/* Everything that an inode names: both looks go this way. */
static uint64_t scan_inode(struct fsck *fsck, const inode_media *inode,
			   bool *damaged)
{
	uint64_t blocks = 0;

	if (inode->format == INODE_EXTENTS)
		blocks = check_extents(fsck, inode, damaged);
	else if (inode->format == INODE_ENTRIES)
		blocks = check_dir(fsck, inode, damaged);
	else if (inode->format == INODE_SHARED)
		blocks = check_shared(fsck, inode, damaged);
	return blocks + check_xattrs(fsck, inode, damaged);
}

/* ---------------------------------------------------------- first: slots */

static void explain(struct fsck *fsck, const inode_media *inode, uint64_t ino)
{
	uint32_t crc = crc32c_skipping(inode, sizeof(*inode),
				       offsetof(inode_media, crc));

	if (inode->magic != INODE_MAGIC)
		problem_inode(fsck, "inode", ino, "magic is %#x, not %#x",
			      inode->magic, INODE_MAGIC);
	else if (inode->crc != crc)
		problem_inode(fsck, "inode", ino,
			      "checksum is %08x, its bytes give %08x",
			      inode->crc, crc);
	else if (inode->ino != ino)
		problem_inode(fsck, "inode", ino, "says it is inode %ju",
			      (uintmax_t)inode->ino);
	else
		problem_inode(fsck, "inode", ino,
			      "mode %o, format %u, size %ju or another field "
			      "is not possible",
			      inode->mode, inode->format,
			      (uintmax_t)inode->size);
}

static void count(struct fsck *fsck, const inode_media *inode)
{
	if (inode->format == INODE_SHARED)
		return;
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

static void check_slot(struct fsck *fsck, uint64_t ino)
{
	const inode_media *inode = inodes_slot(fsck, ino);

	if (inode_media_check(inode, ino) != 0) {
		explain(fsck, inode, ino);
		return;
	}
	if (inode->mode == 0 && ino == INO_SHARED && shares(fsck))
		problem_inode(fsck, "inode", ino,
			      "is free, and should hold shared blocks");
	if (inode->mode == 0)
		return;
	if ((inode->format == INODE_SHARED) !=
	    (shares(fsck) && ino == INO_SHARED)) {
		problem_inode(fsck, "inode", ino,
			      "format is %u: shared blocks are inode %u's to "
			      "count, if the filesystem has that feature",
			      inode->format, INO_SHARED);
		return;
	}
	fsck->inodes[ino].type = IFTODT(inode->mode);
	count(fsck, inode);
}

/* ---------------------------------------------------------- second: trees */

static void check_left_over(struct fsck *fsck, const inode_media *inode)
{
	if (inode->nlink == 0) {
		fsck->counts.orphans++;
		if (fsck->clean)
			problem_inode(fsck, "orphan", inode->ino,
				      "has no name and was not freed, though "
				      "the filesystem is marked clean");
	}
	if (inode->pending_end != 0) {
		fsck->counts.pending++;
		if (fsck->clean)
			problem_inode(fsck, "pending", inode->ino,
				      "freeing of bytes %ju to %ju is "
				      "unfinished, though the filesystem is "
				      "marked clean",
				      (uintmax_t)inode->pending_start,
				      (uintmax_t)inode->pending_end);
	}
}

static void check_trees(struct fsck *fsck, uint64_t ino)
{
	const inode_media *inode = inodes_find(fsck, ino);
	bool damaged = false;
	uint64_t blocks;

	if (inode == NULL)
		return;
	blocks = scan_inode(fsck, inode, &damaged);
	if (!damaged && inode->blocks != blocks)
		problem_inode(fsck, "inode", ino, "blocks is %ju, found %ju",
			      (uintmax_t)inode->blocks, (uintmax_t)blocks);
	check_left_over(fsck, inode);
}

/* Who was there first? Everything again, in the same order. */
static void resolve_conflicts(struct fsck *fsck)
{
	uint64_t ino;

	if (fsck->conflict_count == 0)
		return;
	fsck->resolving = true;
	inodes_look_again(fsck);
	for (ino = INO_ROOT; ino < fsck->inode_file.inodes; ino++) {
		const inode_media *inode = inodes_find(fsck, ino);
		bool damaged = false;

		if (inode)
			scan_inode(fsck, inode, &damaged);
	}
	fsck->resolving = false;
	blocks_report(fsck);
}

int check_inodes(struct fsck *fsck)
{
	uint64_t ino, inodes;
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
	if (inodes <= INO_ROOT || fsck->inodes[INO_ROOT].type != DT_DIR)
		problem_inode(fsck, "inode", INO_ROOT,
			      "there is no root directory");
	for (ino = INO_ROOT; ino < inodes; ino++) {
		check_trees(fsck, ino);
		if ((ino & PROGRESS_MASK) == 0)
			progress(fsck, 2, "trees", ino, inodes);
	}
	shared_report(fsck);
	resolve_conflicts(fsck);
	return 0;
}
