/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/mountpoint.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TYPE "fuse.udaxfs"

extern char **environ;

struct mounted {
	unsigned int major;
	unsigned int minor;
	bool udaxfs;
};

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void unescape(char *path)
{
	char *out = path;

	for (; *path; path++) {
		unsigned int byte;

		if (sscanf(path, "\\%3o", &byte) == 1) {
			*out++ = (char)byte;
			path += 3;
		} else {
			*out++ = *path;
		}
	}
	*out = '\0';
}

/* "id parent major:minor root path options [optional...] - type source ..." */
static bool line_is_at(char *line, const char *path, struct mounted *out)
{
	char *separator = strstr(line, " - ");
	char type[64];
	char at[PATH_MAX];

	if (!separator || sscanf(separator, " - %63s", type) != 1 ||
	    sscanf(line, "%*s %*s %u:%u %*s %4095s", &out->major, &out->minor,
		   at) != 3)
		return false;
	unescape(at);
	out->udaxfs = strcmp(type, TYPE) == 0;
	return strcmp(at, path) == 0;
}

/* The last mount on a path is the one on top. */
static bool find_top(const char *path, struct mounted *top)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	struct mounted seen;
	bool found = false;
	char *line = NULL;
	size_t room = 0;

	if (!file)
		return false;
	while (getline(&line, &room, file) > 0) {
		if (!line_is_at(line, path, &seen))
			continue;
		*top = seen;
		found = true;
	}
	free(line);
	fclose(file);
	return found;
}

static int is_empty(const char *path)
{
	const struct dirent *entry;
	DIR *dir = opendir(path);
	int names = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			names++;
	closedir(dir);
	return names == 0;
}

/* realpath() without asking the last directory itself, which may be a dead
 * mount: its name in its parent is enough to find it in mountinfo. */
static bool is_dead_mount(const char *path, struct mounted *top)
{
	char parent[PATH_MAX];
	char full[2 * PATH_MAX];
	const char *name = strrchr(path, '/');
	char *above;

	above = name ? strndup(path, (size_t)(name - path)) : strdup(".");
	if (!above || !realpath(above[0] ? above : "/", parent)) {
		free(above);
		return false;
	}
	free(above);
	snprintf(full, sizeof(full), "%s/%s", strcmp(parent, "/") ? parent : "",
		 name ? name + 1 : path);
	return find_top(full, top);
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
	struct mounted top;
	int err = -errno;

	if (!canonical) {
		if (err == -ENOTCONN && is_dead_mount(path, &top) && top.udaxfs)
			snprintf(why, why_bytes,
				 "the udaxfs mounted there has "
				 "died; unmount it first");
		else
			snprintf(why, why_bytes, "%s", strerror(-err));
		return err;
	}
	if (find_top(canonical, &top) && top.udaxfs) {
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
	struct mounted top;

	if (!find_top(mountpoint->path, &top) || !top.udaxfs)
		return;
	mountpoint->major = top.major;
	mountpoint->minor = top.minor;
	mountpoint->mounted = true;
}

bool mountpoint_is_ours(const struct mountpoint *mountpoint)
{
	struct mounted top;

	return mountpoint->mounted && find_top(mountpoint->path, &top) &&
	       top.major == mountpoint->major && top.minor == mountpoint->minor;
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
