/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preload_io.c -- read(2), write(2) and their forms, by loads and stores
 *
 * The file offset stays the kernel's, because dup and fork share it, also with
 * processes that know nothing of us: bytes are claimed by moving it, which the
 * kernel does as one step. A write claims first: it can be cut short by a full
 * filesystem only, and the rest is given back. A read does not know how much
 * there is: it looks, reads, claims what it has read, and sees by where the
 * claim landed whether somebody else claimed meanwhile; then it reads what it
 * really claimed.
 *
 * Whatever libudax does not do, libc is asked to, and its answer counts.
 */
#include "client/preload.h"

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What one call moves at most, as in the kernel. */
#define COUNT_MAX 0x7ffff000u
#define RWF_HARMLESS 0x7 /* HIPRI, DSYNC, SYNC */

typedef ssize_t direct_fn(int fd, const struct iovec *iov, int count,
			  off_t offset);

static off_t move(int fd, off_t by)
{
	return syscall(SYS_lseek, fd, by, SEEK_CUR);
}

/* Errors that the next call would meet as well. */
static void refused(int fd, int err)
{
	switch (err) {
	case ENOTSUP:
	case EACCES:
	case EBUSY:
	case ENXIO:
	case EUSERS:
	case ENOMEM:
		fd_give_up(fd);
	}
}

static ssize_t direct_read(int fd, const struct iovec *iov, int count,
			   off_t offset)
{
	ssize_t sum = 0, got;

	for (int i = 0; i < count; i++) {
		got = udax_pread(fd, iov[i].iov_base, iov[i].iov_len,
				 offset + sum);
		if (got < 0)
			return sum ? sum : -1;
		sum += got;
		if ((size_t)got < iov[i].iov_len)
			break;
	}
	return sum;
}

static ssize_t direct_write(int fd, const struct iovec *iov, int count,
			    off_t offset)
{
	ssize_t sum = 0, put;

	for (int i = 0; i < count; i++) {
		put = udax_pwrite(fd, iov[i].iov_base, iov[i].iov_len,
				  offset + sum);
		if (put < 0)
			return sum ? sum : -1;
		sum += put;
		if ((size_t)put < iov[i].iov_len)
			break;
	}
	return sum;
}

/* What somebody else did not claim in the meantime, or -1: nothing moved. */
static ssize_t claimed_read(int fd, const struct iovec *iov, int count,
			    size_t length)
{
	off_t at = move(fd, 0), claimed;
	ssize_t got, again;

	if (at < 0)
		return -1;
	got = direct_read(fd, iov, count, at);
	if (got <= 0)
		return got;
	claimed = move(fd, got) - got;
	if (claimed < 0 || claimed == at)
		return claimed < 0 ? -1 : got;
	/* Up to `got` bytes at another place are ours now. */
	again = direct_read(fd, iov, count, claimed);
	if (again != got)
		(void)move(fd, (again < 0 ? 0 : again) - got);
	return again;
}

static ssize_t claimed_write(int fd, const struct iovec *iov, int count,
			     size_t length)
{
	off_t end = move(fd, (off_t)length);
	ssize_t put;

	if (end < 0)
		return -1;
	put = direct_write(fd, iov, count, end - (off_t)length);
	if (put != (ssize_t)length)
		(void)move(fd, (put < 0 ? 0 : put) - (off_t)length);
	return put;
}

static bool measure(const struct iovec *iov, int count, size_t *length)
{
	size_t sum = 0;

	if (count <= 0 || count > IOV_MAX)
		return false;
	for (int i = 0; i < count; i++) {
		if (iov[i].iov_len > COUNT_MAX - sum)
			return false;
		sum += iov[i].iov_len;
	}
	*length = sum;
	return sum > 0;
}

/* offset -1: at, and moving, the file's. -1 when libc is to be asked. */
static ssize_t go_read(int fd, const struct iovec *iov, int count, off_t offset)
{
	int before = errno;
	ssize_t got = -1;
	size_t length;

	if (!measure(iov, count, &length) || !preload_enter())
		return -1;
	got = offset < 0 ? claimed_read(fd, iov, count, length)
			 : direct_read(fd, iov, count, offset);
	if (got < 0)
		refused(fd, errno);
	else
		report_direct(REPORT_READ, (uint64_t)got);
	preload_leave();
	errno = before;
	return got;
}

static ssize_t go_write(int fd, const struct iovec *iov, int count,
			off_t offset)
{
	int before = errno;
	ssize_t put = -1;
	size_t length;

	if (!measure(iov, count, &length) || !preload_enter())
		return -1;
	put = offset < 0 ? claimed_write(fd, iov, count, length)
			 : direct_write(fd, iov, count, offset);
	if (put < 0)
		refused(fd, errno);
	else
		report_direct(REPORT_WRITE, (uint64_t)put);
	preload_leave();
	errno = before;
	return put;
}

static ssize_t by_kernel(unsigned what, enum report_item item, ssize_t done)
{
	if (what && done > 0)
		report_kernel(item, (uint64_t)done);
	return done;
}

#define IOV(buf, count)                                                        \
	&(struct iovec)                                                        \
	{                                                                      \
		(void *)(buf), (count) < COUNT_MAX ? (count) : COUNT_MAX       \
	}

PRELOAD_API ssize_t read(int fd, void *buf, size_t count)
{
	unsigned what = fd_what(fd);
	ssize_t got = -1;

	if (what & FD_READ)
		got = go_read(fd, IOV(buf, count), 1, -1);
	if (got >= 0)
		return got;
	return by_kernel(what, REPORT_READ, real_read(fd, buf, count));
}

PRELOAD_API ssize_t write(int fd, const void *buf, size_t count)
{
	unsigned what = fd_what(fd);
	ssize_t put = -1;

	if (what & FD_WRITE)
		put = go_write(fd, IOV(buf, count), 1, -1);
	if (put >= 0)
		return put;
	return by_kernel(what, REPORT_WRITE, real_write(fd, buf, count));
}

PRELOAD_API ssize_t pread(int fd, void *buf, size_t count, off_t offset)
{
	unsigned what = fd_what(fd);
	ssize_t got = -1;

	if (what & FD_READ && offset >= 0)
		got = go_read(fd, IOV(buf, count), 1, offset);
	if (got >= 0)
		return got;
	return by_kernel(what, REPORT_READ, real_pread(fd, buf, count, offset));
}
PRELOAD_ALIAS(pread64, pread);

PRELOAD_API ssize_t pwrite(int fd, const void *buf, size_t count, off_t offset)
{
	unsigned what = fd_what(fd);
	ssize_t put = -1;

	if (what & FD_WRITE && offset >= 0)
		put = go_write(fd, IOV(buf, count), 1, offset);
	if (put >= 0)
		return put;
	return by_kernel(what, REPORT_WRITE,
			 real_pwrite(fd, buf, count, offset));
}
PRELOAD_ALIAS(pwrite64, pwrite);

PRELOAD_API ssize_t readv(int fd, const struct iovec *iov, int count)
{
	unsigned what = fd_what(fd);
	ssize_t got = -1;

	if (what & FD_READ)
		got = go_read(fd, iov, count, -1);
	if (got >= 0)
		return got;
	return by_kernel(what, REPORT_READ, real_readv(fd, iov, count));
}

PRELOAD_API ssize_t writev(int fd, const struct iovec *iov, int count)
{
	unsigned what = fd_what(fd);
	ssize_t put = -1;

	if (what & FD_WRITE)
		put = go_write(fd, iov, count, -1);
	if (put >= 0)
		return put;
	return by_kernel(what, REPORT_WRITE, real_writev(fd, iov, count));
}

/* Here, unlike in preadv, offset -1 is the file's. */
PRELOAD_API ssize_t preadv2(int fd, const struct iovec *iov, int count,
			    off_t offset, int flags)
{
	unsigned what = fd_what(fd);
	ssize_t got = -1;

	if (what & FD_READ && offset >= -1 && !(flags & ~RWF_HARMLESS))
		got = go_read(fd, iov, count, offset);
	if (got >= 0)
		return got;
	return by_kernel(what, REPORT_READ,
			 real_preadv2(fd, iov, count, offset, flags));
}
PRELOAD_ALIAS(preadv64v2, preadv2);

PRELOAD_API ssize_t pwritev2(int fd, const struct iovec *iov, int count,
			     off_t offset, int flags)
{
	unsigned what = fd_what(fd);
	ssize_t put = -1;

	if (what & FD_WRITE && offset >= -1 && !(flags & ~RWF_HARMLESS))
		put = go_write(fd, iov, count, offset);
	if (put >= 0)
		return put;
	return by_kernel(what, REPORT_WRITE,
			 real_pwritev2(fd, iov, count, offset, flags));
}
PRELOAD_ALIAS(pwritev64v2, pwritev2);

PRELOAD_API ssize_t preadv(int fd, const struct iovec *iov, int count,
			   off_t offset)
{
	if (offset < 0) {
		errno = EINVAL;
		return -1;
	}
	return preadv2(fd, iov, count, offset, 0);
}
PRELOAD_ALIAS(preadv64, preadv);

PRELOAD_API ssize_t pwritev(int fd, const struct iovec *iov, int count,
			    off_t offset)
{
	if (offset < 0) {
		errno = EINVAL;
		return -1;
	}
	return pwritev2(fd, iov, count, offset, 0);
}
PRELOAD_ALIAS(pwritev64, pwritev);

/* What -D_FORTIFY_SOURCE makes of them: the room is known, and checked. */
PRELOAD_API ssize_t __read_chk(int fd, void *buf, size_t count, size_t room);
PRELOAD_API ssize_t __pread_chk(int fd, void *buf, size_t count, off_t offset,
				size_t room);
extern void __chk_fail(void) __attribute__((noreturn));

PRELOAD_API ssize_t __read_chk(int fd, void *buf, size_t count, size_t room)
{
	if (count > room)
		__chk_fail();
	return read(fd, buf, count);
}

PRELOAD_API ssize_t __pread_chk(int fd, void *buf, size_t count, off_t offset,
				size_t room)
{
	if (count > room)
		__chk_fail();
	return pread(fd, buf, count, offset);
}
PRELOAD_ALIAS(__pread64_chk, __pread_chk);
