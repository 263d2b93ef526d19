/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preload_real.c -- libc's own functions
 *
 * They are looked for once, by the constructor. Other libraries' constructors
 * may run before it, and the look-up itself may call us: until a function is
 * found the system call is made by its number, which allocates nothing.
 */
#include "client/preload.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
	ssize_t (*read)(int, void *, size_t);
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*pread)(int, void *, size_t, off_t);
	ssize_t (*pwrite)(int, const void *, size_t, off_t);
	ssize_t (*readv)(int, const struct iovec *, int);
	ssize_t (*writev)(int, const struct iovec *, int);
	ssize_t (*preadv2)(int, const struct iovec *, int, off_t, int);
	ssize_t (*pwritev2)(int, const struct iovec *, int, off_t, int);
	int (*close)(int);
	int (*fcntl)(int, int, ...);
	int (*msync)(void *, size_t, int);
	int (*lockf)(int, int, off_t);
	int (*fclose)(FILE *);
	FILE *(*freopen)(const char *, const char *, FILE *);
	int (*daemon)(int, int);
	int (*login_tty)(int);
} real;

/* A function from a pointer to an object, as dlsym(3) has it. */
#define FIND(slot, name) (*(void **)&real.slot = dlsym(RTLD_NEXT, name))

__attribute__((constructor)) static void find(void)
{
	int before = errno;

	FIND(read, "read");
	FIND(write, "write");
	FIND(pread, "pread64");
	FIND(pwrite, "pwrite64");
	FIND(readv, "readv");
	FIND(writev, "writev");
	FIND(preadv2, "preadv64v2");
	FIND(pwritev2, "pwritev64v2");
	FIND(close, "close");
	FIND(fcntl, "fcntl64");
	FIND(msync, "msync");
	errno = before;
}

ssize_t real_read(int fd, void *buf, size_t count)
{
	return real.read ? real.read(fd, buf, count)
			 : syscall(SYS_read, fd, buf, count);
}

ssize_t real_write(int fd, const void *buf, size_t count)
{
	return real.write ? real.write(fd, buf, count)
			  : syscall(SYS_write, fd, buf, count);
}

ssize_t real_pread(int fd, void *buf, size_t count, off_t offset)
{
	return real.pread ? real.pread(fd, buf, count, offset)
			  : syscall(SYS_pread64, fd, buf, count, offset);
}

ssize_t real_pwrite(int fd, const void *buf, size_t count, off_t offset)
{
	return real.pwrite ? real.pwrite(fd, buf, count, offset)
			   : syscall(SYS_pwrite64, fd, buf, count, offset);
}

ssize_t real_readv(int fd, const struct iovec *iov, int count)
{
	return real.readv ? real.readv(fd, iov, count)
			  : syscall(SYS_readv, fd, iov, count);
}

ssize_t real_writev(int fd, const struct iovec *iov, int count)
{
	return real.writev ? real.writev(fd, iov, count)
			   : syscall(SYS_writev, fd, iov, count);
}

/* The offset is passed in two halves, of which the first has it all. */
ssize_t real_preadv2(int fd, const struct iovec *iov, int count, off_t offset,
		     int flags)
{
	return real.preadv2 ? real.preadv2(fd, iov, count, offset, flags)
			    : syscall(SYS_preadv2, fd, iov, count, offset, 0L,
				      flags);
}

ssize_t real_pwritev2(int fd, const struct iovec *iov, int count, off_t offset,
		      int flags)
{
	return real.pwritev2 ? real.pwritev2(fd, iov, count, offset, flags)
			     : syscall(SYS_pwritev2, fd, iov, count, offset, 0L,
				       flags);
}

int real_close(int fd)
{
	return real.close ? real.close(fd) : (int)syscall(SYS_close, fd);
}

int real_fcntl(int fd, int command, long arg)
{
	return real.fcntl ? real.fcntl(fd, command, arg)
			  : (int)syscall(SYS_fcntl, fd, command, arg);
}

int real_msync(void *addr, size_t length, int flags)
{
	return real.msync ? real.msync(addr, length, flags)
			  : (int)syscall(SYS_msync, addr, length, flags);
}

/* These have no number; they are rare, and looked for when called. */
int real_lockf(int fd, int command, off_t length)
{
	if (!real.lockf)
		FIND(lockf, "lockf64");
	return real.lockf(fd, command, length);
}

int real_fclose(FILE *stream)
{
	if (!real.fclose)
		FIND(fclose, "fclose");
	return real.fclose(stream);
}

FILE *real_freopen(const char *path, const char *mode, FILE *stream)
{
	if (!real.freopen)
		FIND(freopen, "freopen64");
	return real.freopen(path, mode, stream);
}

int real_daemon(int nochdir, int noclose)
{
	if (!real.daemon)
		FIND(daemon, "daemon");
	return real.daemon(nochdir, noclose);
}

int real_login_tty(int fd)
{
	if (!real.login_tty)
		FIND(login_tty, "login_tty");
	if (real.login_tty)
		return real.login_tty(fd);
	errno = ENOSYS;
	return -1;
}
