/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mend_file.c -- the extents of one file, for blocks that it may keep
 *
 * Of extents that overlap in the file the sound one stays, or the later one. A
 * block beyond a device's end, of metadata, or claimed by a damaged node and by
 * somebody else too, is lost: a hole; an extent that reaches beyond the device
 * is believed as little as one of a damaged node. Data that another file had
 * first is copied, and lost if there is no room for the copy; what is
 * unwritten, or behind the file's end, is not worth one.
 */
#include "mend.h"

#include "alloc/bits.h"
#include "chunks.h"
#include "inodes.h"
#include "report.h"
#include "shared.h"
#include "write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPARED_BLOCKS 64 /* for trees: copies leave them */

struct piece {
	uint64_t key;
	extent_media extent;
	bool suspect;
};

struct mending {
	struct fsck *fsck;
	const inode_media *inode;
	struct piece *piece; /* what it will have */
	size_t count, room;
	uint64_t lost, copied; /* blocks */
	uint64_t cut_start, cut_end;
};

enum fate { KEPT, COPIED, LOST };

/* ------------------------------------------------------------ what it has */

static bool continues(const struct piece *last, uint64_t key,
		      const extent_media *extent)
{
	return last->key + last->extent.blocks == key &&
	       last->extent.flags == extent->flags &&
	       last->extent.addr +
			       (uint64_t)last->extent.blocks * BLOCK_BYTES ==
		       extent->addr &&
	       last->extent.blocks <= UINT32_MAX - extent->blocks;
}

static int put(struct mending *mending, uint64_t key, extent_media extent)
{
	if (extent.blocks == 0)
		return 0;
	if (mending->count > 0 &&
	    continues(&mending->piece[mending->count - 1], key, &extent)) {
		mending->piece[mending->count - 1].extent.blocks +=
			extent.blocks;
		return 0;
	}
	if (mending->count == mending->room) {
		size_t room = mending->room * 2 + 16;
		struct piece *more = reallocarray(mending->piece, room,
						  sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		mending->piece = more;
		mending->room = room;
	}
	mending->piece[mending->count++] = (struct piece){ key, extent, false };
	return 0;
}

/* Part [from, from + blocks) of a piece. */
static extent_media part(const struct piece *piece, uint64_t from,
			 uint64_t blocks)
{
	extent_media extent = piece->extent;

	extent.addr += from << BLOCK_SHIFT;
	extent.blocks = (uint32_t)blocks;
	return extent;
}

static int copy_part(struct mending *mending, uint64_t key, extent_media from)
{
	struct fsck *fsck = mending->fsck;
	unsigned index = addr_device(from.addr);
	struct device *device = fsck->device[index].device;

	while (from.blocks > 0) {
		extent_media to = from;
		uint64_t addr, got;
		int err = write_take_spared(fsck, index, from.blocks,
					    SPARED_BLOCKS, &addr, &got);

		if (err == -ENOSPC) {
			mending->lost += from.blocks;
			return 0;
		}
		if (err)
			return err;
		to.addr = addr;
		to.blocks = (uint32_t)got;
		to.flags = 0; /* nobody else has it */
		device_copy(device, device_at(device, addr_offset(to.addr)),
			    device_at(device, addr_offset(from.addr)),
			    got << BLOCK_SHIFT);
		device_drain(device);
		mending->copied += got;
		err = put(mending, key, to);
		if (err)
			return err;
		key += got;
		from.addr += got << BLOCK_SHIFT;
		from.blocks -= (uint32_t)got;
	}
	return 0;
}

/* Blocks. */
static uint64_t round_up(uint64_t bytes)
{
	return (bytes >> BLOCK_SHIFT) + (bytes % BLOCK_BYTES != 0);
}

/* What nobody has, or those have who share it. */
static bool may_join(const struct fsck_device *device,
		     const struct piece *piece, uint64_t block)
{
	if (!bits_test(device->used, block))
		return true;
	return (piece->extent.flags & EXTENT_SHARED) && device->shared &&
	       bits_test(device->shared, block);
}

static enum fate fate_of(const struct mending *mending,
			 const struct piece *piece, uint64_t at)
{
	unsigned index = addr_device(piece->extent.addr);
	const struct fsck_device *device = &mending->fsck->device[index];
	uint64_t block = addr_block(piece->extent.addr) + at;
	uint64_t key = piece->key + at;
	bool behind = key >= round_up(mending->inode->size);

	if (key >= mending->cut_start && key < mending->cut_end)
		return LOST;
	if (bits_test(device->meta, block))
		return LOST;
	if (piece->suspect)
		return !behind && may_join(device, piece, block) ? KEPT : LOST;
	if (!device->disputed || !bits_test(device->disputed, block))
		return KEPT;
	return behind || piece->extent.flags & EXTENT_UNWRITTEN ? LOST : COPIED;
}

static int settle_run(struct mending *mending, const struct piece *piece,
		      enum fate fate, uint64_t from, uint64_t end)
{
	struct fsck_device *device =
		&mending->fsck->device[addr_device(piece->extent.addr)];
	extent_media run = part(piece, from, end - from);

	if (fate == COPIED)
		return copy_part(mending, piece->key + from, run);
	if (fate == LOST) {
		if (piece->key + from < mending->cut_start ||
		    piece->key + from >= mending->cut_end)
			mending->lost += end - from;
		return 0;
	}
	if (!shares(mending->fsck))
		run.flags &= ~EXTENT_SHARED;
	if (piece->suspect)
		bits_fill(device->used, addr_block(run.addr), run.blocks, true);
	return put(mending, piece->key + from, run);
}

/* Blocks of it that can be on the device at all, or UINT64_MAX: not here. */
static uint64_t blocks_on_device(const struct fsck *fsck,
				 const struct piece *piece)
{
	unsigned index = addr_device(piece->extent.addr);
	uint64_t start = addr_block(piece->extent.addr), size;

	if (index >= fsck->device_count || fsck->sb->roll[index].state == 0)
		return 0;
	if (!is_member(fsck, index))
		return UINT64_MAX;
	size = fsck->device[index].sb.size_blocks;
	return start < size ? size - start : 0;
}

static int settle(struct mending *mending, const struct piece *piece)
{
	uint64_t at, from = 0, blocks = piece->extent.blocks;
	int err = 0;

	if (blocks_on_device(mending->fsck, piece) == UINT64_MAX)
		return put(mending, piece->key, piece->extent);
	for (at = 0; at < blocks && err == 0; at++) {
		enum fate fate = fate_of(mending, piece, at);

		if (at + 1 < blocks && fate_of(mending, piece, at + 1) == fate)
			continue;
		err = settle_run(mending, piece, fate, from, at + 1);
		from = at + 1;
	}
	return err;
}

/* ------------------------------------------------------- what it has read */

/* Where two overlap in the file, one is cut. */
static void cut_overlap(struct mending *mending, struct piece *held,
			struct piece *next)
{
	uint64_t end = held->key + held->extent.blocks, cut;

	if (next->key >= end)
		return;
	/* it is more often a length that is wrong than a key */
	if ((held->suspect || !next->suspect) && next->key > held->key) {
		held->extent.blocks = (uint32_t)(next->key - held->key);
		return;
	}
	cut = end - next->key;
	if (cut > next->extent.blocks)
		cut = next->extent.blocks;
	mending->lost += cut;
	next->extent = part(next, cut, next->extent.blocks - cut);
	next->key += cut;
}

static void cut_at_end(struct mending *mending, struct piece *piece)
{
	uint64_t most = blocks_on_device(mending->fsck, piece);

	if (piece->extent.blocks <= most)
		return;
	piece->extent.blocks = (uint32_t)most;
	piece->suspect = true;
}

static int settle_all(struct mending *mending, const struct values *values)
{
	struct piece held = { .key = 0 };
	int err = 0;
	size_t i;

	for (i = 0; i < values->count && err == 0; i++) {
		struct piece next = { .key = values->at[i].key,
				      .suspect = values->at[i].suspect };

		memcpy(&next.extent, values->at[i].bytes, sizeof(next.extent));
		cut_at_end(mending, &next);
		cut_overlap(mending, &held, &next);
		if (next.extent.blocks == 0)
			continue;
		if (held.extent.blocks > 0)
			err = settle(mending, &held);
		held = next;
	}
	if (err == 0 && held.extent.blocks > 0)
		err = settle(mending, &held);
	return err;
}

static int build(struct mending *mending, inode_media *out, uint64_t *nodes)
{
	struct values values = { .at = NULL };
	int err = 0;
	size_t i;

	for (i = 0; i < mending->count && err == 0; i++)
		err = values_add(&values, mending->piece[i].key,
				 &mending->piece[i].extent,
				 sizeof(extent_media));
	if (err == 0)
		err = build_tree(mending->fsck, out->ino, TREE_EXTENTS, &values,
				 (node_media *)out->area, INODE_AREA_BYTES,
				 nodes);
	values_fini(&values);
	return err;
}

int mend_extents(struct fsck *fsck, const inode_media *inode, inode_media *out)
{
	struct mending mending = { .fsck = fsck, .inode = inode };
	struct values values = { .at = NULL };
	uint64_t nodes;
	int err;

	if (!fsck->clean && inode->pending_end != 0) {
		mending.cut_start = round_up(inode->pending_start);
		mending.cut_end = inode->pending_end >> BLOCK_SHIFT;
		out->pending_start = out->pending_end = 0;
	}
	err = collect_inode(fsck, inode, TREE_EXTENTS, &values);
	if (err == 0)
		err = settle_all(&mending, &values);
	if (err == 0)
		err = build(&mending, out, &nodes);
	if (err == 0 && mending.lost + mending.copied > 0)
		note(fsck, "inode %ju: %ju blocks lost, %ju copied",
		     (uintmax_t)inode->ino, (uintmax_t)mending.lost,
		     (uintmax_t)mending.copied);
	values_fini(&values);
	free(mending.piece);
	return err;
}

/* ------------------------------------------------------------- inode file */

/* What is lost is free slots from now on. */
static int fill_chunk(struct fsck *fsck, struct chunk *chunk)
{
	unsigned index = fsck->metadata_device;
	struct device *device = fsck->device[index].device;
	int err = write_take_whole(fsck, index, chunk->blocks, &chunk->addr);

	if (err)
		return err;
	device_set(device, device_at(device, addr_offset(chunk->addr)), 0,
		   chunk->blocks << BLOCK_SHIFT);
	device_drain(device);
	return device_still_there(device) ? 0 : -EIO;
}

static int put_chunks(struct mending *mending)
{
	struct inode_file *file = &mending->fsck->inode_file;
	int err = 0;
	size_t i;

	for (i = 0; i < file->chunk_count && err == 0; i++) {
		struct chunk *chunk = &file->chunks[i];

		if (chunk->addr == ADDR_NONE)
			err = fill_chunk(mending->fsck, chunk);
		if (err == 0)
			err = put(mending, chunk->block,
				  (extent_media){
					  .addr = chunk->addr,
					  .blocks = (uint32_t)chunk->blocks });
	}
	return err;
}

/* No slot that was found may be older than what goes for a new one. */
static void raise_generation(struct fsck *fsck, inode_media *out)
{
	uint64_t ino;

	for (ino = INO_ROOT; ino < fsck->inode_file.inodes; ino++) {
		const inode_media *slot = inodes_slot(fsck, ino);

		if (slot->magic == INODE_MAGIC && slot->ino == ino &&
		    slot->mode == 0 && slot->generation > out->generation)
			out->generation = slot->generation;
	}
}

int mend_inode_file(struct fsck *fsck)
{
	struct inode_file *file = &fsck->inode_file;
	struct mending mending = { .fsck = fsck };
	inode_media out = file->own;
	uint64_t nodes, end = chunks_end(file);
	struct txn *txn;
	int err;

	out.ino = INO_INODE_FILE;
	out.pending_start = out.pending_end = 0;
	out.xattr_root = ADDR_NONE;
	if (file->mend & MEND_SLOT)
		raise_generation(fsck, &out);
	err = put_chunks(&mending);
	if (err == 0)
		err = build(&mending, &out, &nodes);
	if (err == 0) {
		out.size = end << BLOCK_SHIFT;
		out.blocks = end + nodes;
		txn = txn_begin(fsck->journal);
		write_slot(fsck, txn, INO_INODE_FILE, &out);
		err = txn_commit(txn);
	}
	free(mending.piece);
	return err;
}
