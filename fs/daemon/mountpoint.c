/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/mountpoint.h"

#include "util/mount_table.h"

#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int is_empty(const char *path)
{
	const struct dirent *entry;
	DIR *dir = opendir(path);
	int names = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			names++;
	closedir(dir);
	return names == 0;
}

static bool is_dead_mount(const char *path)
{
	struct mount_entry top;
	char *full = mount_path(path);
	bool dead = full && mount_table_at(full, &top) == 0 && top.udaxfs;

	free(full);
	return dead;
}

static int check(const char *path, bool nonempty, char *why, size_t why_bytes)
{
	struct stat attr;
	int err;

	if (stat(path, &attr) != 0) {
		err = -errno;
		snprintf(why, why_bytes, "%s", strerror(-err));
		return err;
	}
	if (!S_ISDIR(attr.st_mode)) {
		snprintf(why, why_bytes, "not a directory");
		return -ENOTDIR;
	}
	err = nonempty ? 1 : is_empty(path);
	if (err < 0)
		snprintf(why, why_bytes, "%s", strerror(-err));
	else if (err == 0)
		snprintf(why, why_bytes,
			 "directory not empty (-o nonempty covers it)");
	return err < 0 ? err : err ? 0 : -ENOTEMPTY;
}

int mountpoint_init(struct mountpoint *mountpoint, const char *path,
		    bool nonempty, char *why, size_t why_bytes)
{
	char *canonical = realpath(path, NULL);
	struct mount_entry top;
	int err = -errno;

	if (!canonical) {
		if (err == -ENOTCONN && is_dead_mount(path))
			snprintf(why, why_bytes,
				 "the udaxfs mounted there has "
				 "died; unmount it first");
		else
			snprintf(why, why_bytes, "%s", strerror(-err));
		return err;
	}
	if (mount_table_at(canonical, &top) == 0 && top.udaxfs) {
		snprintf(why, why_bytes, "a udaxfs is mounted there already");
		err = -EBUSY;
	} else {
		err = check(canonical, nonempty, why, why_bytes);
	}
	if (err) {
		free(canonical);
		return err;
	}
	*mountpoint = (struct mountpoint){ .path = canonical };
	return 0;
}

void mountpoint_fini(struct mountpoint *mountpoint)
{
	free(mountpoint->path);
}

void mountpoint_taken(struct mountpoint *mountpoint)
{
	struct mount_entry top;

	if (mount_table_at(mountpoint->path, &top) || !top.udaxfs)
		return;
	mountpoint->device = top.device;
	mountpoint->mounted = true;
}

bool mountpoint_is_ours(const struct mountpoint *mountpoint)
{
	struct mount_entry top;

	return mountpoint->mounted &&
	       mount_table_at(mountpoint->path, &top) == 0 &&
	       top.device == mountpoint->device;
}

/* Mounted by fusermount3 for somebody who may not unmount. */
static int ask_fusermount(const char *path)
{
	char *const argv[] = { "fusermount3", "-u",	    "-q", "-z",
			       "--",	      (char *)path, NULL };
	pid_t pid;
	int status;
	int err = -posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);

	if (err)
		return err;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status == 0 ? 0 : -EPERM;
}

int mountpoint_detach(struct mountpoint *mountpoint)
{
	if (!mountpoint_is_ours(mountpoint))
		return 1;
	if (umount2(mountpoint->path, UMOUNT_NOFOLLOW) == 0 ||
	    umount2(mountpoint->path, UMOUNT_NOFOLLOW | MNT_DETACH) == 0)
		return 0;
	return errno == EPERM ? ask_fusermount(mountpoint->path) : -errno;
}
