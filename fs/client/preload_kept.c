/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preload_kept.c -- a descriptor for each file that is mapped directly
 *
 * A forked child inherits what mmap(2) has mapped, and leases are not
 * inherited: the child has to map again, and for that to open the file again,
 * which the program may have closed, and unlinked, long ago. So one descriptor
 * is kept as long as the mapping is there, which holds the open file just as
 * mmap(2) does; out of the way, at a high number, closed by exec.
 *
 * One thing mmap(2) has over a descriptor: closing any descriptor of a file
 * drops the process's fcntl(2) locks on it. Once the process has taken such
 * locks, a kept descriptor that is not needed any more waits until the program
 * itself closes one of that file.
 */
#include "client/preload.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NUMBERS 65536
/* Where they begin, as far as the limit allows. */
#define HIGH 3072u

struct kept {
	dev_t dev;
	ino_t ino;
	int fd;
	bool writable;
	bool open;
	unsigned users;
};

static struct {
	struct kept *kept;
	int count, room;
} table;

static _Atomic uint64_t owned[NUMBERS / 64];
static _Atomic bool locks_taken;
static _Atomic int waiting;

bool kept_owns(int fd)
{
	if ((unsigned int)fd >= NUMBERS)
		return false;
	return atomic_load_explicit(&owned[fd / 64], memory_order_relaxed) >>
		       (fd % 64) &
	       1;
}

static int high_duplicate(int fd)
{
	unsigned int low = HIGH;
	struct rlimit limit;
	int to;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return -1;
	if (limit.rlim_cur <= HIGH)
		low = (unsigned int)limit.rlim_cur / 8 * 7;
	to = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, (long)low);
	if (to >= NUMBERS) {
		(void)syscall(SYS_close, to);
		return -1;
	}
	if (to >= 0) {
		fd_forget(to);
		atomic_fetch_or(&owned[to / 64], 1ull << (to % 64));
	}
	return to;
}

static void end(struct kept *kept)
{
	(void)udax_forget(kept->fd);
	atomic_fetch_and(&owned[kept->fd / 64], ~(1ull << (kept->fd % 64)));
	(void)syscall(SYS_close, kept->fd);
	kept->open = false;
}

/* Memory by the kernel: malloc may be what is calling. */
static bool grow(void)
{
	size_t old = (size_t)table.room * sizeof(struct kept);
	size_t bytes = old ? 2 * old : 4096;
	long at;

	at = old ? syscall(SYS_mremap, table.kept, old, bytes, MREMAP_MAYMOVE)
		 : syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
	if (at == -1)
		return false;
	table.kept = (struct kept *)at;
	table.room = (int)(bytes / sizeof(struct kept));
	return true;
}

static int find(dev_t dev, ino_t ino, bool writable)
{
	const struct kept *kept = table.kept;

	for (int i = 0; i < table.count; i++)
		if (kept[i].open && kept[i].ino == ino && kept[i].dev == dev &&
		    kept[i].writable == writable)
			return i;
	return KEPT_NONE;
}

static int find_room(void)
{
	for (int i = 0; i < table.count; i++)
		if (!table.kept[i].open)
			return i;
	if (table.count == table.room && !grow())
		return KEPT_NONE;
	return table.count++;
}

int kept_get(int fd)
{
	bool writable;
	int i, flags;
	dev_t dev;
	ino_t ino;

	if (!fd_ask(fd, &dev, &ino, &flags))
		return KEPT_NONE;
	writable = (flags & O_ACCMODE) == O_RDWR;
	i = find(dev, ino, writable);
	if (i != KEPT_NONE) {
		if (table.kept[i].users++ == 0)
			atomic_fetch_sub(&waiting, 1);
		return i;
	}
	i = find_room();
	if (i == KEPT_NONE)
		return KEPT_NONE;
	table.kept[i] = (struct kept){
		.dev = dev,
		.ino = ino,
		.fd = high_duplicate(fd),
		.writable = writable,
		.users = 1,
	};
	table.kept[i].open = table.kept[i].fd >= 0;
	return table.kept[i].open ? i : KEPT_NONE;
}

void kept_hold(int index)
{
	table.kept[index].users++;
}

void kept_put(int index)
{
	struct kept *kept = &table.kept[index];

	if (--kept->users)
		return;
	if (atomic_load(&locks_taken))
		atomic_fetch_add(&waiting, 1);
	else
		end(kept);
}

int kept_fd(int index)
{
	return table.kept[index].fd;
}

void kept_locks_taken(void)
{
	atomic_store(&locks_taken, true);
}

bool kept_waits(void)
{
	return atomic_load(&waiting) > 0;
}

void kept_closing(dev_t dev, ino_t ino)
{
	/* The child of a vfork closes its descriptors, not ours. */
	if (!fd_own_process() || !preload_enter())
		return;
	pthread_mutex_lock(&preload_lock);
	for (int i = 0; i < table.count; i++) {
		struct kept *kept = &table.kept[i];

		if (kept->open && !kept->users && kept->ino == ino &&
		    kept->dev == dev) {
			end(kept);
			atomic_fetch_sub(&waiting, 1);
		}
	}
	pthread_mutex_unlock(&preload_lock);
	preload_leave();
}
