/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device_probe DEVICE [UNBIND_COMMAND] -- the device layer on real pmem
 *
 * For a machine, most likely a virtual one, whose devdax device or fsdax file
 * may be overwritten. Prints TAP. With a command it takes the device away at
 * the end and expects to live.
 */
#include "device/device.h"
#include "device/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1ull << 20)
#define PRIVATE_COPY ((struct device_options){ .private_copy = true })
#define READ_ONLY ((struct device_options){ .read_only = true })
#define PLAIN ((struct device_options){ 0 })

static const char *path;
static char why[DEVICE_WHY_BYTES];
static unsigned int tests, failures;

static void ok(bool good, const char *what)
{
	tests++;
	failures += !good;
	printf("%s %u - %s\n", good ? "ok" : "not ok", tests, what);
	fflush(stdout);
}

static struct device *open_it(struct device_options options)
{
	struct device *device = NULL;
	int err = device_open(&device, path, &options, why, sizeof(why));

	if (err != 0) {
		printf("Bail out! %s: %s (%d)\n", path, why, err);
		exit(1);
	}
	return device;
}

static void probe_map(void)
{
	struct device *device = open_it(PLAIN);

	printf("# %s, %s, %ju bytes, unit %zu, base %p, bad blocks %d\n",
	       device_kind_name(device->kind),
	       device_granularity_name(device->granularity),
	       (uintmax_t)device->size_bytes, device->unit_bytes,
	       (void *)device->base, device_bad_blocks(device, NULL, NULL));
	ok((uintptr_t)device->base % DEVICE_MAP_ALIGN == 0, "aligned to 2 MiB");
	ok(device_still_there(device), "is there");
	device_close(device);
}

static void probe_stores(const char *granularity)
{
	struct device *device;
	char what[64];

	if (granularity)
		setenv("PMEM2_FORCE_GRANULARITY", granularity, 1);
	device = open_it(PLAIN);
	device_set(device, device->base, 0, 4 * MIB);
	device_drain(device);
	device_copy(device, device->base + 3, "copied", 6);
	device_copy_cached(device, device->base + 2 * MIB + 5, "cached", 6);
	device_flush(device, device->base + 2 * MIB + 5, 6);
	device_store64(device, (uint64_t *)(device->base + 3 * MIB), 42);
	device_persist(device, device->base + 3 * MIB, 8);
	ok(device_deep_flush(device, device->base, 4 * MIB) == 0, "deep flush");
	ok(!device_failed(device), "has not failed");
	device_close(device);
	unsetenv("PMEM2_FORCE_GRANULARITY");
	device = open_it(READ_ONLY);
	snprintf(what, sizeof(what), "stores survive reopen (%s)",
		 granularity ? granularity : "as it is");
	ok(memcmp(device->base + 3, "copied", 6) == 0 &&
		   memcmp(device->base + 2 * MIB + 5, "cached", 6) == 0 &&
		   *(uint64_t *)(device->base + 3 * MIB) == 42,
	   what);
	device_close(device);
}

static void probe_private_copy(void)
{
	struct device *device = open_it(PRIVATE_COPY);

	device_set(device, device->base + 2 * MIB - 10, 'x', 20);
	device_persist(device, device->base, 4 * MIB);
	ok(device->base[2 * MIB + 9] == 'x' &&
		   memcmp(device->base + 3, "copied", 6) == 0 &&
		   *(uint64_t *)(device->base + 3 * MIB) == 42,
	   "a private copy shows its stores and the rest");
	device_close(device);
	device = open_it(READ_ONLY);
	ok(device->base[2 * MIB - 10] == 0 && device->base[2 * MIB] == 0 &&
		   memcmp(device->base + 2 * MIB + 5, "cached", 6) == 0,
	   "the media has none of it");
	device_close(device);
}

static int expect_busy(const char *what)
{
	struct device *device = NULL;
	int err = device_open(&device, path, NULL, why, sizeof(why));

	if (err == 0)
		device_close(device);
	printf("# %s\n", err ? why : "opened");
	ok(err == -EBUSY, what);
	return err;
}

/* A lessee: maps, closes the descriptor, stays for a while. */
static pid_t lessee(const struct device *device, int fd)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (mmap(NULL, DEVICE_MAP_ALIGN, PROT_READ, MAP_SHARED, fd, 0) ==
	    MAP_FAILED)
		_exit(1);
	close(fd);
	munmap(device->base, device->size_bytes);
	close(device->fd);
	sleep(3);
	_exit(0);
}

static void probe_locks(void)
{
	struct device *device = open_it(PLAIN);
	int fd, status;
	pid_t pid;

	expect_busy("exclusive: nobody else opens it");
	ok(device_lock_share(device) == 0, "steps down");
	expect_busy("shared: nobody else opens it");
	fd = device_lease_open(device, true, 7);
	ok(fd >= 0, "a lease gets its own descriptor");
	pid = lessee(device, fd);
	sleep(1);
	close(fd);
	ok(device_lease_held(device, 7) == 1,
	   "the lease's byte outlives its descriptor");
	device_close(device);
	expect_busy("the lease alone keeps others out");
	waitpid(pid, &status, 0);
	ok(status == 0, "the lessee could map");
	device = open_it(PLAIN);
	ok(device_lease_held(device, 7) == 0, "it goes with its mapping");
	device_close(device);
}

static void probe_loss(const char *command)
{
	struct pollfd event = { .events = POLLIN };
	struct device *device, *again = NULL;
	char bytes[16];
	int err, left = device_guard_install();

	ok(left == 0, "guard installed");
	event.fd = device_guard_eventfd();
	device = open_it(PLAIN);
	ok(device->base[3] == 'c', "reads before");
	printf("# %s: %d\n", command, system(command));
	ok(device_still_there(device) == false, "known to be gone");
	atomic_store(&device->failed, false); /* and now by the fault */
	err = device_read_guarded(device, bytes, 0, sizeof(bytes));
	printf("# read: %d, first byte %d, failed %d\n", err, bytes[3],
	       device_failed(device));
	ok(err == -EIO && bytes[3] == 0, "a load is zero and an I/O error");
	device_set(device, device->base + 2 * MIB, 1, 4 * MIB);
	device_persist(device, device->base, 8 * MIB);
	ok(device_failed(device), "stores do no harm");
	ok(poll(&event, 1, 0) == 1, "the eventfd is readable");
	device_close(device);
	err = device_open(&again, path, NULL, why, sizeof(why));
	printf("# reopen: %d %s\n", err, err ? why : "");
	ok(err < 0, "it is not opened again");
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: device_probe DEVICE [COMMAND]\n");
		return 2;
	}
	path = argv[1];
	probe_map();
	probe_stores(NULL);
	probe_stores("byte");
	probe_stores("cache_line");
	probe_stores("page");
	probe_private_copy();
	probe_locks();
	if (argc > 2)
		probe_loss(argv[2]);
	printf("1..%u\n", tests);
	return failures != 0;
}
