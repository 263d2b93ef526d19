/* SPDX-License-Identifier: BSD-3-Clause */
#include "chunks.h"

#include "alloc/bits.h"
#include "blocks.h"
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool chunks_possible(const struct fsck *fsck, uint64_t block, uint64_t blocks)
{
	uint64_t most = fsck->device[fsck->metadata_device].sb.size_blocks;

	return blocks <= most && block <= most - blocks;
}

int chunks_add(struct inode_file *file, struct chunk chunk)
{
	if (file->chunk_count == file->chunk_room) {
		size_t room = file->chunk_room ? file->chunk_room * 2 : 64;
		struct chunk *more = reallocarray(file->chunks, room,
						  sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		file->chunks = more;
		file->chunk_room = room;
	}
	file->chunks[file->chunk_count++] = chunk;
	return 0;
}

uint64_t chunks_end(const struct inode_file *file)
{
	const struct chunk *last;

	if (file->chunk_count == 0)
		return 0;
	last = &file->chunks[file->chunk_count - 1];
	return last->block + last->blocks;
}

uint64_t chunks_gap(const struct inode_file *file)
{
	uint64_t end = 0;
	size_t i;

	for (i = 0; i < file->chunk_count && file->chunks[i].block == end; i++)
		end += file->chunks[i].blocks;
	return end;
}

static bool is_listed(const struct inode_file *file, size_t count,
		      uint64_t block)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (block >= file->chunks[i].block &&
		    block - file->chunks[i].block < file->chunks[i].blocks)
			return true;
	return false;
}

/* Which block of the inode file is it? 0 slots of it in use: none that shows.
 */
static unsigned slots_in_use(const struct fsck *fsck, uint64_t at,
			     uint64_t *file_block)
{
	const struct device *device =
		fsck->device[fsck->metadata_device].device;
	const inode_media *slot = device_at(device, at << BLOCK_SHIFT);
	unsigned i, used = 0;

	*file_block = 0;
	for (i = 0; i < INODES_PER_BLOCK; i++, slot++) {
		if (slot->magic != INODE_MAGIC ||
		    slot->ino % INODES_PER_BLOCK != i ||
		    (used && slot->ino / INODES_PER_BLOCK != *file_block) ||
		    inode_media_check(slot, slot->ino) != 0)
			continue;
		*file_block = slot->ino / INODES_PER_BLOCK;
		used++;
	}
	return used;
}

static bool is_zero(const void *block)
{
	static const char zeros[BLOCK_BYTES];

	return memcmp(block, zeros, sizeof(zeros)) == 0;
}

static bool chunk_agrees(const struct fsck *fsck, uint64_t block, uint64_t at)
{
	const struct device *device =
		fsck->device[fsck->metadata_device].device;
	uint64_t i, says;
	int more = 0;

	for (i = 0; i < CHUNK_BLOCKS; i++) {
		if (slots_in_use(fsck, at + i, &says) > 0 && says == block + i)
			more++;
		else if (!is_zero(device_at(device, (at + i) << BLOCK_SHIFT)))
			more--;
		if (i == 0 && more > 0)
			break;
	}
	return more >= 0;
}

bool chunks_agree(const struct fsck *fsck, uint64_t block, uint64_t addr,
		  uint64_t blocks)
{
	uint64_t i;

	for (i = 0; i < blocks; i += CHUNK_BLOCKS)
		if (!chunk_agrees(fsck, block + i, addr_block(addr) + i))
			return false;
	return true;
}

/* The chunk that block `at` of the device is a part of, if it can be one. */
static bool find_chunk(const struct fsck *fsck, uint64_t at, size_t listed,
		       struct chunk *chunk)
{
	const struct fsck_device *device = &fsck->device[fsck->metadata_device];
	const struct inode_file *file = &fsck->inode_file;
	uint64_t file_block, start, most = UINT32_MAX / INODES_PER_BLOCK;

	if (!(file->mend & MEND_SLOT)) /* its size is to be believed */
		most = file->own.size / BLOCK_BYTES;
	if (slots_in_use(fsck, at, &file_block) == 0 || file_block >= most ||
	    !chunks_possible(fsck, file_block, 1))
		return false;
	if (at < file_block % CHUNK_BLOCKS)
		return false;
	start = at - file_block % CHUNK_BLOCKS;
	if (start + CHUNK_BLOCKS > device->sb.size_blocks ||
	    bits_find(device->used, start, start + CHUNK_BLOCKS, true) <
		    start + CHUNK_BLOCKS)
		return false;
	*chunk = (struct chunk){
		.block = file_block / CHUNK_BLOCKS * CHUNK_BLOCKS,
		.addr = addr_make(fsck->metadata_device, start << BLOCK_SHIFT),
		.blocks = CHUNK_BLOCKS,
	};
	return !is_listed(file, listed, chunk->block);
}

static unsigned chunk_score(const struct fsck *fsck, const struct chunk *chunk)
{
	uint64_t at = addr_block(chunk->addr), i, block;
	unsigned score = 0;

	for (i = 0; i < CHUNK_BLOCKS; i++)
		if (slots_in_use(fsck, at + i, &block) > 0 &&
		    block == chunk->block + i)
			score++;
	return score;
}

/* Old copies may be about: the one with more to say. */
static int keep_better(struct fsck *fsck, struct chunk chunk, size_t listed)
{
	struct inode_file *file = &fsck->inode_file;
	size_t i;

	/* its neighbours came just before it */
	for (i = file->chunk_count; i-- > listed;) {
		if (file->chunks[i].block != chunk.block)
			continue;
		if (file->chunks[i].addr == chunk.addr)
			return 0;
		if (chunk_score(fsck, &chunk) >
		    chunk_score(fsck, &file->chunks[i]))
			file->chunks[i] = chunk;
		return 0;
	}
	return chunks_add(file, chunk);
}

static int compare(const void *one, const void *other)
{
	const struct chunk *a = one, *b = other;

	return a->block < b->block ? -1 : a->block > b->block;
}

/* Gaps become chunks without an address; double ones go. */
static int fill_gaps(struct inode_file *file)
{
	size_t count = file->chunk_count, i, to = 0;
	uint64_t end = 0;
	int err = 0;

	qsort(file->chunks, count, sizeof(file->chunks[0]), compare);
	for (i = 0; i < count; i++) {
		if (file->chunks[i].block < end)
			continue;
		end = file->chunks[i].block + file->chunks[i].blocks;
		file->chunks[to++] = file->chunks[i];
	}
	file->chunk_count = count = to;
	for (i = 0, end = 0; i < count && err == 0; i++) {
		if (file->chunks[i].block > end)
			err = chunks_add(
				file,
				(struct chunk){ end, ADDR_NONE,
						file->chunks[i].block - end });
		end = file->chunks[i].block + file->chunks[i].blocks;
	}
	qsort(file->chunks, file->chunk_count, sizeof(file->chunks[0]),
	      compare);
	return err;
}

int chunks_search(struct fsck *fsck, uint64_t *blocks)
{
	struct fsck_device *device = &fsck->device[fsck->metadata_device];
	struct inode_file *file = &fsck->inode_file;
	size_t listed = file->chunk_count, i;
	uint64_t at, size = device->sb.size_blocks;
	struct chunk chunk;
	int err = 0;

	file->is_searched = true;
	for (at = 0; at < size && err == 0; at++) {
		if (!bits_test(device->used, at) &&
		    find_chunk(fsck, at, listed, &chunk))
			err = keep_better(fsck, chunk, listed);
		if (at % 65536 == 0)
			progress(fsck, 0, "blocks searched for inodes", at,
				 size);
	}
	for (i = listed; i < file->chunk_count; i++) {
		if (!blocks_claim_metadata(fsck, file->chunks[i].addr,
					   CHUNK_BLOCKS, INO_INODE_FILE,
					   OWNER_DATA))
			file->chunks[i].addr = ADDR_NONE;
		*blocks += CHUNK_BLOCKS;
	}
	return err ? err : fill_gaps(file);
}
