/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inode_path.c -- a name for people, by the hints that inodes keep
 *
 * Each step holds one lock; what moves between two steps makes the hint and
 * the entry disagree, and then no path is known.
 */
#include "core/dir_entry.h"
#include "core/fs.h"
#include "core/inode.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 2048 /* a path of names of one byte, and a bit */

struct step {
	uint64_t parent;
	uint64_t key;
};

static int read_hint(struct fs *fs, uint64_t ino, struct step *out)
{
	struct inode *inode;
	int err = inode_look(fs, ino, &inode);

	if (err)
		return -ENOENT;
	pthread_rwlock_rdlock(&inode->lock);
	out->parent = inode->media->parent_ino;
	out->key = inode->media->parent_key;
	if (inode->media->nlink == 0 || out->parent == 0)
		err = -ENOENT;
	pthread_rwlock_unlock(&inode->lock);
	inode_forget(fs, inode, 1);
	return err;
}

/* Put "/name" before what *path has already. */
static int prepend(const dirent_media *entry, char *path, size_t *at)
{
	if (*at < entry->name_length + 1u)
		return -ENAMETOOLONG;
	*at -= entry->name_length;
	memcpy(path + *at, entry->name, entry->name_length);
	path[--*at] = '/';
	return 0;
}

static int read_name(struct fs *fs, const struct step *step, uint64_t ino,
		     char *path, size_t *at)
{
	struct tree_cursor cursor;
	struct inode *dir;
	struct tree tree;
	int err = inode_look(fs, step->parent, &dir);

	if (err)
		return -ENOENT;
	pthread_rwlock_rdlock(&dir->lock);
	err = -ENOENT;
	if (S_ISDIR(dir->media->mode)) {
		dir_tree(fs, dir, &tree);
		err = tree_seek(&tree, step->key, &cursor);
	}
	if (!err && (cursor.key != step->key ||
		     ((const dirent_media *)cursor.value)->ino != ino))
		err = -ENOENT;
	if (!err)
		err = prepend(cursor.value, path, at);
	pthread_rwlock_unlock(&dir->lock);
	inode_forget(fs, dir, 1);
	return err;
}

static int climb(struct fs *fs, uint64_t ino, char *path, size_t *at)
{
	unsigned depth;
	int err = 0;

	for (depth = 0; !err && ino != INO_ROOT; depth++) {
		struct step step;

		if (depth == DEPTH_MAX)
			return -ENAMETOOLONG;
		err = read_hint(fs, ino, &step);
		if (err)
			return err;
		err = read_name(fs, &step, ino, path, at);
		ino = step.parent;
	}
	return err;
}

int inode_path(struct fs *fs, uint64_t ino, char *path, size_t path_bytes)
{
	size_t at = path_bytes - 1;
	int err;

	if (path_bytes < 2)
		return -ENAMETOOLONG;
	if (!fs_metadata_enter(fs))
		return -ENOENT;
	path[at] = '\0';
	err = climb(fs, ino, path, &at);
	if (!err && at == path_bytes - 1)
		path[--at] = '/';
	fs_metadata_exit(fs);
	if (!err)
		memmove(path, path + at, path_bytes - at);
	return err;
}
