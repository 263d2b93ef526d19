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

/* What reading and writing do not have in common. */
struct way {
	ssize_t (*piece)(int fd, void *buf, size_t count, off_t offset);
	ssize_t (*by_libc)(int fd, const struct iovec *iov, int count,
			   off_t offset);
	/* At the file's offset, which it moves. False: nothing has happened,
	 * and libc is to be asked. */
	bool (*claimed)(int fd, const struct iovec *iov, int count,
			size_t length, ssize_t *result);
	enum report_item item;
};

static const struct way reading, writing;

static ssize_t direct(const struct way *way, int fd, const struct iovec *iov,
		      int count, off_t offset)
{
	ssize_t sum = 0, done;

	for (int i = 0; i < count; i++) {
		done = way->piece(fd, iov[i].iov_base, iov[i].iov_len,
				  offset + sum);
		if (done < 0)
			return sum ? sum : -1;
		sum += done;
		if ((size_t)done < iov[i].iov_len)
			break;
	}
	return sum;
}

/* As libc does it, at the same place: what is claimed is not given up for a
 * reason that only concerns us. */
static ssize_t there(const struct way *way, int fd, const struct iovec *iov,
		     int count, off_t offset)
{
	ssize_t done = direct(way, fd, iov, count, offset);

	return done < 0 ? way->by_libc(fd, iov, count, offset) : done;
}

/* Of `claimed` bytes only `done` (or -1: none) were moved. */
static void give_back(int fd, ssize_t claimed, ssize_t done)
{
	int err = errno;

	(void)move(fd, (done < 0 ? 0 : done) - claimed);
	errno = err;
}

static bool claimed_read(int fd, const struct iovec *iov, int count,
			 size_t length, ssize_t *result)
{
	off_t at = move(fd, 0), claimed;
	ssize_t got;

	if (at < 0)
		return false;
	got = direct(&reading, fd, iov, count, at);
	if (got < 0)
		return false;
	*result = got;
	if (got == 0)
		return true;
	claimed = move(fd, got) - got;
	if (claimed == at)
		return true;
	/* Up to `got` bytes at another place are ours now. */
	*result = there(&reading, fd, iov, count, claimed);
	if (*result > got) /* more than was claimed: another time */
		*result = got;
	else if (*result < got)
		give_back(fd, got, *result);
	return true;
}

static bool claimed_write(int fd, const struct iovec *iov, int count,
			  size_t length, ssize_t *result)
{
	off_t end = move(fd, (off_t)length);

	if (end < 0)
		return false;
	*result = there(&writing, fd, iov, count, end - (off_t)length);
	if (*result != (ssize_t)length)
		give_back(fd, (ssize_t)length, *result);
	return true;
}

static ssize_t write_piece(int fd, void *buf, size_t count, off_t offset)
{
	return udax_pwrite(fd, buf, count, offset);
}

static ssize_t read_by_libc(int fd, const struct iovec *iov, int count,
			    off_t offset)
{
	return real_preadv2(fd, iov, count, offset, 0);
}

static ssize_t write_by_libc(int fd, const struct iovec *iov, int count,
			     off_t offset)
{
	return real_pwritev2(fd, iov, count, offset, 0);
}

static const struct way reading = { udax_pread, read_by_libc, claimed_read,
				    REPORT_READ };
static const struct way writing = { write_piece, write_by_libc, claimed_write,
				    REPORT_WRITE };

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

/*
 * offset -1: at, and moving, the file's. False when libc is to be asked. What
 * libudax had to ask the kernel for counts as the kernel's.
 */
static bool go(const struct way *way, int fd, const struct iovec *iov,
	       int count, off_t offset, ssize_t *result)
{
	unsigned long asked = udax_system_calls();
	int before = errno;
	size_t length;
	bool done;

	if (!measure(iov, count, &length) || !preload_enter())
		return false;
	if (offset < 0) {
		done = way->claimed(fd, iov, count, length, result);
	} else {
		*result = direct(way, fd, iov, count, offset);
		done = *result >= 0;
	}
	preload_leave();
	if (!done)
		refused(fd, errno);
	if (!done || *result >= 0)
		errno = before;
	if (done)
		report(way->item, udax_system_calls() != asked, *result);
	return done;
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
	ssize_t got;

	if (what & FD_READ && go(&reading, fd, IOV(buf, count), 1, -1, &got))
		return got;
	return by_kernel(what, REPORT_READ, real_read(fd, buf, count));
}

PRELOAD_API ssize_t write(int fd, const void *buf, size_t count)
{
	unsigned what = fd_what(fd);
	ssize_t put;

	if (what & FD_WRITE && go(&writing, fd, IOV(buf, count), 1, -1, &put))
		return put;
	return by_kernel(what, REPORT_WRITE, real_write(fd, buf, count));
}

PRELOAD_API ssize_t pread(int fd, void *buf, size_t count, off_t offset)
{
	unsigned what = fd_what(fd);
	ssize_t got;

	if (what & FD_READ && offset >= 0 &&
	    go(&reading, fd, IOV(buf, count), 1, offset, &got))
		return got;
	return by_kernel(what, REPORT_READ, real_pread(fd, buf, count, offset));
}
PRELOAD_ALIAS(pread64, pread);

PRELOAD_API ssize_t pwrite(int fd, const void *buf, size_t count, off_t offset)
{
	unsigned what = fd_what(fd);
	ssize_t put;

	if (what & FD_WRITE && offset >= 0 &&
	    go(&writing, fd, IOV(buf, count), 1, offset, &put))
		return put;
	return by_kernel(what, REPORT_WRITE,
			 real_pwrite(fd, buf, count, offset));
}
PRELOAD_ALIAS(pwrite64, pwrite);

PRELOAD_API ssize_t readv(int fd, const struct iovec *iov, int count)
{
	unsigned what = fd_what(fd);
	ssize_t got;

	if (what & FD_READ && go(&reading, fd, iov, count, -1, &got))
		return got;
	return by_kernel(what, REPORT_READ, real_readv(fd, iov, count));
}

PRELOAD_API ssize_t writev(int fd, const struct iovec *iov, int count)
{
	unsigned what = fd_what(fd);
	ssize_t put;

	if (what & FD_WRITE && go(&writing, fd, iov, count, -1, &put))
		return put;
	return by_kernel(what, REPORT_WRITE, real_writev(fd, iov, count));
}

/* Here, unlike in preadv, offset -1 is the file's. */
PRELOAD_API ssize_t preadv2(int fd, const struct iovec *iov, int count,
			    off_t offset, int flags)
{
	unsigned what = fd_what(fd);
	ssize_t got;

	if (what & FD_READ && offset >= -1 && !(flags & ~RWF_HARMLESS) &&
	    go(&reading, fd, iov, count, offset, &got))
		return got;
	return by_kernel(what, REPORT_READ,
			 real_preadv2(fd, iov, count, offset, flags));
}
PRELOAD_ALIAS(preadv64v2, preadv2);

PRELOAD_API ssize_t pwritev2(int fd, const struct iovec *iov, int count,
			     off_t offset, int flags)
{
	unsigned what = fd_what(fd);
	ssize_t put;

	if (what & FD_WRITE && offset >= -1 && !(flags & ~RWF_HARMLESS) &&
	    go(&writing, fd, iov, count, offset, &put))
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
