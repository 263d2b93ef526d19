/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/crash_child.h"

#include "lib/device_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct crash_child *crash_child;

static unsigned stores_left; /* 0: never */

void crash_child_make(void)
{
	crash_child = mmap(NULL, sizeof(*crash_child), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(crash_child, MAP_FAILED);
	fixture_make();
}

void crash_child_remove(void)
{
	fixture_remove();
	munmap(crash_child, sizeof(*crash_child));
}

void crash_child_run(void (*fn)(void *), void *arg)
{
	int status;
	pid_t pid;

	memset(crash_child, 0, sizeof(*crash_child));
	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		fn(arg);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static void on_stored(struct device *device, const void *to,
		      size_t length_bytes, bool cached)
{
	crash_child->stores++;
	if (stores_left && --stores_left == 0)
		_exit(0);
}

static void on_drained(struct device *device)
{
	crash_child->drains++;
}

void crash_child_watch(unsigned stores)
{
	static const struct device_recorder recorder = {
		.stored = on_stored, .drained = on_drained
	};

	stores_left = stores;
	device_set_recorder(&recorder);
}

void crash_child_copy(const char *from, const char *to)
{
	char command[512];

	snprintf(command, sizeof(command), "cp --sparse=always %s %s",
		 fixture_path(from), fixture_path(to));
	ck_assert_int_eq(system(command), 0);
}
