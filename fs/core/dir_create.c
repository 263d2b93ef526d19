/* SPDX-License-Identifier: BSD-3-Clause */
/* dir_create.c -- new names: of new inodes, and links */
#include "core/attr.h"
#include "core/attr_flags.h"
#include "core/dir.h"
#include "core/dir_entry.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/request.h"
#include "core/space.h"
#include "core/xattr_acl.h"
#include "journal/journal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* May this directory get another name? Its lock is held. */
static int may_add(const struct inode *dir)
{
	if (!S_ISDIR(dir->media->mode))
		return -ENOTDIR;
	if (dir->media->nlink == 0)
		return -ENOENT;
	return attr_flags_may_add(dir);
}

static bool takes_files(const struct fs *fs, unsigned index)
{
	const struct fs_device *device = &fs->devices[index];

	return !device->missing && fs->allocs[index] &&
	       !pgmap_is_dying(device->pgmap);
}

/* New files go to the devices in turn; one that is going is passed over. */
static uint16_t next_home(struct fs *fs)
{
	unsigned turn = atomic_fetch_add_explicit(&fs->next_home, 1,
						  memory_order_relaxed);
	unsigned i;

	for (i = 0; i < fs->device_count; i++) {
		unsigned index = (turn + i) % fs->device_count;

		if (takes_files(fs, index))
			return (uint16_t)index;
	}
	return (uint16_t)fs->metadata_device;
}

/* The target's block is durable before anything names it. */
static int set_long_target(struct fs *fs, struct txn *txn, inode_media *copy,
			   const char *target)
{
	struct device *device = fs->members.device[fs->metadata_device];
	extent_media extent = { .blocks = 1 };
	node_media *root = (node_media *)copy->area;
	uint64_t start;
	char *at;
	int err;

	err = space_take_whole(fs, 1, &start);
	if (err)
		return err;
	extent.addr = addr_make(fs->metadata_device, start * BLOCK_BYTES);
	txn_took(txn, extent.addr, 1);
	at = device_at(device, start * BLOCK_BYTES);
	device_copy(device, at, target, copy->size);
	device_set(device, at + copy->size, 0, BLOCK_BYTES - copy->size);
	device_drain(device);
	copy->format = INODE_EXTENTS;
	copy->blocks = 1;
	node_init(root, INODE_AREA_BYTES, 0, TREE_EXTENTS);
	return node_insert(root, INODE_AREA_BYTES, 0, &extent, sizeof(extent));
}

static int set_target(struct fs *fs, struct txn *txn, inode_media *copy,
		      const char *target)
{
	copy->size = strlen(target);
	if (copy->size > INODE_AREA_BYTES)
		return set_long_target(fs, txn, copy, target);
	copy->format = INODE_INLINE;
	memcpy(copy->area, target, copy->size);
	return 0;
}

static void set_owner(inode_media *copy, const struct dir_new *from,
		      const inode_media *dir)
{
	copy->mode = from->mode;
	copy->uid = from->uid;
	copy->gid = from->gid;
	if (dir->mode & S_ISGID) {
		copy->gid = dir->gid;
		if (S_ISDIR(copy->mode))
			copy->mode |= S_ISGID;
	}
}

int dir_set_up(struct fs *fs, struct txn *txn, inode_media *copy,
	       const struct dir_new *from, const inode_media *dir)
{
	set_owner(copy, from, dir);
	attr_flags_inherit(copy, dir);
	copy->nlink = 1;
	switch (copy->mode & S_IFMT) {
	case S_IFREG:
		copy->format = INODE_INLINE;
		copy->home_device = next_home(fs);
		return 0;
	case S_IFDIR:
		copy->nlink = 2;
		copy->format = INODE_ENTRIES;
		node_init((node_media *)copy->area, INODE_AREA_BYTES, 0,
			  TREE_ENTRIES);
		return 0;
	case S_IFLNK:
		return set_target(fs, txn, copy, from->symlink);
	case S_IFCHR:
	case S_IFBLK:
		copy->rdev = attr_encode_rdev(from->rdev);
		return 0;
	case S_IFIFO:
	case S_IFSOCK:
		return 0;
	default:
		return -EINVAL;
	}
}

static int check_new(const struct dir_new *from)
{
	size_t length;

	if (!S_ISLNK(from->mode))
		return 0;
	if (!from->symlink || !from->symlink[0])
		return -ENOENT;
	length = strnlen(from->symlink, INODE_SYMLINK_BYTES_MAX + 1);
	return length > INODE_SYMLINK_BYTES_MAX ? -ENAMETOOLONG : 0;
}

/* The name and its directory's part; both locked, *entry as entry_find(). */
static int give_name(struct fs *fs, struct txn *txn, struct inode *dir,
		     const struct name *name, const struct entry *entry)
{
	struct dir_edit edit;

	dir_edit_begin(&edit, fs, txn, dir);
	if (entry->type == type_of_mode(S_IFDIR))
		edit.copy->nlink++;
	return entry_add(&edit, name, entry);
}

/* name NULL: none, O_TMPFILE. */
static int create_in_txn(struct fs *fs, struct inode *dir,
			 const struct name *name, struct entry *entry,
			 const struct dir_new *from, struct inode *inode)
{
	struct txn *txn = txn_begin(fs->journal);
	inode_media *copy = inode_new(fs, txn, inode);
	int err;

	err = dir_set_up(fs, txn, copy, from, dir->media);
	if (!err)
		err = xattr_acl_inherit(fs, txn, dir, inode, from->umask);
	if (!err && name) {
		copy->parent_ino = dir->ino;
		copy->parent_key = entry->key;
		err = give_name(fs, txn, dir, name, entry);
	} else if (!err) {
		copy->nlink = 0;
	}
	if (err) {
		txn_abort(txn);
		return err;
	}
	return txn_commit(txn);
}

static int create_locked(struct fs *fs, struct inode *dir,
			 const struct name *name, const struct dir_new *from,
			 struct inode *inode)
{
	struct entry entry = { .ino = inode->ino,
			       .type = (uint8_t)type_of_mode(from->mode) };
	struct entry there;
	int err;

	err = may_add(dir);
	if (err)
		return err;
	if (S_ISDIR(from->mode) && dir->media->nlink >= LINKS_MAX)
		return -EMLINK;
	if (name) {
		err = entry_find(fs, dir, name, &there);
		if (err != -ENOENT)
			return err ? err : -EEXIST;
		entry.key = there.key;
	}
	return create_in_txn(fs, dir, name, &entry, from, inode);
}

/* namespace_lock held. */
static int create(struct fs *fs, struct inode *dir, const struct name *name,
		  const struct dir_new *from, struct inode **out)
{
	struct inode *inode;
	int err;

	err = space_left(fs);
	if (!err)
		err = inode_take(fs, &inode);
	if (err)
		return err;
	pthread_rwlock_wrlock(&dir->lock);
	err = create_locked(fs, dir, name, from, inode);
	if (!err)
		inode_born(fs, inode);
	pthread_rwlock_unlock(&dir->lock);
	if (err)
		inode_unborn(fs, inode);
	else
		*out = inode;
	return err;
}

int dir_create(struct request *request, struct inode *dir, const char *name,
	       const struct dir_new *new_inode, struct inode **out)
{
	struct fs *fs = request->fs;
	struct name checked;
	int err;

	if (fs->options.read_only)
		return -EROFS;
	err = name_check(name, &checked);
	if (!err && name_is_dots(&checked))
		err = -EEXIST;
	if (!err)
		err = check_new(new_inode);
	if (err)
		return err;
	pthread_mutex_lock(&fs->namespace_lock);
	err = create(fs, dir, &checked, new_inode, out);
	pthread_mutex_unlock(&fs->namespace_lock);
	return err;
}

int dir_tmpfile(struct request *request, struct inode *dir,
		const struct dir_new *new_inode, struct inode **out)
{
	struct fs *fs = request->fs;
	int err;

	if (fs->options.read_only)
		return -EROFS;
	if (!S_ISREG(new_inode->mode))
		return -EINVAL;
	pthread_mutex_lock(&fs->namespace_lock);
	err = create(fs, dir, NULL, new_inode, out);
	pthread_mutex_unlock(&fs->namespace_lock);
	return err;
}

static int link_in_txn(struct fs *fs, struct inode *inode, struct inode *dir,
		       const struct name *name, const struct entry *entry)
{
	struct txn *txn = txn_begin(fs->journal);
	inode_media *copy = inode_edit(txn, inode);
	int err;

	attr_settle(inode, copy);
	attr_stamp(copy, ATTR_CTIME);
	copy->nlink++;
	if (copy->parent_ino == 0) {
		copy->parent_ino = dir->ino;
		copy->parent_key = entry->key;
	}
	err = give_name(fs, txn, dir, name, entry);
	if (err) {
		txn_abort(txn);
		return err;
	}
	return txn_commit(txn);
}

/* Both locked. */
static int link_locked(struct fs *fs, struct inode *inode, struct inode *dir,
		       const struct name *name)
{
	struct entry entry;
	int err;

	if (S_ISDIR(inode->media->mode))
		return -EPERM;
	err = may_add(dir);
	if (!err)
		err = attr_flags_may_change(inode);
	if (!err && inode->media->nlink >= LINKS_MAX)
		err = -EMLINK;
	if (err)
		return err;
	err = entry_find(fs, dir, name, &entry);
	if (err != -ENOENT)
		return err ? err : -EEXIST;
	entry.ino = inode->ino;
	entry.type = (uint8_t)type_of_mode(inode->media->mode);
	return link_in_txn(fs, inode, dir, name, &entry);
}

int dir_link(struct request *request, struct inode *inode, struct inode *dir,
	     const char *name)
{
	struct inode *both[] = { inode, dir };
	struct fs *fs = request->fs;
	struct name checked;
	int err;

	if (fs->options.read_only)
		return -EROFS;
	err = name_check(name, &checked);
	if (!err && name_is_dots(&checked))
		err = -EEXIST;
	if (err)
		return err;
	if (inode == dir)
		return -EPERM;
	pthread_mutex_lock(&fs->namespace_lock);
	err = space_left(fs);
	inodes_lock(both, 2);
	if (!err)
		err = link_locked(fs, inode, dir, &checked);
	inodes_unlock(both, 2);
	pthread_mutex_unlock(&fs->namespace_lock);
	return err;
}
