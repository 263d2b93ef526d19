/* SPDX-License-Identifier: BSD-3-Clause */
#include "direct/zap_private.h"
#include "util/proc_maps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* How our own maps name what is at this address. */
static int name_of_mapping(const void *at, struct zap_file *out)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char *line = NULL;
	size_t room = 0;
	int err = -ENOENT;

	if (!maps)
		return -errno;
	while (err && getline(&line, &room, maps) > 0) {
		struct proc_map map;

		if (!proc_map_parse(line, &map) || map.start > (uintptr_t)at ||
		    map.end <= (uintptr_t)at)
			continue;
		out->map_dev = map.dev;
		out->map_ino = map.ino;
		err = 0;
	}
	free(line);
	fclose(maps);
	return err;
}

int zap_file_of(int fd, struct zap_file *out)
{
	struct stat st;
	void *at;
	int err;

	if (fstat(fd, &st) < 0)
		return -errno;
	*out = (struct zap_file){ .dev = st.st_dev, .ino = st.st_ino };
	at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		/* devdax wants 2 MiB; there the two are the same. */
		out->map_dev = st.st_dev;
		out->map_ino = st.st_ino;
		return 0;
	}
	err = name_of_mapping(at, out);
	munmap(at, 4096);
	return err;
}

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

bool zap_process_has(pid_t pid, const struct zap_file *file)
{
	struct zap zap = {
		.target = { .pid = pid, .file = *file, .close_fds = true }
	};
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
