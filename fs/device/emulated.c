/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(int err, const char *reason, char *why, size_t why_bytes)
{
	snprintf(why, why_bytes, "%s", reason);
	return err;
}

static int check_size(uint64_t size_bytes, char *why, size_t why_bytes)
{
	if (size_bytes < DEVICE_BYTES_MIN || size_bytes > INT64_MAX) {
		snprintf(why, why_bytes,
			 "bad size: %ju bytes, at least %llu are needed",
			 (uintmax_t)size_bytes, DEVICE_BYTES_MIN);
		return -EINVAL;
	}
	return 0;
}

/* An existing file is somebody's: take it only if nothing of it is lost. */
static int check_existing(int fd, uint64_t size_bytes, char *why,
			  size_t why_bytes)
{
	struct stat file;

	if (fstat(fd, &file) != 0)
		return refuse(-errno, strerror(errno), why, why_bytes);
	if (!S_ISREG(file.st_mode))
		return refuse(-EEXIST, "exists and is not a regular file", why,
			      why_bytes);
	if (file.st_size == 0 || (uint64_t)file.st_size == size_bytes)
		return 0;
	snprintf(why, why_bytes, "exists with %jd bytes: remove it first",
		 (intmax_t)file.st_size);
	return -EEXIST;
}

static int allocate(int fd, uint64_t size_bytes, char *why, size_t why_bytes)
{
	int error;

	do
		error = posix_fallocate(fd, 0, (off_t)size_bytes);
	while (error == EINTR);
	if (error == 0)
		return 0;
	return refuse(-error,
		      error == ENOSPC ? "no space for a file of that size"
				      : strerror(error),
		      why, why_bytes);
}

int device_create_emulated(const char *path, uint64_t size_bytes, char *why,
			   size_t why_bytes)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	bool created = true;
	int fd, err;

	err = check_size(size_bytes, why, why_bytes);
	if (err != 0)
		return err;
	fd = open(path, flags | O_CREAT | O_EXCL, 0600);
	if (fd < 0 && errno == EEXIST) {
		created = false;
		fd = open(path, flags);
	}
	if (fd < 0) {
		err = -errno;
		return refuse(err, strerror(-err), why, why_bytes);
	}
	err = created ? 0 : check_existing(fd, size_bytes, why, why_bytes);
	if (err == 0)
		err = allocate(fd, size_bytes, why, why_bytes);
	close(fd);
	if (err != 0 && created)
		unlink(path);
	return err;
}
