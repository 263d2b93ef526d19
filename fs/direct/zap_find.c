/* SPDX-License-Identifier: BSD-3-Clause */
#include "direct/zap_private.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One that lives: the first may have ended, and then shows nothing. */
static pid_t living_thread(const struct zap *zap)
{
	int fd = openat(zap->proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *task = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	pid_t found = 0;

	if (!task) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (!found && (entry = readdir(task))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
		char state = tid > 0 ? zap_thread_state(zap, tid) : '\0';

		if (state != '\0' && state != 'Z' && state != 'X')
			found = tid;
	}
	closedir(task);
	return found;
}

bool zap_process_has(pid_t pid, dev_t dev, ino_t ino)
{
	struct zap zap = { .target = { .pid = pid,
				       .dev = dev,
				       .ino = ino,
				       .close_fds = true } };
	bool has = false;
	char path[32];
	pid_t tid;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	zap.proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (zap.proc < 0)
		return false;
	tid = living_thread(&zap);
	if (tid && zap_look(&zap, tid) == 0)
		has = zap.piece_count + zap.fd_count > 0;
	free(zap.pieces);
	free(zap.fds);
	close(zap.proc);
	return has;
}
