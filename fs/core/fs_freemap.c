/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/fs_private.h"
#include "core/space.h"
#include "alloc/alloc.h"
#include "alloc/bits.h"
#include "media/freemap.h"
#include "media/layout.h"
#include "util/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int create_one(struct fs *fs, unsigned index)
{
	uint64_t blocks = fs->devices[index].sb.size_blocks;
	uint64_t reserve = index == fs->metadata_device
				   ? space_reserve_blocks(blocks)
				   : 0;

	return alloc_create(&fs->allocs[index], blocks, reserve);
}

int fs_allocs_create(struct fs *fs)
{
	unsigned i;
	int err = 0;

	for (i = 0; i < fs->device_count && !err; i++)
		if (fs->members.device[i])
			err = create_one(fs, i);
	return err;
}

/* A saved map that was loaded in vain may have left something free. */
static int open_one(struct fs *fs, unsigned index)
{
	const superblock_media *sb = &fs->devices[index].sb;
	struct layout_area areas[LAYOUT_FIXED_MAX];
	unsigned count = layout_fixed(sb, areas);
	unsigned i;
	int err;

	alloc_destroy(fs->allocs[index]);
	fs->allocs[index] = NULL;
	err = create_one(fs, index);
	if (!err)
		err = alloc_mark_free(fs->allocs[index], 0, sb->size_blocks);
	for (i = 0; i < count && !err; i++)
		err = alloc_mark_used(fs->allocs[index], areas[i].start,
				      areas[i].blocks);
	return err;
}

int fs_allocs_open(struct fs *fs)
{
	unsigned i;
	int err = 0;

	for (i = 0; i < fs->device_count && !err; i++)
		if (fs->allocs[i])
			err = open_one(fs, i);
	return err;
}

/* What nobody may be given, or the first write takes the journal's place. */
static int check_fixed(const superblock_media *sb, freemap_media *map)
{
	const uint64_t *used = (const void *)freemap_bitmap(map);
	struct layout_area areas[LAYOUT_FIXED_MAX];
	unsigned count = layout_fixed(sb, areas);

	while (count-- > 0)
		if (bits_count(used, areas[count].start, areas[count].blocks) !=
		    areas[count].blocks)
			return -EUCLEAN;
	return 0;
}

static int load_one(struct fs *fs, unsigned index)
{
	const superblock_media *truth = &fs_metadata(fs)->sb;
	const superblock_media *sb = &fs->devices[index].sb;
	struct device *device = fs->members.device[index];
	freemap_media *map = device_at(device, sb->freemap_start * BLOCK_BYTES);
	int err;

	if (sb->freemap_blocks == 0)
		return -ENODATA;
	err = freemap_check(map, sb->freemap_blocks, sb->size_blocks,
			    truth->generation, truth->lineage);
	if (!err)
		err = check_fixed(sb, map);
	if (err)
		return err;
	return alloc_import(fs->allocs[index], freemap_bitmap(map));
}

bool fs_freemaps_load(struct fs *fs)
{
	unsigned i;
	int err = 0;

	for (i = 0; i < fs->device_count && !err; i++)
		if (fs->members.device[i])
			err = load_one(fs, i);
	if (err)
		log_info("%s: its free map does not hold: %s",
			 fs->devices[i - 1].path, strerror(-err));
	return err == 0;
}

int fs_freemap_save(struct fs *fs, unsigned index)
{
	const superblock_media *sb = &fs->devices[index].sb;
	struct device *device = fs->members.device[index];
	freemap_media *map;

	if (sb->freemap_blocks == 0)
		return 0;
	map = calloc(sb->freemap_blocks, BLOCK_BYTES);
	if (!map)
		return -ENOMEM;
	map->blocks = sb->size_blocks;
	map->free_blocks = alloc_free_blocks(fs->allocs[index]);
	map->generation = sb->generation;
	memcpy(map->lineage, sb->lineage, sizeof(map->lineage));
	alloc_export(fs->allocs[index], freemap_bitmap(map));
	freemap_seal(map);
	device_copy(device, device_at(device, sb->freemap_start * BLOCK_BYTES),
		    map, sb->freemap_blocks * BLOCK_BYTES);
	device_drain(device);
	free(map);
	return device_failed(device) ? -EIO : 0;
}
