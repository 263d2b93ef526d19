/* SPDX-License-Identifier: BSD-3-Clause */
#include "inodes.h"

#include "blocks.h"
#include "chunks.h"
#include "report.h"
#include "salvage.h"
#include "tree_scan.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INODES_PER_BLOCK (BLOCK_BYTES / INODE_BYTES)
#define INODES_MAX UINT32_MAX

struct chunk_scan {
	struct fsck *fsck;
	uint64_t blocks; /* of all extents */
	bool out_of_memory;
};

static struct device *metadata(const struct fsck *fsck)
{
	return fsck->device[fsck->metadata_device].device;
}

static void keep_chunk(struct chunk_scan *scan, struct chunk chunk)
{
	if (chunks_add(&scan->fsck->inode_file, chunk) != 0)
		scan->out_of_memory = true;
}

static void take_extent(void *arg, uint64_t key, const void *value,
			unsigned length_bytes)
{
	struct chunk_scan *scan = arg;
	struct fsck *fsck = scan->fsck;
	const extent_media *extent = value;
	bool whole = extent->flags == 0 && key % CHUNK_BLOCKS == 0 &&
		     extent->blocks % CHUNK_BLOCKS == 0 &&
		     chunks_possible(fsck, key, extent->blocks);

	if (fsck->look == LOOK_CLAIM) {
		scan->blocks += extent->blocks;
		fsck->counts.extents++;
	}
	if (!whole) { /* its chunks are searched: they know their numbers */
		problem_inode(fsck, "extent", INO_INODE_FILE, MEND_TREE,
			      "the extent at block %ju, %u blocks, is flagged, "
			      "not whole chunks, or too far behind",
			      (uintmax_t)key, extent->blocks);
		return;
	}
	if (!blocks_see_metadata(fsck, extent->addr, extent->blocks,
				 INO_INODE_FILE, OWNER_DATA))
		return;
	if (!chunks_agree(fsck, key, extent->addr, extent->blocks)) {
		problem_inode(fsck, "extent", INO_INODE_FILE, MEND_TREE,
			      "what the extent at block %ju names are other "
			      "inodes, or none",
			      (uintmax_t)key);
		return;
	}
	if (!blocks_claim_metadata(fsck, extent->addr, extent->blocks,
				   INO_INODE_FILE, OWNER_DATA))
		fsck_mend(fsck, INO_INODE_FILE, MEND_TREE);
	else if (fsck->look == LOOK_CLAIM)
		keep_chunk(scan,
			   (struct chunk){ key, extent->addr, extent->blocks });
}

/* What a size that is too small would forget. There are no gaps. */
static bool in_use_from(const struct fsck *fsck, uint64_t block, uint64_t end)
{
	uint64_t ino;

	for (ino = block * INODES_PER_BLOCK; ino < end * INODES_PER_BLOCK;
	     ino++) {
		const inode_media *slot = device_at(
			metadata(fsck), addr_offset(inodes_addr(fsck, ino)));

		if (slot->mode != 0 && inode_media_check(slot, ino) == 0)
			return true;
	}
	return false;
}

/* Slots up to the end; what is not there is nothing but free slots. */
static void measure(struct fsck *fsck, struct chunk_scan *scan)
{
	struct inode_file *file = &fsck->inode_file;
	uint64_t size_blocks = file->own.size / BLOCK_BYTES, end;

	if (file->own.size % INODE_CHUNK_BYTES != 0)
		problem_inode(fsck, "inode", INO_INODE_FILE, MEND_TREE,
			      "size is %ju, no multiple of %u",
			      (uintmax_t)file->own.size, INODE_CHUNK_BYTES);
	end = chunks_end(file);
	if (end < size_blocks || chunks_gap(file) < end)
		problem_inode(fsck, "inode", INO_INODE_FILE, MEND_TREE,
			      "size is %ju blocks, but block %ju is not there",
			      (uintmax_t)size_blocks,
			      (uintmax_t)chunks_gap(file));
	else if (size_blocks < CHUNK_BLOCKS ||
		 in_use_from(fsck, size_blocks, end))
		problem_inode(fsck, "inode", INO_INODE_FILE, MEND_TREE,
			      "size is %ju blocks, but there are inodes behind",
			      (uintmax_t)size_blocks);
	if (file->mend & MEND_YES) {
		if (chunks_search(fsck, &scan->blocks) != 0)
			scan->out_of_memory = true;
		end = chunks_end(file);
	} else if (end > size_blocks) {
		end = size_blocks;
	}
	file->inodes = end * INODES_PER_BLOCK;
	if (file->inodes > INODES_MAX) {
		operational(fsck, "%ju inodes: only the first %u are checked",
			    (uintmax_t)file->inodes, INODES_MAX);
		file->inodes = INODES_MAX;
	}
}

static bool is_inode_file(const inode_media *inode)
{
	return inode_media_check(inode, INO_INODE_FILE) == 0 &&
	       S_ISREG(inode->mode) && inode->format == INODE_EXTENTS;
}

/* An inode file of nothing: its chunks are to be searched. */
static void make_own(inode_media *own)
{
	memset(own, 0, sizeof(*own));
	own->mode = S_IFREG | 0600;
	own->nlink = 1;
	own->format = INODE_EXTENTS;
	node_init((node_media *)own->area, INODE_AREA_BYTES, 0, TREE_EXTENTS);
	inode_media_seal(own);
}

static void load_own(struct fsck *fsck)
{
	struct inode_file *file = &fsck->inode_file;
	const inode_media *slot = device_at(metadata(fsck),
					    addr_offset(fsck->sb->inode_root));

	if (is_inode_file(slot)) {
		file->own = *slot;
		return;
	}
	problem_inode(fsck, "inode", INO_INODE_FILE, MEND_SLOT | MEND_TREE,
		      "its inode in block %ju is damaged: other inodes are "
		      "searched for",
		      (uintmax_t)addr_block(fsck->sb->inode_root));
	if (!salvage_slot(slot, INO_INODE_FILE, &file->own) ||
	    !is_inode_file(&file->own))
		make_own(&file->own);
}

static void scan_file(struct fsck *fsck, struct tree_scan *scan,
		      struct chunk_scan *chunks)
{
	*chunks = (struct chunk_scan){ .fsck = fsck };
	*scan = (struct tree_scan){
		.fsck = fsck,
		.ino = INO_INODE_FILE,
		.kind = TREE_EXTENTS,
		.value = take_extent,
		.arg = chunks,
	};
	tree_scan_inode(scan, &fsck->inode_file.own);
}

void inodes_look_again(struct fsck *fsck)
{
	struct chunk_scan chunks;
	struct tree_scan scan;

	scan_file(fsck, &scan, &chunks);
}

int inodes_open(struct fsck *fsck)
{
	struct inode_file *file = &fsck->inode_file;
	struct chunk_scan chunks;
	struct tree_scan scan;

	load_own(fsck);
	scan_file(fsck, &scan, &chunks);
	measure(fsck, &chunks);
	if (file->own.xattr_root != ADDR_NONE || file->own.pending_end != 0)
		problem_inode(fsck, "inode", INO_INODE_FILE, MEND_COUNTS,
			      "it has attributes or work pending");
	if (!(file->mend & MEND_YES) &&
	    file->own.blocks != chunks.blocks + scan.nodes)
		problem_inode(fsck, "inode", INO_INODE_FILE, MEND_COUNTS,
			      "blocks is %ju, found %ju",
			      (uintmax_t)file->own.blocks,
			      (uintmax_t)(chunks.blocks + scan.nodes));
	if (file->chunk_count == 0 || file->inodes <= INO_ROOT) {
		problem_inode(fsck, "inode", INO_INODE_FILE, 0,
			      "no inode can be found");
		return -EUCLEAN;
	}
	if (tree_env_init(&fsck->tree_env, &fsck->members,
			  fsck->metadata_device) != 0)
		chunks.out_of_memory = true;
	fsck->inodes = calloc(file->inodes + 1, sizeof(*fsck->inodes));
	if (chunks.out_of_memory || fsck->inodes == NULL) {
		operational(fsck, "out of memory for %ju inodes",
			    (uintmax_t)file->inodes);
		return -ENOMEM;
	}
	return 0;
}

void inodes_close(struct fsck *fsck)
{
	free(fsck->inode_file.chunks);
	fsck->inode_file = (struct inode_file){ .chunks = NULL };
	tree_env_fini(&fsck->tree_env);
	free(fsck->inodes);
	fsck->inodes = NULL;
	free(fsck->saved);
	fsck->saved = NULL;
	fsck->saved_count = fsck->saved_room = 0;
}

uint64_t inodes_in_use(const struct fsck *fsck)
{
	const struct fsck_counts *counts = &fsck->counts;
	uint64_t ours = fsck->sb->ro_compat & SUPERBLOCK_SHARED ? 2 : 1;

	return ours + counts->files + counts->directories + counts->symlinks +
	       counts->others;
}

uint64_t inodes_addr(const struct fsck *fsck, uint64_t ino)
{
	const struct inode_file *file = &fsck->inode_file;
	uint64_t block = ino / INODES_PER_BLOCK;
	size_t low = 0, high = file->chunk_count;
	const struct chunk *chunk;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (file->chunks[middle].block <= block)
			low = middle;
		else
			high = middle;
	}
	chunk = &file->chunks[low];
	if (chunk->addr == ADDR_NONE)
		return ADDR_NONE;
	return chunk->addr + (block - chunk->block) * BLOCK_BYTES +
	       ino % INODES_PER_BLOCK * INODE_BYTES;
}

const inode_media *inodes_slot(const struct fsck *fsck, uint64_t ino)
{
	static const inode_media lost;
	uint64_t addr;

	if (fsck->inodes[ino].mend & MEND_SAVED)
		return salvage_find(fsck, ino);
	addr = inodes_addr(fsck, ino);
	if (addr == ADDR_NONE)
		return &lost;
	return device_at(metadata(fsck), addr_offset(addr));
}

const inode_media *inodes_find(const struct fsck *fsck, uint64_t ino)
{
	if (fsck->inodes == NULL || ino >= fsck->inode_file.inodes ||
	    fsck->inodes[ino].type == DT_UNKNOWN)
		return NULL;
	return inodes_slot(fsck, ino);
}

const dirent_media *inodes_entry(const struct fsck *fsck,
				 const inode_media *dir, uint64_t key)
{
	const struct tree tree = {
		.env = &fsck->tree_env,
		.owner = dir->ino,
		.kind = TREE_ENTRIES,
		.root = (node_media *)dir->area,
		.root_capacity_bytes = INODE_AREA_BYTES,
	};
	struct tree_cursor cursor;

	if (tree_seek(&tree, key, &cursor) != 0 || cursor.key != key)
		return NULL;
	return cursor.value;
}
