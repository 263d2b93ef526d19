/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/device.h"
#include "lib/device_fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_ONLY ((struct device_options){ .read_only = true })
#define NO_LOCK ((struct device_options){ .no_lock = true })
#define PLAIN ((struct device_options){ 0 })

/* A process that runs fn, says so, and stays until it is let go. */
struct other {
	pid_t pid;
	int go;
};

static struct other other_start(void (*fn)(void))
{
	int ready[2], go[2];
	struct other other;
	char byte;

	ck_assert_int_eq(pipe(ready), 0);
	ck_assert_int_eq(pipe(go), 0);
	other.pid = fork();
	ck_assert_int_ge(other.pid, 0);
	if (other.pid == 0) {
		close(go[1]);
		fn();
		if (write(ready[1], "r", 1) != 1 || read(go[0], &byte, 1) != 0)
			_exit(1);
		_exit(0);
	}
	close(ready[1]);
	close(go[0]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	other.go = go[1];
	return other;
}

static void other_end(struct other other)
{
	int status;

	close(other.go);
	ck_assert_int_eq(waitpid(other.pid, &status, 0), other.pid);
	ck_assert_int_eq(status, 0);
}

static void ck_assert_names(pid_t pid)
{
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "in use by PID %ld (", (long)pid);
	ck_assert_msg(strncmp(fixture_why, wanted, strlen(wanted)) == 0, "%s",
		      fixture_why);
}

static void hold_exclusive(void)
{
	fixture_open("a", PLAIN);
}

static void hold_shared(void)
{
	if (device_lock_share(fixture_open("a", PLAIN)) != 0)
		_exit(2);
}

static void hold_shared_read_only(void)
{
	if (device_lock_share(fixture_open("a", READ_ONLY)) != 0)
		_exit(2);
}

START_TEST(a_device_in_use_is_refused_and_its_user_named)
{
	static void (*const holds[])(void) = { hold_exclusive, hold_shared,
					       hold_shared_read_only };
	struct other other;

	fixture_create("a");
	other = other_start(holds[_i]);
	ck_assert_int_eq(fixture_open_error(fixture_path("a")), -EBUSY);
	ck_assert_names(other.pid);
	device_close(fixture_open("a", NO_LOCK));
	other_end(other);
	device_close(fixture_open("a", PLAIN));
}
END_TEST

START_TEST(a_device_open_here_is_refused_as_well)
{
	struct device *device = fixture_create_and_open("a");

	ck_assert_int_eq(fixture_open_error(fixture_path("a")), -EBUSY);
	ck_assert_names(getpid());
	ck_assert_int_eq(device_lock_share(device), 0);
	ck_assert_int_eq(fixture_open_error(fixture_path("a")), -EBUSY);
	device_close(device);
	device_close(fixture_open("a", PLAIN));
}
END_TEST

START_TEST(a_foreign_lock_on_any_byte_is_in_use)
{
	struct flock lock = { .l_type = F_RDLCK,
			      .l_whence = SEEK_SET,
			      .l_start = 4711,
			      .l_len = 1 };
	int fd;

	fixture_create("a");
	fd = open(fixture_path("a"), O_RDONLY);
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
	ck_assert_int_eq(fixture_open_error(fixture_path("a")), -EBUSY);
	close(fd);
	device_close(fixture_open("a", PLAIN));
}
END_TEST

static struct device *leased;
static int lease_fd;

static void map_the_lease(void)
{
	int prot = PROT_READ;

	if (mmap(NULL, DEVICE_MAP_ALIGN, prot, MAP_SHARED, lease_fd, 0) ==
	    MAP_FAILED)
		_exit(2);
	/* a client inherits nothing of the daemon: drop its description */
	close(lease_fd);
	munmap(leased->base, leased->size_bytes);
	close(leased->fd);
}

START_TEST(a_lease_is_gone_when_its_last_mapping_is)
{
	struct other other;

	leased = fixture_create_and_open("a");
	ck_assert_int_eq(device_lock_share(leased), 0);
	lease_fd = device_lease_open(leased, _i == 1, 5);
	ck_assert_int_ge(lease_fd, 0);
	ck_assert_int_eq(device_lease_open(leased, false, 5), -EBUSY);
	other = other_start(map_the_lease);
	close(lease_fd);
	ck_assert_int_eq(device_lease_held(leased, 5), 1);
	ck_assert_int_eq(device_lease_held(leased, 6), 0);

	/* the daemon may be gone: the lease still keeps others out */
	device_close(leased);
	ck_assert_int_eq(fixture_open_error(fixture_path("a")), -EBUSY);
	ck_assert_names(other.pid);
	other_end(other);
	leased = fixture_open("a", PLAIN);
	ck_assert_int_eq(device_lease_held(leased, 5), 0);
	device_close(leased);
}
END_TEST

START_TEST(a_read_only_device_gives_no_writable_lease)
{
	struct device *device;

	fixture_create("a");
	device = fixture_open("a", READ_ONLY);
	ck_assert_int_eq(device_lock_share(device), 0);
	ck_assert_int_eq(device_lease_open(device, true, 1), -EROFS);
	lease_fd = device_lease_open(device, false, 1);
	ck_assert_int_ge(lease_fd, 0);
	ck_assert_int_eq(fcntl(lease_fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close(lease_fd);
	ck_assert_int_eq(device_lease_held(device, 1), 0);
	device_close(device);
}
END_TEST

START_TEST(a_lease_is_of_the_file_that_was_opened)
{
	struct device *device = fixture_create_and_open("a");
	struct stat file;

	ck_assert_int_eq(device_lock_share(device), 0);
	ck_assert_int_eq(rename(fixture_path("a"), fixture_path("b")), 0);
	fixture_create("a");
	lease_fd = device_lease_open(device, true, 1);
	ck_assert_int_ge(lease_fd, 0);
	ck_assert_int_eq(fstat(lease_fd, &file), 0);
	ck_assert(file.st_ino == device->file_ino);
	close(lease_fd);
	device_close(device);
}
END_TEST

static void add_locks(Suite *suite)
{
	TCase *locks = tcase_create("locks");

	tcase_add_checked_fixture(locks, fixture_make, fixture_remove);
	tcase_add_loop_test(
		locks, a_device_in_use_is_refused_and_its_user_named, 0, 3);
	tcase_add_test(locks, a_device_open_here_is_refused_as_well);
	tcase_add_test(locks, a_foreign_lock_on_any_byte_is_in_use);
	tcase_add_loop_test(locks, a_lease_is_gone_when_its_last_mapping_is, 0,
			    2);
	tcase_add_test(locks, a_read_only_device_gives_no_writable_lease);
	tcase_add_test(locks, a_lease_is_of_the_file_that_was_opened);
	suite_add_tcase(suite, locks);
}

int main(void)
{
	Suite *suite = suite_create("device_lock");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_locks(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
