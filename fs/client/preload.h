/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preload.h -- inside libudax_preload.so, which stands between an unmodified
 *              program and libc (udax-run(1))
 *
 * A call on a file of a udaxfs mount goes to libudax, by its public interface;
 * every other call, and every one that libudax refuses, goes on to libc as it
 * came, so that a program sees libc's answers and errors. What is asked of the
 * kernel on the way is asked by number (syscall(2)), not by name.
 *
 *   preload_real.c   libc's own functions, and what to do before they are found
 *   preload_fd.c     which descriptor is what: asked once, forgotten in time
 *   preload_io.c     read, write and their forms
 *   preload_map.c    mmap, munmap, mremap, mprotect, msync, madvise
 *   preload_range.c  what is mapped directly
 *   preload_change.c mremap, madvise of it
 *   preload_fork.c   the same in a forked child
 *   preload_kept.c   descriptors kept for that
 *   preload_close.c  everything by which a descriptor gets another meaning
 *   preload_report.c what udax-run -v says at the end
 *
 * Owns:    no thread, no signal handler, no memory of malloc's; a descriptor
 *          for each file that is mapped (preload_kept.c).
 * Errors:  errno as libc would set it; left alone by what succeeds.
 * Locking: preload_lock (ranges and kept descriptors) is outside all locks of
 *          libudax and held over calls of it, so that what is noted here is
 *          what is mapped. It is never waited for by a thread that is inside
 *          already (a signal handler, an allocator that maps): such a call is
 *          libc's [I1].
 * Invariants:
 *  [I1] preload_enter() says whether this thread may go direct; a thread that
 *       is between enter and leave never enters again.
 *  [I2] A slot of the descriptor table is filled only if it was not forgotten
 *       meanwhile, and forgotten before and after its number changes meaning.
 *  [I3] The child of a vfork shares this memory, not the descriptors: it fills
 *       no slot.
 */
#ifndef UDAX_CLIENT_PRELOAD_H
#define UDAX_CLIENT_PRELOAD_H

#include "udax/udax.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/uio.h>

#define PRELOAD_API __attribute__((visibility("default")))
/* The same function under its large-file name: off_t is 64 bits wide here. */
#define PRELOAD_ALIAS(name, of)                                                \
	extern __typeof__(of) name /* NOLINT(bugprone-macro-parentheses) */    \
		__attribute__((alias(#of), visibility("default")))

_Static_assert(sizeof(off_t) == 8 && sizeof(long) == 8, "64-bit only");

/* ------------------------------------------------------------------- real */

/* libc's: cancellation points are, and stay, its business. */
ssize_t real_read(int fd, void *buf, size_t count);
ssize_t real_write(int fd, const void *buf, size_t count);
ssize_t real_pread(int fd, void *buf, size_t count, off_t offset);
ssize_t real_pwrite(int fd, const void *buf, size_t count, off_t offset);
ssize_t real_readv(int fd, const struct iovec *iov, int count);
ssize_t real_writev(int fd, const struct iovec *iov, int count);
ssize_t real_preadv2(int fd, const struct iovec *iov, int count, off_t offset,
		     int flags);
ssize_t real_pwritev2(int fd, const struct iovec *iov, int count, off_t offset,
		      int flags);
int real_close(int fd);
int real_fcntl(int fd, int command, long arg);
int real_msync(void *addr, size_t length, int flags);
int real_lockf(int fd, int command, off_t length);
int real_fclose(FILE *stream);
FILE *real_freopen(const char *path, const char *mode, FILE *stream);
int real_daemon(int nochdir, int noclose);
int real_login_tty(int fd);

/* --------------------------------------------------------------- in or out */

bool preload_enter(void);
void preload_leave(void);

/* ------------------------------------------------------------ descriptors */

#define FD_READ 0x1u  /* may be read from, directly */
#define FD_WRITE 0x2u /* may be written to, directly: not O_APPEND */
#define FD_OURS 0x4u  /* of a udaxfs mount */

/* What fd is, asked of the kernel at most once: FD_ flags; 0 nothing of ours */
unsigned fd_what(int fd);
/* Its number gets, or has got, another meaning. */
void fd_forget(int fd);
void fd_forget_range(unsigned int first, unsigned int last);
/* It did not work, and will not: libc's from now on. */
void fd_give_up(int fd);
/* The flags of an open file have changed, which other descriptors share. */
void fd_flags_changed(void);
/* A regular file on a udaxfs mount with a door for direct mappings, as the
 * kernel says now; which one, and the flags it was opened with. */
bool fd_ask(int fd, dev_t *dev, ino_t *ino, int *flags);
/* After a fork: this is the process the table is of. */
void fd_adopt(void);
bool fd_own_process(void);

/* ----------------------------------------------------------------- ranges */

extern pthread_mutex_t preload_lock;
extern bool preload_lazy;

/* May any byte be one of ours? Without a lock; false is certain. */
bool range_near(const void *addr, size_t length);
/* udax_mmap(), noted. By a thread that is inside. */
void *range_map(void *addr, size_t length, int prot, int flags, int fd,
		off_t offset);
void *range_map_over(void *addr, size_t length, int prot, int flags, int fd,
		     off_t offset);
int range_unmap(void *addr, size_t length);
void *range_remap(void *old, size_t old_length, size_t length, int flags,
		  void *to);
int range_protect(void *addr, size_t length, int prot);
/* MADV_REMOVE, MADV_DOFORK */
int range_advise(void *addr, size_t length, int advice);
/* With the lock: is any byte ours? */
bool range_any(const void *addr, size_t length);

/* ------------------------------------------------------- kept descriptors */

#define KEPT_NONE (-1)

/* All under preload_lock. One a file and access mode; an index. */
int kept_get(int fd);
void kept_hold(int index);
void kept_put(int index);
int kept_fd(int index);
/* Without the lock: is this number one of them? */
bool kept_owns(int fd);
/* The process has taken fcntl(2) locks, which a close would drop. */
void kept_locks_taken(void);
/* The program closes fd: what the file had locked is unlocked by that. */
void kept_closing(dev_t dev, ino_t ino);
bool kept_waits(void);

/* --------------------------------------------------------------- accounts */

enum report_item {
	REPORT_MAP,
	REPORT_READ,
	REPORT_WRITE,
	REPORT_ITEMS,
};
void report_direct(enum report_item item, uint64_t count);
void report_kernel(enum report_item item, uint64_t count);
static inline void report(enum report_item item, bool by_kernel, ssize_t count)
{
	if (count > 0 && by_kernel)
		report_kernel(item, (uint64_t)count);
	else if (count > 0)
		report_direct(item, (uint64_t)count);
}
void report_reset(void);

#endif
