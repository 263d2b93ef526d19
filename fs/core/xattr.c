/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/xattr.h"

#include "core/attr_flags.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/request.h"
#include "core/space.h"
#include "core/xattr_acl.h"
#include "core/xattr_tree.h"
#include "journal/journal.h"
#include "media/name.h"
#include "util/crc32c.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#define TRUSTED "trusted."
#define FREED_AT_ONCE 64

static const struct xattr_name capability = { "security.capability", 19 };

/* Of "system." there are ACLs alone. */
static int check_name(const char *text, struct xattr_name *out)
{
	static const char *const spaces[] = { "user.", "trusted.",
					      "security." };
	unsigned i;

	out->text = text;
	out->length = strnlen(text, XATTR_NAME_BYTES_MAX + 1);
	if (out->length == 0 || out->length > XATTR_NAME_BYTES_MAX)
		return -ERANGE;
	for (i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
		size_t length = strlen(spaces[i]);

		if (strncmp(text, spaces[i], length) == 0)
			return out->length > length ? 0 : -EINVAL;
	}
	return xattr_acl_is(out) ? 0 : -EOPNOTSUPP;
}

static ssize_t get_locked(struct fs *fs, struct inode *inode,
			  const struct xattr_name *name, void *value,
			  size_t size)
{
	struct xattr_found found;
	struct tree tree;
	int err;

	err = xattr_tree_open(fs, inode->media, &tree);
	if (!err)
		err = xattr_tree_find(fs, &tree, name, &found);
	if (err)
		return err;
	if (size == 0)
		return found.media->value_length;
	if (size < found.media->value_length)
		return -ERANGE;
	err = xattr_copy_value(fs, found.media, value);
	return err ? err : (ssize_t)found.media->value_length;
}

ssize_t xattr_get(struct request *request, struct inode *inode,
		  const char *name, void *value, size_t size)
{
	struct xattr_name checked;
	ssize_t done;
	int err;

	err = check_name(name, &checked);
	if (err)
		return err;
	pthread_rwlock_rdlock(&inode->lock);
	done = get_locked(request->fs, inode, &checked, value, size);
	pthread_rwlock_unlock(&inode->lock);
	return done;
}

static bool is_listed(const xattr_media *media, bool trusted)
{
	return trusted || media->name_length < strlen(TRUSTED) ||
	       memcmp(media->bytes, TRUSTED, strlen(TRUSTED)) != 0;
}

/* One more name; *done: bytes so far. */
static int list_add(const xattr_media *media, char *list, size_t size,
		    size_t *done)
{
	size_t length = media->name_length + 1u;

	if (size > 0 && size - *done < length)
		return -ERANGE;
	if (size > 0) {
		memcpy(list + *done, media->bytes, length - 1);
		list[*done + length - 1] = '\0';
	}
	*done += length;
	return 0;
}

static ssize_t list_locked(struct fs *fs, struct inode *inode, bool trusted,
			   char *list, size_t size)
{
	struct tree_cursor cursor;
	struct tree tree;
	size_t done = 0;
	int err;

	err = xattr_tree_open(fs, inode->media, &tree);
	if (!err)
		err = tree_seek(&tree, 0, &cursor);
	while (!err) {
		if (is_listed(cursor.value, trusted))
			err = list_add(cursor.value, list, size, &done);
		if (!err)
			err = tree_next(&cursor);
	}
	return err == -ENOENT || err == -ENODATA ? (ssize_t)done : err;
}

ssize_t xattr_list(struct request *request, struct inode *inode, bool trusted,
		   char *list, size_t size)
{
	ssize_t done;

	pthread_rwlock_rdlock(&inode->lock);
	done = list_locked(request->fs, inode, trusted, list, size);
	pthread_rwlock_unlock(&inode->lock);
	return done;
}

/* ----------------------------------------------------------------- change */

static int set_locked(struct fs *fs, struct inode *inode,
		      const struct xattr_name *name, const void *value,
		      size_t size, int flags)
{
	struct xattr_found found;
	struct xattr_edit edit;
	int err;

	err = xattr_find(fs, inode, name, &found);
	if (err && err != -ENODATA)
		return err;
	if (!err && flags & XATTR_CREATE)
		return -EEXIST;
	if (err && flags & XATTR_REPLACE)
		return -ENODATA;
	if (xattr_acl_is(name))
		return xattr_acl_set_locked(fs, inode, name, &found, value,
					    size, flags & XATTR_KILL_SGID);
	err = xattr_edit_begin(&edit, fs, txn_begin(fs->journal), inode);
	if (!err)
		err = xattr_edit_put(&edit, &found, name, value, size);
	return xattr_edit_finish(&edit, err);
}

int xattr_set(struct request *request, struct inode *inode, const char *name,
	      const void *value, size_t size, int flags)
{
	struct fs *fs = request->fs;
	struct xattr_name checked;
	int err;

	if (fs->options.read_only)
		return -EROFS;
	if (flags & ~(XATTR_CREATE | XATTR_REPLACE | XATTR_KILL_SGID))
		return -EINVAL;
	if (size > XATTR_VALUE_MAX)
		return -E2BIG;
	err = check_name(name, &checked);
	if (!err)
		err = space_left(fs);
	if (err)
		return err;
	pthread_rwlock_wrlock(&inode->lock);
	err = attr_flags_may_change(inode);
	if (!err)
		err = set_locked(fs, inode, &checked, value, size, flags);
	pthread_rwlock_unlock(&inode->lock);
	return err;
}

static int remove_locked(struct fs *fs, struct inode *inode,
			 const struct xattr_name *name)
{
	struct xattr_found found;
	struct xattr_edit edit;
	int err;

	err = xattr_find(fs, inode, name, &found);
	if (err == -ENODATA && xattr_acl_is(name))
		return 0; /* the mode alone says it already */
	if (err)
		return err;
	err = xattr_edit_begin(&edit, fs, txn_begin(fs->journal), inode);
	if (!err)
		err = xattr_edit_remove(&edit, &found);
	return xattr_edit_finish(&edit, err);
}

int xattr_remove(struct request *request, struct inode *inode, const char *name)
{
	struct fs *fs = request->fs;
	struct xattr_name checked;
	int err;

	if (fs->options.read_only)
		return -EROFS;
	err = check_name(name, &checked);
	if (err)
		return err;
	pthread_rwlock_wrlock(&inode->lock);
	err = attr_flags_may_change(inode);
	if (!err)
		err = remove_locked(fs, inode, &checked);
	pthread_rwlock_unlock(&inode->lock);
	return err;
}

/* An empty one is none, to the kernel, which leaves it where it is. */
int xattr_find_capability_locked(struct request *request, struct inode *inode)
{
	struct xattr_found found;
	int err;

	if (inode->media->xattr_root == ADDR_NONE)
		return -ENODATA;
	err = xattr_find(request->fs, inode, &capability, &found);
	if (!err && found.media->value_length == 0)
		err = -ENODATA;
	return err;
}

int xattr_drop_capability_locked(struct request *request, struct inode *inode)
{
	int err = xattr_find_capability_locked(request, inode);

	if (!err)
		err = remove_locked(request->fs, inode, &capability);
	return err == -ENODATA ? 0 : err;
}

/* ------------------------------------------------------------------- whole */

/* The first few of them; *left: there are more. */
static int free_some(struct fs *fs, struct inode *inode)
{
	struct txn *txn = txn_begin(fs->journal);
	struct xattr_edit edit;
	struct tree_cursor cursor;
	unsigned count;
	int err;

	err = xattr_edit_begin(&edit, fs, txn, inode);
	for (count = 0; !err && count < FREED_AT_ONCE; count++) {
		struct xattr_found found;

		if (txn_room(txn) < NODE_LEVELS_MAX * 2 * BLOCK_BYTES)
			break;
		err = tree_seek(&edit.tree, 0, &cursor);
		if (err)
			break;
		found.key = cursor.key;
		found.media = cursor.value;
		err = xattr_edit_remove(&edit, &found);
	}
	return xattr_edit_finish(&edit, err == -ENOENT ? 0 : err);
}

int xattr_free_all_locked(struct fs *fs, struct inode *inode)
{
	int err = 0;

	while (!err && inode->media->xattr_root != ADDR_NONE)
		err = free_some(fs, inode);
	return err;
}

struct walk {
	xattr_blocks_fn *fn;
	void *arg;
};

static int walk_node(uint64_t addr, void *arg)
{
	struct walk *walk = arg;

	return walk->fn(addr, 1, walk->arg);
}

int xattr_walk_blocks(struct fs *fs, const inode_media *media,
		      xattr_blocks_fn *fn, void *arg)
{
	struct walk walk = { fn, arg };
	struct tree_cursor cursor;
	struct tree tree;
	int err;

	err = xattr_tree_open(fs, media, &tree);
	if (err)
		return err == -ENODATA ? 0 : err;
	err = fn(media->xattr_root, 1, arg);
	if (!err)
		err = tree_walk_blocks(&tree, walk_node, &walk);
	if (err)
		return err;
	err = tree_seek(&tree, 0, &cursor);
	while (!err) {
		const xattr_media *value = cursor.value;
		uint64_t blocks = xattr_value_blocks(value);

		if (blocks > 0)
			err = fn(value->addr, blocks, arg);
		if (!err)
			err = tree_next(&cursor);
	}
	return err == -ENOENT ? 0 : err;
}
