/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_extent.h -- where a file's blocks are: extents over tree/
 *
 * The map of an inode in INODE_EXTENTS format. Read it with a walk, which
 * shows a range as runs in file order, holes included; change it through a
 * tree that has a transaction. Neighbours that continue each other on the
 * device and agree in their flags are one extent: every change keeps it so.
 *
 * Units:   blocks of 4 KiB, file blocks and device blocks alike.
 * Locking: as tree.h.
 * Errors:  -EUCLEAN for an extent that cannot be; those of tree.h.
 */
#ifndef UDAX_CORE_FILE_EXTENT_H
#define UDAX_CORE_FILE_EXTENT_H

#include "core/fs.h"
#include "media/inode.h"
#include "tree/tree.h"

#include <stdbool.h>
#include <stdint.h>

/* No file has a block from here on. */
#define EXTENT_BLOCKS_END FILE_BLOCKS_MAX

/* A run of file blocks; addr ADDR_NONE: a hole. */
struct extent {
	uint64_t start;
	uint64_t blocks;
	uint64_t addr;
	unsigned flags; /* EXTENT_UNWRITTEN or EXTENT_SHARED */
};

static inline uint64_t extent_end(const struct extent *extent)
{
	return extent->start + extent->blocks;
}

static inline bool extent_is_hole(const struct extent *extent)
{
	return extent->addr == ADDR_NONE;
}

/* Has bytes to read: neither a hole nor unwritten. */
static inline bool extent_is_written(const struct extent *extent)
{
	return extent->addr != ADDR_NONE && !(extent->flags & EXTENT_UNWRITTEN);
}

/* Bytes in it may change in place: nobody else has them. */
static inline bool extent_is_own(const struct extent *extent)
{
	return extent->addr != ADDR_NONE && extent->flags == 0;
}

/* The part from `block` on, and before `end`. */
static inline struct extent extent_clip(struct extent extent, uint64_t start,
					uint64_t end)
{
	uint64_t skip = start > extent.start ? start - extent.start : 0;

	if (end < extent_end(&extent))
		extent.blocks = end - extent.start;
	extent.start += skip;
	extent.blocks -= skip;
	if (extent.addr != ADDR_NONE)
		extent.addr += skip << BLOCK_SHIFT;
	return extent;
}

/* The map of the inode: media its home (txn NULL) or the transaction's copy. */
void extent_map_init(struct tree *map, const struct fs *fs, struct txn *txn,
		     uint64_t ino, const inode_media *media);

/* ------------------------------------------------------------------- read */

struct extent_walk {
	const struct fs *fs;
	struct tree_cursor cursor;
	struct extent next; /* not answered yet; blocks 0: none left */
	bool pending;	    /* the cursor is to be moved on first */
	uint64_t at;	    /* what comes next begins here */
};

/* From `block` on. One look-up. */
int extent_walk_begin(struct extent_walk *walk, const struct fs *fs,
		      const struct tree *map, uint64_t block)
	__attribute__((warn_unused_result));
/* The run at walk->at: an extent's rest or a hole, up to EXTENT_BLOCKS_END at
 * most; -ENOENT there. */
int extent_walk_next(struct extent_walk *walk, struct extent *run)
	__attribute__((warn_unused_result));

/* The run at `block`, its beginning before `block` cut off. */
int extent_at(const struct fs *fs, const struct tree *map, uint64_t block,
	      struct extent *run) __attribute__((warn_unused_result));
/* The extent that holds `block` or else the last one before it; -ENOENT. */
int extent_before(const struct fs *fs, const struct tree *map, uint64_t block,
		  struct extent *extent) __attribute__((warn_unused_result));
/* The first extent (no hole) that reaches into [start, end), clipped to it;
 * -ENOENT. */
int extent_first(const struct fs *fs, const struct tree *map, uint64_t start,
		 uint64_t end, struct extent *extent)
	__attribute__((warn_unused_result));

/* ----------------------------------------------------------------- change */

/* Nothing may stand there. Joins its neighbours where it continues them. */
int extent_insert(struct fs *fs, struct tree *map, struct extent extent)
	__attribute__((warn_unused_result));
/* Take a piece out of the map: it lies in one extent (extent_first). Its
 * blocks are the caller's. */
int extent_remove(struct fs *fs, struct tree *map, const struct extent *piece)
	__attribute__((warn_unused_result));
/* Give a piece of one extent other flags. */
int extent_set_flags(struct fs *fs, struct tree *map, struct extent piece,
		     unsigned flags) __attribute__((warn_unused_result));

#endif
