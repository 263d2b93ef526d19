/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dir_rename.c -- rename(2) and its flags
 *
 * Three steps under fs.namespace_lock, which alone lets names change: find
 * both names, check the rules with one lock at a time, then lock the up to
 * four inodes and change them in one transaction. The four are distinct, or
 * the rules would have refused.
 */
#include "core/attr.h"
#include "core/attr_flags.h"
#include "core/dir.h"
#include "core/dir_entry.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/request.h"
#include "core/space.h"
#include "journal/journal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct side {
	struct inode *dir;
	struct name name;
	struct entry entry;  /* without an inode: where it may be put */
	struct inode *inode; /* with a lookup, or NULL */
};

struct rename {
	struct fs *fs;
	struct side from, to;
	bool exchange;
	/* RENAME_WHITEOUT, or NULL, and its inode, taken. */
	const struct dir_new *whiteout;
	struct inode *white;
};

static bool is_dir(const struct side *side)
{
	return side->inode && side->entry.type == DT_DIR;
}

static bool one_dir(const struct rename *rename)
{
	return rename->from.dir == rename->to.dir;
}

static int find(struct fs *fs, struct side *side)
{
	int err = dir_find(fs, side->dir, &side->name, &side->entry);

	if (!err)
		err = inode_look(fs, side->entry.ino, &side->inode);
	return err == -ESTALE ? -EUCLEAN : err;
}

/* ------------------------------------------------------------------ rules */

static int parent_of(struct fs *fs, uint64_t ino, uint64_t *parent)
{
	struct inode *inode;
	int err = inode_look(fs, ino, &inode);

	if (err)
		return err == -ESTALE ? -EUCLEAN : err;
	pthread_rwlock_rdlock(&inode->lock);
	*parent = inode->media->parent_ino;
	pthread_rwlock_unlock(&inode->lock);
	inode_forget(fs, inode, 1);
	return 0;
}

/* -EINVAL if dir is `top` or below it. Damage could make the way endless. */
static int check_not_below(struct fs *fs, uint64_t dir, uint64_t top)
{
	uint64_t steps = inodes_used(fs) + 1;
	int err = 0;

	while (!err && dir != INO_ROOT) {
		if (dir == top)
			return -EINVAL;
		if (steps-- == 0)
			return -EUCLEAN;
		err = parent_of(fs, dir, &dir);
	}
	return !err && top == INO_ROOT ? -EINVAL : err;
}

static int check_replaced(const struct rename *rename)
{
	struct inode *victim = rename->to.inode;
	bool empty;

	if (is_dir(&rename->from) != is_dir(&rename->to))
		return is_dir(&rename->to) ? -EISDIR : -ENOTDIR;
	if (!is_dir(&rename->to))
		return 0;
	pthread_rwlock_rdlock(&victim->lock);
	empty = victim->media->size == 0;
	pthread_rwlock_unlock(&victim->lock);
	return empty ? 0 : -ENOTEMPTY;
}

/* Is the directory alive, and does it take one more subdirectory? */
static int check_room(struct inode *dir, bool gains)
{
	bool full, gone;

	pthread_rwlock_rdlock(&dir->lock);
	gone = dir->media->nlink == 0;
	full = dir->media->nlink >= LINKS_MAX;
	pthread_rwlock_unlock(&dir->lock);
	if (gone)
		return -ENOENT;
	return full && gains ? -EMLINK : 0;
}

static int check_dirs(const struct rename *rename)
{
	bool forth = is_dir(&rename->from) && !is_dir(&rename->to);
	bool back = rename->exchange && is_dir(&rename->to) &&
		    !is_dir(&rename->from);
	int err;

	err = check_room(rename->to.dir, forth && !one_dir(rename));
	if (!err && !one_dir(rename))
		err = check_room(rename->from.dir, back);
	return err;
}

static int check(const struct rename *rename)
{
	struct fs *fs = rename->fs;
	int err;

	err = check_dirs(rename);
	if (!err && rename->to.inode && !rename->exchange)
		err = check_replaced(rename);
	if (!err && is_dir(&rename->from) && !one_dir(rename))
		err = check_not_below(fs, rename->to.dir->ino,
				      rename->from.entry.ino);
	if (!err && rename->exchange && is_dir(&rename->to) && !one_dir(rename))
		err = check_not_below(fs, rename->from.dir->ino,
				      rename->to.entry.ino);
	return err;
}

/* ----------------------------------------------------------------- change */

/* The inode has its name at another place now. */
static void move_hint(struct txn *txn, struct inode *inode, uint64_t dir_ino,
		      uint64_t key)
{
	inode_media *copy = inode_edit(txn, inode);

	attr_settle(inode, copy);
	attr_stamp(copy, ATTR_CTIME);
	copy->parent_ino = dir_ino;
	copy->parent_key = key;
}

/* Subdirectories counted in nlink, as they come and go. */
static void count_subdirs(struct dir_edit *from, struct dir_edit *to,
			  const struct rename *rename)
{
	if (is_dir(&rename->from)) {
		from->copy->nlink--;
		to->copy->nlink++;
	}
	if (!is_dir(&rename->to))
		return;
	to->copy->nlink--;
	if (rename->exchange)
		from->copy->nlink++;
}

static int put(struct dir_edit *edit, const struct side *at,
	       const struct side *what)
{
	struct entry entry = what->entry;

	entry.key = at->entry.key;
	if (at->inode)
		return entry_replace(edit, &at->name, &entry);
	return entry_add(edit, &at->name, &entry);
}

/* In the place of what moved. No default ACL and no umask are for it. */
static int put_whiteout(const struct rename *rename, struct txn *txn,
			struct dir_edit *edit)
{
	const struct side *from = &rename->from;
	inode_media *copy = inode_new(rename->fs, txn, rename->white);
	const struct entry entry = { .key = from->entry.key,
				     .ino = rename->white->ino,
				     .type = DT_CHR };
	int err;

	err = dir_set_up(rename->fs, txn, copy, rename->whiteout, edit->copy);
	copy->parent_ino = from->dir->ino;
	copy->parent_key = entry.key;
	return err ? err : entry_replace(edit, &from->name, &entry);
}

static int change(const struct rename *rename, struct txn *txn)
{
	const struct side *from = &rename->from;
	const struct side *to = &rename->to;
	struct dir_edit edits[2];
	struct dir_edit *from_edit = &edits[0];
	struct dir_edit *to_edit = one_dir(rename) ? from_edit : &edits[1];
	int err;

	dir_edit_begin(from_edit, rename->fs, txn, from->dir);
	if (!one_dir(rename))
		dir_edit_begin(to_edit, rename->fs, txn, to->dir);
	count_subdirs(from_edit, to_edit, rename);
	move_hint(txn, from->inode, to->dir->ino, to->entry.key);
	if (rename->exchange)
		move_hint(txn, to->inode, from->dir->ino, from->entry.key);
	else if (to->inode)
		dir_drop_link(to->inode, inode_edit(txn, to->inode),
			      to->dir->ino, to->entry.key);
	err = put(to_edit, to, from);
	if (!err && rename->exchange)
		err = put(from_edit, from, to);
	else if (!err && rename->white)
		err = put_whiteout(rename, txn, from_edit);
	else if (!err)
		err = entry_remove(from_edit, from->entry.key);
	return err;
}

static bool is_either_dir(const struct rename *rename,
			  const struct inode *inode)
{
	return inode == rename->from.dir || inode == rename->to.dir;
}

/* All are locked. */
static int check_flags(const struct rename *rename)
{
	int err = attr_flags_may_remove(rename->from.dir);

	if (!err)
		err = attr_flags_may_change(rename->from.inode);
	if (!err)
		err = rename->to.inode ? attr_flags_may_remove(rename->to.dir)
				       : attr_flags_may_add(rename->to.dir);
	if (!err && rename->to.inode)
		err = attr_flags_may_change(rename->to.inode);
	return err;
}

static int change_locked(const struct rename *rename)
{
	struct inode *all[] = { rename->from.dir, rename->to.dir,
				rename->from.inode, rename->to.inode };
	struct txn *txn;
	int err;

	if (is_either_dir(rename, rename->from.inode) ||
	    is_either_dir(rename, rename->to.inode))
		return -EUCLEAN; /* a directory in itself */
	inodes_lock(all, 4);
	err = check_flags(rename);
	if (err)
		goto out_unlock;
	txn = txn_begin(rename->fs->journal);
	err = change(rename, txn);
	if (err)
		txn_abort(txn);
	else
		err = txn_commit(txn);
	if (!err && rename->white)
		inode_born(rename->fs, rename->white);
out_unlock:
	inodes_unlock(all, 4);
	return err;
}

/* ------------------------------------------------------------------- call */

/* namespace_lock held. */
static int rename_names(struct rename *rename, unsigned flags)
{
	int err;

	err = find(rename->fs, &rename->from);
	if (err)
		return err;
	err = find(rename->fs, &rename->to);
	if (err == -ENOENT && !rename->exchange)
		err = 0;
	if (err)
		return err;
	if (rename->to.inode && flags & RENAME_NOREPLACE)
		return -EEXIST;
	if (rename->to.inode == rename->from.inode)
		return 0;
	err = check(rename);
	if (!err && rename->whiteout)
		err = space_left(rename->fs);
	if (!err && rename->whiteout)
		err = inode_take(rename->fs, &rename->white);
	if (err)
		return err;
	err = change_locked(rename);
	if (err && rename->white) {
		inode_unborn(rename->fs, rename->white);
		rename->white = NULL;
	}
	return err;
}

static int check_names(struct rename *rename, const char *from, const char *to)
{
	int err = name_check(from, &rename->from.name);

	if (!err)
		err = name_check(to, &rename->to.name);
	if (!err && (name_is_dots(&rename->from.name) ||
		     name_is_dots(&rename->to.name)))
		err = -EBUSY;
	return err;
}

int dir_rename_white(struct request *request, struct inode *from_dir,
		     const char *from, struct inode *to_dir, const char *to,
		     unsigned flags, const struct dir_new *whiteout)
{
	struct rename rename = {
		.fs = request->fs,
		.from.dir = from_dir,
		.to.dir = to_dir,
		.exchange = flags & RENAME_EXCHANGE,
		.whiteout = flags & RENAME_WHITEOUT ? whiteout : NULL,
	};
	int err;

	if (request->fs->options.read_only)
		return -EROFS;
	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE |
				RENAME_WHITEOUT) ||
	    (rename.exchange && flags != RENAME_EXCHANGE))
		return -EINVAL;
	err = check_names(&rename, from, to);
	if (err)
		return err;
	pthread_mutex_lock(&request->fs->namespace_lock);
	err = rename_names(&rename, flags);
	pthread_mutex_unlock(&request->fs->namespace_lock);
	if (rename.from.inode)
		inode_forget(request->fs, rename.from.inode, 1);
	if (rename.to.inode)
		inode_forget(request->fs, rename.to.inode, 1);
	if (rename.white)
		inode_forget(request->fs, rename.white, 1);
	return err;
}

int dir_rename(struct request *request, struct inode *from_dir,
	       const char *from, struct inode *to_dir, const char *to,
	       unsigned flags)
{
	if (flags & RENAME_WHITEOUT)
		return -EINVAL;
	return dir_rename_white(request, from_dir, from, to_dir, to, flags,
				NULL);
}
