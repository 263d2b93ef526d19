/* SPDX-License-Identifier: BSD-3-Clause */
/* dir.c -- reading directories */
#include "core/dir.h"

#include "core/attr.h"
#include "core/dir_entry.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/request.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define COOKIE_DOT 1
#define COOKIE_DOTDOT 2

static int look_dots(struct fs *fs, struct inode *dir, const struct name *name,
		     struct inode **out)
{
	return inode_look(
		fs, name->length == 1 ? dir->ino : dir->media->parent_ino, out);
}

static int lookup_locked(struct fs *fs, struct inode *dir,
			 const struct name *name, struct inode **out)
{
	struct entry entry;
	int err;

	if (!S_ISDIR(dir->media->mode))
		return -ENOTDIR;
	if (name_is_dots(name))
		return look_dots(fs, dir, name, out);
	err = entry_find(fs, dir, name, &entry);
	if (err)
		return err;
	err = inode_look(fs, entry.ino, out);
	return err == -ESTALE ? -EUCLEAN : err; /* a name of nothing */
}

int dir_lookup(struct request *request, struct inode *dir, const char *name,
	       struct inode **out)
{
	struct name checked;
	int err;

	err = name_check(name, &checked);
	if (err)
		return err;
	pthread_rwlock_rdlock(&dir->lock);
	err = lookup_locked(request->fs, dir, &checked, out);
	pthread_rwlock_unlock(&dir->lock);
	return err;
}

static int read_dots(struct inode *dir, uint64_t cookie, dir_entry_fn *fn,
		     void *arg)
{
	int stop = 0;

	if (cookie < COOKIE_DOT)
		stop = fn(".", 1, dir->ino, DT_DIR, COOKIE_DOT, arg);
	if (!stop && cookie < COOKIE_DOTDOT)
		stop = fn("..", 2, dir->media->parent_ino, DT_DIR,
			  COOKIE_DOTDOT, arg);
	return stop;
}

static int read_entries(struct fs *fs, struct inode *dir, uint64_t cookie,
			dir_entry_fn *fn, void *arg)
{
	struct tree_cursor cursor;
	struct tree tree;
	int err;

	dir_tree(fs, dir, &tree);
	err = tree_seek(&tree, cookie + 1, &cursor);
	while (!err) {
		const dirent_media *value = cursor.value;

		if (fn((const char *)value->name, value->name_length,
		       value->ino, value->type, cursor.key, arg))
			return 0;
		err = tree_next(&cursor);
	}
	return err == -ENOENT ? 0 : err;
}

int dir_read(struct request *request, struct inode *dir, uint64_t cookie,
	     dir_entry_fn *fn, void *arg)
{
	int err = 0;

	pthread_rwlock_rdlock(&dir->lock);
	if (!S_ISDIR(dir->media->mode))
		err = -ENOTDIR;
	else if (cookie < UINT64_MAX && !read_dots(dir, cookie, fn, arg))
		err = read_entries(request->fs, dir, cookie, fn, arg);
	if (!request->no_atime)
		attr_touch(dir, LAZY_ATIME);
	pthread_rwlock_unlock(&dir->lock);
	return err;
}

/* A target that is not inline is one block, on the metadata device. */
static int read_target(struct fs *fs, struct inode *inode, char *target)
{
	const inode_media *media = inode->media;
	struct device *device = fs->members.device[fs->metadata_device];
	struct tree tree = {
		.env = &fs->tree_env,
		.owner = inode->ino,
		.kind = TREE_EXTENTS,
		.root = (node_media *)media->area,
		.root_capacity_bytes = INODE_AREA_BYTES,
	};
	struct tree_cursor cursor;
	const extent_media *extent;
	int err;

	if (media->format == INODE_INLINE) {
		if (!inode_inline_fits(media))
			return -EUCLEAN;
		memcpy(target, media->area, media->size);
		return 0;
	}
	err = tree_seek(&tree, 0, &cursor);
	if (err)
		return -EUCLEAN;
	extent = cursor.value;
	if (cursor.key != 0 ||
	    addr_device(extent->addr) != fs->metadata_device ||
	    addr_block(extent->addr) >= fs->tree_env.device_blocks)
		return -EUCLEAN;
	return device_read_guarded(device, target, addr_offset(extent->addr),
				   media->size);
}

int dir_readlink(struct request *request, struct inode *inode, char *target,
		 size_t target_bytes)
{
	const inode_media *media = inode->media;
	int err;

	pthread_rwlock_rdlock(&inode->lock);
	if (!S_ISLNK(media->mode)) {
		err = -EINVAL;
	} else if (media->size >= target_bytes) {
		err = -ENAMETOOLONG;
	} else {
		err = read_target(request->fs, inode, target);
		target[media->size] = '\0';
		attr_touch(inode, LAZY_ATIME);
	}
	pthread_rwlock_unlock(&inode->lock);
	return err;
}
