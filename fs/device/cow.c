/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/cow.h"

#include "device/device.h"
#include "device/guard.h"
#include "device/map.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct device_cow {
	atomic_flag busy;
	unsigned char copied[]; /* by unit; under busy */
};

static struct sigaction previous;
static pthread_once_t installed = PTHREAD_ONCE_INIT;

/* Raw calls throughout: this runs in the handler. */
static bool copy_to(struct device *device, unsigned char *unit)
{
	size_t bytes = device->unit_bytes;
	long copy = syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (copy == -1)
		return false;
	device->map->copy((void *)copy, unit, bytes, PMEM2_F_MEM_NOFLUSH);
	if (syscall(SYS_mremap, copy, bytes, bytes,
		    MREMAP_MAYMOVE | MREMAP_FIXED, unit) == (long)unit)
		return true;
	syscall(SYS_munmap, copy, bytes);
	return false;
}

static bool copy_unit(const void *at)
{
	struct device *device = device_guard_find(at);
	struct device_cow *cow = device ? device->map->cow : NULL;
	uint64_t unit;
	bool done = true;

	if (!cow)
		return false;
	unit = device_offset(device, at) / device->unit_bytes;
	while (atomic_flag_test_and_set(&cow->busy))
		syscall(SYS_sched_yield); /* the holder may want this CPU */
	/* else another thread was first, and its stores must stay */
	if (!cow->copied[unit]) {
		done = copy_to(device,
			       device->base + unit * device->unit_bytes);
		cow->copied[unit] = done;
	}
	atomic_flag_clear(&cow->busy);
	return done;
}

static void on_sigsegv(int sig, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	if (info->si_code != SEGV_ACCERR || !copy_unit(info->si_addr)) {
		sigaction(sig, &previous, NULL);
		if (info->si_code <= 0)
			raise(sig); /* a fault raises itself again */
	}
	errno = saved;
}

static void install(void)
{
	struct sigaction action = { .sa_sigaction = on_sigsegv,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigemptyset(&action.sa_mask);
	/* it cannot fail for a valid signal */
	(void)sigaction(SIGSEGV, &action, &previous);
}

struct device_cow *device_cow_create(const struct device *device)
{
	uint64_t units = device->size_bytes / device->unit_bytes;
	struct device_cow *cow = calloc(1, sizeof(*cow) + units);

	if (!cow)
		return NULL;
	atomic_flag_clear(&cow->busy);
	pthread_once(&installed, install);
	return cow;
}

void device_cow_destroy(struct device_cow *cow)
{
	free(cow);
}
