/* SPDX-License-Identifier: BSD-3-Clause */
#include "fsck.h"

#include "blocks.h"
#include "device/guard.h"
#include "inodes.h"
#include "mend.h"
#include "report.h"
#include "shared.h"
#include "write.h"
#include "util/log.h"

#include <stdint.h>
#include <stdlib.h>

/* What a round begins with. */
static void forget(struct fsck *fsck)
{
	shared_close(fsck);
	inodes_close(fsck);
	blocks_fini(fsck);
	fsck->counts = (struct fsck_counts){ .files = 0 };
	fsck->work = 0;
}

/* False: it could not be done. */
static bool check_round(struct fsck *fsck)
{
	if (check_inodes(fsck) != 0)
		return false;
	check_links(fsck);
	check_free(fsck);
	return true;
}

/*
 * What there is no room to mend: a mount refuses it if it is not marked clean,
 * and without one nobody can make room.
 */
static bool must_be_mounted(const struct fsck *fsck)
{
	return fsck->full && fsck->counts.orphans == 0 &&
	       fsck->counts.pending == 0 &&
	       !(report_exit(fsck) & EXIT_OPERATIONAL);
}

static void mark_clean(struct fsck *fsck)
{
	bool was_clean = fsck->clean && !fsck->writing;
	bool sound = !(report_exit(fsck) & ~EXIT_CORRECTED);

	if (!may_write(fsck) || was_clean || fsck->missing > 0)
		return;
	if (!sound && !must_be_mounted(fsck))
		return;
	if (write_clean(fsck) != 0)
		operational(fsck, "cannot be marked clean: a write failed");
	else if (sound)
		corrected(fsck, "marked clean");
	else
		note(fsck, "marked clean all the same: mount it, make room, "
			   "and run with -y again");
}

static void say_what_is_left(struct fsck *fsck)
{
	if (fsck->options.mode == MODE_PREEN && !report_sound(fsck))
		note(fsck, "not everything is safe to mend: run with -y");
	if (!may_write(fsck) && fsck->counts.orphans > 0 && !fsck->clean)
		note(fsck,
		     "%ju inodes without a name: the next mount frees them",
		     (uintmax_t)fsck->counts.orphans);
}

/* In the order of fsck.h; an early return leaves `checked` unset. */
static void check(struct fsck *fsck, const char *const *paths, unsigned count)
{
	unsigned round;

	if (check_super(fsck, paths, count) != 0 || check_roll(fsck) != 0)
		return;
	if (fsck->options.mode == MODE_PREEN && !fsck->options.force &&
	    fsck->clean && report_sound(fsck))
		return;
	if (check_journal(fsck) != 0)
		return;
	report_settle(fsck);
	for (round = 1;; round++) {
		if (!check_round(fsck))
			return;
		if (round == ROUNDS_MAX || fsck->gave_up ||
		    !report_mendable(fsck) || !mend_round(fsck))
			break;
		forget(fsck);
	}
	fsck->checked = true;
	say_what_is_left(fsck);
	report_round(fsck, ROUND_LEFT);
	mark_clean(fsck);
}

static void check_devices_last(struct fsck *fsck)
{
	unsigned i;

	for (i = 0; i < ROLL_MAX; i++) {
		const struct device *device = fsck->members.device[i];

		if (device && device_failed(device))
			operational(fsck,
				    "%s: vanished or cannot be read at byte "
				    "%ju: what was found is not to be relied "
				    "on",
				    device->path,
				    (uintmax_t)device->failed_offset);
	}
}

int fsck_run(const struct fsck_options *options, const char *const *paths,
	     unsigned count)
{
	struct fsck *fsck = calloc(1, sizeof(*fsck));
	int status;

	if (fsck == NULL || report_init(fsck) != 0 ||
	    device_guard_install() != 0) {
		log_error("out of memory");
		return EXIT_OPERATIONAL;
	}
	fsck->options = *options;
	check(fsck, paths, count);
	report_round(fsck, ROUND_LEFT); /* of a round cut short */
	check_devices_last(fsck);
	status = report_summary(fsck);
	report_fini(fsck);
	write_fini(fsck);
	shared_close(fsck);
	inodes_close(fsck);
	blocks_fini(fsck);
	members_close(&fsck->members);
	members_close(&fsck->aside);
	free(fsck);
	return status;
}
