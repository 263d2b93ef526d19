/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/guard.h"

#include "device/device.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Each repaired unit can cost two mappings, of which a process has some 65000
 * (vm.max_map_count): DEVICES_MAX devices must fit. Beyond it the whole device
 * becomes one mapping of zeros.
 */
#define REPAIRS_MAX 256

struct slot {
	_Atomic uintptr_t base; /* 0: free, or being filled or emptied [G1] */
	_Atomic uint64_t size_bytes;
	_Atomic(struct device *) device;
	_Atomic bool taken;
};

static struct slot slots[DEVICES_MAX];
static _Atomic int event_fd = -1;
static pthread_mutex_t installing = PTHREAD_MUTEX_INITIALIZER;

struct device *device_guard_find(const void *address)
{
	uintptr_t at = (uintptr_t)address;

	for (unsigned int i = 0; i < DEVICES_MAX; i++) {
		uintptr_t base = atomic_load(&slots[i].base);

		if (base && at - base < atomic_load(&slots[i].size_bytes))
			return atomic_load(&slots[i].device);
	}
	return NULL;
}

void device_guard_fail(struct device *device, uint64_t offset_bytes)
{
	static const uint64_t one = 1;
	int fd = atomic_load(&event_fd);

	if (!atomic_exchange(&device->failed, true))
		atomic_store(&device->failed_offset, offset_bytes);
	if (fd < 0)
		return;
	/* full counter: it is readable, which is all that is wanted */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

static bool put_zeros(struct device *device, uint64_t from, uint64_t length)
{
	int prot = PROT_READ | (device->options.read_only ? 0 : PROT_WRITE);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
	unsigned char *at = device->base + from;

	return syscall(SYS_mmap, at, length, prot, flags, -1, 0) == (long)at;
}

/* False: the fault is not ours, or cannot be repaired. */
static bool repair(const void *at)
{
	struct device *device = device_guard_find(at);
	uint64_t offset;

	if (!device)
		return false;
	offset = device_offset(device, at);
	device_guard_fail(device, offset); /* [G2] */
	if (atomic_fetch_add(&device->repairs, 1) < REPAIRS_MAX &&
	    put_zeros(device, offset - offset % device->unit_bytes,
		      device->unit_bytes))
		return true;
	return put_zeros(device, 0, device->size_bytes);
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	/* si_code <= 0: sent by a process, the address means nothing */
	if (info->si_code <= 0 || info->si_code == BUS_ADRALN ||
	    !repair(info->si_addr)) {
		signal(sig, SIG_DFL);
		if (info->si_code <= 0)
			raise(sig); /* a fault raises itself again */
	}
	errno = saved;
}

static int install(void)
{
	struct sigaction action = { .sa_sigaction = on_sigbus,
				    .sa_flags = SA_SIGINFO | SA_RESTART |
						SA_ONSTACK };
	int fd;

	if (atomic_load(&event_fd) >= 0)
		return 0;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	sigemptyset(&action.sa_mask);
	if (sigaction(SIGBUS, &action, NULL) != 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	atomic_store(&event_fd, fd);
	return 0;
}

int device_guard_install(void)
{
	int err;

	pthread_mutex_lock(&installing);
	err = install();
	pthread_mutex_unlock(&installing);
	return err;
}

int device_guard_eventfd(void)
{
	return atomic_load(&event_fd);
}

int device_guard_register(struct device *device)
{
	for (int i = 0; i < DEVICES_MAX; i++) {
		if (atomic_exchange(&slots[i].taken, true))
			continue;
		atomic_store(&slots[i].device, device);
		atomic_store(&slots[i].size_bytes, device->size_bytes);
		atomic_store(&slots[i].base, (uintptr_t)device->base);
		device->guard_slot = i;
		return 0;
	}
	return -EMFILE;
}

void device_guard_unregister(struct device *device)
{
	struct slot *slot = &slots[device->guard_slot];

	assert(atomic_load(&slot->device) == device);
	atomic_store(&slot->base, 0); /* [G1] */
	atomic_store(&slot->device, NULL);
	atomic_store(&slot->taken, false);
}
