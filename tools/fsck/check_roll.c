/* SPDX-License-Identifier: BSD-3-Clause */
#include "fsck.h"
#include "report.h"

#include <errno.h>
#include <string.h>
#include <uuid/uuid.h>

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

/* In step, or a mount was cut short between two superblocks. */
static bool same_history(const superblock_media *truth,
			 const superblock_media *own)
{
	return same_bytes(own->lineage, truth->lineage) &&
	       own->generation <= truth->generation &&
	       own->generation + 1 >= truth->generation;
}

/*
 * It has gone all the way with the metadata device, whose list has another UUID
 * for it, and nobody here is called that: the list is wrong.
 */
static bool is_misnamed(const struct fsck *fsck, unsigned index)
{
	const superblock_media *own = &fsck->device[index].sb;

	return index != fsck->metadata_device &&
	       is_member(fsck, fsck->metadata_device) &&
	       own->generation == fsck->sb->generation &&
	       same_history(fsck->sb, own) &&
	       same_bytes(own->device_uuid, own->roll[index].uuid);
}

/* As mount decides it: a member that was left out comes back only if nothing
 * has changed on it since. */
static bool belongs(struct fsck *fsck, unsigned index)
{
	struct fsck_device *member = &fsck->device[index];
	const roll_entry_media *entry = &fsck->sb->roll[index];
	const superblock_media *truth = fsck->sb, *own = &member->sb;
	const char *path = member->device->path;

	if (index < truth->device_count && entry->state == ROLL_PRESENT &&
	    !same_bytes(own->device_uuid, entry->uuid) &&
	    is_misnamed(fsck, index)) {
		problem_device(fsck, "roll", path, MENDED_BY_YES,
			       "has another UUID in the list of members");
		return true;
	}
	if (index >= truth->device_count || entry->state == 0 ||
	    !same_bytes(own->device_uuid, entry->uuid)) {
		problem_device(fsck, "roll", path, MENDED_NOT,
			       "is not in the list of members");
		return false;
	}
	if (entry->state == ROLL_PRESENT && same_history(truth, own))
		return true;
	if (own->generation != entry->generation) {
		problem_device(fsck, "roll", path, MENDED_NOT,
			       "is an old copy or was changed apart: its "
			       "generation is %ju, the others know it at %ju",
			       (uintmax_t)own->generation,
			       (uintmax_t)entry->generation);
		return false;
	}
	note(fsck, "%s: was left out; the next mount takes it back", path);
	member->stale = true;
	return true;
}

/* Numbers that all members write alike. */
static void compare(struct fsck *fsck, unsigned index)
{
	const struct fsck_device *member = &fsck->device[index];
	const superblock_media *sb = fsck->sb, *own = &member->sb;
	const char *path = member->device->path;
	unsigned i;

	/* where its second superblock was found says how large it is */
	if (own->size_blocks != sb->roll[index].size_blocks)
		problem_device(fsck, "roll", path, MENDED_SAFELY,
			       "size is %ju blocks, the others say %ju",
			       (uintmax_t)own->size_blocks,
			       (uintmax_t)sb->roll[index].size_blocks);
	if (own->metadata_device != sb->metadata_device ||
	    own->inode_root != sb->inode_root ||
	    own->hash_seed != sb->hash_seed)
		problem_device(fsck, "roll", path, MENDED_SAFELY,
			       "says otherwise where the metadata is");
	if (own->generation != sb->generation && fsck->clean)
		problem_device(fsck, "roll", path, MENDED_SAFELY,
			       "generation is %ju, the metadata device's %ju",
			       (uintmax_t)own->generation,
			       (uintmax_t)sb->generation);
	for (i = 0; i < sb->device_count && fsck->clean; i++)
		if (own->roll[i].state != sb->roll[i].state ||
		    !same_bytes(own->roll[i].uuid, sb->roll[i].uuid)) {
			problem_device(fsck, "roll", path, MENDED_SAFELY,
				       "has another list of members");
			return;
		}
}

/* roll entry of one that was not given */
static void check_absent(struct fsck *fsck, unsigned index)
{
	const roll_entry_media *entry = &fsck->sb->roll[index];
	char uuid[UUID_STR_LEN];

	uuid_unparse_lower(entry->uuid, uuid);
	if (entry->state == ROLL_REMOVED) {
		note(fsck,
		     "member %u (%s) was left out and is not here: what "
		     "is on it is not checked",
		     index, uuid);
		fsck->removed++;
	} else if (entry->state == ROLL_PRESENT) {
		note(fsck,
		     "member %u (%s) is missing: what is on it is not "
		     "checked",
		     index, uuid);
		fsck->missing++;
	}
}

static void check_one(struct fsck *fsck, unsigned index)
{
	if (!is_member(fsck, index))
		check_absent(fsck, index);
	else if (!fsck->device[index].stale)
		compare(fsck, index);
}

int check_roll(struct fsck *fsck)
{
	const superblock_media *sb = fsck->sb;
	unsigned i;

	for (i = 0; i < ROLL_MAX; i++)
		if (fsck->device[i].device != NULL && !belongs(fsck, i))
			drop(fsck, i);
	fsck->clean = is_member(fsck, fsck->metadata_device) &&
		      (sb->flags & SUPERBLOCK_CLEAN);
	for (i = 0; i < sb->device_count; i++)
		check_one(fsck, i);

	if (is_member(fsck, fsck->metadata_device))
		return 0;
	operational(fsck,
		    "member %u holds the metadata and is missing: nothing but "
		    "superblocks can be checked",
		    fsck->metadata_device);
	return -ENODEV;
}
