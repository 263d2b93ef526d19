/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/xattr_tree.h"

#include "core/attr.h"
#include "core/fs.h"
#include "core/space.h"
#include "journal/journal.h"
#include "media/name.h"
#include "trace/mutate.h"
#include "util/crc32c.h"

#include <errno.h>
#include <string.h>

uint64_t xattr_value_blocks(const xattr_media *media)
{
	if (media->addr == ADDR_NONE)
		return 0;
	return (media->value_length + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

/* Checked once a mount, as the tree does with its other nodes. */
static int check_root(struct fs *fs, uint64_t addr, uint64_t ino,
		      const void *block)
{
	uint64_t at = addr_block(addr);
	_Atomic uint64_t *word = &fs->tree_env.seen[at / 64];
	uint64_t bit = UINT64_C(1) << at % 64;
	int err;

	if (atomic_load_explicit(word, memory_order_relaxed) & bit)
		return node_block_identify(block, ino, addr);
	err = node_block_check(block, ino, addr, TREE_XATTRS);
	if (!err)
		atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
	return err;
}

static void tree_init(struct fs *fs, uint64_t ino, void *block,
		      struct tree *out)
{
	*out = (struct tree){
		.env = &fs->tree_env,
		.owner = ino,
		.kind = TREE_XATTRS,
		.root = node_of_block(block),
		.root_capacity_bytes = NODE_BLOCK_BYTES,
	};
}

int xattr_tree_open(struct fs *fs, const inode_media *media, struct tree *out)
{
	struct device *device = fs->members.device[fs->metadata_device];
	uint64_t addr = media->xattr_root;
	void *block;
	int err;

	if (addr == ADDR_NONE)
		return -ENODATA;
	if (addr_device(addr) != fs->metadata_device ||
	    addr_block(addr) >= fs->tree_env.device_blocks)
		return -EUCLEAN;
	block = device_at(device, addr_offset(addr));
	err = check_root(fs, addr, media->ino, block);
	if (!err)
		tree_init(fs, media->ino, block, out);
	return err;
}

static bool is_name(const xattr_media *media, const struct xattr_name *name)
{
	return media->name_length == name->length &&
	       memcmp(media->bytes, name->text, name->length) == 0;
}

int xattr_tree_find(const struct fs *fs, const struct tree *tree,
		    const struct xattr_name *name, struct xattr_found *out)
{
	uint64_t first = name_key(fs->hash_seed, name->text, name->length);
	uint64_t gap = first;
	struct tree_cursor cursor;
	int err;

	out->media = NULL;
	err = tree_seek(tree, first, &cursor);
	while (!err && cursor.key - first < NAME_COLLISIONS) {
		if (is_name(cursor.value, name)) {
			out->key = cursor.key;
			out->media = cursor.value;
			return 0;
		}
		gap += cursor.key == gap;
		err = tree_next(&cursor);
	}
	out->key = gap - first < NAME_COLLISIONS ? gap : 0;
	return err && err != -ENOENT ? err : -ENODATA;
}

int xattr_find(struct fs *fs, struct inode *inode,
	       const struct xattr_name *name, struct xattr_found *out)
{
	struct tree tree;
	int err;

	out->media = NULL;
	err = xattr_tree_open(fs, inode->media, &tree);
	if (err == -ENODATA) {
		out->key = name_key(fs->hash_seed, name->text, name->length);
		return err;
	}
	return err ? err : xattr_tree_find(fs, &tree, name, out);
}

/* A value in blocks of its own may be damaged without its tree being so. */
static int copy_outside(struct fs *fs, const xattr_media *media, void *value)
{
	struct device *device = fs->members.device[fs->metadata_device];
	uint64_t end = addr_block(media->addr) + xattr_value_blocks(media);
	int err;

	if (addr_device(media->addr) != fs->metadata_device ||
	    end > fs->tree_env.device_blocks)
		return -EUCLEAN;
	err = device_read_guarded(device, value, addr_offset(media->addr),
				  media->value_length);
	if (!err && crc32c(0, value, media->value_length) != media->value_crc)
		err = -EUCLEAN;
	return err;
}

int xattr_copy_value(struct fs *fs, const xattr_media *media, void *value)
{
	if (media->addr != ADDR_NONE)
		return copy_outside(fs, media, value);
	memcpy(value, media->bytes + media->name_length, media->value_length);
	return 0;
}

/* ------------------------------------------------------------------ edits */

static int make_root(struct xattr_edit *edit, void **block)
{
	uint64_t addr;
	int err = txn_alloc_block(edit->txn, &addr);

	if (err)
		return err;
	*block = txn_edit_sealed(edit->txn, addr, BLOCK_BYTES, true,
				 node_block_seal);
	node_block_init(*block, edit->inode->ino, addr, 0, TREE_XATTRS);
	edit->copy->xattr_root = addr;
	edit->copy->blocks++;
	return 0;
}

int xattr_edit_begin(struct xattr_edit *edit, struct fs *fs, struct txn *txn,
		     struct inode *inode)
{
	struct tree home;
	void *block;
	int err;

	edit->fs = fs;
	edit->txn = txn;
	edit->inode = inode;
	edit->copy = inode_edit(txn, inode);
	attr_settle(inode, edit->copy);
	attr_stamp(edit->copy, ATTR_CTIME);
	err = xattr_tree_open(fs, edit->copy, &home); /* checks it */
	if (err == -ENODATA) {
		err = make_root(edit, &block);
	} else if (!err) {
		block = txn_edit_sealed(txn, edit->copy->xattr_root,
					BLOCK_BYTES, false, node_block_seal);
	}
	if (err)
		return err;
	tree_init(fs, inode->ino, block, &edit->tree);
	edit->tree.txn = txn;
	return 0;
}

/* The bytes stand before anything names them. */
static int store_value(struct xattr_edit *edit, const void *value, size_t size,
		       xattr_media *media)
{
	struct fs *fs = edit->fs;
	struct device *device = fs->members.device[fs->metadata_device];
	uint64_t blocks = (size + BLOCK_BYTES - 1) / BLOCK_BYTES;
	uint64_t start;
	char *at;
	int err;

	err = space_take_whole(fs, blocks, &start);
	if (err)
		return err;
	media->addr = addr_make(fs->metadata_device, start * BLOCK_BYTES);
	txn_took(edit->txn, media->addr, blocks);
	at = device_at(device, start * BLOCK_BYTES);
	device_copy(device, at, value, size);
	device_set(device, at + size, 0, blocks * BLOCK_BYTES - size);
	if (!mutated(MUTATE_XATTR_DRAIN))
		device_drain(device);
	media->value_crc = crc32c(0, value, size);
	edit->copy->blocks += blocks;
	return 0;
}

static void drop_value(struct xattr_edit *edit, const xattr_media *media)
{
	uint64_t blocks = xattr_value_blocks(media);

	if (blocks == 0)
		return;
	txn_free(edit->txn, media->addr, blocks, false);
	edit->copy->blocks -= blocks;
}

static void account(struct xattr_edit *edit)
{
	edit->copy->blocks += (uint64_t)edit->tree.blocks_delta;
	edit->tree.blocks_delta = 0;
}

int xattr_edit_put(struct xattr_edit *edit, const struct xattr_found *found,
		   const struct xattr_name *name, const void *value,
		   size_t size)
{
	unsigned char leaf[XATTR_LEAF_BYTES_MAX] = { 0 };
	xattr_media *media = (xattr_media *)leaf;
	unsigned length = (unsigned)(sizeof(*media) + name->length);
	int err = 0;

	if (found->key == 0)
		return -ENOSPC;
	media->value_length = (uint32_t)size;
	media->name_length = (uint8_t)name->length;
	memcpy(media->bytes, name->text, name->length);
	if (size > XATTR_INLINE_MAX) {
		err = store_value(edit, value, size, media);
	} else if (size > 0) {
		memcpy(media->bytes + name->length, value, size);
		length += (unsigned)size;
	}
	if (err)
		return err;
	if (found->media) {
		drop_value(edit, found->media);
		err = tree_replace(&edit->tree, found->key, leaf, length);
	} else {
		err = tree_insert(&edit->tree, found->key, leaf, length);
	}
	account(edit);
	return err;
}

int xattr_edit_remove(struct xattr_edit *edit, const struct xattr_found *found)
{
	int err;

	drop_value(edit, found->media);
	err = tree_delete(&edit->tree, found->key);
	account(edit);
	return err == -ENOENT ? -EUCLEAN : err;
}

int xattr_edit_finish(struct xattr_edit *edit, int err)
{
	if (err) {
		txn_abort(edit->txn);
		return err;
	}
	if (edit->tree.root->count == 0) {
		txn_free(edit->txn, edit->copy->xattr_root, 1, true);
		edit->copy->xattr_root = ADDR_NONE;
		edit->copy->blocks--;
	}
	return txn_commit(edit->txn);
}
