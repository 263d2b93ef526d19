/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include "daemon/daemon.h"
#include "util/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int start(const struct daemon_options *options)
{
	struct readiness readiness = { .fd = -1 };
	struct mountpoint mountpoint;
	int status = STATUS_SYSTEM;
	char why[256];
	int err;

	/* A daemon keeps nothing of its starter's: no pipe's end, no lock. */
	if (!options->foreground)
		close_range(STDERR_FILENO + 1, ~0U, 0);
	err = mountpoint_init(&mountpoint, options->mountpoint,
			      options->nonempty, why, sizeof(why));
	if (err) {
		log_error("mount %s: %s", options->mountpoint, why);
		return STATUS_MOUNT;
	}
	if (options->debug)
		log_set_level(LOG_LEVEL_DEBUG);
	if (!options->foreground)
		err = readiness_fork(&readiness);
	if (err) {
		log_error("start daemon: %s", strerror(-err));
	} else {
		status = daemon_run(options, &mountpoint, &readiness);
		readiness_failed(&readiness, status);
	}
	mountpoint_fini(&mountpoint);
	return status;
}

int main(int argc, char **argv)
{
	struct daemon_options options;
	int status = STATUS_OK;
	int err;

	log_set_program("udaxfs");
	err = options_parse(&options, argc, argv);
	if (err)
		status = err == -EINVAL ? STATUS_USAGE : STATUS_SYSTEM;
	else if (options.show_help)
		options_usage();
	else if (options.show_version)
		printf("udaxfs %s\n", VERSION);
	else
		status = start(&options);
	options_fini(&options);
	return status;
}
