/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preload_map.c -- mmap(2) and what is done to mappings
 *
 * A shared mapping of a file of ours is a direct one; what cannot be, the
 * kernel maps, and is what would have been without us. MAP_SYNC is a promise
 * that the kernel refuses (EOPNOTSUPP) where it would have to keep it.
 */
#include "client/preload.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* With these, or with none, a direct mapping is what was asked for. */
#define HARMLESS                                                               \
	(MAP_TYPE | MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_POPULATE |           \
	 MAP_NONBLOCK | MAP_SYNC | MAP_NORESERVE | MAP_DENYWRITE |             \
	 MAP_EXECUTABLE | MAP_STACK | MAP_FILE)
#define PASSED                                                                 \
	(MAP_TYPE | MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_POPULATE | MAP_SYNC)

static bool may_be_direct(int prot, int flags, int fd)
{
	int type = flags & MAP_TYPE;

	return fd >= 0 && (type == MAP_SHARED || type == MAP_SHARED_VALIDATE) &&
	       !(flags & ~HARMLESS) && !(prot & PROT_EXEC);
}

/* MAP_FAILED: let the kernel. Asked without a cache: a mapping lasts. */
static void *map_direct(void *addr, size_t length, int prot, int flags, int fd,
			off_t offset, bool *refused)
{
	int before = errno, opened;
	void *at;
	dev_t dev;
	ino_t ino;

	if (!fd_own_process() || !fd_ask(fd, &dev, &ino, &opened) ||
	    !preload_enter())
		return MAP_FAILED;
	at = range_map(addr, length, prot, flags & PASSED, fd, offset);
	preload_leave();
	errno = before;
	*refused = at == MAP_FAILED;
	return at;
}

PRELOAD_API void *mmap(void *addr, size_t length, int prot, int flags, int fd,
		       off_t offset)
{
	bool refused = false;
	void *at;

	if (may_be_direct(prot, flags, fd)) {
		at = map_direct(addr, length, prot, flags, fd, offset,
				&refused);
		if (at != MAP_FAILED) {
			report_direct(REPORT_MAP, 1);
			return at;
		}
	}
	if (flags & MAP_FIXED && range_near(addr, length) && preload_enter()) {
		at = range_map_over(addr, length, prot, flags, fd, offset);
		preload_leave();
	} else {
		at = (void *)syscall(SYS_mmap, addr, length, prot, flags, fd,
				     offset);
	}
	if (refused && at != MAP_FAILED)
		report_kernel(REPORT_MAP, 1);
	return at;
}
PRELOAD_ALIAS(mmap64, mmap);

PRELOAD_API int munmap(void *addr, size_t length)
{
	int result;

	if (!range_near(addr, length) || !preload_enter())
		return (int)syscall(SYS_munmap, addr, length);
	result = range_unmap(addr, length);
	preload_leave();
	return result;
}

PRELOAD_API void *mremap(void *old, size_t old_length, size_t length, int flags,
			 ...)
{
	void *to = NULL, *at;
	va_list args;

	if (flags & MREMAP_FIXED) {
		va_start(args, flags);
		to = va_arg(args, void *);
		va_end(args);
	}
	if ((!range_near(old, old_length ? old_length : 1) &&
	     !(flags & MREMAP_FIXED && range_near(to, length))) ||
	    !preload_enter())
		return (void *)syscall(SYS_mremap, old, old_length, length,
				       flags, to);
	at = range_remap(old, old_length, length, flags, to);
	preload_leave();
	return at;
}

PRELOAD_API int mprotect(void *addr, size_t length, int prot)
{
	int result;

	if (!range_near(addr, length) || !preload_enter())
		return (int)syscall(SYS_mprotect, addr, length, prot);
	result = range_protect(addr, length, prot);
	preload_leave();
	return result;
}

PRELOAD_API int msync(void *addr, size_t length, int flags)
{
	bool ours = false;
	int result = 0;

	if (range_near(addr, length) && preload_enter()) {
		ours = range_any(addr, length);
		if (ours)
			result = udax_msync(addr, length, flags);
		preload_leave();
	}
	return ours ? result : real_msync(addr, length, flags);
}

PRELOAD_API int madvise(void *addr, size_t length, int advice)
{
	int result;

	if ((advice != MADV_REMOVE && advice != MADV_DOFORK) ||
	    !range_near(addr, length) || !preload_enter())
		return (int)syscall(SYS_madvise, addr, length, advice);
	result = range_advise(addr, length, advice);
	preload_leave();
	return result;
}
