/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/shared.h"

#include "core/fs_private.h"
#include "core/inode_table.h"

#include <errno.h>

int shared_init(struct fs *fs)
{
	struct shared *shared = &fs->shared;
	inode_media *media;

	if (!(fs_metadata(fs)->sb.ro_compat & SUPERBLOCK_SHARED))
		return 0;
	media = inode_slot(fs->inodes, INO_SHARED);
	if (inode_media_check(media, INO_SHARED) ||
	    media->format != INODE_SHARED)
		return -EUCLEAN;
	shared->media = media;
	shared->addr = addr_make(
		fs->metadata_device,
		device_offset(fs->members.device[fs->metadata_device], media));
	return 0;
}

struct tree shared_tree(const struct fs *fs)
{
	return (struct tree){
		.env = &fs->tree_env,
		.owner = INO_SHARED,
		.kind = TREE_SHARED,
		.root = (node_media *)fs->shared.media->area,
		.root_capacity_bytes = INODE_AREA_BYTES,
	};
}

/* The run that has the block at key, or the next one; -ENOENT. */
static int seek(const struct tree *tree, uint64_t key,
		struct tree_cursor *cursor)
{
	int err = tree_seek_floor(tree, key, cursor);

	if (!err) {
		const shared_media *value = cursor->value;

		if (cursor->key + value->blocks > key)
			return 0;
		return tree_next(cursor);
	}
	return err == -ENOENT ? tree_seek(tree, key, cursor) : err;
}

int shared_look(const struct tree *tree, uint64_t addr, uint64_t blocks,
		struct shared_run *run)
{
	uint64_t key = addr >> BLOCK_SHIFT;
	const shared_media *value;
	struct tree_cursor cursor;
	uint64_t same = blocks;
	int err;

	*run = (struct shared_run){ addr, blocks, 1 };
	err = seek(tree, key, &cursor);
	if (err)
		return err == -ENOENT ? 0 : err;
	value = cursor.value;
	if (cursor.key <= key) {
		same = cursor.key + value->blocks - key;
		run->owners = value->owners;
	} else {
		same = cursor.key - key;
	}
	if (same < blocks)
		run->blocks = same;
	return 0;
}
