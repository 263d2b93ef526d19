/* SPDX-License-Identifier: BSD-3-Clause */
#include "check_dir.h"

#include "inodes.h"
#include "names.h"
#include "path.h"
#include "report.h"
#include "tree_scan.h"

#include <dirent.h>
#include <string.h>

struct dir_scan {
	struct fsck *fsck;
	uint64_t ino;
	uint64_t entries;
	struct name_run run;
};

static const char *const type_names[] = {
	[DT_FIFO] = "a FIFO",	     [DT_CHR] = "a character device",
	[DT_DIR] = "a directory",    [DT_BLK] = "a block device",
	[DT_REG] = "a regular file", [DT_LNK] = "a symbolic link",
	[DT_SOCK] = "a socket",
};

/* name is fit to print; returns whether the entry leads somewhere. */
static bool check_target(struct dir_scan *scan, const dirent_media *entry,
			 const char *name)
{
	struct fsck *fsck = scan->fsck;
	uint64_t inodes = fsck->inode_file.inodes;

	if (entry->ino >= inodes) {
		problem_inode(fsck, "directory", scan->ino, MEND_TREE,
			      "entry \"%s\" names inode %ju, there are %ju",
			      name, (uintmax_t)entry->ino, (uintmax_t)inodes);
		return false;
	}
	if (entry->ino == INO_ROOT) {
		problem_inode(fsck, "directory", scan->ino, MEND_TREE,
			      "entry \"%s\" names the root directory", name);
		return false;
	}
	if (fsck->inodes[entry->ino].type == DT_UNKNOWN) {
		problem_inode(fsck, "directory", scan->ino, MEND_TREE,
			      "entry \"%s\" names inode %ju, which is free or "
			      "damaged",
			      name, (uintmax_t)entry->ino);
		return false;
	}
	if (fsck->inodes[entry->ino].type != entry->type)
		problem_inode(fsck, "directory", scan->ino, MEND_TREE,
			      "entry \"%s\" says inode %ju is %s, but it is %s",
			      name, (uintmax_t)entry->ino,
			      type_names[entry->type],
			      type_names[fsck->inodes[entry->ino].type]);
	return true;
}

static void check_name(struct dir_scan *scan, uint64_t key,
		       const dirent_media *entry, const char *name)
{
	bool dots = entry->name[0] == '.' &&
		    (entry->name_length == 1 ||
		     (entry->name_length == 2 && entry->name[1] == '.'));

	if (dots)
		problem_inode(scan->fsck, "directory", scan->ino, MEND_TREE,
			      "entry \"%s\" is stored, which is implied", name);
	switch (name_run_add(&scan->run, scan->fsck->sb->hash_seed, key,
			     entry->name, entry->name_length)) {
	case NAME_RIGHT:
		break;
	case NAME_WRONG_KEY:
		problem_inode(scan->fsck, "directory", scan->ino, MEND_TREE,
			      "entry \"%s\" has key %#jx, which is not its "
			      "hash",
			      name, (uintmax_t)key);
		break;
	case NAME_TWICE:
		problem_inode(scan->fsck, "directory", scan->ino, MEND_TREE,
			      "entry \"%s\" is there twice", name);
		break;
	}
}

/* A second entry of a directory: the one its inode knows of is right. */
static void choose_parent(struct dir_scan *scan, const dirent_media *entry,
			  const char *name)
{
	struct fsck *fsck = scan->fsck;
	struct fsck_inode *target = &fsck->inodes[entry->ino];
	uint64_t other = target->parent;

	problem_inode(fsck, "directory", scan->ino, MEND_TREE,
		      "entry \"%s\" names directory %ju, which has an entry "
		      "in directory %ju already",
		      name, (uintmax_t)entry->ino, (uintmax_t)other);
	if (other == scan->ino ||
	    inodes_slot(fsck, entry->ino)->parent_ino != scan->ino)
		return;
	fsck_mend(fsck, other, MEND_TREE);
	fsck->inodes[other].subdirs--;
	fsck->inodes[scan->ino].subdirs++;
	target->parent = (uint32_t)scan->ino;
}

static void count_link(struct dir_scan *scan, const dirent_media *entry,
		       const char *name)
{
	struct fsck_inode *target = &scan->fsck->inodes[entry->ino];

	target->links++;
	if (target->type != DT_DIR)
		return;
	if (target->parent != 0) {
		choose_parent(scan, entry, name);
		return;
	}
	scan->fsck->inodes[scan->ino].subdirs++;
	target->parent = (uint32_t)scan->ino;
}

static void take_entry(void *arg, uint64_t key, const void *value,
		       unsigned length_bytes)
{
	struct dir_scan *scan = arg;
	const dirent_media *entry = value;
	char name[256];

	scan->entries++;
	if (scan->fsck->look != LOOK_CLAIM)
		return;
	path_printable(name, sizeof(name), entry->name, entry->name_length);
	check_name(scan, key, entry, name);
	if (check_target(scan, entry, name))
		count_link(scan, entry, name);
}

void check_dir(struct fsck *fsck, const inode_media *inode,
	       struct inode_found *found)
{
	struct dir_scan dir = { .fsck = fsck, .ino = inode->ino };
	struct tree_scan scan = {
		.fsck = fsck,
		.ino = inode->ino,
		.kind = TREE_ENTRIES,
		.value = take_entry,
		.arg = &dir,
	};

	tree_scan_inode(&scan, inode);
	if (fsck->look == LOOK_CLAIM)
		fsck->counts.entries += dir.entries;
	found->damaged = found->damaged || scan.damaged;
	found->entries = dir.entries;
	found->blocks += scan.nodes;
}
