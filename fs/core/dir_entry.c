/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/dir_entry.h"

#include "core/attr.h"
#include "core/dir.h"
#include "core/fs.h"
#include "core/inode.h"
#include "media/name.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define VALUE_BYTES_MAX (sizeof(dirent_media) + NAME_BYTES_MAX)

int name_check(const char *text, struct name *out)
{
	out->text = text;
	out->length = strnlen(text, NAME_BYTES_MAX + 1);
	if (out->length == 0)
		return -ENOENT;
	if (out->length > NAME_BYTES_MAX)
		return -ENAMETOOLONG;
	return memchr(text, '/', out->length) ? -EINVAL : 0;
}

bool name_is_dots(const struct name *name)
{
	return name->length <= 2 && name->text[0] == '.' &&
	       (name->length == 1 || name->text[1] == '.');
}

unsigned type_of_mode(uint32_t mode)
{
	return (mode & S_IFMT) >> 12; /* DT_* are made so: IFTODT() */
}

void dir_tree(const struct fs *fs, const struct inode *dir, struct tree *out)
{
	*out = (struct tree){
		.env = &fs->tree_env,
		.owner = dir->ino,
		.kind = TREE_ENTRIES,
		.root = (node_media *)dir->media->area,
		.root_capacity_bytes = INODE_AREA_BYTES,
	};
}

void dir_edit_begin(struct dir_edit *edit, struct fs *fs, struct txn *txn,
		    struct inode *dir)
{
	edit->dir = dir;
	edit->copy = inode_edit(txn, dir);
	attr_settle(dir, edit->copy);
	attr_stamp(edit->copy, ATTR_MTIME | ATTR_CTIME);
	dir_tree(fs, dir, &edit->tree);
	edit->tree.txn = txn;
	edit->tree.root = (node_media *)edit->copy->area;
}

static bool is_name(const struct tree_cursor *cursor, const struct name *name)
{
	const dirent_media *value = cursor->value;

	return value->name_length == name->length &&
	       memcmp(value->name, name->text, name->length) == 0;
}

int entry_find(const struct fs *fs, const struct inode *dir,
	       const struct name *name, struct entry *out)
{
	uint64_t first = name_key(fs->hash_seed, name->text, name->length);
	uint64_t gap = first;
	struct tree_cursor cursor;
	struct tree tree;
	int err;

	dir_tree(fs, dir, &tree);
	err = tree_seek(&tree, first, &cursor);
	while (!err && cursor.key - first < NAME_COLLISIONS) {
		const dirent_media *value = cursor.value;

		if (is_name(&cursor, name)) {
			out->key = cursor.key;
			out->ino = value->ino;
			out->type = value->type;
			return 0;
		}
		gap += cursor.key == gap;
		err = tree_next(&cursor);
	}
	out->key = gap - first < NAME_COLLISIONS ? gap : 0;
	return err ? err : -ENOENT;
}

static unsigned fill(const struct name *name, const struct entry *entry,
		     void *value)
{
	dirent_media *media = value;

	media->ino = entry->ino;
	media->type = entry->type;
	media->name_length = (uint8_t)name->length;
	memcpy(media->name, name->text, name->length);
	return (unsigned)(sizeof(*media) + name->length);
}

/* Node blocks taken or freed by the change just made. */
static void account(struct dir_edit *edit)
{
	edit->copy->blocks += (uint64_t)edit->tree.blocks_delta;
	edit->tree.blocks_delta = 0;
}

int entry_add(struct dir_edit *edit, const struct name *name,
	      const struct entry *entry)
{
	unsigned char value[VALUE_BYTES_MAX];
	int err;

	if (entry->key == 0)
		return -ENOSPC;
	err = tree_insert(&edit->tree, entry->key, value,
			  fill(name, entry, value));
	if (err)
		return err;
	edit->copy->size++;
	account(edit);
	return 0;
}

int entry_remove(struct dir_edit *edit, uint64_t key)
{
	int err = tree_delete(&edit->tree, key);

	if (err)
		return err == -ENOENT ? -EUCLEAN : err;
	edit->copy->size--;
	account(edit);
	return 0;
}

int entry_replace(struct dir_edit *edit, const struct name *name,
		  const struct entry *entry)
{
	unsigned char value[VALUE_BYTES_MAX];
	int err;

	err = tree_replace(&edit->tree, entry->key, value,
			   fill(name, entry, value));
	account(edit);
	return err;
}

int dir_find(struct fs *fs, struct inode *dir, const struct name *name,
	     struct entry *out)
{
	int err = -ENOTDIR;

	pthread_rwlock_rdlock(&dir->lock);
	if (S_ISDIR(dir->media->mode))
		err = entry_find(fs, dir, name, out);
	pthread_rwlock_unlock(&dir->lock);
	return err;
}

void dir_drop_link(struct inode *inode, inode_media *copy, uint64_t dir_ino,
		   uint64_t key)
{
	attr_settle(inode, copy);
	attr_stamp(copy, ATTR_CTIME);
	if (copy->nlink > 0)
		copy->nlink = S_ISDIR(copy->mode) ? 0 : copy->nlink - 1;
	if (copy->nlink > 0 && copy->parent_ino == dir_ino &&
	    copy->parent_key == key)
		copy->parent_ino = copy->parent_key = 0;
}
