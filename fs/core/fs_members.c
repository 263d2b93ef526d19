/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fs_members.c -- which devices are members, and do they agree
 *
 * The metadata device's superblock is the truth. Another member belongs if it
 * has the truth's lineage and generation (or the one before: a mount was cut
 * short between two superblocks), or if its own generation is what the truth's
 * roll has recorded of it: then nothing has changed on it since.
 */
#include "core/fs_private.h"
#include "device/foreign.h"
#include "device/guard.h"
#include "util/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UUID_TEXT_BYTES 37

static const char *uuid_text(const uint8_t uuid[16], char text[UUID_TEXT_BYTES])
{
	unsigned at = 0;
	unsigned i;

	for (i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			text[at++] = '-';
		at += (unsigned)snprintf(text + at, UUID_TEXT_BYTES - at,
					 "%02x", uuid[i]);
	}
	return text;
}

/* The second superblock holds, the primary is none: it may be left of what had
 * the device before. */
static int check_foreign(const struct device *device, const struct why *why)
{
	char name[FOREIGN_NAME_BYTES];
	int err;

	if (superblock_check(device_at(device, 0), device->size_bytes) !=
	    -ENODATA)
		return 0;
	err = foreign_name(device->fd, name);
	if (err || !name[0])
		return err;
	why_is(why, "%s: holds %s, and the remains of a udaxfs", device->path,
	       name);
	return -EEXIST;
}

static int pick(struct device *device, superblock_media *out,
		const struct why *why)
{
	const superblock_media *sb;
	bool damaged;
	int err;

	err = superblock_pick(device->base, device->size_bytes, &sb, &damaged);
	if (err == -ENODATA)
		why_is(why, "%s: not a udaxfs device", device->path);
	else if (err == -EPROTONOSUPPORT)
		why_is(why, "%s: made by a newer version", device->path);
	else if (err)
		why_is(why, "%s: superblocks damaged; run fsck.udaxfs",
		       device->path);
	if (!err && damaged)
		err = check_foreign(device, why);
	if (err)
		return err;
	if (damaged)
		log_warn("%s: one superblock of two is damaged", device->path);
	memcpy(out, sb, sizeof(*out));
	return 0;
}

/* Into the slot its own superblock names. */
static int place(struct fs *fs, struct device **device, const struct why *why)
{
	superblock_media sb;
	struct fs_device *member;
	unsigned i;
	int err;

	err = pick(*device, &sb, why);
	if (err)
		return err;
	for (i = 0; i < ROLL_MAX; i++) {
		if (!fs->members.device[i] ||
		    memcmp(fs->devices[i].sb.fs_uuid, sb.fs_uuid, 16) == 0)
			continue;
		why_is(why, "%s and %s: not of one filesystem",
		       fs->members.device[i]->path, (*device)->path);
		return -EINVAL;
	}
	if (sb.device_index >= ROLL_MAX) {
		why_is(why, "%s: superblock damaged; run fsck.udaxfs",
		       (*device)->path);
		return -EUCLEAN;
	}
	if (fs->members.device[sb.device_index]) {
		why_is(why, "%s and %s: both are device %u",
		       fs->members.device[sb.device_index]->path,
		       (*device)->path, sb.device_index);
		return -EINVAL;
	}
	member = &fs->devices[sb.device_index];
	member->sb = sb;
	/* Absolute: the daemon leaves its directory. */
	member->path = realpath((*device)->path, NULL);
	if (!member->path)
		return -errno;
	member->granularity_name =
		device_granularity_name((*device)->granularity);
	fs->members.device[sb.device_index] = *device;
	if (fs->members.count <= sb.device_index)
		fs->members.count = sb.device_index + 1u;
	*device = NULL;
	return 0;
}

static int open_given(struct fs *fs, char *const *paths, unsigned count,
		      const struct why *why)
{
	/* Read-only: recovery happens, but in memory. */
	const struct device_options options = {
		.busy_ms = DEVICE_BUSY_MS,
		.private_copy = fs->options.read_only,
	};
	char reason[DEVICE_WHY_BYTES] = "";
	struct members given;
	unsigned bad;
	unsigned i;
	int err;

	err = members_open(&given, (const char *const *)paths, count, &options,
			   &bad, reason, sizeof(reason));
	if (err) {
		why_is(why, "%s: %s", bad < count ? paths[bad] : "mount",
		       reason);
		return err;
	}
	for (i = 0; i < count && !err; i++)
		err = place(fs, &given.device[i], why);
	for (i = 0; i < count; i++)
		if (given.device[i])
			device_close(given.device[i]);
	return err;
}

static int find_truth(struct fs *fs, const struct why *why)
{
	char uuid[UUID_TEXT_BYTES];
	const superblock_media *sb = NULL;
	unsigned i;

	for (i = 0; i < fs->members.count; i++) {
		if (!fs->members.device[i])
			continue;
		sb = &fs->devices[i].sb;
		if (sb->metadata_device == i)
			break;
	}
	if (!sb)
		return -EINVAL;
	fs->metadata_device = sb->metadata_device;
	if (i == fs->members.count) {
		why_is(why, "device %u (%s) with the metadata is missing",
		       sb->metadata_device,
		       uuid_text(sb->roll[sb->metadata_device % ROLL_MAX].uuid,
				 uuid));
		return -ENODEV;
	}
	if (sb->device_count == 0 || sb->device_count > ROLL_MAX ||
	    i >= sb->device_count) {
		why_is(why, "%s: superblock damaged; run fsck.udaxfs",
		       fs->devices[i].path);
		return -EUCLEAN;
	}
	fs->device_count = sb->device_count;
	fs->hash_seed = sb->hash_seed;
	return 0;
}

static bool same_history(const superblock_media *truth,
			 const superblock_media *sb)
{
	return memcmp(truth->lineage, sb->lineage, sizeof(sb->lineage)) == 0 &&
	       sb->generation <= truth->generation &&
	       sb->generation + 1 >= truth->generation;
}

static int judge(struct fs *fs, unsigned index, struct fs_join *join,
		 const struct why *why)
{
	superblock_media *truth = &fs_metadata(fs)->sb;
	struct fs_device *member = &fs->devices[index];
	const superblock_media *sb = &member->sb;
	roll_entry_media *entry = &truth->roll[index];

	if (index >= fs->device_count || entry->state == 0 ||
	    memcmp(entry->uuid, sb->device_uuid, sizeof(entry->uuid)) != 0) {
		why_is(why, "%s: not in the roll of %s", member->path,
		       fs_metadata(fs)->path);
		return -EINVAL;
	}
	if (entry->size_blocks != sb->size_blocks) {
		why_is(why,
		       "%s: not of the size that %s has for it; run "
		       "fsck.udaxfs",
		       member->path, fs_metadata(fs)->path);
		return -EUCLEAN;
	}
	if (entry->state == ROLL_PRESENT && same_history(truth, sb))
		return 0;
	if (sb->generation != entry->generation) {
		why_is(why,
		       "%s: has been changed apart from %s since they "
		       "were mounted together",
		       member->path, fs_metadata(fs)->path);
		return -ESTALE;
	}
	log_info("%s: taken back as device %u", member->path, index);
	entry->state = ROLL_PRESENT;
	join->rebuild = true;
	return 0;
}

/* Who is not here. A mount without somebody begins a lineage of its own. */
static int absent(struct fs *fs, unsigned index, const struct why *why)
{
	roll_entry_media *entry = &fs_metadata(fs)->sb.roll[index];
	char uuid[UUID_TEXT_BYTES];

	if (entry->state == 0)
		return 0;
	if (!fs->options.degraded) {
		why_is(why,
		       "device %u (%s) is missing; -o degraded mounts "
		       "without it",
		       index, uuid_text(entry->uuid, uuid));
		return -ENODEV;
	}
	log_warn("device %u (%s) is missing: its files' data is offline", index,
		 uuid_text(entry->uuid, uuid));
	entry->state = ROLL_REMOVED;
	return 1;
}

static int agree(struct fs *fs, struct fs_join *join, const struct why *why)
{
	const superblock_media *truth = &fs_metadata(fs)->sb;
	unsigned i;
	int err = 0;

	if (truth->ro_compat & ~SUPERBLOCK_RO_COMPAT_KNOWN &&
	    !fs->options.read_only) {
		why_is(why,
		       "%s: has features that this version can only "
		       "read: mount with -o ro",
		       fs_metadata(fs)->path);
		return -EROFS;
	}
	for (i = 0; i < ROLL_MAX && err >= 0; i++) {
		struct fs_device *member = &fs->devices[i];

		if (fs->members.device[i])
			err = judge(fs, i, join, why);
		else if (i < fs->device_count)
			err = absent(fs, i, why);
		join->apart |= err > 0;
		member->missing = !fs->members.device[i];
		member->size_bytes = truth->roll[i].size_blocks * BLOCK_BYTES;
		memcpy(member->uuid, truth->roll[i].uuid, 16);
	}
	return err < 0 ? err : 0;
}

int fs_members_open(struct fs *fs, char *const *paths, unsigned count,
		    struct fs_join *join, const struct why *why)
{
	unsigned i;
	int err;

	memset(join, 0, sizeof(*join));
	err = device_guard_install();
	if (!err)
		err = open_given(fs, paths, count, why);
	if (!err)
		err = find_truth(fs, why);
	if (!err)
		err = agree(fs, join, why);
	for (i = 0; i < fs->members.count && !err; i++) {
		if (!fs->members.device[i])
			continue;
		err = device_lock_share(fs->members.device[i]);
		if (err)
			why_is(why, "%s: cannot be locked: %s",
			       fs->devices[i].path, strerror(-err));
	}
	return err;
}
