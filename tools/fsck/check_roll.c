/* SPDX-License-Identifier: BSD-3-Clause */
#include "fsck.h"
#include "report.h"

#include <errno.h>
#include <string.h>

static bool same_bytes(const uint8_t a[16], const uint8_t b[16])
{
	return memcmp(a, b, 16) == 0;
}

static void drop(struct fsck *fsck, unsigned index)
{
	fsck->aside.device[fsck->aside.count++] = fsck->device[index].device;
	fsck->device[index].device = NULL;
	fsck->members.device[index] = NULL;
}

/* Whether what is on it belongs to the state that the reference describes. */
static bool belongs(struct fsck *fsck, unsigned index)
{
	const struct fsck_device *member = &fsck->device[index];
	const superblock_media *sb = fsck->sb;
	const char *path = member->device->path;

	if (index >= sb->device_count ||
	    sb->roll[index].state != ROLL_PRESENT) {
		problem_device(fsck, "roll", path, false,
			       "is member %u, which the filesystem has not "
			       "(any more)",
			       index);
		return false;
	}
	if (!same_bytes(member->sb.device_uuid, sb->roll[index].uuid)) {
		problem_device(fsck, "roll", path, false,
			       "is not the device that the others know as "
			       "member %u",
			       index);
		return false;
	}
	if (!same_bytes(member->sb.lineage, sb->lineage)) {
		problem_device(fsck, "roll", path, false,
			       "has another lineage: the filesystem went on "
			       "without it (generation %ju, it has %ju)",
			       (uintmax_t)sb->generation,
			       (uintmax_t)member->sb.generation);
		return false;
	}
	return true;
}

/* Numbers that all members write alike. */
static void compare(struct fsck *fsck, unsigned index)
{
	const struct fsck_device *member = &fsck->device[index];
	const superblock_media *sb = fsck->sb, *own = &member->sb;
	const char *path = member->device->path;
	unsigned i;

	if (own->size_blocks != sb->roll[index].size_blocks)
		problem_device(fsck, "roll", path, false,
			       "size is %ju blocks, the others say %ju",
			       (uintmax_t)own->size_blocks,
			       (uintmax_t)sb->roll[index].size_blocks);
	if (own->metadata_device != sb->metadata_device ||
	    own->inode_root != sb->inode_root ||
	    own->hash_seed != sb->hash_seed)
		problem_device(fsck, "roll", path, false,
			       "says otherwise where the metadata is");
	if (own->generation != sb->generation && fsck->clean)
		problem_device(fsck, "roll", path, false,
			       "generation is %ju, the metadata device's %ju",
			       (uintmax_t)own->generation,
			       (uintmax_t)sb->generation);
	for (i = 0; i < sb->device_count && fsck->clean; i++)
		if (own->device_count != sb->device_count ||
		    own->roll[i].state != sb->roll[i].state ||
		    !same_bytes(own->roll[i].uuid, sb->roll[i].uuid)) {
			problem_device(fsck, "roll", path, false,
				       "has another list of members");
			return;
		}
}

int check_roll(struct fsck *fsck)
{
	const superblock_media *sb = fsck->sb;
	unsigned i;

	for (i = 0; i < ROLL_MAX; i++)
		if (fsck->device[i].device != NULL && !belongs(fsck, i))
			drop(fsck, i);
	fsck->clean = true;
	for (i = 0; i < sb->device_count; i++)
		if (is_member(fsck, i) && !fsck->device[i].clean)
			fsck->clean = false;
	for (i = 0; i < sb->device_count; i++)
		if (is_member(fsck, i))
			compare(fsck, i);
		else if (sb->roll[i].state == ROLL_PRESENT)
			missing_member(fsck, i, sb->roll[i].uuid);

	if (is_member(fsck, fsck->metadata_device))
		return 0;
	operational(fsck,
		    "member %u holds the metadata and is missing: nothing but "
		    "superblocks can be checked",
		    fsck->metadata_device);
	return -ENODEV;
}
