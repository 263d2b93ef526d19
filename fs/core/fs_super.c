/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fs_super.c -- superblocks: when and in which order they are written
 *
 * At mount the metadata device's comes first, and what its roll says of the
 * others is still the generation they have on the media: cut short anywhere,
 * the next mount takes each member for one of ours (fs_members.c). At a clean
 * unmount the metadata device's comes last: only it decides what is clean.
 */
#include "core/fs_private.h"
#include "core/inode.h"
#include "trace/mutate.h"
#include "util/log.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static int store(struct device *device, const superblock_media *sb,
		 uint64_t offset_bytes)
{
	device_copy(device, device_at(device, offset_bytes), sb, sizeof(*sb));
	if (!(mutated(MUTATE_SUPER_FENCES)) &&
	    !(mutated(MUTATE_SUPER_COPIES) && offset_bytes == 0))
		device_drain(device);
	return device_failed(device) ? -EIO : 0;
}

/* A crash has left it half written, or as it was before the other one. */
static bool lags(const struct device *device, const superblock_media *sb,
		 uint64_t offset_bytes)
{
	const superblock_media *copy = device_at(device, offset_bytes);

	return superblock_check(copy, device->size_bytes) != 0 ||
	       copy->sequence != sb->sequence;
}

/*
 * The copy in memory to the media: primary, then the second; but a second one
 * that lags goes first, so that what holds is never older than it was.
 */
static int write_one(struct fs *fs, unsigned index)
{
	superblock_media *sb = &fs->devices[index].sb;
	struct device *device = fs->members.device[index];
	uint64_t second = superblock_second_offset(sb->size_blocks);
	bool second_first = lags(device, sb, second);
	int err;

	/* Written by a daemon that died then, it may stand in caches alone. */
	device_persist(device, device_at(device, second_first ? 0 : second),
		       sizeof(*sb));
	sb->sequence++;
	superblock_seal(sb);
	err = store(device, sb, second_first ? second : 0);
	if (!err)
		err = store(device, sb, second_first ? 0 : second);
	return err;
}

/* What all members say alike is the metadata device's to say. */
static void follow(struct fs *fs, unsigned index)
{
	const superblock_media *truth = &fs_metadata(fs)->sb;
	superblock_media *sb = &fs->devices[index].sb;

	sb->generation = truth->generation;
	sb->flags = truth->flags;
	sb->inodes_used = truth->inodes_used;
	sb->journal_sequence = truth->journal_sequence;
	memcpy(sb->lineage, truth->lineage, sizeof(sb->lineage));
	memcpy(sb->roll, truth->roll, sizeof(sb->roll));
}

static bool writes(const struct fs *fs, unsigned index)
{
	return index != fs->metadata_device && fs->members.device[index] &&
	       !device_failed(fs->members.device[index]);
}

static int write_others(struct fs *fs)
{
	unsigned i;
	int err = 0;

	for (i = 0; i < fs->device_count && !err; i++) {
		if (!writes(fs, i))
			continue;
		follow(fs, i);
		err = write_one(fs, i);
	}
	return err;
}

/*
 * What a member says of itself may stand in caches alone, if the daemon that
 * wrote it died then: it is on the media before the roll says it.
 */
static void settle_others(struct fs *fs)
{
	unsigned i;

	for (i = 0; i < fs->device_count; i++) {
		struct device *device = fs->members.device[i];
		uint64_t second =
			superblock_second_offset(fs->devices[i].sb.size_blocks);

		if (!writes(fs, i) || mutated(MUTATE_SUPER_SETTLE))
			continue;
		device_persist(device, device_at(device, 0), BLOCK_BYTES);
		device_persist(device, device_at(device, second), BLOCK_BYTES);
	}
}

int fs_super_begin(struct fs *fs, const struct fs_join *join)
{
	superblock_media *truth = &fs_metadata(fs)->sb;
	int err;

	if (join->apart && getrandom(truth->lineage, sizeof(truth->lineage),
				     0) != (ssize_t)sizeof(truth->lineage))
		return -EIO;
	pthread_mutex_lock(&fs->super_lock);
	for (unsigned i = 0; i < fs->device_count; i++)
		if (fs->members.device[i])
			truth->roll[i].generation =
				fs->devices[i].sb.generation;
	settle_others(fs);
	truth->generation++;
	truth->flags &= ~SUPERBLOCK_CLEAN;
	err = write_one(fs, fs->metadata_device);
	if (!err)
		err = write_others(fs);
	pthread_mutex_unlock(&fs->super_lock);
	return err;
}

int fs_super_finish(struct fs *fs, uint64_t journal_sequence)
{
	superblock_media *truth = &fs_metadata(fs)->sb;
	int err;

	pthread_mutex_lock(&fs->super_lock);
	truth->flags |= SUPERBLOCK_CLEAN;
	truth->journal_sequence = journal_sequence;
	truth->inodes_used = inodes_used(fs);
	for (unsigned i = 0; i < fs->device_count; i++)
		if (i == fs->metadata_device || writes(fs, i))
			truth->roll[i].generation = truth->generation;
	err = write_others(fs);
	if (!err)
		err = write_one(fs, fs->metadata_device);
	pthread_mutex_unlock(&fs->super_lock);
	return err;
}

/* The one that leaves first: should it be cut short there, nothing is amiss. */
static int write_leaver(struct fs *fs, unsigned index)
{
	fs->devices[index].sb.flags |= SUPERBLOCK_CLEAN;
	return writes(fs, index) ? write_one(fs, index) : 0;
}

static int write_without(struct fs *fs, unsigned index)
{
	unsigned i;
	int err;

	err = write_one(fs, fs->metadata_device);
	if (err)
		return err;
	/* One that fails now is removed next; the roll knows it meanwhile. */
	for (i = 0; i < fs->device_count; i++) {
		if (i == index || !writes(fs, i))
			continue;
		follow(fs, i);
		err = write_one(fs, i);
		if (err)
			log_error("%s: superblock not written: %s",
				  fs->devices[i].path, strerror(-err));
	}
	return 0;
}

int fs_super_remove(struct fs *fs, unsigned index, const uint8_t lineage[16])
{
	superblock_media *truth = &fs_metadata(fs)->sb;
	unsigned i;
	int err;

	pthread_mutex_lock(&fs->super_lock);
	err = write_leaver(fs, index);
	if (err)
		log_error("%s: superblock not written: %s",
			  fs->devices[index].path, strerror(-err));
	for (i = 0; i < fs->device_count; i++)
		if (fs->members.device[i])
			truth->roll[i].generation = truth->generation;
	truth->roll[index].state = ROLL_REMOVED;
	memcpy(truth->lineage, lineage, sizeof(truth->lineage));
	err = write_without(fs, index);
	pthread_mutex_unlock(&fs->super_lock);
	return err;
}
