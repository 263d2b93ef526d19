/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void make_file(const char *path, mode_t mode)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);

	if (fd < 0 || fchmod(fd, mode) != 0)
		err(1, "%s", path);
	close(fd);
}

void put(const char *path, const char *text)
{
	size_t length = strlen(text);
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);

	if (fd < 0 || write(fd, text, length) != (ssize_t)length)
		err(1, "%s", path);
	close(fd);
}

void make_dir(const char *path, mode_t mode)
{
	if (mkdir(path, 0700) != 0 || chmod(path, mode) != 0)
		err(1, "%s", path);
}

void make_fifo(const char *path)
{
	if (mkfifo(path, 0666) != 0)
		err(1, "%s", path);
}

void give(const char *path, uid_t uid, gid_t gid)
{
	if (lchown(path, uid, gid) != 0)
		err(1, "%s", path);
}

void copy_program(const char *from, const char *to)
{
	static char bytes[1 << 16];
	int in = open(from, O_RDONLY);
	int out = open(to, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0755);
	ssize_t n;

	if (in < 0 || out < 0)
		err(1, "%s", to);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		if (write(out, bytes, (size_t)n) != n)
			err(1, "%s", to);
	close(in);
	close(out);
}

/* It runs when the descriptor that exec closes has closed. */
pid_t run_program(const char *path)
{
	int ends[2];
	pid_t pid;
	char byte;

	copy_program("/bin/sleep", path);
	if (pipe2(ends, O_CLOEXEC) != 0)
		err(1, "pipe");
	pid = fork();
	if (pid == 0) {
		execl(path, path, "60", (char *)NULL);
		err(1, "exec %s", path);
	}
	close(ends[1]);
	if (pid < 0 || read(ends[0], &byte, 1) != 0)
		err(1, "%s does not run", path);
	close(ends[0]);
	return pid;
}

void end_program(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

void become(uid_t uid, gid_t gid, gid_t group)
{
	if (seteuid(0) != 0 || setgroups(group ? 1 : 0, &group) != 0 ||
	    setegid(gid) != 0 || seteuid(uid) != 0)
		err(1, "become %u", uid);
}

void become_root(void)
{
	if (seteuid(0) != 0 || setegid(0) != 0 || setgroups(0, NULL) != 0)
		err(1, "become root");
}

struct stat stat_of(const char *path)
{
	struct stat out;

	if (lstat(path, &out) != 0)
		err(1, "stat %s", path);
	return out;
}

mode_t mode_of(const char *path)
{
	return stat_of(path).st_mode & 07777;
}

nlink_t links_of(const char *path)
{
	return stat_of(path).st_nlink;
}

int same_file(const char *a, const char *b)
{
	return stat_of(a).st_ino == stat_of(b).st_ino;
}

int contains(const char *path, const char *text)
{
	static char bytes[1 << 16];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, bytes, sizeof(bytes));

	if (n < 0)
		err(1, "%s", path);
	close(fd);
	return (size_t)n == strlen(text) && memcmp(bytes, text, (size_t)n) == 0;
}

int newer(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec ||
	       (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

/* Twice: the clock moves in steps, and a fine stamp may be ahead by one. */
void tick(void)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct timespec before, now;

	for (int i = 0; i < 2; i++) {
		clock_gettime(CLOCK_REALTIME_COARSE, &before);
		do {
			nanosleep(&pause, NULL);
			clock_gettime(CLOCK_REALTIME_COARSE, &now);
		} while (!newer(now, before));
	}
}

void *bad_address(void)
{
	return (void *)8;
}

const char *name_of_length(size_t count)
{
	static char buffers[4][8192];
	static unsigned int next;
	char *name = buffers[next++ % 4];

	memset(name, 'n', count);
	name[count] = 0;
	return name;
}

const char *path_of_length(size_t count, const char *name)
{
	static char path[8192];
	size_t length = strlen(name);
	size_t at = 0;

	/* an odd byte more is one more slash */
	if ((count - length) % 2) {
		memcpy(path, ".//", 3);
		at = 3;
	}
	for (; at + length < count; at += 2)
		memcpy(path + at, "./", 2);
	memcpy(path + at, name, length + 1);
	return path;
}

static int remove_entries(int fd)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int failed = 0;

	if (!dir)
		return -1;
	while (!failed && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			failed = tree_remove(dirfd(dir), entry->d_name);
	closedir(dir);
	return failed;
}

int tree_remove(int dirfd, const char *path)
{
	int fd;

	if (unlinkat(dirfd, path, 0) == 0)
		return 0;
	if (errno != EISDIR)
		return -1;
	fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (fd < 0 || remove_entries(fd) != 0)
		return -1;
	return unlinkat(dirfd, path, AT_REMOVEDIR);
}
