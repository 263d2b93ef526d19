/* SPDX-License-Identifier: BSD-3-Clause */
#include "salvage.h"

#include "util/clock.h"
#include "util/crc32c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool crc_right(const inode_media *slot)
{
	return slot->crc ==
	       crc32c_skipping(slot, sizeof(*slot), offsetof(inode_media, crc));
}

/* Its number and magic, which must not both be wrong. */
static bool salvage_identity(inode_media *out, uint64_t ino)
{
	inode_media right = *out;

	if (out->magic == INODE_MAGIC && out->ino == ino)
		return true;
	right.magic = INODE_MAGIC;
	right.ino = ino;
	*out = right;
	return crc_right(&right); /* nothing else was wrong */
}

static bool has_root(const inode_media *inode, enum tree_kind kind)
{
	return node_header_check((const node_media *)inode->area,
				 INODE_AREA_BYTES, kind) == 0;
}

/* Where format and mode do not fit, what the area holds decides. */
static bool salvage_type(inode_media *out)
{
	uint32_t type = out->mode & S_IFMT;

	out->mode &= INODE_MODE_BITS;
	if (inode_format_fits(out))
		return true;
	if (has_root(out, TREE_ENTRIES)) {
		out->format = INODE_ENTRIES;
		type = S_IFDIR;
	} else if (has_root(out, TREE_EXTENTS)) {
		out->format = INODE_EXTENTS;
		type = type == S_IFLNK ? S_IFLNK : S_IFREG;
	} else if (type == S_IFREG || type == S_IFLNK) {
		out->format = INODE_INLINE;
	} else if (type == S_IFCHR || type == S_IFBLK || type == S_IFIFO ||
		   type == S_IFSOCK) {
		out->format = INODE_NOTHING;
	} else if (type == S_IFDIR) {
		out->format = INODE_ENTRIES; /* its root is gone: empty */
	} else {
		return false;
	}
	out->mode = (out->mode & ~(uint32_t)S_IFMT) | type;
	return true;
}

static void salvage_ranges(inode_media *out)
{
	uint64_t most = FILE_BLOCKS_MAX << BLOCK_SHIFT;

	if (out->format == INODE_INLINE)
		most = INODE_AREA_BYTES;
	else if (out->format == INODE_NOTHING)
		most = 0;
	else if (S_ISLNK(out->mode))
		most = INODE_SYMLINK_BYTES_MAX;
	if (out->size > most)
		out->size = most;
	if (out->atime_ns >= NS_PER_S)
		out->atime_ns = 0;
	if (out->mtime_ns >= NS_PER_S)
		out->mtime_ns = 0;
	if (out->ctime_ns >= NS_PER_S)
		out->ctime_ns = 0;
	if (out->btime_ns >= NS_PER_S)
		out->btime_ns = 0;
	if (out->pending_end != 0 &&
	    (out->pending_start >= out->pending_end ||
	     out->pending_end > FILE_BLOCKS_MAX << BLOCK_SHIFT))
		out->pending_start = out->pending_end = 0;
	if (out->home_device >= ADDR_DEVICES_MAX)
		out->home_device = 0;
	if (out->xattr_root != ADDR_NONE && !addr_run_valid(out->xattr_root, 1))
		out->xattr_root = ADDR_NONE;
}

/* An extent that reaches into the next one is cut there. */
static void cut_before(extent_media *extent, uint64_t key,
		       const node_media *node, unsigned next)
{
	if (next < node->count && node_key(node, next) > key &&
	    extent->blocks > node_key(node, next) - key)
		extent->blocks = (uint32_t)(node_key(node, next) - key);
}

/* The slots of the root that are possible, in a root that is. */
static void salvage_root(inode_media *out)
{
	enum tree_kind kind = out->format == INODE_EXTENTS ? TREE_EXTENTS
							   : TREE_ENTRIES;
	inode_media old = *out;
	const node_media *from = (const node_media *)old.area;
	node_media *to = (node_media *)out->area;
	bool readable = has_root(&old, kind);
	unsigned slot, length;
	int err = 0;

	if (node_check(from, INODE_AREA_BYTES, kind) == 0)
		return;
	memset(out->area, 0, sizeof(out->area));
	node_init(to, INODE_AREA_BYTES, readable ? from->level : 0, kind);
	for (slot = 0; readable && slot < from->count && err != -ENOSPC;
	     slot++) {
		extent_media extent;
		const void *value;

		if (node_slot_check(from, INODE_AREA_BYTES, slot) != 0)
			continue;
		value = node_value(from, slot, &length);
		if (from->level == 0 && kind == TREE_EXTENTS) {
			memcpy(&extent, value, sizeof(extent));
			cut_before(&extent, node_key(from, slot), from,
				   slot + 1);
			value = &extent;
		}
		err = node_insert(to, INODE_AREA_BYTES, node_key(from, slot),
				  value, length);
	}
	if (to->count == 0)
		node_init(to, INODE_AREA_BYTES, 0, kind);
}

bool salvage_slot(const inode_media *slot, uint64_t ino, inode_media *out)
{
	bool believed = crc_right(slot);

	*out = *slot;
	if (!salvage_identity(out, ino) || out->mode == 0)
		return false;
	if (!salvage_type(out))
		return false;
	if (!believed) {
		out->mode &= ~(uint32_t)(S_ISUID | S_ISGID);
		out->pending_start = out->pending_end = 0;
	}
	salvage_ranges(out);
	if (out->format == INODE_EXTENTS || out->format == INODE_ENTRIES)
		salvage_root(out);
	inode_media_seal(out);
	return inode_media_check(out, ino) == 0;
}

int salvage_keep(struct fsck *fsck, const inode_media *media)
{
	if (fsck->saved_count == fsck->saved_room) {
		size_t room = fsck->saved_room * 2 + 16;
		struct saved_slot *more = reallocarray(fsck->saved, room,
						       sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		fsck->saved = more;
		fsck->saved_room = room;
	}
	fsck->saved[fsck->saved_count++] = (struct saved_slot){ media->ino,
								*media };
	return 0;
}

const inode_media *salvage_find(const struct fsck *fsck, uint64_t ino)
{
	size_t low = 0, high = fsck->saved_count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (fsck->saved[middle].ino <= ino)
			low = middle;
		else
			high = middle;
	}
	return &fsck->saved[low].media;
}
