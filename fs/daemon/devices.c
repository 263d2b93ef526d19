/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/devices.h"
#include "control/control.h"
#include "core/fs.h"
#include "direct/direct.h"
#include "fuse/front.h"
#include "fuse/revoke.h"
#include "util/log.h"

#include <errno.h>
#include <string.h>

static void tell(void *arg, unsigned int device)
{
	struct devices *devices = arg;

	direct_device_changed(devices->direct, device, DEVICE_BLOCKING);
}

static void blocked(void *arg, unsigned int device)
{
	struct devices *devices = arg;

	park_fail_device(devices->front->park, device);
}

static int revoke(void *arg, unsigned int device, enum removal_mode mode,
		  const struct removal_limits *limits)
{
	struct devices *devices = arg;
	int leases, mappings;

	/* Clients are asked first, and answer while the kernel drops its
	 * pages; then it is seen what they have left. */
	leases = direct_revoke_device(devices->direct, device, mode, limits);
	mappings = fuse_revoke_device(devices->front, device, mode);
	if (leases)
		leases = direct_revoke_device(devices->direct, device, mode,
					      limits);
	return mappings ? mappings : leases;
}

static bool reachable(void *arg, unsigned int device)
{
	struct devices *devices = arg;

	return direct_device_reachable(devices->direct, device);
}

static int retire(void *arg, unsigned int device)
{
	struct devices *devices = arg;

	return fs_retire_device(devices->fs, device);
}

static void close_device(void *arg, unsigned int device)
{
	struct devices *devices = arg;

	fs_close_device(devices->fs, device);
}

static void changed(void *arg, unsigned int device, enum removal_state state)
{
	struct devices *devices = arg;

	log_info("%s: %s", devices->fs->devices[device].path,
		 removal_state_name(state));
	direct_device_changed(devices->direct, device, state);
	pthread_mutex_lock(&devices->lock);
	control_device_changed(devices->control, device, state);
	pthread_mutex_unlock(&devices->lock);
}

static const struct removal_ops operations = {
	.tell = tell,
	.blocked = blocked,
	.revoke = revoke,
	.reachable = reachable,
	.retire = retire,
	.close = close_device,
	.changed = changed,
};

int devices_init(struct devices *devices, struct fs *fs)
{
	int err = 0;

	*devices = (struct devices){ .fs = fs,
				     .lock = PTHREAD_MUTEX_INITIALIZER };
	for (unsigned int i = 0; i < fs->device_count && !err; i++)
		if (fs->devices[i].pgmap)
			err = removal_create(&fs->devices[i].removal, i,
					     fs->devices[i].pgmap, &operations,
					     devices);
	if (err)
		devices_fini(devices);
	return err;
}

void devices_set_control(struct devices *devices, struct control *control)
{
	pthread_mutex_lock(&devices->lock);
	devices->control = control;
	pthread_mutex_unlock(&devices->lock);
}

void devices_fini(struct devices *devices)
{
	struct fs *fs = devices->fs;

	for (unsigned int i = 0; i < fs->device_count; i++) {
		struct removal *removal = fs->devices[i].removal;

		if (!removal)
			continue;
		/* -EINVAL: there was nothing to cancel. */
		if (removal_cancel(removal) == 0)
			log_warn("%s: removal cancelled by unmount",
				 fs->devices[i].path);
		removal_destroy(removal);
		fs->devices[i].removal = NULL;
	}
}

/* A live device that a gate is held on is not closed meanwhile. */
static bool is_lost(struct fs *fs, unsigned int index)
{
	struct fs_device *member = &fs->devices[index];
	bool lost;

	if (!member->removal || removal_state(member->removal) != DEVICE_LIVE ||
	    pgmap_gate_enter(member->pgmap))
		return false;
	lost = !device_still_there(fs->members.device[index]);
	pgmap_gate_exit(member->pgmap);
	return lost;
}

void devices_check(struct devices *devices)
{
	struct fs *fs = devices->fs;

	for (unsigned int i = 0; i < fs->device_count; i++) {
		if (!is_lost(fs, i))
			continue;
		log_error("%s: the device has vanished", fs->devices[i].path);
		removal_device_failed(fs->devices[i].removal);
	}
}
