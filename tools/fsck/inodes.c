/* SPDX-License-Identifier: BSD-3-Clause */
#include "inodes.h"

#include "blocks.h"
#include "report.h"
#include "tree_scan.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INODES_PER_BLOCK (BLOCK_BYTES / INODE_BYTES)
#define INODES_MAX UINT32_MAX
#define CHUNK_BLOCKS (INODE_CHUNK_BYTES / BLOCK_BYTES)

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
	struct inode_file *file = &scan->fsck->inode_file;
	struct chunk *more;
	size_t room;

	if (file->chunk_count == file->chunk_room) {
		room = file->chunk_room ? file->chunk_room * 2 : 64;
		more = realloc(file->chunks, room * sizeof(*more));
		if (more == NULL) {
			scan->out_of_memory = true;
			return;
		}
		file->chunks = more;
		file->chunk_room = room;
	}
	file->chunks[file->chunk_count++] = chunk;
}

static void take_extent(void *arg, uint64_t key, const void *value,
			unsigned length_bytes)
{
	struct chunk_scan *scan = arg;
	const extent_media *extent = value;

	const void *claimed = blocks_claim_metadata(scan->fsck, extent->addr,
						    extent->blocks,
						    INO_INODE_FILE, OWNER_DATA);

	if (scan->fsck->resolving)
		return;
	scan->blocks += extent->blocks;
	scan->fsck->counts.extents++;
	if (extent->flags != 0 || key % CHUNK_BLOCKS != 0 ||
	    extent->blocks % CHUNK_BLOCKS != 0)
		problem_inode(
			scan->fsck, "extent", INO_INODE_FILE,
			"the extent at block %ju, %u blocks, is flagged "
			"or not whole chunks",
			(uintmax_t)key, extent->blocks);
	else if (claimed)
		keep_chunk(scan,
			   (struct chunk){ key, extent->addr, extent->blocks });
}

/* Slots up to the first gap; what lies behind one cannot be named. */
static void measure(struct fsck *fsck, const inode_media *inode)
{
	struct inode_file *file = &fsck->inode_file;
	uint64_t end = 0, size_blocks = inode->size / BLOCK_BYTES;
	size_t i;

	for (i = 0; i < file->chunk_count && file->chunks[i].block == end; i++)
		end += file->chunks[i].blocks;
	file->chunk_count = i;
	if (inode->size % INODE_CHUNK_BYTES != 0)
		problem_inode(fsck, "inode", INO_INODE_FILE,
			      "size is %ju, no multiple of %u",
			      (uintmax_t)inode->size, INODE_CHUNK_BYTES);
	if (end < size_blocks)
		problem_inode(fsck, "inode", INO_INODE_FILE,
			      "size is %ju blocks, but block %ju is not there: "
			      "inodes from %ju on are not checked",
			      (uintmax_t)size_blocks, (uintmax_t)end,
			      (uintmax_t)(end * INODES_PER_BLOCK));
	else if (end > size_blocks)
		end = size_blocks;
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

static const inode_media *inode_file(const struct fsck *fsck)
{
	return device_at(metadata(fsck), addr_offset(fsck->sb->inode_root));
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
	tree_scan_inode(scan, inode_file(fsck));
}

void inodes_look_again(struct fsck *fsck)
{
	struct chunk_scan chunks;
	struct tree_scan scan;

	scan_file(fsck, &scan, &chunks);
}

int inodes_open(struct fsck *fsck)
{
	const inode_media *inode = inode_file(fsck);
	struct chunk_scan chunks;
	struct tree_scan scan;

	if (!is_inode_file(inode)) {
		problem_inode(fsck, "inode", INO_INODE_FILE,
			      "its inode in block %ju is damaged: "
			      "no other inode can be found",
			      (uintmax_t)addr_block(fsck->sb->inode_root));
		return -EUCLEAN;
	}
	scan_file(fsck, &scan, &chunks);
	measure(fsck, inode);
	if (!scan.damaged && inode->blocks != chunks.blocks + scan.nodes)
		problem_inode(fsck, "inode", INO_INODE_FILE,
			      "blocks is %ju, found %ju",
			      (uintmax_t)inode->blocks,
			      (uintmax_t)(chunks.blocks + scan.nodes));
	if (tree_env_init(&fsck->tree_env, &fsck->members,
			  fsck->metadata_device) != 0)
		chunks.out_of_memory = true;
	fsck->inodes = calloc(fsck->inode_file.inodes + 1,
			      sizeof(*fsck->inodes));
	if (chunks.out_of_memory || fsck->inodes == NULL) {
		operational(fsck, "out of memory for %ju inodes",
			    (uintmax_t)fsck->inode_file.inodes);
		return -ENOMEM;
	}
	return 0;
}

void inodes_close(struct fsck *fsck)
{
	free(fsck->inode_file.chunks);
	tree_env_fini(&fsck->tree_env);
	free(fsck->inodes);
}

uint64_t inodes_in_use(const struct fsck *fsck)
{
	const struct fsck_counts *counts = &fsck->counts;
	uint64_t ours = fsck->sb->ro_compat & SUPERBLOCK_SHARED ? 2 : 1;

	return ours + counts->files + counts->directories + counts->symlinks +
	       counts->others;
}

const inode_media *inodes_slot(const struct fsck *fsck, uint64_t ino)
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
	return device_at(metadata(fsck),
			 addr_offset(chunk->addr) +
				 (block - chunk->block) * BLOCK_BYTES +
				 ino % INODES_PER_BLOCK * INODE_BYTES);
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
