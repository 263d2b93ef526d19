/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/lock.h"

#include "device/device.h"
#include "util/deadline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define SHARE_TRIES 100
#define LOCK_PAUSE_NS 10000000

static struct flock byte_lock(short type, uint64_t byte, off_t length)
{
	return (struct flock){ .l_type = type,
			       .l_whence = SEEK_SET,
			       .l_start = (off_t)byte,
			       .l_len = length };
}

static short strongest(bool writable)
{
	/* a write lock needs a writable descriptor; both block any opener */
	return writable ? F_WRLCK : F_RDLCK;
}

/* 1: another description holds a lock in the range, 0: none does. */
static int range_held(int fd, uint64_t byte, off_t length)
{
	struct flock lock = byte_lock(F_WRLCK, byte, length);

	if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
		return -errno;
	return lock.l_type != F_UNLCK;
}

/* 0, -EBUSY, or an error of the locks themselves. */
static int try_exclusive(int fd)
{
	int held;

	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	held = range_held(fd, 0, 0);
	if (held != 0)
		flock(fd, LOCK_UN);
	return held == 1 ? -EBUSY : held;
}

int device_lock_exclusive(int fd, unsigned busy_ms, char *why, size_t why_bytes)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
	struct deadline deadline = deadline_in(busy_ms);
	int err;

	while ((err = try_exclusive(fd)) == -EBUSY &&
	       !deadline_passed(deadline))
		nanosleep(&pause, NULL);
	if (err == -EBUSY)
		device_lock_describe(fd, why, why_bytes);
	else if (err)
		snprintf(why, why_bytes, "cannot be locked: %s",
			 strerror(-err));
	return err;
}

/*
 * The step down is not atomic: somebody may hold LOCK_EX for the moment that
 * it takes to see our byte and go. So it is tried again, for a second.
 */
static int share_flock(int fd)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };

	for (int i = 0; i < SHARE_TRIES; i++) {
		if (flock(fd, LOCK_SH | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return -EBUSY;
}

static int take_byte(int fd, bool writable, uint64_t byte)
{
	struct flock lock = byte_lock(strongest(writable), byte, 1);

	if (fcntl(fd, F_OFD_SETLK, &lock) != 0)
		return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	return 0;
}

static bool writable_fd(const struct device *device)
{
	return !device->options.read_only && !device->options.private_copy;
}

int device_lock_share(struct device *device)
{
	int err;

	if (device->options.no_lock)
		return 0;
	err = take_byte(device->fd, writable_fd(device), 0);
	return err ? err : share_flock(device->fd);
}

int device_lease_open(const struct device *device, bool writable,
		      uint64_t lock_byte)
{
	char self[64];
	int fd, err;

	assert(lock_byte > 0);
	if (writable && !writable_fd(device))
		return -EROFS;
	/* by descriptor: the path may name another file by now */
	snprintf(self, sizeof(self), "/proc/self/fd/%d", device->fd);
	fd = open(self, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* ask first: two shared locks on one byte would not conflict */
	err = range_held(fd, lock_byte, 1);
	if (err == 1)
		err = -EBUSY;
	if (err == 0)
		err = take_byte(fd, writable, lock_byte);
	if (err == 0)
		err = share_flock(fd);
	if (err != 0) {
		close(fd);
		return err;
	}
	return fd;
}

int device_lease_held(const struct device *device, uint64_t lock_byte)
{
	return range_held(device->fd, lock_byte, 1);
}
