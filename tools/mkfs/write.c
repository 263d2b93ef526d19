/* SPDX-License-Identifier: BSD-3-Clause */
#include "mkfs.h"

#include "journal/journal.h"
#include "media/freemap.h"
#include "media/inode.h"
#include "media/layout.h"
#include "media/node.h"
#include "util/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_BLOCKS (INODE_CHUNK_BYTES / BLOCK_BYTES)

static struct device *opened(const struct mkfs *mkfs, unsigned index)
{
	return mkfs->members.device[index];
}

/* Everything stored so far is on the media, or the run has failed. */
static int settle(const struct mkfs *mkfs)
{
	sigset_t pending;
	unsigned i;

	for (i = 0; i < mkfs->count; i++) {
		device_drain(opened(mkfs, i));
		if (!device_still_there(opened(mkfs, i))) {
			log_error("%s: vanished while it was written",
				  mkfs->device[i].path);
			return -EIO;
		}
	}
	/* main() blocks them, so that they are met here */
	if (sigpending(&pending) == 0 &&
	    (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) ||
	     sigismember(&pending, SIGHUP))) {
		log_error("interrupted");
		return -EINTR;
	}
	return 0;
}

static void unsign(struct device *device, uint64_t offset_bytes)
{
	superblock_media *sb = device_at(device, offset_bytes);

	if (memcmp(sb->magic, SUPERBLOCK_MAGIC, sizeof(sb->magic)) == 0)
		device_set(device, sb->magic, 0, sizeof(sb->magic));
}

/* Both copies of an old udaxfs, wherever its size put the second one. */
static void unsign_own(struct device *device)
{
	const superblock_media *old = device_at(device, 0);
	uint64_t blocks = device->size_bytes >> BLOCK_SHIFT;

	if (memcmp(old->magic, SUPERBLOCK_MAGIC, sizeof(old->magic)) == 0 &&
	    old->size_blocks > 1 && old->size_blocks <= blocks)
		unsign(device, superblock_second_offset(old->size_blocks));
	unsign(device, superblock_second_offset(blocks));
	unsign(device, 0);
}

static void clear_blocks(struct device *device, uint64_t start, uint64_t blocks)
{
	device_set(device, device_at(device, start << BLOCK_SHIFT), 0,
		   blocks << BLOCK_SHIFT);
}

static void mark_used(uint8_t *bitmap, uint64_t start, uint64_t blocks)
{
	for (; blocks > 0; start++, blocks--)
		bitmap[start / 8] |= (uint8_t)(1u << start % 8);
}

static void fill_bitmap(const struct mkfs *mkfs, const superblock_media *sb,
			uint8_t *bitmap)
{
	struct layout_area areas[LAYOUT_FIXED_MAX];
	unsigned n = layout_fixed(sb, areas), i;

	for (i = 0; i < n; i++)
		mark_used(bitmap, areas[i].start, areas[i].blocks);
	if (sb->device_index == sb->metadata_device)
		mark_used(bitmap, mkfs->chunk_block, CHUNK_BLOCKS);
	/* past the end counts as used */
	if (sb->size_blocks % 8 != 0)
		mark_used(bitmap, sb->size_blocks, 8 - sb->size_blocks % 8);
}

static int write_freemap(const struct mkfs *mkfs, unsigned index)
{
	const superblock_media *sb = &mkfs->device[index].sb;
	struct device *device = opened(mkfs, index);
	freemap_media *map = calloc(sb->freemap_blocks, BLOCK_BYTES);

	if (map == NULL) {
		log_error("%s: out of memory", mkfs->device[index].path);
		return -ENOMEM;
	}
	map->blocks = sb->size_blocks;
	map->free_blocks = format_free_blocks(mkfs, index);
	map->generation = sb->generation;
	memcpy(map->lineage, sb->lineage, sizeof(map->lineage));
	fill_bitmap(mkfs, sb, freemap_bitmap(map));
	freemap_seal(map);
	device_copy(device, device_at(device, sb->freemap_start << BLOCK_SHIFT),
		    map, sb->freemap_blocks << BLOCK_SHIFT);
	free(map);
	return 0;
}

static void set_times(inode_media *inode, uint64_t created_ns)
{
	const uint64_t ns_per_s = UINT64_C(1000000000);
	int64_t s = (int64_t)(created_ns / ns_per_s);
	uint32_t ns = (uint32_t)(created_ns % ns_per_s);

	inode->atime_s = inode->mtime_s = inode->ctime_s = inode->btime_s = s;
	inode->atime_ns = inode->mtime_ns = inode->ctime_ns = inode->btime_ns =
		ns;
}

/* One extent: the chunk. */
static int write_inode_file(const struct mkfs *mkfs)
{
	const superblock_media *sb = &mkfs->device[0].sb;
	struct device *device = opened(mkfs, 0);
	const extent_media chunk = {
		.addr = addr_make(0, mkfs->chunk_block << BLOCK_SHIFT),
		.blocks = CHUNK_BLOCKS,
	};
	inode_media inode = {
		.ino = INO_INODE_FILE,
		.format = INODE_EXTENTS,
		.generation = 1,
		.mode = S_IFREG | 0600,
		.nlink = 1,
		.size = INODE_CHUNK_BYTES,
		.blocks = CHUNK_BLOCKS,
	};
	node_media *root = (node_media *)inode.area;
	int err;

	set_times(&inode, sb->created_ns);
	node_init(root, INODE_AREA_BYTES, 0, TREE_EXTENTS);
	err = node_insert(root, INODE_AREA_BYTES, 0, &chunk, sizeof(chunk));
	if (err != 0)
		return err;
	inode_media_seal(&inode);
	clear_blocks(device, addr_block(sb->inode_root), 1);
	device_copy(device, device_at(device, addr_offset(sb->inode_root)),
		    &inode, sizeof(inode));
	return 0;
}

static void write_slot(const struct mkfs *mkfs, inode_media *inode)
{
	struct device *device = opened(mkfs, 0);
	uint64_t chunk = mkfs->chunk_block << BLOCK_SHIFT;

	set_times(inode, mkfs->device[0].sb.created_ns);
	inode_media_seal(inode);
	device_copy(device, device_at(device, chunk + inode->ino * INODE_BYTES),
		    inode, sizeof(*inode));
}

static void write_first_inodes(const struct mkfs *mkfs)
{
	inode_media root = {
		.ino = INO_ROOT,
		.format = INODE_ENTRIES,
		.generation = 1,
		.mode = S_IFDIR | 0755,
		.uid = getuid(),
		.gid = getgid(),
		.nlink = 2,
		.parent_ino = INO_ROOT,
	};
	inode_media shared = {
		.ino = INO_SHARED,
		.format = INODE_SHARED,
		.generation = 1,
		.mode = S_IFREG | 0600,
		.nlink = 1,
	};

	clear_blocks(opened(mkfs, 0), mkfs->chunk_block, CHUNK_BLOCKS);
	node_init((node_media *)root.area, INODE_AREA_BYTES, 0, TREE_ENTRIES);
	write_slot(mkfs, &root);
	node_init((node_media *)shared.area, INODE_AREA_BYTES, 0, TREE_SHARED);
	write_slot(mkfs, &shared);
}

static int write_areas(struct mkfs *mkfs)
{
	const superblock_media *sb = &mkfs->device[0].sb;
	unsigned i;
	int err;

	clear_blocks(opened(mkfs, 0), sb->journal_start, sb->journal_blocks);
	err = journal_format(&mkfs->members, sb);
	if (err == 0)
		err = write_inode_file(mkfs);
	if (err != 0) {
		log_error("%s: cannot be formatted: %s", mkfs->device[0].path,
			  strerror(-err));
		return err;
	}
	write_first_inodes(mkfs);
	for (i = 0; i < mkfs->count && err == 0; i++)
		err = write_freemap(mkfs, i);
	return err;
}

static void write_superblock(struct mkfs *mkfs, unsigned index, bool second)
{
	superblock_media *sb = &mkfs->device[index].sb;
	struct device *device = opened(mkfs, index);
	uint64_t at = second ? superblock_second_offset(sb->size_blocks) : 0;

	superblock_seal(sb);
	device_copy(device, device_at(device, at), sb, sizeof(*sb));
}

/* Nothing written here is foreign any more: only what lies elsewhere goes. */
static void unsign_foreign(const struct mkfs *mkfs, unsigned index)
{
	const struct mkfs_device *entry = &mkfs->device[index];
	struct device *device = opened(mkfs, index);
	uint64_t written = (entry->sb.freemap_start + entry->sb.freemap_blocks)
			   << BLOCK_SHIFT;
	uint64_t second = superblock_second_offset(entry->sb.size_blocks);
	unsigned i;

	if (index == 0)
		written = (mkfs->chunk_block + CHUNK_BLOCKS) << BLOCK_SHIFT;
	for (i = 0; i < entry->signature_count; i++) {
		const struct signature *found = &entry->signatures[i];

		if (found->offset_bytes >= written &&
		    found->offset_bytes < second &&
		    found->length_bytes <= second - found->offset_bytes)
			device_set(device,
				   device_at(device, found->offset_bytes), 0,
				   found->length_bytes);
	}
}

int format_write(struct mkfs *mkfs)
{
	unsigned i;
	int err;

	for (i = 0; i < mkfs->count; i++)
		unsign_own(opened(mkfs, i));
	err = settle(mkfs);
	if (err == 0)
		err = write_areas(mkfs);
	if (err == 0)
		err = settle(mkfs);
	if (err != 0)
		return err;

	for (i = 0; i < mkfs->count; i++) {
		unsign_foreign(mkfs, i);
		write_superblock(mkfs, i, true);
	}
	err = settle(mkfs);
	if (err != 0)
		return err;

	for (i = mkfs->count; i-- > 0;) {
		write_superblock(mkfs, i, false);
		if (i == 1 || i == 0)
			err = settle(mkfs);
		if (err != 0)
			return err;
	}
	return 0;
}
