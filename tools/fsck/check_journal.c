/* SPDX-License-Identifier: BSD-3-Clause */
#include "fsck.h"
#include "media/record.h"
#include "report.h"

#include <errno.h>
#include <string.h>

static const char *path_of(const struct fsck *fsck)
{
	return fsck->device[fsck->metadata_device].device->path;
}

/*
 * A clean filesystem has nothing left to replay. If there is a record after
 * all, its number tells whether the anchor is old, or the mark is wrong.
 */
static void check_empty(struct fsck *fsck)
{
	const struct fsck_device *metadata =
		&fsck->device[fsck->metadata_device];
	const superblock_media *sb = &metadata->sb;
	const char *area = device_at(metadata->device,
				     sb->journal_start << BLOCK_SHIFT);
	uint64_t ring_bytes = (sb->journal_blocks - 1) << BLOCK_SHIFT;
	const anchor_media *anchor;

	fsck->reset_log = true;
	if (anchor_pick(area, &anchor) != 0 ||
	    anchor->ring_offset >= ring_bytes) {
		problem_device(fsck, "journal", path_of(fsck), MENDED_SAFELY,
			       "no anchor of the journal holds");
		return;
	}
	if (record_check(
		    (const void *)(area + BLOCK_BYTES + anchor->ring_offset),
		    ring_bytes - anchor->ring_offset, anchor->sequence,
		    sb->generation, sb->lineage) == -ENODATA)
		return;
	fsck->reset_log = anchor->sequence < sb->journal_sequence;
	problem_device(fsck, "journal", path_of(fsck),
		       fsck->reset_log ? MENDED_SAFELY : MENDED_BY_YES,
		       "marked clean, but record %ju is to be replayed",
		       (uintmax_t)anchor->sequence);
}

/* Without the log: what is at home may be a part of what was promised. */
static int go_on_without(struct fsck *fsck)
{
	problem_device(fsck, "journal", path_of(fsck), MENDED_BY_YES,
		       "damaged, and not clean: what was not written home is "
		       "lost");
	fsck->reset_log = true;
	return 0;
}

static int explain(struct fsck *fsck, int err)
{
	switch (err) {
	case -EUCLEAN:
		return go_on_without(fsck);
	case -ENODEV:
		operational(fsck, "the journal has changes for a member that "
				  "is missing");
		break;
	default:
		operational(fsck, "%s: replay: %s", path_of(fsck),
			    strerror(-err));
	}
	return err;
}

int check_journal(struct fsck *fsck)
{
	int err;

	fsck->log_first = fsck->sb->journal_sequence;
	if (fsck->clean) {
		check_empty(fsck);
		if (fsck->reset_log || fsck->options.mode == MODE_PREEN)
			return 0;
		fsck->clean = false; /* the mark is wrong */
	}
	if (may_write(fsck) && fsck->missing > 0) {
		operational(fsck, "not cleanly unmounted and members are "
				  "missing: not replayed; -n checks a copy");
		return -ENODEV;
	}
	err = journal_replay(&fsck->members, fsck->sb, &fsck->replay);
	if (err != 0)
		return explain(fsck, err);
	fsck->log_first = fsck->replay.next_sequence;
	if (!may_write(fsck))
		note(fsck,
		     "not cleanly unmounted; journal replays cleanly "
		     "(%ju records)",
		     (uintmax_t)fsck->replay.records);
	else if (fsck->replay.records > 0)
		corrected(fsck,
			  "not cleanly unmounted; journal replayed "
			  "(%ju records)",
			  (uintmax_t)fsck->replay.records);
	else
		note(fsck, "not cleanly unmounted; nothing to replay");
	return 0;
}
