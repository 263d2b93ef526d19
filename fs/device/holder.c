/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who holds a device: from /proc, only once somebody has been refused. A lock
 * shows in the fdinfo of every descriptor of its description; one that lives
 * in a mapping only (a lease) shows in no fdinfo, so the maps are read next.
 */
#include "device/lock.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define NAMED_MAX 4
#define COMMAND_BYTES 32

struct holders {
	pid_t pid[NAMED_MAX];
	unsigned int count;
	unsigned int more;
};

static bool line_in(const char *path, const char *start, const char *wanted)
{
	FILE *file = fopen(path, "re");
	char line[512];
	bool found = false;

	if (!file)
		return false; /* gone meanwhile, or not ours to see */
	while (!found && fgets(line, sizeof(line), file))
		found = strncmp(line, start, strlen(start)) == 0 &&
			strstr(line, wanted) != NULL;
	fclose(file);
	return found;
}

static bool process_locks(const char *pid, const struct stat *file)
{
	char path[300], wanted[64];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	snprintf(wanted, sizeof(wanted), " %02x:%02x:%ju ", major(file->st_dev),
		 minor(file->st_dev), (uintmax_t)file->st_ino);
	while (!found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/fdinfo/%.20s", pid,
			 entry->d_name);
		if (isdigit((unsigned char)entry->d_name[0]))
			found = line_in(path, "lock:", wanted);
	}
	closedir(dir);
	return found;
}

static bool process_maps(const char *pid, const struct stat *file)
{
	char path[300], wanted[64];

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	snprintf(wanted, sizeof(wanted), " %02x:%02x %ju ", major(file->st_dev),
		 minor(file->st_dev), (uintmax_t)file->st_ino);
	return line_in(path, "", wanted);
}

static void look(struct holders *holders, const struct stat *file,
		 bool (*holds)(const char *pid, const struct stat *file))
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    !holds(entry->d_name, file))
			continue;
		if (holders->count < NAMED_MAX)
			holders->pid[holders->count++] =
				(pid_t)strtol(entry->d_name, NULL, 10);
		else
			holders->more++;
	}
	closedir(dir);
}

static void command_of(pid_t pid, char *command, size_t command_bytes)
{
	char path[64];
	FILE *file;

	snprintf(command, command_bytes, "gone");
	snprintf(path, sizeof(path), "/proc/%ld/comm", (long)pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(command, (int)command_bytes, file))
		command[strcspn(command, "\n")] = '\0';
	fclose(file);
}

void device_lock_describe(int fd, char *why, size_t why_bytes)
{
	struct holders holders = { .count = 0 };
	char command[COMMAND_BYTES];
	struct stat file;
	size_t used;

	snprintf(why, why_bytes, "in use by a process that cannot be named");
	if (fstat(fd, &file) != 0)
		return;
	look(&holders, &file, process_locks);
	if (holders.count == 0)
		look(&holders, &file, process_maps);
	if (holders.count == 0)
		return;
	used = (size_t)snprintf(why, why_bytes, "in use by");
	for (unsigned int i = 0; i < holders.count && used < why_bytes; i++) {
		command_of(holders.pid[i], command, sizeof(command));
		used += (size_t)snprintf(why + used, why_bytes - used,
					 "%s PID %ld (%s)", i ? "," : "",
					 (long)holders.pid[i], command);
	}
	if (holders.more > 0 && used < why_bytes)
		snprintf(why + used, why_bytes - used, " and %u more",
			 holders.more);
}
