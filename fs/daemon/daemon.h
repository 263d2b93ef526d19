/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * daemon.h -- the mount's life: everything brought up, served, taken down
 *
 * Up:   fault guard, devices and their filesystem, removals, mount, direct
 *       mappings, control, serving threads. What fails takes down what was up
 * before it and leaves no mount behind. Ends: when the connection ends (umount,
 * the last user after umount -l, fusectl's abort), by SIGTERM or SIGINT. The
 * first signal unmounts; whoever still uses files is served until done. The
 * second ends that. Either way the media are left clean.
 */
#ifndef UDAX_DAEMON_DAEMON_H
#define UDAX_DAEMON_DAEMON_H

#include "daemon/mountpoint.h"
#include "daemon/options.h"
#include "daemon/readiness.h"

/* The exit status, mount(8)'s. */
#define STATUS_OK 0
#define STATUS_USAGE 1
#define STATUS_SYSTEM 2
#define STATUS_MOUNT 32

/* mountpoint: initialised, before the working directory was left. */
int daemon_run(const struct daemon_options *options,
	       struct mountpoint *mountpoint, struct readiness *readiness);

#endif
