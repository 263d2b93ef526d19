/* SPDX-License-Identifier: BSD-3-Clause */
#include "fsck.h"
#include "inodes.h"
#include "report.h"

#include <dirent.h>

enum reached { REACHED_UNKNOWN, REACHED_ROOT, REACHED_NOT, REACHED_CLIMBING };

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
		problem_inode(fsck, "link", at,
			      "the directory is below itself");
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

static void check_directory(struct fsck *fsck, uint64_t ino,
			    const inode_media *inode)
{
	const struct fsck_inode *known = &fsck->inodes[ino];
	uint64_t parent = ino == INO_ROOT ? INO_ROOT : known->parent;
	uint64_t nlink = 2 + (uint64_t)known->subdirs;

	if (inode->nlink == 0 && known->links == 0 && ino != INO_ROOT)
		return; /* an orphan */
	if (ino != INO_ROOT && known->links == 0) {
		problem_inode(fsck, "link", ino,
			      "the directory is in no directory");
		return;
	}
	if (inode->nlink != nlink)
		problem_inode(fsck, "link", ino,
			      "nlink is %u, found %ju (%u subdirectories)",
			      inode->nlink, (uintmax_t)nlink, known->subdirs);
	if (inode->parent_ino != parent)
		problem_inode(fsck, "link", ino, "parent is %ju, found in %ju",
			      (uintmax_t)inode->parent_ino, (uintmax_t)parent);
}

static void check_file(struct fsck *fsck, uint64_t ino,
		       const inode_media *inode)
{
	uint32_t links = fsck->inodes[ino].links;

	if (inode->format == INODE_SHARED) {
		if (links > 0)
			problem_inode(fsck, "link", ino,
				      "is reserved, found %u names", links);
		return;
	}
	if (inode->nlink == links)
		return;
	if (links == 0)
		problem_inode(fsck, "link", ino,
			      "nlink is %u, but no directory names it",
			      inode->nlink);
	else
		problem_inode(fsck, "link", ino, "nlink is %u, found %u names",
			      inode->nlink, links);
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
		if (fsck->inodes[ino].type != DT_DIR) {
			check_file(fsck, ino, inode);
			continue;
		}
		climb(fsck, (uint32_t)ino);
		check_directory(fsck, ino, inode);
	}
}
