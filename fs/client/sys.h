/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sys.h -- the kernel itself, past libc
 *
 * A preload library stands in front of libc's mmap, read, close and so on, and
 * calls libudax from there. What libudax wants of the kernel it therefore asks
 * by number: nothing comes back to itself.
 *
 * Errors:  0 (or what the call returns) or a negative errno; errno is left as
 *          it was, so that a call that succeeds in the end does not change it.
 */
#ifndef UDAX_CLIENT_SYS_H
#define UDAX_CLIENT_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SYS_PAGE 4096ul
#define SYS_IS_ERROR(result) ((unsigned long)(result) > -4096ul)

static inline long sys_result(long result, int before)
{
	if (result == -1) {
		result = -errno;
		errno = before;
	}
	return result;
}

#define SYS_CALL(...)                                                          \
	({                                                                     \
		int before_ = errno;                                           \
		sys_result(syscall(__VA_ARGS__), before_);                     \
	})

/* The address, or a negative errno: SYS_IS_ERROR() tells. */
static inline long sys_mmap(uintptr_t addr, size_t length, int prot, int flags,
			    int fd, uint64_t offset)
{
	int before = errno;
	void *at = (void *)syscall(SYS_mmap, addr, length, prot, flags, fd,
				   offset);

	return sys_result((long)at, before);
}

static inline int sys_munmap(uintptr_t addr, size_t length)
{
	return (int)SYS_CALL(SYS_munmap, addr, length);
}

static inline int sys_mprotect(uintptr_t addr, size_t length, int prot)
{
	return (int)SYS_CALL(SYS_mprotect, addr, length, prot);
}

static inline long sys_mremap(uintptr_t from, size_t old_length, size_t length,
			      int flags, uintptr_t to)
{
	return SYS_CALL(SYS_mremap, from, old_length, length, flags, to);
}

static inline int sys_madvise(uintptr_t addr, size_t length, int advice)
{
	return (int)SYS_CALL(SYS_madvise, addr, length, advice);
}

static inline int sys_msync(uintptr_t addr, size_t length, int flags)
{
	return (int)SYS_CALL(SYS_msync, addr, length, flags);
}

static inline int sys_open(const char *path, int flags)
{
	return (int)SYS_CALL(SYS_openat, AT_FDCWD, path, flags, 0);
}

/* TSan sees libc's only: a number closed past it looks used by two. */
static inline int sys_close(int fd)
{
#ifdef __SANITIZE_THREAD__
	int before = errno;

	return (int)sys_result(close(fd), before);
#else
	return (int)SYS_CALL(SYS_close, fd);
#endif
}

static inline ssize_t sys_read(int fd, void *buf, size_t count)
{
	return SYS_CALL(SYS_read, fd, buf, count);
}

static inline ssize_t sys_write(int fd, const void *buf, size_t count)
{
	return SYS_CALL(SYS_write, fd, buf, count);
}

static inline ssize_t sys_pread(int fd, void *buf, size_t count, off_t offset)
{
	return SYS_CALL(SYS_pread64, fd, buf, count, offset);
}

static inline ssize_t sys_pwrite(int fd, const void *buf, size_t count,
				 off_t offset)
{
	return SYS_CALL(SYS_pwrite64, fd, buf, count, offset);
}

static inline int sys_ioctl(int fd, unsigned long request, void *arg)
{
	return (int)SYS_CALL(SYS_ioctl, fd, request, arg);
}

static inline int sys_fcntl(int fd, int command, long arg)
{
	return (int)SYS_CALL(SYS_fcntl, fd, command, arg);
}

/* Sleep while *word is `value`; 0, or why not: it is asked again anyway. */
static inline int sys_futex_wait(_Atomic int *word, int value,
				 const struct timespec *timeout)
{
	return (int)SYS_CALL(SYS_futex, word, FUTEX_WAIT_PRIVATE, value,
			     timeout, NULL, 0);
}

static inline void sys_futex_wake(_Atomic int *word)
{
	(void)SYS_CALL(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1 << 30, NULL, NULL,
		       0);
}

#endif
