/* SPDX-License-Identifier: BSD-3-Clause */
#include "media/superblock.h"

#include "media/freemap.h"
#include "util/crc32c.h"

#include <errno.h>
#include <string.h>

#define DEVICE_BLOCKS_MAX ((ADDR_OFFSET_MASK + 1) >> BLOCK_SHIFT)

_Static_assert(offsetof(superblock_media, roll) == 488, "roll");

struct area {
	uint64_t start;
	uint64_t blocks;
};

static uint32_t superblock_crc(const superblock_media *sb)
{
	return crc32c_skipping(sb, sizeof(*sb),
			       offsetof(superblock_media, crc));
}

void superblock_seal(superblock_media *sb)
{
	memcpy(sb->magic, SUPERBLOCK_MAGIC, sizeof(sb->magic));
	sb->crc = superblock_crc(sb);
}

uint64_t superblock_second_offset(uint64_t size_blocks)
{
	return (size_blocks - 1) << BLOCK_SHIFT;
}

/* Between the two superblocks, or not there at all. */
static bool area_fits(struct area area, uint64_t size_blocks)
{
	if (area.blocks == 0)
		return true;
	return area.start >= 1 && area.start < size_blocks - 1 &&
	       area.blocks <= size_blocks - 1 - area.start;
}

static bool areas_fit(const superblock_media *sb)
{
	struct area log = { sb->journal_start, sb->journal_blocks };
	struct area map = { sb->freemap_start, sb->freemap_blocks };

	if (!area_fits(log, sb->size_blocks) ||
	    !area_fits(map, sb->size_blocks))
		return false;
	if (log.blocks > 0 && map.blocks > 0 &&
	    log.start < map.start + map.blocks &&
	    map.start < log.start + log.blocks)
		return false;
	if (map.blocks > 0 && map.blocks < freemap_area_blocks(sb->size_blocks))
		return false;
	/* anchors, and at least one block of ring */
	return log.blocks >= 2 ||
	       (log.blocks == 0 && sb->device_index != sb->metadata_device);
}

static bool members_fit(const superblock_media *sb)
{
	if (sb->device_count == 0 || sb->device_count > ROLL_MAX ||
	    sb->device_index >= sb->device_count ||
	    sb->metadata_device >= sb->device_count)
		return false;
	if (sb->metadata_mirror == SUPERBLOCK_MIRROR_NONE)
		return true;
	return sb->metadata_mirror < sb->device_count &&
	       sb->metadata_mirror != sb->metadata_device;
}

static bool listed_twice(const superblock_media *sb, unsigned index)
{
	unsigned i;

	for (i = 0; i < index; i++)
		if (sb->roll[i].state == ROLL_PRESENT &&
		    memcmp(sb->roll[i].uuid, sb->roll[index].uuid, 16) == 0)
			return true;
	return false;
}

static bool roll_fits(const superblock_media *sb)
{
	unsigned i;

	for (i = 0; i < sb->device_count; i++) {
		const roll_entry_media *entry = &sb->roll[i];

		if (entry->state == ROLL_REMOVED)
			continue;
		if (entry->state != ROLL_PRESENT || entry->size_blocks == 0 ||
		    entry->size_blocks > DEVICE_BLOCKS_MAX ||
		    listed_twice(sb, i))
			return false;
	}
	/* Without the metadata there is nobody to leave it out. */
	return sb->roll[sb->metadata_device].state == ROLL_PRESENT &&
	       memcmp(sb->roll[sb->device_index].uuid, sb->device_uuid,
		      sizeof(sb->device_uuid)) == 0;
}

static bool in_area(uint64_t block, uint64_t start, uint64_t blocks)
{
	return block >= start && block - start < blocks;
}

static bool inode_root_fits(const superblock_media *sb)
{
	uint64_t block = addr_block(sb->inode_root);

	if (addr_device(sb->inode_root) != sb->metadata_device ||
	    addr_offset(sb->inode_root) % 512 != 0 || block == 0)
		return false;
	if (sb->device_index != sb->metadata_device)
		return true;
	return block < sb->size_blocks - 1 &&
	       !in_area(block, sb->journal_start, sb->journal_blocks) &&
	       !in_area(block, sb->freemap_start, sb->freemap_blocks);
}

int superblock_check(const superblock_media *sb, uint64_t device_size_bytes)
{
	if (device_size_bytes < sizeof(*sb) ||
	    memcmp(sb->magic, SUPERBLOCK_MAGIC, sizeof(sb->magic)) != 0)
		return -ENODATA;
	if (sb->crc != superblock_crc(sb))
		return -EUCLEAN;
	if (sb->version != SUPERBLOCK_VERSION ||
	    (sb->incompat & ~SUPERBLOCK_INCOMPAT_KNOWN) != 0)
		return -EPROTONOSUPPORT;
	if (sb->block_bytes != BLOCK_BYTES ||
	    sb->label[SUPERBLOCK_LABEL_BYTES - 1] != '\0')
		return -EUCLEAN;
	if (sb->size_blocks < 3 || sb->size_blocks > DEVICE_BLOCKS_MAX ||
	    sb->size_blocks > device_size_bytes >> BLOCK_SHIFT)
		return -EUCLEAN;
	if (!members_fit(sb) || !areas_fit(sb) || !roll_fits(sb) ||
	    !inode_root_fits(sb))
		return -EUCLEAN;
	return 0;
}

static bool same_filesystem(const superblock_media *a,
			    const superblock_media *b)
{
	return memcmp(a->fs_uuid, b->fs_uuid, sizeof(a->fs_uuid)) == 0 &&
	       memcmp(a->device_uuid, b->device_uuid, sizeof(a->device_uuid)) ==
		       0 &&
	       a->created_ns == b->created_ns;
}

/* A copy counts as the second one only where its own size puts it. */
static int check_second(const char *base, uint64_t device_size_bytes,
			uint64_t size_blocks, const superblock_media **out)
{
	const superblock_media *sb;
	int err;

	if (size_blocks < 3 || size_blocks > device_size_bytes >> BLOCK_SHIFT)
		return -ENODATA;
	sb = (const void *)(base + superblock_second_offset(size_blocks));
	err = superblock_check(sb, device_size_bytes);
	if (err == 0 && sb->size_blocks != size_blocks)
		err = -EUCLEAN;
	*out = sb;
	return err;
}

/* The first copy is gone: its size may still be readable, else the device's. */
static int pick_second(const superblock_media *first, int first_err,
		       uint64_t device_size_bytes, const superblock_media **out)
{
	uint64_t blocks = device_size_bytes >> BLOCK_SHIFT;
	int err;

	err = check_second((const char *)first, device_size_bytes, blocks, out);
	if (err != 0 && first_err == -EUCLEAN && first->size_blocks != blocks) {
		int again = check_second((const char *)first, device_size_bytes,
					 first->size_blocks, out);

		err = again != -ENODATA ? again : err;
	}
	if (err == -ENODATA)
		return first_err;
	return err;
}

int superblock_pick(const void *base, uint64_t device_size_bytes,
		    const superblock_media **out, bool *damaged)
{
	const superblock_media *first = base, *second;
	int err;

	*out = NULL;
	*damaged = false;
	if (device_size_bytes < 3 * sizeof(*first))
		return -ENODATA;
	err = superblock_check(first, device_size_bytes);
	if (err == -EPROTONOSUPPORT)
		return err;
	if (err != 0) {
		err = pick_second(first, err, device_size_bytes, &second);
		*damaged = true;
		*out = err == 0 ? second : NULL;
		return err;
	}

	err = check_second(base, device_size_bytes, first->size_blocks,
			   &second);
	if (err == -EPROTONOSUPPORT && same_filesystem(first, second))
		return err;
	*damaged = err != 0 || !same_filesystem(first, second);
	*out = !*damaged && second->sequence > first->sequence ? second : first;
	return 0;
}
