/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preload_close.c -- everything by which a descriptor gets another meaning
 *
 * What was known of a number is forgotten before and after: a thread that uses
 * it meanwhile may have asked again in between, and got the old answer [I2].
 * libc closes inside itself in fclose, freopen, daemon and login_tty, so these
 * are here too. Descriptors of libudax and of ours are not the program's: one
 * that closes all there are is told that they are not open.
 */
#include "client/preload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utmp.h>

static bool private(int fd)
{
	return kept_owns(fd) || udax_owns(fd);
}

static int refuse(int err)
{
	errno = err;
	return -1;
}

PRELOAD_API int close(int fd)
{
	if (private(fd))
		return refuse(EBADF);
	fd_forget(fd);
	return real_close(fd);
}

/* As many numbers as there can be descriptors, whatever was asked for. */
static unsigned int last_possible(unsigned int last)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < last)
		return (unsigned int)limit.rlim_max;
	return last < 1u << 20 ? last : 1u << 20;
}

/* Around our own, the last gap as far as was asked. */
static int close_gaps(unsigned int first, unsigned int last, int flags)
{
	unsigned int end = last_possible(last);

	for (unsigned int fd = first; fd <= end; fd++) {
		if (!private((int)fd))
			continue;
		if (fd > first &&
		    syscall(SYS_close_range, first, fd - 1, flags))
			return -1;
		if (fd == last)
			return 0;
		first = fd + 1;
	}
	return (int)syscall(SYS_close_range, first, last, flags);
}

PRELOAD_API int close_range(unsigned int first, unsigned int last, int flags)
{
	int result;

	if (first > last)
		return (int)syscall(SYS_close_range, first, last, flags);
	fd_forget_range(first, last);
	result = close_gaps(first, last, flags);
	fd_forget_range(first, last);
	return result;
}

/* Where the kernel has no close_range (before 5.9), one by one. */
PRELOAD_API void closefrom(int low)
{
	unsigned int first = low < 0 ? 0 : (unsigned int)low, end;
	int before = errno;

	if (close_range(first, UINT_MAX, 0) == 0)
		return;
	end = last_possible(UINT_MAX);
	for (unsigned int fd = first; fd <= end; fd++)
		(void)close((int)fd);
	errno = before;
}

PRELOAD_API int dup(int fd)
{
	int to = (int)syscall(SYS_dup, fd);

	if (to >= 0)
		fd_forget(to);
	return to;
}

static int dup_to(int fd, int to, int flags)
{
	int result;

	if (private(fd))
		return refuse(EBADF);
	if (private(to))
		return refuse(EBUSY);
	fd_forget(to);
	result = (int)syscall(SYS_dup3, fd, to, flags);
	fd_forget(to);
	return result;
}

PRELOAD_API int dup2(int fd, int to)
{
	if (fd == to) /* only asks whether it is open */
		return syscall(SYS_fcntl, fd, F_GETFD) < 0 ? -1 : to;
	return dup_to(fd, to, 0);
}

PRELOAD_API int dup3(int fd, int to, int flags)
{
	if (fd == to)
		return refuse(EINVAL);
	return dup_to(fd, to, flags);
}

PRELOAD_API int fcntl(int fd, int command, ...)
{
	va_list args;
	int result;
	long arg;

	va_start(args, command);
	arg = va_arg(args, long);
	va_end(args);
	switch (command) {
	case F_SETLK:
	case F_SETLKW:
		kept_locks_taken();
		break;
	}
	result = real_fcntl(fd, command, arg);
	switch (command) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		if (result >= 0)
			fd_forget(result);
		break;
	case F_SETFL:
		fd_flags_changed();
		break;
	}
	return result;
}
PRELOAD_ALIAS(fcntl64, fcntl);

/* fcntl(2) inside libc. */
PRELOAD_API int lockf(int fd, int command, off_t length)
{
	if (command == F_LOCK || command == F_TLOCK)
		kept_locks_taken();
	return real_lockf(fd, command, length);
}
PRELOAD_ALIAS(lockf64, lockf);

PRELOAD_API int fclose(FILE *stream)
{
	int before = errno, fd = fileno(stream);

	if (fd >= 0)
		fd_forget(fd);
	errno = before;
	return real_fclose(stream);
}

PRELOAD_API FILE *freopen(const char *path, const char *mode, FILE *stream)
{
	int before = errno, fd = fileno(stream);
	FILE *again;

	if (fd >= 0)
		fd_forget(fd);
	errno = before;
	again = real_freopen(path, mode, stream);
	if (fd >= 0)
		fd_forget(fd);
	return again;
}
PRELOAD_ALIAS(freopen64, freopen);

PRELOAD_API int daemon(int nochdir, int noclose)
{
	int result;

	result = real_daemon(nochdir, noclose);
	fd_forget_range(0, 2);
	return result;
}

PRELOAD_API int login_tty(int fd)
{
	int result;

	fd_forget_range(0, 2);
	if (fd >= 0)
		fd_forget(fd);
	result = real_login_tty(fd);
	fd_forget_range(0, 2);
	return result;
}
