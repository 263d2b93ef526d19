/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preload_fd.c -- which descriptor is what
 *
 * A slot a number: a word of flags, and a count of how often it was forgotten,
 * in one atomic word, so that an answer that took its time cannot be filed
 * under a number that means another file by then [I2]. Nobody tells us of
 * numbers that libc opens or closes inside itself: a number that is not known
 * is asked about, and a wrong "not ours" only costs speed; by what a wrong
 * "ours" could come about is in preload_close.c.
 *
 * To have a file directly costs a few messages and mappings, which who reads a
 * small file once and closes it never gets back: the first two calls on a
 * small file are libc's.
 */
#include "client/preload.h"

#include "udax/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SLOTS 65536
#define FD_KNOWN 0x8u
#define FD_PATIENT 0x10u /* some calls are libc's before */
#define FD_LATER 0x20u	 /* the next count */
#define SMALL_BYTES (128 << 10)
#define PATIENCE 1 /* after the one that asked */
#define FD_FLAGS (FD_LATER - 1)
#define MOUNTS 16

static struct {
	_Atomic uint32_t word;
	_Atomic int patience;
	_Atomic uint64_t dev, ino;
} slots[SLOTS];
/* One above the highest number that was ever looked at. */
static _Atomic unsigned int slots_used;

/* Whether a device is a udaxfs mount: dev << 1 | answer; 0: free. */
static _Atomic uint64_t mounts[MOUNTS];
static _Atomic unsigned int mounts_next;

static _Atomic pid_t process;

static __thread int inside __attribute__((tls_model("initial-exec")));

bool preload_enter(void)
{
	if (inside)
		return false;
	inside = 1;
	return true;
}

void preload_leave(void)
{
	inside = 0;
}

void fd_adopt(void)
{
	atomic_store(&process, (pid_t)syscall(SYS_getpid));
}

bool fd_own_process(void)
{
	pid_t self = (pid_t)syscall(SYS_getpid);
	pid_t owner = atomic_load(&process);

	return owner == self;
}

static void in_child(void)
{
	fd_adopt();
	report_reset();
}

__attribute__((constructor)) static void begin(void)
{
	fd_adopt();
	(void)!pthread_atfork(NULL, NULL, in_child);
}

/* Only filesystems without a block device can be ours. */
static bool is_udaxfs(int fd, dev_t dev)
{
	uint64_t key = (uint64_t)dev << 1, seen;
	struct udax_ioc_socket where;
	bool yes;

	if (major(dev) != 0)
		return false;
	for (int i = 0; i < MOUNTS; i++) {
		seen = atomic_load_explicit(&mounts[i], memory_order_relaxed);
		if ((seen & ~1ull) == key)
			return seen & 1;
	}
	yes = ioctl(fd, UDAX_IOC_SOCKET, &where) == 0 &&
	      where.socket[0] != '\0';
	atomic_store_explicit(
		&mounts[atomic_fetch_add(&mounts_next, 1) % MOUNTS], key | yes,
		memory_order_relaxed);
	return yes;
}

static bool ask(int fd, struct stat *at, int *flags)
{
	if (fstat(fd, at) || !S_ISREG(at->st_mode))
		return false;
	*flags = (int)syscall(SYS_fcntl, fd, F_GETFL, 0);
	return *flags >= 0 && !(*flags & O_PATH) && is_udaxfs(fd, at->st_dev);
}

bool fd_ask(int fd, dev_t *dev, ino_t *ino, int *flags)
{
	int before = errno;
	struct stat at;
	bool ours = ask(fd, &at, flags);

	errno = before;
	if (ours) {
		*dev = at.st_dev;
		*ino = at.st_ino;
	}
	return ours;
}

/*
 * Directly written is only what can also be mapped for writing: an O_WRONLY
 * file cannot. Neither is a set-user-id file, which a write must make
 * harmless: that is the kernel's to do.
 */
static unsigned what_of(const struct stat *at, int flags)
{
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return FD_OURS | FD_READ;
	case O_RDWR:
		if (flags & O_APPEND || at->st_mode & (S_ISUID | S_ISGID))
			return FD_OURS | FD_READ;
		return FD_OURS | FD_READ | FD_WRITE;
	default:
		return FD_OURS;
	}
}

static void note_used(unsigned int fd)
{
	unsigned int used = atomic_load(&slots_used);

	while (used <= fd &&
	       !atomic_compare_exchange_weak(&slots_used, &used, fd + 1))
		;
}

static unsigned look(int fd, uint32_t seen)
{
	unsigned what = 0;
	int before = errno, flags;
	struct stat at;

	if (fd_own_process()) { /* [I3] */
		note_used((unsigned int)fd);
		if (ask(fd, &at, &flags)) {
			what = what_of(&at, flags);
			atomic_store(&slots[fd].dev, at.st_dev);
			atomic_store(&slots[fd].ino, at.st_ino);
			atomic_store(&slots[fd].patience, PATIENCE);
			if (at.st_size <= SMALL_BYTES)
				what |= FD_PATIENT;
		}
		if (!atomic_compare_exchange_strong(&slots[fd].word, &seen,
						    (seen & ~FD_FLAGS) |
							    FD_KNOWN | what))
			what &= FD_OURS; /* [I2] another meaning by now */
	}
	errno = before;
	return what & FD_PATIENT ? FD_OURS : what;
}

static unsigned wait_more(int fd, uint32_t seen)
{
	if (atomic_fetch_sub(&slots[fd].patience, 1) <= 1)
		(void)atomic_compare_exchange_strong(&slots[fd].word, &seen,
						     seen & ~FD_PATIENT);
	return FD_OURS;
}

unsigned fd_what(int fd)
{
	uint32_t seen;

	if ((unsigned int)fd >= SLOTS)
		return 0;
	seen = atomic_load_explicit(&slots[fd].word, memory_order_acquire);
	if (!(seen & FD_KNOWN))
		return look(fd, seen);
	if (seen & FD_PATIENT)
		return wait_more(fd, seen);
	return seen & (FD_OURS | FD_READ | FD_WRITE);
}

/* Unknown again, counted. What it was. */
static uint32_t blank(int fd)
{
	uint32_t seen = atomic_load(&slots[fd].word);

	while (!atomic_compare_exchange_weak(&slots[fd].word, &seen,
					     (seen & ~FD_FLAGS) + FD_LATER))
		;
	return seen;
}

void fd_forget(int fd)
{
	int before = errno;

	if ((unsigned int)fd >= SLOTS)
		return;
	if (blank(fd) & FD_OURS) {
		(void)udax_forget(fd);
		if (kept_waits())
			kept_closing(atomic_load(&slots[fd].dev),
				     atomic_load(&slots[fd].ino));
		errno = before;
	}
}

void fd_forget_range(unsigned int first, unsigned int last)
{
	unsigned int used = atomic_load(&slots_used);

	for (unsigned int fd = first; fd < used && fd <= last; fd++)
		fd_forget((int)fd);
}

void fd_give_up(int fd)
{
	uint32_t seen = atomic_load(&slots[fd].word);

	if (seen & FD_OURS &&
	    !(atomic_compare_exchange_strong(&slots[fd].word, &seen,
					     seen & ~(FD_READ | FD_WRITE))))
		return;
	(void)udax_forget(fd);
}

/* libudax need not know: it is never asked to append. */
void fd_flags_changed(void)
{
	unsigned int used = atomic_load(&slots_used);

	for (unsigned int fd = 0; fd < used; fd++)
		if (atomic_load(&slots[fd].word) & FD_OURS)
			(void)blank((int)fd);
}
