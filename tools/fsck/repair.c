/* SPDX-License-Identifier: BSD-3-Clause */
#include "fsck.h"
#include "inodes.h"

#include "alloc/bits.h"
#include "media/freemap.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>

static bool on_media(struct device *device)
{
	device_drain(device);
	return device_still_there(device);
}

bool repair_superblock(struct device *device, const superblock_media *good,
		       uint64_t offset_bytes)
{
	const superblock_media copy = *good;

	device_copy(device, device_at(device, offset_bytes), &copy,
		    sizeof(copy));
	return on_media(device);
}

static bool save_freemap(const struct fsck_device *member)
{
	const superblock_media *sb = &member->sb;
	freemap_media *map = calloc(sb->freemap_blocks, BLOCK_BYTES);
	bool saved;

	if (map == NULL)
		return false;
	map->blocks = sb->size_blocks;
	map->free_blocks = sb->size_blocks -
			   bits_count(member->used, 0, sb->size_blocks);
	map->generation = sb->generation;
	memcpy(map->lineage, sb->lineage, sizeof(map->lineage));
	memcpy(freemap_bitmap(map), member->used, (sb->size_blocks + 7) / 8);
	freemap_seal(map);
	device_copy(member->device,
		    device_at(member->device, sb->freemap_start << BLOCK_SHIFT),
		    map, sb->freemap_blocks << BLOCK_SHIFT);
	saved = on_media(member->device);
	free(map);
	return saved;
}

/* An anchor past every record; the number of the next one. */
static bool empty_journal(struct fsck *fsck, uint64_t *next_sequence)
{
	struct alloc *no_allocs[ROLL_MAX] = { NULL };
	struct journal *journal;

	if (journal_open(&journal, &fsck->members, fsck->sb,
			 fsck->replay.next_sequence, no_allocs) != 0)
		return false;
	*next_sequence = journal_next_sequence(journal);
	journal_close(journal);
	return true;
}

/* What all members say alike: see mark_one(). */
static void set_truth(struct fsck *fsck, uint64_t next_sequence)
{
	superblock_media *truth = &fsck->device[fsck->metadata_device].sb;
	unsigned i;

	truth->flags |= SUPERBLOCK_CLEAN;
	truth->inodes_used = inodes_in_use(fsck);
	truth->journal_sequence = next_sequence;
	for (i = 0; i < fsck->device_count; i++)
		if (is_member(fsck, i))
			truth->roll[i].generation = truth->generation;
}

/* As at a clean unmount: primary first, each persisted before the other. */
static bool mark_one(struct fsck *fsck, unsigned index)
{
	struct fsck_device *member = &fsck->device[index];
	superblock_media *sb = &member->sb;

	sb->flags = fsck->sb->flags;
	sb->inodes_used = fsck->sb->inodes_used;
	sb->journal_sequence = fsck->sb->journal_sequence;
	memcpy(sb->roll, fsck->sb->roll, sizeof(sb->roll));
	sb->sequence++;
	superblock_seal(sb);
	return repair_superblock(member->device, sb, 0) &&
	       repair_superblock(member->device, sb,
				 superblock_second_offset(sb->size_blocks));
}

/* Members that stopped at different generations are mount's to join. */
static bool same_generation(const struct fsck *fsck)
{
	unsigned i;

	for (i = 0; i < fsck->device_count; i++)
		if (is_member(fsck, i) &&
		    (fsck->device[i].stale ||
		     fsck->device[i].sb.generation != fsck->sb->generation ||
		     fsck->device[i].sb.freemap_blocks == 0))
			return false;
	return true;
}

void repair_mark_clean(struct fsck *fsck)
{
	uint64_t next_sequence;
	bool done = true;
	unsigned i;

	if (!may_write(fsck) || fsck->clean || !fsck->checked ||
	    fsck->missing > 0 || report_exit(fsck) & ~EXIT_CORRECTED ||
	    !same_generation(fsck))
		return;
	if (fsck->counts.orphans > 0 || fsck->counts.pending > 0) {
		note(fsck, "the next mount frees what is left over and marks "
			   "it clean");
		return;
	}
	for (i = 0; i < fsck->device_count && done; i++)
		done = !is_member(fsck, i) || save_freemap(&fsck->device[i]);
	done = done && empty_journal(fsck, &next_sequence);
	if (done)
		set_truth(fsck, next_sequence);
	/* the metadata device last: it decides */
	for (i = 0; i < fsck->device_count && done; i++)
		if (is_member(fsck, i) && i != fsck->metadata_device)
			done = mark_one(fsck, i);
	done = done && mark_one(fsck, fsck->metadata_device);
	if (done)
		corrected(fsck, "marked clean");
	else
		operational(fsck, "cannot be marked clean: a write failed");
}
