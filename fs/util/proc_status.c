/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/proc_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *proc_status(pid_t pid, const char *key)
{
	size_t length = strlen(key);
	char *line = NULL;
	size_t room = 0;
	char path[64];
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	status = fopen(path, "re");
	if (!status)
		return NULL;
	while (getline(&line, &room, status) > 0)
		if (strncmp(line, key, length) == 0 && line[length] == ':') {
			fclose(status);
			memmove(line, line + length + 1,
				strlen(line + length + 1) + 1);
			return line;
		}
	fclose(status);
	free(line);
	return NULL;
}

static unsigned long long number(pid_t pid, const char *key, int base)
{
	char *text = proc_status(pid, key);
	unsigned long long value = text ? strtoull(text, NULL, base) : 0;

	free(text);
	return value;
}

pid_t proc_thread_group(pid_t thread)
{
	return (pid_t)number(thread, "Tgid", 10);
}

static bool is_of_our_users(pid_t pid)
{
	struct stat ours, theirs;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/ns/user", (long)pid);
	return stat("/proc/self/ns/user", &ours) == 0 &&
	       stat(path, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
	       ours.st_ino == theirs.st_ino;
}

bool proc_is_capable(pid_t pid, unsigned capability)
{
	return number(pid, "CapEff", 16) >> capability & 1 &&
	       is_of_our_users(pid);
}
