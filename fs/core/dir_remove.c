/* SPDX-License-Identifier: BSD-3-Clause */
/* dir_remove.c -- names go; the inode goes with its last user */
#include "core/attr.h"
#include "core/attr_flags.h"
#include "core/dir.h"
#include "core/dir_entry.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/request.h"
#include "journal/journal.h"

#include <dirent.h>
#include <errno.h>

/* Both locked. */
static int remove_in_txn(struct fs *fs, struct inode *dir, struct inode *inode,
			 const struct entry *entry)
{
	struct txn *txn;
	struct dir_edit edit;
	int err;

	if (inode->media->nlink == 0)
		return -EUCLEAN;
	txn = txn_begin(fs->journal);
	dir_edit_begin(&edit, fs, txn, dir);
	if (entry->type == DT_DIR)
		edit.copy->nlink--;
	dir_drop_link(inode, inode_edit(txn, inode), dir->ino, entry->key);
	err = entry_remove(&edit, entry->key);
	if (err) {
		txn_abort(txn);
		return err;
	}
	return txn_commit(txn);
}

static int remove_locked(struct fs *fs, struct inode *dir, struct inode *inode,
			 const struct entry *entry)
{
	bool is_dir = S_ISDIR(inode->media->mode);
	int err = attr_flags_may_remove(dir);

	if (!err)
		err = attr_flags_may_change(inode);
	if (err)
		return err;
	if (is_dir != (entry->type == DT_DIR))
		return -EUCLEAN;
	if (is_dir && inode->media->size != 0)
		return -ENOTEMPTY;
	return remove_in_txn(fs, dir, inode, entry);
}

/* namespace_lock held; *out carries a lookup to be given back after it. */
static int remove_name(struct fs *fs, struct inode *dir,
		       const struct name *name, bool want_dir,
		       struct inode **out)
{
	struct inode *both[2];
	struct entry entry;
	int err;

	err = dir_find(fs, dir, name, &entry);
	if (err)
		return err;
	if (want_dir != (entry.type == DT_DIR))
		return want_dir ? -ENOTDIR : -EISDIR;
	if (entry.ino == dir->ino)
		return -EUCLEAN;
	err = inode_look(fs, entry.ino, out);
	if (err)
		return err == -ESTALE ? -EUCLEAN : err;
	both[0] = dir;
	both[1] = *out;
	inodes_lock(both, 2);
	err = remove_locked(fs, dir, *out, &entry);
	inodes_unlock(both, 2);
	return err;
}

static int remove_checked(struct fs *fs, struct inode *dir,
			  const struct name *name, bool want_dir)
{
	struct inode *inode = NULL;
	int err;

	pthread_mutex_lock(&fs->namespace_lock);
	err = remove_name(fs, dir, name, want_dir, &inode);
	pthread_mutex_unlock(&fs->namespace_lock);
	if (inode)
		inode_forget(fs, inode, 1);
	return err;
}

int dir_unlink(struct request *request, struct inode *dir, const char *name)
{
	struct name checked;
	int err;

	if (request->fs->options.read_only)
		return -EROFS;
	err = name_check(name, &checked);
	if (!err && name_is_dots(&checked))
		err = -EISDIR;
	return err ? err : remove_checked(request->fs, dir, &checked, false);
}

int dir_rmdir(struct request *request, struct inode *dir, const char *name)
{
	struct name checked;
	int err;

	if (request->fs->options.read_only)
		return -EROFS;
	err = name_check(name, &checked);
	if (!err && name_is_dots(&checked))
		err = checked.length == 1 ? -EINVAL : -ENOTEMPTY;
	return err ? err : remove_checked(request->fs, dir, &checked, true);
}
