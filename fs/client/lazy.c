/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/lazy.h"
#include "client/client.h"
#include "client/sys.h"

#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define QUEUE 64
#define YIELDS 100 /* to who holds the lock, before sleeping */

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

/* ------------------------------------------------------------------- begin */

static bool handshake(int fd)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_EVENT_REMAP };

	return fd >= 0 && sys_ioctl(fd, UFFDIO_API, &api) == 0;
}

/* One of the ways, or -1. */
static int checked(int fd)
{
	if (handshake(fd))
		return client_high_fd(fd);
	if (fd >= 0)
		sys_close(fd);
	return -1;
}

#define NEW_FLAGS (O_CLOEXEC | O_NONBLOCK)

static int by_device(int device_fd)
{
	return checked((int)SYS_CALL(SYS_ioctl, device_fd, USERFAULTFD_IOC_NEW,
				     NEW_FLAGS));
}

static int by_path(void)
{
	int device = sys_open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	int fd;

	if (device < 0)
		return -1;
	fd = by_device(device);
	sys_close(device);
	return fd;
}

void lazy_offer(int device_fd)
{
	const char *wanted = getenv("UDAX_USERFAULTFD");

	if (client.fault_fd >= 0 || client.offered_fd >= 0 || wanted)
		return;
	client.offered_fd = by_device(device_fd);
}

void lazy_start_locked(void)
{
	const char *wanted = getenv("UDAX_USERFAULTFD");
	int fd = client.offered_fd;

	if (client.fault_fd >= 0 || client.fault_tried)
		return;
	client.fault_tried = true;
	if (wanted && strcmp(wanted, "off") == 0)
		return;
	if (fd < 0 && !wanted)
		fd = checked((int)SYS_CALL(SYS_userfaultfd, NEW_FLAGS));
	if (fd < 0 && !wanted)
		fd = by_path();
	if (fd < 0)
		fd = checked((int)SYS_CALL(SYS_userfaultfd,
					   NEW_FLAGS | UFFD_USER_MODE_ONLY));
	client.offered_fd = -1;
	client.fault_fd = fd;
}

bool lazy_available(void)
{
	return client.fault_fd >= 0;
}

/* ------------------------------------------------------------------- holes */

#define NOTHING (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

int lazy_make_hole(uintptr_t addr, size_t length)
{
	struct uffdio_register range = { .range = { addr, length },
					 .mode = UFFDIO_REGISTER_MODE_MISSING };

	(void)sys_madvise(addr, length, MADV_DONTFORK);
	if (!lazy_available())
		return 0;
	return sys_ioctl(client.fault_fd, UFFDIO_REGISTER, &range);
}

int lazy_put_nothing(uintptr_t addr, size_t length)
{
	long at = sys_mmap(addr, length, PROT_NONE, NOTHING | MAP_FIXED, -1, 0);

	if (SYS_IS_ERROR(at))
		return (int)at;
	(void)sys_madvise(addr, length, MADV_DONTFORK);
	return 0;
}

int lazy_put_hole(uintptr_t addr, size_t length, int prot)
{
	long staging, moved;
	int err;

	if (!lazy_available())
		return lazy_put_nothing(addr, length);
	staging = sys_mmap(0, length, prot, NOTHING, -1, 0);
	if (SYS_IS_ERROR(staging))
		return (int)staging;
	err = lazy_make_hole((uintptr_t)staging, length);
	if (!err) {
		moved = sys_mremap((uintptr_t)staging, length, length,
				   MREMAP_MAYMOVE | MREMAP_FIXED, addr);
		if (!SYS_IS_ERROR(moved))
			return 0;
		err = (int)moved;
	}
	sys_munmap((uintptr_t)staging, length);
	return err;
}

/* The offset in the memfd is the address: neighbours become one VMA. */
int lazy_put_poison(uintptr_t addr, size_t length, int prot)
{
	long at = sys_mmap(addr, length, prot, MAP_SHARED | MAP_FIXED,
			   client.poison_fd, addr);

	if (SYS_IS_ERROR(at))
		return (int)at;
	(void)sys_madvise(addr, length, MADV_DONTFORK);
	return 0;
}

void lazy_wake(uintptr_t addr, size_t length)
{
	struct uffdio_range range = { addr, length };

	if (client.fault_fd >= 0)
		(void)sys_ioctl(client.fault_fd, UFFDIO_WAKE, &range);
}

/* --------------------------------------------------------- the fault thread */

/* Touches that were read and not yet answered. One thread. */
static struct {
	uintptr_t fault[QUEUE];
	unsigned int count;
} queue;

/* What there is, at once. Who does not fit tries again. */
static bool read_events(void)
{
	struct uffd_msg event[16];
	ssize_t length = sys_read(client.fault_fd, event, sizeof(event));
	size_t count = length > 0 ? (size_t)length / sizeof(event[0]) : 0;

	for (size_t i = 0; i < count; i++) {
		uintptr_t at;

		if (event[i].event != UFFD_EVENT_PAGEFAULT)
			continue; /* read is all that it wants */
		at = event[i].arg.pagefault.address & ~(SYS_PAGE - 1);
		if (queue.count < QUEUE)
			queue.fault[queue.count++] = at;
		else
			lazy_wake(at, SYS_PAGE);
	}
	return count > 0;
}

uintptr_t lazy_next_fault(void)
{
	struct pollfd wait = { .fd = client.fault_fd, .events = POLLIN };

	while (!queue.count)
		if (!read_events())
			(void)SYS_CALL(SYS_poll, &wait, 1, -1);
	return queue.fault[--queue.count];
}

void lazy_lock(void)
{
	struct timespec moment = { .tv_nsec = 10000 };
	unsigned int tries = 0;

	/* Mostly the thread that answered the last touch is about to let go:
	 * a sleep would be several times as long as all the rest. */
	while (pthread_mutex_trylock(&client.lock) != 0) {
		if (read_events())
			continue;
		if (tries++ < YIELDS)
			sched_yield();
		else
			nanosleep(&moment, NULL);
	}
	atomic_fetch_add(&client.turn, 1);
}
