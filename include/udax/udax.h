/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udax.h -- map files of a udaxfs mount straight from device memory
 *
 * mmap(2)-shaped: arguments, results and errno are those of the call of that
 * name, with what is said here in addition. Every function is thread-safe.
 * Nothing is installed behind the caller's back: no signal handler. There are
 * two threads, begun by the first call that needs them: one answers the daemon,
 * one the faults of lazy ranges.
 *
 * A lease can be taken back: by `udaxctl remove-device`, or when somebody
 * truncates the file. A range whose device is gone raises SIGBUS (BUS_ADRERR,
 * si_addr exact) when touched and gives EFAULT from system calls, and stays so
 * until it is unmapped. A range whose file was changed (truncate, punch hole, a
 * kernel mapping of the same bytes) is fetched again when it is touched; beyond
 * the new end of file it raises SIGBUS, as with mmap(2).
 *
 * fork(2): children do not inherit these mappings (MADV_DONTFORK); they may ask
 * for their own. exec(2) and exit(2) return everything.
 *
 * Units:  bytes; offsets are multiples of 4096.
 * Errors: -1 or MAP_FAILED, and errno. ENOTSUP: the descriptor is not of a
 *         udaxfs mount, or of one without direct mappings. EACCES: this user
 *         may not map directly (-o direct=), or the open file does not allow
 *         it. ENXIO: the device is being removed or gone.
 */
#ifndef UDAX_H
#define UDAX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UDAX_API __attribute__((visibility("default")))

/*
 * In flags, beside MAP_SHARED (MAP_SHARED_VALIDATE, MAP_SYNC: always granted),
 * MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_POPULATE:
 * UDAX_MAP_LAZY    leases are taken when first touched, 2 MiB around
 * UDAX_MAP_RESUME  when the daemon ends and the filesystem is mounted again,
 *                  the range is fetched again when touched; else it is poisoned
 *                  for good. Threads that touch it meanwhile wait (at most a
 *                  minute, then SIGBUS).
 * MAP_PRIVATE is EINVAL: that is a copy, which mmap(2) makes as well.
 */
#define UDAX_MAP_LAZY 0x40000000
#define UDAX_MAP_RESUME 0x20000000

UDAX_API void *udax_mmap(void *addr, size_t length, int prot, int flags, int fd,
			 off_t offset);
/* Any range, as munmap(2) does: ours, not ours, parts. */
UDAX_API int udax_munmap(void *addr, size_t length);
UDAX_API void *udax_mremap(void *old_addr, size_t old_length, size_t length,
			   int flags, void *addr);
UDAX_API int udax_mprotect(void *addr, size_t length, int prot);
/* Durable, and the file's mtime on the media. One message to the daemon. */
UDAX_API int udax_msync(void *addr, size_t length, int flags);
/* Durable. No system call where the device has cache-line granularity. */
UDAX_API int udax_persist(const void *addr, size_t length);

/*
 * pread(2) and pwrite(2) by loads and stores: no system call once the range is
 * mapped; pwrite is durable on return. Writes past the end of the file, and
 * whatever else cannot go directly, are made by the system call. A descriptor
 * that was used here is to be closed by udax_close(), or udax_forget() told
 * before it is closed or replaced otherwise: its number may mean another file
 * then, which no one could notice.
 */
UDAX_API ssize_t udax_pread(int fd, void *buf, size_t count, off_t offset);
UDAX_API ssize_t udax_pwrite(int fd, const void *buf, size_t count,
			     off_t offset);
UDAX_API int udax_forget(int fd);
UDAX_API int udax_close(int fd);

/*
 * Declare DMA: until unpin the device does not go and the blocks under the
 * range are not freed or moved. ENXIO: the device is going.
 */
UDAX_API int udax_pin(void *addr, size_t length, uint64_t *token);
UDAX_API int udax_unpin(uint64_t token);

/*
 * fn is called, by the library's thread, after a range was taken back for good:
 * it may not call into the library but for udax_unpin(). One function a
 * process; NULL: none.
 */
UDAX_API int udax_on_revoke(void (*fn)(void *addr, size_t length, void *arg),
			    void *arg);

/*
 * For who stands between a program and libc, as udax-run does.
 * udax_system_calls: how many reads and writes of this thread udax_pread() and
 *                    udax_pwrite() have left to a system call so far.
 * udax_mmap_over: mmap(2) by the kernel, of anything, with MAP_FIXED, where
 *                 ranges of ours may lie: they end in the same step.
 * udax_owns:      the descriptor is the library's own: a program that closes
 *                 all it finds must not be let at it. They have high numbers.
 */
UDAX_API void *udax_mmap_over(void *addr, size_t length, int prot, int flags,
			      int fd, off_t offset);
UDAX_API int udax_owns(int fd);
UDAX_API unsigned long udax_system_calls(void);

#ifdef __cplusplus
}
#endif

#endif
