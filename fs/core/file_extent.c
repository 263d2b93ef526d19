/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/file_extent.h"

#include "core/file.h"

#include <assert.h>
#include <errno.h>

_Static_assert(FILE_BYTES_MAX >> BLOCK_SHIFT == EXTENT_BLOCKS_END, "media");

void extent_map_init(struct tree *map, const struct fs *fs, struct txn *txn,
		     uint64_t ino, const inode_media *media)
{
	*map = (struct tree){
		.env = &fs->tree_env,
		.txn = txn,
		.owner = ino,
		.kind = TREE_EXTENTS,
		/* Changed only when txn is there; then it is a copy. */
		.root = (node_media *)(uintptr_t)media->area,
		.root_capacity_bytes = INODE_AREA_BYTES,
	};
}

/* Media input: nothing of it is believed before it fits file and device. */
static int extent_decode(const struct fs *fs, const struct tree_cursor *cursor,
			 struct extent *extent)
{
	const extent_media *media = cursor->value;
	uint64_t device_blocks;
	unsigned device;

	if (cursor->length_bytes != sizeof(*media))
		return -EUCLEAN;
	device = addr_device(media->addr);
	if (media->addr == ADDR_NONE || media->addr % BLOCK_BYTES ||
	    media->blocks == 0 || (media->flags & (media->flags - 1)) ||
	    media->flags & ~(EXTENT_UNWRITTEN | EXTENT_SHARED) ||
	    device >= fs->device_count || cursor->key >= EXTENT_BLOCKS_END)
		return -EUCLEAN;
	device_blocks = fs->devices[device].size_bytes >> BLOCK_SHIFT;
	if (!fs->devices[device].missing &&
	    (addr_block(media->addr) >= device_blocks ||
	     media->blocks > device_blocks - addr_block(media->addr)))
		return -EUCLEAN;
	*extent = (struct extent){ .start = cursor->key,
				   .blocks = media->blocks,
				   .addr = media->addr,
				   .flags = media->flags };
	return 0;
}

/* ------------------------------------------------------------------- read */

/* Decode what the cursor stands on as the walk's next extent. */
static int walk_load(struct extent_walk *walk, int found)
{
	walk->next.blocks = 0;
	if (found == -ENOENT)
		return 0;
	return found ? found
		     : extent_decode(walk->fs, &walk->cursor, &walk->next);
}

int extent_walk_begin(struct extent_walk *walk, const struct fs *fs,
		      const struct tree *map, uint64_t block)
{
	int error;

	walk->fs = fs;
	walk->at = block;
	walk->pending = false;
	error = tree_seek_floor(map, block, &walk->cursor);
	if (error == -ENOENT)
		return walk_load(walk, tree_seek(map, block, &walk->cursor));
	error = walk_load(walk, error);
	/* Ends before us: the one after it is looked at when asked for. */
	if (!error && extent_end(&walk->next) <= block)
		walk->pending = true;
	return error;
}

int extent_walk_next(struct extent_walk *walk, struct extent *run)
{
	struct extent *next = &walk->next;
	int error;

	if (walk->at >= EXTENT_BLOCKS_END)
		return -ENOENT;
	if (walk->pending) {
		error = walk_load(walk, tree_next(&walk->cursor));
		if (error)
			return error;
		walk->pending = false;
		if (next->blocks && next->start < walk->at)
			return -EUCLEAN; /* overlaps the one before it */
	}
	if (!next->blocks || next->start > walk->at) {
		uint64_t end = next->blocks ? next->start : EXTENT_BLOCKS_END;

		*run = (struct extent){ .start = walk->at,
					.blocks = end - walk->at,
					.addr = ADDR_NONE };
	} else {
		*run = extent_clip(*next, walk->at, UINT64_MAX);
		walk->pending = true;
	}
	walk->at = extent_end(run);
	return 0;
}

int extent_at(const struct fs *fs, const struct tree *map, uint64_t block,
	      struct extent *run)
{
	struct extent_walk walk;
	int error = extent_walk_begin(&walk, fs, map, block);

	return error ? error : extent_walk_next(&walk, run);
}

int extent_before(const struct fs *fs, const struct tree *map, uint64_t block,
		  struct extent *extent)
{
	struct tree_cursor cursor;
	int error = tree_seek_floor(map, block, &cursor);

	return error ? error : extent_decode(fs, &cursor, extent);
}

int extent_first(const struct fs *fs, const struct tree *map, uint64_t start,
		 uint64_t end, struct extent *extent)
{
	struct tree_cursor cursor;
	int error;

	if (start >= end)
		return -ENOENT;
	error = extent_before(fs, map, start, extent);
	if (error && error != -ENOENT)
		return error;
	if (error || extent_end(extent) <= start) {
		error = tree_seek(map, start, &cursor);
		if (!error)
			error = extent_decode(fs, &cursor, extent);
		if (error)
			return error;
	}
	if (extent->start >= end)
		return -ENOENT;
	*extent = extent_clip(*extent, start, end);
	return 0;
}

/* ----------------------------------------------------------------- change */

/* Does b continue a, in the file and on the device? */
static bool extent_continues(const struct extent *a, const struct extent *b)
{
	return extent_end(a) == b->start &&
	       a->addr + (a->blocks << BLOCK_SHIFT) == b->addr &&
	       a->flags == b->flags && a->blocks + b->blocks <= UINT32_MAX;
}

static extent_media extent_encode(const struct extent *extent)
{
	assert(extent->blocks > 0 && extent->blocks <= UINT32_MAX);
	return (extent_media){ .addr = extent->addr,
			       .blocks = (uint32_t)extent->blocks,
			       .flags = extent->flags };
}

static int map_insert(struct tree *map, const struct extent *extent)
{
	extent_media media = extent_encode(extent);

	return tree_insert(map, extent->start, &media, sizeof(media));
}

static int map_replace(struct tree *map, const struct extent *extent)
{
	extent_media media = extent_encode(extent);

	return tree_replace(map, extent->start, &media, sizeof(media));
}

int extent_insert(struct fs *fs, struct tree *map, struct extent extent)
{
	struct extent left, right;
	bool joins_left = false;
	int error;

	assert(extent.addr != ADDR_NONE);
	error = extent_before(fs, map, extent.start, &left);
	if (!error) {
		if (extent_end(&left) > extent.start)
			return -EUCLEAN;
		joins_left = extent_continues(&left, &extent);
	} else if (error != -ENOENT) {
		return error;
	}
	if (joins_left) {
		extent.start = left.start;
		extent.addr = left.addr;
		extent.blocks += left.blocks;
	}
	error = extent_before(fs, map, extent_end(&extent), &right);
	if (!error && right.start > extent.start &&
	    right.start < extent_end(&extent))
		return -EUCLEAN;
	if (!error && extent_continues(&extent, &right)) {
		error = tree_delete(map, right.start);
		if (error)
			return error;
		extent.blocks += right.blocks;
	} else if (error && error != -ENOENT) {
		return error;
	}
	return joins_left ? map_replace(map, &extent)
			  : map_insert(map, &extent);
}

int extent_remove(struct fs *fs, struct tree *map, const struct extent *piece)
{
	struct extent whole, right;
	int error = extent_before(fs, map, piece->start, &whole);

	if (error)
		return error;
	assert(extent_end(piece) <= extent_end(&whole));
	right = extent_clip(whole, extent_end(piece), UINT64_MAX);
	if (piece->start == whole.start) {
		error = tree_delete(map, whole.start);
	} else {
		struct extent left = extent_clip(whole, 0, piece->start);

		error = map_replace(map, &left);
	}
	if (!error && right.blocks)
		error = map_insert(map, &right);
	return error;
}

int extent_set_flags(struct fs *fs, struct tree *map, struct extent piece,
		     unsigned flags)
{
	int error;

	if (piece.flags == flags)
		return 0;
	error = extent_remove(fs, map, &piece);
	piece.flags = flags;
	return error ? error : extent_insert(fs, map, piece);
}
