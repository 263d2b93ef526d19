/* SPDX-License-Identifier: BSD-3-Clause */
#include "fsck.h"
#include "inodes.h"
#include "report.h"

#include <dirent.h>

enum reached { REACHED_UNKNOWN, REACHED_ROOT, REACHED_NOT, REACHED_CLIMBING };

/* Its entry goes, and so it comes to lost+found. */
static void break_loop(struct fsck *fsck, uint32_t at)
{
	struct fsck_inode *known = &fsck->inodes[at];

	fsck_mend(fsck, known->parent, MEND_TREE);
	known->mend |= MEND_OUT;
}

/*
 * From a directory up until something is known, then the same way again to
 * write it down: each directory is climbed from once, so all of it is linear.
 */
static void climb(struct fsck *fsck, uint32_t from)
{
	struct fsck_inode *inodes = fsck->inodes;
	uint8_t verdict;
	uint32_t at;

	for (at = from; inodes[at].reached == REACHED_UNKNOWN;
	     at = inodes[at].parent) {
		if (inodes[at].parent == 0)
			break;
		inodes[at].reached = REACHED_CLIMBING;
	}
	switch (inodes[at].reached) {
	case REACHED_ROOT:
		verdict = REACHED_ROOT;
		break;
	case REACHED_CLIMBING:
		problem_inode(fsck, "link", at, MEND_OTHER,
			      "the directory is below itself");
		break_loop(fsck, at);
		verdict = REACHED_NOT;
		break;
	default:
		inodes[at].reached = REACHED_NOT; /* the top: no parent */
		verdict = REACHED_NOT;
	}
	for (at = from; inodes[at].reached == REACHED_CLIMBING;
	     at = inodes[at].parent)
		inodes[at].reached = verdict;
}

static void check_orphan(struct fsck *fsck, uint64_t ino,
			 const inode_media *inode)
{
	if (inode->nlink == 0 && !fsck->clean) {
		fsck_mend(fsck, ino, MEND_FREE);
		fsck->work++;
	} else if (inode->nlink == 0) {
		/* reported; who knows what it was */
		fsck_mend(fsck, ino, MEND_LOST);
	} else if (fsck->inodes[ino].type == DT_DIR) {
		problem_inode(fsck, "link", ino, MEND_LOST,
			      "the directory is in no directory");
	} else {
		problem_inode(fsck, "link", ino, MEND_LOST,
			      "nlink is %u, but no directory names it",
			      inode->nlink);
	}
}

static void check_directory(struct fsck *fsck, uint64_t ino,
			    const inode_media *inode)
{
	const struct fsck_inode *known = &fsck->inodes[ino];
	uint64_t parent = ino == INO_ROOT ? INO_ROOT : known->parent;
	uint64_t nlink = 2 + (uint64_t)known->subdirs;

	if (inode->nlink != nlink)
		problem_inode(fsck, "link", ino, MEND_LINKS,
			      "nlink is %u, found %ju (%u subdirectories)",
			      inode->nlink, (uintmax_t)nlink, known->subdirs);
	if (inode->parent_ino != parent)
		problem_inode(fsck, "link", ino, MEND_LINKS,
			      "parent is %ju, found in %ju",
			      (uintmax_t)inode->parent_ino, (uintmax_t)parent);
}

static void check_file(struct fsck *fsck, uint64_t ino,
		       const inode_media *inode)
{
	uint32_t links = fsck->inodes[ino].links;

	if (inode->nlink != links)
		problem_inode(fsck, "link", ino, MEND_LINKS,
			      "nlink is %u, found %u names", inode->nlink,
			      links);
}

void check_links(struct fsck *fsck)
{
	uint64_t inodes = fsck->inode_file.inodes, ino;

	if (inodes <= INO_ROOT)
		return;
	fsck->inodes[INO_ROOT].reached = REACHED_ROOT;
	for (ino = INO_ROOT; ino < inodes; ino++) {
		const inode_media *inode = inodes_find(fsck, ino);

		if (inode == NULL)
			continue;
		if (fsck->inodes[ino].type == DT_DIR)
			climb(fsck, (uint32_t)ino);
		if (fsck->inodes[ino].links == 0 && ino != INO_ROOT)
			check_orphan(fsck, ino, inode);
		else if (fsck->inodes[ino].type == DT_DIR)
			check_directory(fsck, ino, inode);
		else
			check_file(fsck, ino, inode);
	}
}
