/* SPDX-License-Identifier: BSD-3-Clause */
#include "mend.h"

#include "check_dir.h"
#include "inodes.h"
#include "report.h"
#include "write.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define PROGRESS_MASK 0xfff

void mend_empty(struct fsck *fsck, uint64_t ino, inode_media *out)
{
	const inode_media *old = inodes_slot(fsck, ino);
	uint32_t generation = fsck->inode_file.own.generation;

	if (old->magic == INODE_MAGIC && old->ino == ino &&
	    old->generation > generation)
		generation = old->generation;
	memset(out, 0, sizeof(*out));
	out->ino = ino;
	out->generation = generation;
}

void mend_empty_directory(struct fsck *fsck, uint64_t ino, uint32_t permissions,
			  inode_media *out)
{
	mend_empty(fsck, ino, out);
	out->generation++;
	out->mode = S_IFDIR | permissions;
	out->format = INODE_ENTRIES;
	out->nlink = 2;
	out->parent_ino = INO_ROOT;
	out->atime_s = out->mtime_s = out->ctime_s = out->btime_s = time(NULL);
	node_init((node_media *)out->area, INODE_AREA_BYTES, 0, TREE_ENTRIES);
}

static int mend_tree(struct fsck *fsck, const inode_media *inode,
		     inode_media *out)
{
	if (inode->format == INODE_EXTENTS)
		return mend_extents(fsck, inode, out);
	if (inode->format == INODE_ENTRIES)
		return mend_entries(fsck, inode, out);
	return 0;
}

static int mend_pending(struct fsck *fsck, const inode_media *inode,
			inode_media *out)
{
	int err = 0;

	/* Of a clean filesystem nothing says that it was ever begun. */
	if (!fsck->clean && inode->format == INODE_EXTENTS)
		err = mend_pending_edges(fsck, inode);
	if (err == 0 && !fsck->clean && inode->format == INODE_EXTENTS)
		err = mend_extents(fsck, inode, out);
	out->pending_start = out->pending_end = 0;
	return err;
}

void mend_recount(struct fsck *fsck, inode_media *out)
{
	struct inode_found found;

	fsck->look = LOOK_COUNT;
	scan_inode(fsck, out, &found);
	fsck->look = LOOK_CLAIM;
	if (found.damaged)
		return; /* the next round has a name for it */
	out->blocks = found.blocks;
	if (out->format == INODE_ENTRIES)
		out->size = found.entries;
}

/* What becomes of one inode but for its names. */
static int make_copy(struct fsck *fsck, uint64_t ino, unsigned mend,
		     inode_media *out)
{
	const inode_media *inode = inodes_slot(fsck, ino);
	int err = 0;

	if (mend & MEND_CLEAR) {
		if (ino == INO_ROOT) /* what it had comes to lost+found */
			mend_empty_directory(fsck, ino, 0755, out);
		else
			mend_empty(fsck, ino, out);
		return 0;
	}
	*out = *inode;
	if (mend & MEND_PENDING)
		err = mend_pending(fsck, inode, out);
	else if (mend & MEND_TREE)
		err = mend_tree(fsck, inode, out);
	if (err == 0 && (mend & MEND_XATTRS))
		err = mend_xattrs(fsck, inode, out);
	if (err == 0)
		mend_recount(fsck, out);
	return err;
}

static int mend_inode(struct fsck *fsck, uint64_t ino)
{
	unsigned mend = fsck->inodes[ino].mend & ~MEND_NAMES;
	inode_media copy;
	struct txn *txn;
	int err = make_copy(fsck, ino, mend, &copy);

	if (err)
		return err;
	txn = txn_begin(fsck->journal);
	write_slot(fsck, txn, ino, &copy);
	return txn_commit(txn);
}

static bool is_asked(const struct fsck_inode *known)
{
	return known->mend & MEND_STEPS & ~(MEND_NAMES | MEND_OTHER);
}

/* Anything but names, in the order of numbers. */
static int mend_content(struct fsck *fsck)
{
	uint64_t ino, inodes = fsck->inode_file.inodes;
	int err = 0;

	if (fsck->inode_file.mend & MEND_STEPS)
		err = mend_inode_file(fsck);
	if (err == -ENOSPC) {
		report_no_room(fsck, INO_INODE_FILE);
		fsck->full = true;
		return 0;
	}
	for (ino = INO_ROOT; ino < inodes && err == 0; ino++) {
		if (!is_asked(&fsck->inodes[ino]))
			continue;
		err = mend_inode(fsck, ino);
		if (err == -ENOSPC) {
			report_no_room(fsck, ino);
			fsck->full = true;
			err = 0;
		}
		if ((ino & PROGRESS_MASK) == 0)
			progress(fsck, 4, "inodes mended", ino, inodes);
	}
	return err;
}

/* Whether names are not to be touched before the next round. */
static bool has_content(const struct fsck *fsck)
{
	uint64_t ino;

	if (fsck->inode_file.mend & MEND_STEPS)
		return true;
	for (ino = INO_ROOT; ino < fsck->inode_file.inodes; ino++)
		if (is_asked(&fsck->inodes[ino]))
			return true;
	return false;
}

static void explain(struct fsck *fsck, int err)
{
	operational(fsck, "mending stopped: %s", strerror(-err));
}

bool mend_round(struct fsck *fsck)
{
	bool content = has_content(fsck), again;
	int err, end;

	if (fsck->missing > 0) {
		note(fsck, "nothing is mended while members are missing");
		report_round(fsck, ROUND_LEFT);
		return false;
	}
	err = write_round_begin(fsck);
	if (err == 0)
		err = content ? mend_content(fsck) : mend_names(fsck);
	if (err == -ENOSPC) {
		note(fsck, "no room for lost+found");
		fsck->full = true;
		err = 0;
	}
	again = err == -EAGAIN;
	err = again ? 0 : err;
	end = write_round_end(fsck);
	err = err ? err : end;
	if (err)
		explain(fsck, err);
	if (err || fsck->full) {
		fsck->gave_up = true;
		report_round(fsck, err ? ROUND_LEFT : ROUND_MENDED_TOP);
		return err == 0;
	}
	report_round(fsck, content || again ? ROUND_MENDED_TOP : ROUND_MENDED);
	return true;
}
