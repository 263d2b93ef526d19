/* SPDX-License-Identifier: BSD-3-Clause */
#include "fsck.h"

#include "blocks.h"
#include "device/guard.h"
#include "inodes.h"
#include "report.h"
#include "shared.h"
#include "util/log.h"

#include <stdint.h>
#include <stdlib.h>

/* In the order of fsck.h; an early return leaves `checked` unset. */
static void check(struct fsck *fsck, const char *const *paths, unsigned count)
{
	if (check_super(fsck, paths, count) != 0 || check_roll(fsck) != 0)
		return;
	if (fsck->options.mode == MODE_PREEN && !fsck->options.force &&
	    fsck->clean && problems_left(fsck) == 0)
		return;
	if (check_journal(fsck) != 0 || check_inodes(fsck) != 0)
		return;
	check_links(fsck);
	check_free(fsck);
	fsck->checked = true;
	if (fsck->counts.orphans > 0 && !fsck->clean)
		note(fsck,
		     "%ju inodes without a name: the next mount frees "
		     "them",
		     (uintmax_t)fsck->counts.orphans);
	repair_mark_clean(fsck);
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
	check_devices_last(fsck);
	status = report_summary(fsck);
	report_fini(fsck);
	inodes_close(fsck);
	shared_close(fsck);
	blocks_fini(fsck);
	members_close(&fsck->members);
	members_close(&fsck->aside);
	free(fsck);
	return status;
}
