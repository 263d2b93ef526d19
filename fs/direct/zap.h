/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * zap.h -- take mappings away from a process that does not do it itself
 *
 * By ptrace: all its threads are stopped, one of them is made to replace every
 * mapping of the device's file in the given ranges by an empty memfd's, which
 * raises SIGBUS/BUS_ADRERR, and to close its descriptors of that file; then all
 * go on as if nothing had happened. The mappings are found by device inode and
 * offset in /proc/PID/maps; nothing of the process's text is changed: the
 * injected calls go through a syscall instruction of the vDSO. A process that
 * was stopped (SIGSTOP) stays stopped.
 *
 * Needs: CAP_SYS_PTRACE, or the same uid and Yama's leave.
 * Errors: -ESRCH it is gone; -EPERM not allowed, or traced by somebody else;
 *         -ETIMEDOUT; -EAGAIN it changed faster than it could be followed;
 *         -ENOSYS not on this machine; -EIO an injected call failed (seccomp).
 *         On any of them the process is left running, not traced, as it was,
 *         some of the ranges perhaps replaced already: try the next step.
 * Locking: none; blocks up to the deadline. Only from a thread that serves no
 *          requests. May be called by several threads for different processes.
 */
#ifndef UDAX_DIRECT_ZAP_H
#define UDAX_DIRECT_ZAP_H

#include "util/deadline.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct zap_range {
	uint64_t offset; /* bytes of the device's file, multiples of 4096 */
	uint64_t length;
};

/* A file as stat(2) names it, and as /proc/PID/maps does: on overlayfs and on
 * btrfs that is not the same. */
struct zap_file {
	dev_t dev, map_dev;
	ino_t ino, map_ino;
};

/* Maps a page of it for a moment. */
int zap_file_of(int fd, struct zap_file *out)
	__attribute__((warn_unused_result));

struct zap_target {
	pid_t pid; /* thread group */
	int pidfd; /* rechecked once the threads are stopped; -1: none */
	struct zap_file file;		/* the device's */
	const struct zap_range *ranges; /* NULL: all of the file */
	unsigned int range_count;
	bool close_fds; /* and its descriptors of that file */
};

struct zap_report {
	unsigned int threads;  /* stopped */
	unsigned int mappings; /* replaced */
	unsigned int fds;      /* closed */
	uint64_t bytes;	       /* of those mappings */
	int64_t elapsed_us;
};

/* Does it map that file, or have it open? What /proc says just now; waits for
 * no mount, whatever else it has open. */
bool zap_process_has(pid_t pid, const struct zap_file *file);

int zap_process(const struct zap_target *target, struct deadline deadline,
		struct zap_report *report) __attribute__((warn_unused_result));

#endif
