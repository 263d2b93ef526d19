/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/readiness.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_MOUNT_FAILED 32 /* mount(8) */

static void __attribute__((noreturn)) wait_for_child(int fd, pid_t child)
{
	unsigned char status;
	ssize_t got;
	int how = 0;

	do {
		got = read(fd, &status, 1);
	} while (got < 0 && errno == EINTR);
	if (got == 1)
		_exit(status);
	waitpid(child, &how, 0);
	if (WIFSIGNALED(how))
		log_error("mount: the daemon was killed by signal %d",
			  WTERMSIG(how));
	else
		log_error("mount: the daemon ended without a word");
	_exit(STATUS_MOUNT_FAILED);
}

int readiness_fork(struct readiness *readiness)
{
	int ends[2];
	pid_t child;
	int err;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	child = fork();
	if (child < 0) {
		err = -errno;
		close(ends[0]);
		close(ends[1]);
		return err;
	}
	if (child > 0) {
		close(ends[1]);
		wait_for_child(ends[0], child);
	}
	close(ends[0]);
	readiness->fd = ends[1];
	signal(SIGHUP, SIG_IGN);
	if (setsid() < 0 || chdir("/") != 0)
		return -errno;
	return 0;
}

static int leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int err = 0;

	if (null < 0)
		return -errno;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			err = -errno;
	if (null > STDERR_FILENO)
		close(null);
	return err;
}

static int tell(struct readiness *readiness, int status)
{
	unsigned char byte = (unsigned char)status;
	int err = 0;

	if (readiness->fd < 0)
		return 0;
	if (write(readiness->fd, &byte, 1) != 1)
		err = -errno;
	close(readiness->fd);
	readiness->fd = -1;
	return err;
}

int readiness_up(struct readiness *readiness)
{
	int err;

	if (readiness->fd < 0)
		return 0;
	err = leave_terminal();
	if (err)
		return err;
	log_to_syslog();
	return tell(readiness, 0);
}

void readiness_failed(struct readiness *readiness, int status)
{
	if (tell(readiness, status) != 0)
		log_debug("nobody waits for status %d", status);
}
