/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/xattr_acl.h"

#include "core/attr.h"
#include "core/fs.h"
#include "journal/journal.h"
#include "media/acl.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const struct xattr_name access_name = { ACL_ACCESS_NAME,
					       sizeof(ACL_ACCESS_NAME) - 1 };
static const struct xattr_name default_name = { ACL_DEFAULT_NAME,
						sizeof(ACL_DEFAULT_NAME) - 1 };

static bool same(const struct xattr_name *a, const struct xattr_name *b)
{
	return a->length == b->length &&
	       memcmp(a->text, b->text, a->length) == 0;
}

bool xattr_acl_is(const struct xattr_name *name)
{
	return same(name, &access_name) || same(name, &default_name);
}

/* One that is there, in memory. */
struct acl {
	struct xattr_found found;
	size_t size;
	union {
		acl_media media;
		unsigned char bytes[ACL_BYTES_MAX];
	};
};

static int load(struct fs *fs, struct inode *inode,
		const struct xattr_name *name, struct acl *acl)
{
	int err = xattr_find(fs, inode, name, &acl->found);

	if (err)
		return err;
	acl->size = acl->found.media->value_length;
	if (acl->size > sizeof(acl->bytes))
		return -EUCLEAN;
	err = xattr_copy_value(fs, acl->found.media, acl->bytes);
	if (!err && acl_check(acl->bytes, acl->size))
		err = -EUCLEAN;
	return err;
}

/* ------------------------------------------------------------------- set */

/* Nothing but the mode changes. */
static int set_mode(struct fs *fs, struct inode *inode, uint32_t mode)
{
	struct txn *txn = txn_begin(fs->journal);
	inode_media *copy = inode_edit(txn, inode);

	attr_settle(inode, copy);
	attr_stamp(copy, ATTR_CTIME);
	copy->mode = mode;
	return txn_commit(txn);
}

static int set_access(struct fs *fs, struct inode *inode,
		      const struct xattr_found *found, const void *value,
		      size_t size, bool kill_sgid)
{
	uint32_t mode = inode->media->mode;
	bool no_more = acl_to_mode(value, size, &mode);
	struct xattr_edit edit;
	int err;

	if (kill_sgid)
		mode &= ~(uint32_t)S_ISGID;
	if (no_more && !found->media)
		return set_mode(fs, inode, mode);
	err = xattr_edit_begin(&edit, fs, txn_begin(fs->journal), inode);
	if (!err && no_more)
		err = xattr_edit_remove(&edit, found);
	else if (!err)
		err = xattr_edit_put(&edit, found, &access_name, value, size);
	edit.copy->mode = mode;
	return xattr_edit_finish(&edit, err);
}

static int set_default(struct fs *fs, struct inode *inode,
		       const struct xattr_found *found, const void *value,
		       size_t size)
{
	struct xattr_edit edit;
	int err;

	if (!S_ISDIR(inode->media->mode))
		return -EACCES;
	err = xattr_edit_begin(&edit, fs, txn_begin(fs->journal), inode);
	if (!err)
		err = xattr_edit_put(&edit, found, &default_name, value, size);
	return xattr_edit_finish(&edit, err);
}

int xattr_acl_set_locked(struct fs *fs, struct inode *inode,
			 const struct xattr_name *name,
			 const struct xattr_found *found, const void *value,
			 size_t size, bool kill_sgid)
{
	int err = acl_check(value, size);

	if (S_ISLNK(inode->media->mode))
		return -EOPNOTSUPP;
	if (err)
		return err;
	if (same(name, &default_name))
		return set_default(fs, inode, found, value, size);
	return set_access(fs, inode, found, value, size, kill_sgid);
}

/* ------------------------------------------------------- others' doings */

int xattr_acl_chmod(struct fs *fs, struct txn *txn, struct inode *inode,
		    uint32_t mode)
{
	struct xattr_edit edit;
	struct acl acl;
	int err;

	err = load(fs, inode, &access_name, &acl);
	if (err)
		return err == -ENODATA ? 0 : err;
	acl_chmod(&acl.media, acl.size, mode);
	err = xattr_edit_begin(&edit, fs, txn, inode);
	if (err)
		return err;
	return xattr_edit_put(&edit, &acl.found, &access_name, acl.bytes,
			      acl.size);
}

/* To the new inode's xattrs. */
static int give(struct xattr_edit *edit, const struct xattr_name *name,
		struct acl *acl)
{
	int err = xattr_tree_find(edit->fs, &edit->tree, name, &acl->found);

	if (err != -ENODATA)
		return err ? err : -EUCLEAN;
	return xattr_edit_put(edit, &acl->found, name, acl->bytes, acl->size);
}

int xattr_acl_inherit(struct fs *fs, struct txn *txn, struct inode *dir,
		      struct inode *inode, mode_t umask)
{
	inode_media *copy = inode_edit(txn, inode);
	bool is_dir = S_ISDIR(copy->mode);
	struct xattr_edit edit;
	struct acl acl;
	uint32_t mode = copy->mode;
	bool no_more;
	int err;

	if (S_ISLNK(mode))
		return 0;
	err = load(fs, dir, &default_name, &acl);
	if (err == -ENODATA) {
		copy->mode &= ~(uint32_t)(umask & 0777);
		return 0;
	}
	if (err)
		return err;
	if (is_dir) {
		err = xattr_edit_begin(&edit, fs, txn, inode);
		if (!err)
			err = give(&edit, &default_name, &acl);
	}
	no_more = acl_inherit(&acl.media, acl.size, &mode);
	copy->mode = mode;
	if (err || no_more)
		return err;
	if (!is_dir)
		err = xattr_edit_begin(&edit, fs, txn, inode);
	return err ? err : give(&edit, &access_name, &acl);
}
