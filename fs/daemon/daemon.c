/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/daemon.h"
#include "control/control.h"
#include "daemon/devices.h"
#include "device/guard.h"
#include "direct/direct.h"
#include "fuse/front.h"
#include "util/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define WHY_BYTES 512
#define WATCH_INTERVAL_MS 2000 /* for a device that nobody touches */

struct daemon {
	const struct daemon_options *options;
	struct mountpoint *mountpoint;
	struct fs *fs;
	struct devices devices;
	struct front *front;
	struct control *control;
	struct direct *direct;
	int signals;
	bool told_to_end;
};

static int mount_devices(struct daemon *daemon, char *why)
{
	return fs_mount(&daemon->fs, (char *const *)daemon->options->devices,
			daemon->options->device_count, &daemon->options->fs,
			why, WHY_BYTES);
}

static int create_front(struct daemon *daemon)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	char *list = options_for_fuse(daemon->options);
	int err = -ENOMEM;

	if (list && fuse_opt_add_arg(&args, "udaxfs") == 0 &&
	    fuse_opt_add_arg(&args, "-o") == 0 &&
	    fuse_opt_add_arg(&args, list) == 0)
		err = front_create(&daemon->front, daemon->fs, &args,
				   daemon->options->threads);
	fuse_opt_free_args(&args);
	free(list);
	return err;
}

/* SIGPIPE is everybody's, so that no thread dies of a reader that left. */
static int catch_signals(struct daemon *daemon)
{
	sigset_t caught;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&caught);
	sigaddset(&caught, SIGTERM);
	sigaddset(&caught, SIGINT);
	if (daemon->options->foreground)
		sigaddset(&caught, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &caught, NULL);
	daemon->signals = signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
	return daemon->signals < 0 ? -errno : 0;
}

static void end_or_detach(struct daemon *daemon)
{
	int err;

	if (daemon->told_to_end) {
		log_warn("%s: ending although it is in use",
			 daemon->mountpoint->path);
		session_stop(daemon->front->session);
		return;
	}
	daemon->told_to_end = true;
	err = mountpoint_detach(daemon->mountpoint);
	if (err < 0)
		log_error("unmount %s: %s", daemon->mountpoint->path,
			  strerror(-err));
}

static void serve(struct daemon *daemon)
{
	struct pollfd wait[] = {
		{ .fd = session_finished_fd(daemon->front->session),
		  .events = POLLIN },
		{ .fd = daemon->signals, .events = POLLIN },
		{ .fd = device_guard_eventfd(), .events = POLLIN },
	};
	struct signalfd_siginfo signal_info;
	uint64_t faults;

	for (;;) {
		if (poll(wait, 3, WATCH_INTERVAL_MS) < 0 && errno != EINTR)
			return;
		if (wait[0].revents)
			return;
		if (read(daemon->signals, &signal_info, sizeof(signal_info)) >
		    0)
			end_or_detach(daemon);
		if (wait[2].revents &&
		    read(wait[2].fd, &faults, sizeof(faults)) < 0)
			log_error("fault guard: %s", strerror(errno));
		devices_check(&daemon->devices);
	}
}

/* From the mount on; the mount is left to take_down(). */
static int bring_up_mount(struct daemon *daemon)
{
	const char *path = daemon->mountpoint->path;
	char why[WHY_BYTES] = "";
	int err = create_front(daemon);

	if (err) {
		log_error("mount %s: %s", path, strerror(-err));
		return err;
	}
	daemon->devices.front = daemon->front;
	err = front_mount(daemon->front, path);
	if (err) {
		log_error("mount %s: failed", path);
		return err;
	}
	mountpoint_taken(daemon->mountpoint);
	err = direct_start(&daemon->direct, daemon->fs, why, sizeof(why));
	if (err) {
		log_error("direct mappings of %s: %s", path, why);
		return err;
	}
	daemon->devices.direct = daemon->direct;
	err = control_start(&daemon->control, daemon->fs, path, why,
			    sizeof(why));
	if (err) {
		log_error("control %s: %s", path, why);
		return err;
	}
	devices_set_control(&daemon->devices, daemon->control);
	err = front_start(daemon->front);
	if (err)
		log_error("serve %s: %s", path, strerror(-err));
	return err;
}

static void take_down_mount(struct daemon *daemon)
{
	if (!daemon->front)
		return;
	/* An aborted connection leaves its mount in the way of the next. */
	if (mountpoint_detach(daemon->mountpoint) < 0)
		log_error("%s: could not be unmounted",
			  daemon->mountpoint->path);
	front_stop(daemon->front);
}

/* No verb may begin a removal while they are being ended. */
static void take_down_control(struct daemon *daemon)
{
	devices_set_control(&daemon->devices, NULL);
	if (daemon->control)
		control_stop(daemon->control);
}

static int with_filesystem(struct daemon *daemon, struct readiness *readiness)
{
	char why[WHY_BYTES] = "";
	int err = mount_devices(daemon, why);

	if (err) {
		log_error("mount %s: %s", daemon->mountpoint->path, why);
		return STATUS_MOUNT;
	}
	err = devices_init(&daemon->devices, daemon->fs);
	if (err) {
		log_error("mount %s: %s", daemon->mountpoint->path,
			  strerror(-err));
		fs_unmount(daemon->fs);
		return STATUS_SYSTEM;
	}
	err = bring_up_mount(daemon);
	if (!err)
		err = readiness_up(readiness);
	if (!err)
		serve(daemon);
	take_down_control(daemon);
	take_down_mount(daemon);
	devices_fini(&daemon->devices);
	direct_stop(daemon->direct);
	if (daemon->front)
		front_destroy(daemon->front);
	fs_unmount(daemon->fs);
	return err ? STATUS_MOUNT : STATUS_OK;
}

int daemon_run(const struct daemon_options *options,
	       struct mountpoint *mountpoint, struct readiness *readiness)
{
	struct daemon daemon = { .options = options,
				 .mountpoint = mountpoint,
				 .signals = -1 };
	int status = STATUS_SYSTEM;
	int err;

	err = catch_signals(&daemon);
	if (!err)
		err = device_guard_install();
	if (err)
		log_error("mount %s: %s", mountpoint->path, strerror(-err));
	else
		status = with_filesystem(&daemon, readiness);
	if (daemon.signals >= 0)
		close(daemon.signals);
	return status;
}
