/* SPDX-License-Identifier: BSD-3-Clause */
#include "mkfs.h"

#include "media/freemap.h"
#include "media/inode.h"
#include "media/layout.h"
#include "util/clock.h"
#include "util/log.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <uuid/uuid.h>

static int random_bytes(void *bytes, size_t length)
{
	if (getrandom(bytes, length, 0) == (ssize_t)length)
		return 0;
	log_error("no random numbers: %s", strerror(errno));
	return -EIO;
}

static uint64_t size_blocks(const struct mkfs *mkfs, unsigned index)
{
	const struct device *device = mkfs->members.device[index];
	uint64_t bytes = device ? device->size_bytes : mkfs->options.size_bytes;

	return bytes >> BLOCK_SHIFT;
}

/* What all members have in common. */
static int plan_common(const struct mkfs *mkfs, superblock_media *sb)
{
	struct timespec now;

	sb->version = SUPERBLOCK_VERSION;
	sb->ro_compat = SUPERBLOCK_SHARED;
	if (mkfs->options.uuid_given)
		memcpy(sb->fs_uuid, mkfs->options.uuid, sizeof(sb->fs_uuid));
	else
		uuid_generate_random(sb->fs_uuid);
	memcpy(sb->label, mkfs->options.label, sizeof(sb->label));
	sb->device_count = (uint16_t)mkfs->count;
	sb->metadata_mirror = SUPERBLOCK_MIRROR_NONE;
	sb->block_bytes = BLOCK_BYTES;
	sb->flags = SUPERBLOCK_CLEAN;
	sb->sequence = 1;
	sb->generation = 1;
	uuid_generate_random(sb->lineage);
	clock_gettime(CLOCK_REALTIME, &now);
	sb->created_ns = (uint64_t)now.tv_sec * (uint64_t)NS_PER_S +
			 (uint64_t)now.tv_nsec;
	sb->inodes_used = 3; /* inode file, root directory, shared blocks */
	sb->journal_sequence = 1;
	return random_bytes(&sb->hash_seed, sizeof(sb->hash_seed));
}

static void plan_roll(const struct mkfs *mkfs, superblock_media *sb)
{
	unsigned i;

	for (i = 0; i < mkfs->count; i++) {
		roll_entry_media *entry = &sb->roll[i];

		uuid_generate_random(entry->uuid);
		entry->size_blocks = size_blocks(mkfs, i);
		entry->generation = sb->generation;
		entry->state = ROLL_PRESENT;
	}
	if (mkfs->count == 1 && mkfs->options.uuid_given)
		memcpy(sb->roll[0].uuid, sb->fs_uuid, sizeof(sb->fs_uuid));
}

static int plan_one(struct mkfs *mkfs, unsigned index,
		    const superblock_media *common)
{
	struct mkfs_device *device = &mkfs->device[index];
	superblock_media *sb = &device->sb;
	int err;

	*sb = *common;
	sb->device_index = (uint16_t)index;
	sb->size_blocks = common->roll[index].size_blocks;
	memcpy(sb->device_uuid, common->roll[index].uuid,
	       sizeof(sb->device_uuid));
	err = layout_plan(sb);
	if (err != 0) {
		log_error("%s: %ju blocks: %s", device->path,
			  (uintmax_t)sb->size_blocks,
			  err == -ENOSPC ? "too small" : "too large");
		return err;
	}
	/* the metadata device comes first and tells the others */
	sb->inode_root = mkfs->device[sb->metadata_device].sb.inode_root;
	return 0;
}

int format_plan(struct mkfs *mkfs)
{
	superblock_media common = { .metadata_device = 0 };
	unsigned i;
	int err;

	err = plan_common(mkfs, &common);
	if (err != 0)
		return err;
	plan_roll(mkfs, &common);
	for (i = 0; i < mkfs->count && err == 0; i++)
		err = plan_one(mkfs, i, &common);
	mkfs->chunk_block = addr_block(mkfs->device[0].sb.inode_root) + 1;
	return err;
}

uint64_t format_free_blocks(const struct mkfs *mkfs, unsigned index)
{
	const superblock_media *sb = &mkfs->device[index].sb;
	struct layout_area areas[LAYOUT_FIXED_MAX];
	unsigned n = layout_fixed(sb, areas), i;
	uint64_t free_blocks = sb->size_blocks;

	for (i = 0; i < n; i++)
		free_blocks -= areas[i].blocks;
	if (sb->device_index == sb->metadata_device)
		free_blocks -= INODE_CHUNK_BYTES / BLOCK_BYTES;
	return free_blocks;
}
