/* SPDX-License-Identifier: BSD-3-Clause */
/* The server of direct mappings, over its socket, on a filesystem without a
 * mount. The clients are this process, which is never zapped or killed. */
#include "lib/core_fixture.h"
#include "lib/device_fixture.h"
#include "lib/direct_client.h"

#include "core/lease.h"
#include "core/token.h"
#include "direct/direct.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE UDAX_PAGE_BYTES
#define FILE_MODE (S_IFREG | 0644)
#define FILE_PAGES 16

static struct direct *server;
static struct direct_client one, two;
static struct inode *file;

static void set_up(void)
{
	static char bytes[FILE_PAGES * PAGE];
	char why[256] = "";

	fixture_make();
	core_format(1, "64M");
	core_mount(1);
	ck_assert_int_eq(direct_start(&server, core.fs, why, sizeof(why)), 0);
	file = core_new(core.root, "file", FILE_MODE);
	ck_assert_int_eq(inode_open(core.fs, file, true), 0);
	memset(bytes, 'a', sizeof(bytes));
	ck_assert_int_eq(core_write(file, bytes, sizeof(bytes), 0),
			 sizeof(bytes));
	ck_assert_int_eq(client_connect(&one, core.fs->direct_socket), 0);
	ck_assert_int_eq(client_connect(&two, core.fs->direct_socket), 0);
}

static void tear_down(void)
{
	client_end(&one);
	client_end(&two);
	inode_close(core.fs, file, true);
	core_forget(file);
	direct_stop(server);
	core_unmount();
	core_fsck(1);
	fixture_remove();
}

static uint32_t open_file(struct direct_client *client, bool may_write)
{
	struct token_caller self = { getpid(), getuid() };
	uint8_t token[16];
	uint32_t handle;

	if (client->sizes_fd < 0)
		ck_assert_int_eq(client_hello(client), 0);
	ck_assert_int_eq(token_issue(core.fs, file, may_write, &self, token),
			 0);
	ck_assert_int_eq(client_open(client, token, &handle), 0);
	return handle;
}

/* The whole file. */
static char *map_file(struct direct_client *client, uint64_t *lease,
		      bool writable)
{
	uint32_t handle = open_file(client, true);
	char *at;

	ck_assert_int_eq(
		client_map(client, handle, 0, FILE_PAGES * PAGE, writable), 0);
	ck_assert_uint_eq(client->in.map.length, FILE_PAGES * PAGE);
	*lease = client->in.map.lease;
	at = client_memory(client, writable);
	ck_assert_ptr_nonnull(at);
	return at;
}

static char read_byte(uint64_t offset)
{
	struct iovec iov[FILE_READ_IOVS];
	unsigned count;
	char byte;

	ck_assert_int_eq(request_begin(&core.request, "read", file->ino,
				       getpid(), false),
			 0);
	ck_assert_int_eq(
		file_read(&core.request, file, 1, (off_t)offset, iov, &count),
		1);
	byte = *(const char *)iov[0].iov_base;
	request_end(&core.request);
	return byte;
}

static void count_one(const struct lease_info *info, void *arg)
{
	unsigned *counts = arg;

	counts[info->pin]++;
}

static unsigned count_leases(void)
{
	unsigned counts[2] = { 0, 0 };

	lease_for_each(core.fs, count_one, counts);
	return counts[0];
}

static bool soon(bool (*is)(void))
{
	for (int i = 0; i < 500; i++) {
		if (is())
			return true;
		usleep(10000);
	}
	return false;
}

static bool no_lease_is_left(void)
{
	return count_leases() == 0;
}

/* ------------------------------------------------------------------ granting
 */

START_TEST(stores_through_a_lease_are_the_files)
{
	uint64_t lease;
	char *at = map_file(&one, &lease, true);

	ck_assert_int_eq(at[5 * PAGE], 'a');
	at[5 * PAGE] = 'b';
	ck_assert_int_eq(read_byte(5 * PAGE), 'b');
	ck_assert_uint_eq(count_leases(), 1);
	ck_assert_int_eq(
		client_range(&one, UDAX_SYNC, lease, 0, FILE_PAGES * PAGE), 0);
	munmap(at, FILE_PAGES * PAGE);
	ck_assert_int_eq(
		client_range(&one, UDAX_UNMAP, lease, 0, FILE_PAGES * PAGE), 0);
	ck_assert_uint_eq(count_leases(), 0);
}
END_TEST

START_TEST(who_may_only_read_gets_what_only_reads)
{
	uint32_t handle = open_file(&one, false);

	ck_assert_uint_eq(one.in.open.access, UDAX_OPEN_READ);
	ck_assert_int_eq(client_map(&one, handle, 0, PAGE, true), -EACCES);
	ck_assert_int_eq(client_map(&one, handle, 0, PAGE, false), 0);
	ck_assert_int_eq(fcntl(one.device_fd[0], F_GETFL) & O_ACCMODE,
			 O_RDONLY);
	ck_assert_ptr_null(client_memory(&one, true));
}
END_TEST

START_TEST(a_token_is_good_once_and_for_its_owner)
{
	struct token_caller self = { getpid(), getuid() };
	struct token_caller other = { getppid(), getuid() };
	uint8_t token[16];
	uint32_t handle;

	ck_assert_int_eq(client_hello(&one), 0);
	ck_assert_int_eq(token_issue(core.fs, file, true, &self, token), 0);
	ck_assert_int_eq(client_open(&one, token, &handle), 0);
	ck_assert_int_eq(client_open(&one, token, &handle), -EACCES);
	ck_assert_int_eq(token_issue(core.fs, file, true, &other, token), 0);
	ck_assert_int_eq(client_open(&one, token, &handle), -EACCES);
}
END_TEST

START_TEST(one_descriptor_does_for_all_leases_of_a_mode)
{
	uint32_t handle = open_file(&one, true);

	ck_assert_int_eq(client_map(&one, handle, 0, PAGE, true), 0);
	ck_assert_uint_eq(one.in.map.flags, UDAX_MAP_FD);
	ck_assert_int_eq(client_map(&one, handle, PAGE, PAGE, true), 0);
	ck_assert_uint_eq(one.in.map.flags, 0);
	ck_assert_int_eq(client_map(&one, handle, PAGE, PAGE, false), 0);
	ck_assert_uint_eq(one.in.map.flags, UDAX_MAP_FD);
	/* One that was closed, and mapped nowhere, comes again. */
	close(one.device_fd[1]);
	one.device_fd[1] = -1;
	ck_assert_int_eq(client_map(&one, handle, 2 * PAGE, PAGE, true), 0);
	ck_assert_uint_eq(one.in.map.flags, UDAX_MAP_FD);
}
END_TEST

START_TEST(a_handle_that_is_closed_grants_nothing)
{
	uint32_t handle = open_file(&one, true);

	ck_assert_int_eq(client_map(&one, handle, 0, PAGE, true), 0);
	ck_assert_int_eq(client_close_handle(&one, handle), 0);
	ck_assert_int_eq(client_close_handle(&one, handle), -EBADF);
	ck_assert_int_eq(client_map(&one, handle, 0, PAGE, true), -EBADF);
	ck_assert_uint_eq(count_leases(), 1); /* as mappings do */
	ck_assert_int_eq(client_map(&one, 77, 0, PAGE, true), -EBADF);
}
END_TEST

START_TEST(handles_are_used_again_when_none_is_left)
{
	uint32_t handle = 0, first = open_file(&one, true);

	ck_assert_int_eq(client_map(&one, first, 0, PAGE, true), 0);
	ck_assert_int_eq(client_close_handle(&one, first), 0);
	for (unsigned i = 0; i + 1 < one.hello.stored_words; i++) {
		handle = open_file(&one, false);
		if (i > 0)
			ck_assert_int_eq(client_close_handle(&one, handle), 0);
	}
	/* All words have been used; the lease keeps those of its inode. */
	ck_assert_int_eq(
		client_range(&one, UDAX_UNMAP, one.in.map.lease, 0, PAGE), 0);
	lease_for_each(core.fs, count_one, (unsigned[2]){ 0 });
	ck_assert_uint_le(handle, one.hello.stored_words - 1);
}
END_TEST

/* -------------------------------------------------------------- taking back */

static _Atomic int broken; /* 1: not yet, else what done() was told */

static void break_done(struct lease_break *brk, int err)
{
	atomic_store(&broken, err);
}

static bool break_is_done(void)
{
	return atomic_load(&broken) != 1;
}

START_TEST(a_break_ends_when_the_client_gives_back)
{
	struct lease_break brk = {
		.ino = file->ino, .first = 2, .last = 3, .done = break_done
	};
	uint64_t lease;
	char *at = map_file(&one, &lease, true);

	atomic_store(&broken, 1);
	ck_assert_int_eq(lease_break_start(core.fs, &brk), -EINPROGRESS);
	ck_assert_int_eq(client_await(&one, UDAX_RECALL, 0, 5000), 0);
	ck_assert_uint_eq(one.in.recall.reason, UDAX_RECALL_CHANGE);
	ck_assert_uint_eq(one.in.recall.lease, lease);
	ck_assert_uint_eq(one.in.recall.offset, 2 * PAGE);
	ck_assert_uint_eq(one.in.recall.length, 2 * PAGE);
	ck_assert(!break_is_done());
	munmap(at + 2 * PAGE, 2 * PAGE);
	ck_assert_int_eq(client_returned(&one), 0);
	ck_assert(soon(break_is_done));
	ck_assert_int_eq(broken, 0);
	/* The rest goes on. */
	at[PAGE] = 'c';
	ck_assert_int_eq(read_byte(PAGE), 'c');
	lease_break_end(core.fs, &brk);
	munmap(at, FILE_PAGES * PAGE);
}
END_TEST

START_TEST(a_break_ends_when_the_client_does)
{
	struct lease_break brk = { .ino = file->ino,
				   .last = UINT64_MAX,
				   .done = break_done };
	uint64_t lease;
	char *at = map_file(&one, &lease, true);

	atomic_store(&broken, 1);
	ck_assert_int_eq(lease_break_start(core.fs, &brk), -EINPROGRESS);
	/* A socket that is closed proves nothing: it is mapped. */
	client_end(&one);
	usleep(300000);
	ck_assert(!break_is_done());
	ck_assert_uint_eq(count_leases(), 1);
	munmap(at, FILE_PAGES * PAGE);
	ck_assert(soon(break_is_done));
	ck_assert_int_eq(broken, 0);
	lease_break_end(core.fs, &brk);
	ck_assert(soon(no_lease_is_left));
}
END_TEST

START_TEST(a_break_of_pinned_pages_waits_for_unpin)
{
	struct lease_break brk = { .ino = file->ino,
				   .last = 3,
				   .done = break_done };
	uint64_t lease, pin;
	char *at = map_file(&one, &lease, true);

	ck_assert_int_eq(client_range(&one, UDAX_PIN, lease, PAGE, PAGE), 0);
	pin = one.in.pin.pin;
	atomic_store(&broken, 1);
	ck_assert_int_eq(lease_break_start(core.fs, &brk), -EINPROGRESS);
	while (client_await(&one, UDAX_RECALL, 0, 200) == 0)
		ck_assert_int_eq(client_returned(&one), 0);
	ck_assert(!break_is_done());
	munmap(at, 4 * PAGE);
	ck_assert_int_eq(client_unpin(&one, pin), 0);
	while (client_await(&one, UDAX_RECALL, 0, 200) == 0)
		ck_assert_int_eq(client_returned(&one), 0);
	ck_assert(soon(break_is_done));
	ck_assert_int_eq(broken, 0);
	lease_break_end(core.fs, &brk);
	munmap(at, FILE_PAGES * PAGE);
}
END_TEST

static const struct removal_limits patient = { 20000, 1000, 1000 };

static bool device_is_clear(void)
{
	return direct_revoke_device(server, 0, REMOVAL_REVOKE, &patient) == 0;
}

START_TEST(a_device_is_clear_when_the_locks_say_so)
{
	uint64_t lease;
	char *at = map_file(&one, &lease, true);
	char *other = map_file(&two, &lease, false);

	ck_assert(!device_is_clear());
	ck_assert_int_eq(client_await(&one, UDAX_RECALL, 0, 5000), 0);
	ck_assert_uint_eq(one.in.recall.reason, UDAX_RECALL_REMOVAL);
	ck_assert_uint_eq(one.in.recall.device, 0);
	/* To say so is not enough. */
	ck_assert_int_eq(client_returned(&one), 0);
	usleep(100000);
	ck_assert(!device_is_clear());
	close(one.device_fd[1]);
	one.device_fd[1] = -1;
	munmap(at, FILE_PAGES * PAGE);
	usleep(100000);
	ck_assert_uint_eq(count_leases(), 1);
	ck_assert(!device_is_clear());
	munmap(other, FILE_PAGES * PAGE);
	close(two.device_fd[0]);
	two.device_fd[0] = -1;
	ck_assert(soon(device_is_clear));
	ck_assert_uint_eq(count_leases(), 0);
}
END_TEST

/* The counter is at zero then, and every gate is closed. */
START_TEST(a_descriptor_alone_holds_a_device)
{
	uint64_t lease;
	char *at = map_file(&one, &lease, true);

	ck_assert_int_eq(
		client_range(&one, UDAX_UNMAP, lease, 0, FILE_PAGES * PAGE), 0);
	ck_assert_uint_eq(count_leases(), 0);
	ck_assert_int_eq(pgmap_kill(core.fs->devices[0].pgmap), 0);
	ck_assert(!device_is_clear());
	usleep(100000);
	ck_assert(!device_is_clear());
	munmap(at, FILE_PAGES * PAGE);
	ck_assert(!device_is_clear());
	close(one.device_fd[1]);
	one.device_fd[1] = -1;
	ck_assert(soon(device_is_clear));
	ck_assert_int_eq(pgmap_resurrect(core.fs->devices[0].pgmap), 0);
}
END_TEST

START_TEST(nothing_is_granted_while_a_device_is_revoked)
{
	uint32_t handle = open_file(&one, true);

	ck_assert(soon(device_is_clear));
	ck_assert_int_eq(client_map(&one, handle, 0, PAGE, true), -ENXIO);
	ck_assert_uint_eq(count_leases(), 0);
	direct_device_changed(server, 0, DEVICE_LIVE);
	ck_assert_int_eq(client_map(&one, handle, 0, PAGE, true), 0);
}
END_TEST

START_TEST(after_a_cancel_what_was_recalled_comes_back_first)
{
	uint64_t lease;
	char *at = map_file(&one, &lease, true);
	uint32_t handle = open_file(&one, true);
	int err;

	ck_assert(!device_is_clear());
	ck_assert_int_eq(client_await(&one, UDAX_RECALL, 0, 5000), 0);
	direct_device_changed(server, 0, DEVICE_LIVE);
	usleep(50000);
	ck_assert_int_eq(client_map(&one, handle, 0, PAGE, true), -EAGAIN);
	ck_assert_uint_eq(count_leases(), 1);
	munmap(at, FILE_PAGES * PAGE);
	close(one.device_fd[1]);
	one.device_fd[1] = -1;
	for (int i = 0; i < 100; i++) {
		err = client_map(&one, handle, 0, PAGE, true);
		if (err != -EAGAIN)
			break;
		usleep(10000);
	}
	ck_assert_int_eq(err, 0);
	ck_assert_uint_eq(one.in.map.flags, UDAX_MAP_FD);
	ck_assert_uint_eq(count_leases(), 1);
}
END_TEST

START_TEST(pins_are_all_that_may_be_left_of_a_device)
{
	uint64_t lease, pin;
	char *at = map_file(&one, &lease, true);

	ck_assert_int_eq(client_range(&one, UDAX_PIN, lease, PAGE, PAGE), 0);
	pin = one.in.pin.pin;
	ck_assert(!device_is_clear());
	ck_assert_int_eq(client_await(&one, UDAX_RECALL, 0, 5000), 0);
	munmap(at, PAGE);
	munmap(at + 2 * PAGE, (FILE_PAGES - 2) * PAGE);
	ck_assert(!device_is_clear());
	ck_assert_int_eq(client_returned(&one), 0);
	ck_assert(soon(device_is_clear));
	ck_assert_uint_gt(count_leases(), 0);
	munmap(at + PAGE, PAGE);
	close(one.device_fd[1]);
	one.device_fd[1] = -1;
	ck_assert_int_eq(client_unpin(&one, pin), 0);
	ck_assert(soon(no_lease_is_left));
}
END_TEST

START_TEST(a_drain_asks_nobody_who_maps)
{
	uint64_t lease;
	char *at = map_file(&one, &lease, true);
	int err = direct_revoke_device(server, 0, REMOVAL_DRAIN, &patient);

	ck_assert_int_eq(err, -EAGAIN);
	ck_assert_int_eq(client_await(&one, UDAX_RECALL, 0, 200), -ETIMEDOUT);
	munmap(at, FILE_PAGES * PAGE);
	ck_assert_int_eq(
		client_range(&one, UDAX_UNMAP, lease, 0, FILE_PAGES * PAGE), 0);
	/* The descriptor is no mapping, but could become one. */
	ck_assert_int_eq(client_await(&one, UDAX_RECALL, 0, 5000), 0);
	close(one.device_fd[1]);
	one.device_fd[1] = -1;
	ck_assert_int_eq(client_returned(&one), 0);
	for (int i = 0; err && i < 100; i++)
		err = direct_revoke_device(server, 0, REMOVAL_DRAIN, &patient);
	ck_assert_int_eq(err, 0);
}
END_TEST

START_TEST(states_are_told)
{
	ck_assert_int_eq(client_hello(&one), 0);
	direct_device_changed(server, 0, DEVICE_BLOCKING);
	ck_assert_int_eq(client_await(&one, UDAX_DEVICE, 0, 5000), 0);
	ck_assert_uint_eq(one.in.device.state, DEVICE_BLOCKING);
	/* Who comes later is told as well. */
	ck_assert_int_eq(client_hello(&two), 0);
	ck_assert_int_eq(client_await(&two, UDAX_DEVICE, 0, 5000), 0);
	ck_assert_uint_eq(two.in.device.state, DEVICE_BLOCKING);
	direct_device_changed(server, 0, DEVICE_LIVE);
	ck_assert_int_eq(client_await(&two, UDAX_DEVICE, 0, 5000), 0);
	ck_assert_uint_eq(two.in.device.state, DEVICE_LIVE);
}
END_TEST

/* ------------------------------------------------------------------ hostile */

static void is_closed(struct direct_client *client)
{
	int err;

	do
		err = client_next(client, 5000);
	while (!err);
	ck_assert_int_eq(err, -ECONNRESET);
}

START_TEST(nothing_is_said_before_hello)
{
	uint32_t handle;

	ck_assert_int_eq(client_open(&one, (uint8_t[16]){ 0 }, &handle),
			 -ECONNRESET);
	ck_assert_int_eq(client_hello(&two), 0);
}
END_TEST

START_TEST(half_a_packet_ends_the_connection)
{
	struct udax_open message = { .header = wire_header(UDAX_OPEN, 1,
							   sizeof(message)) };

	ck_assert_int_eq(client_hello(&one), 0);
	ck_assert_int_eq(send(one.socket, &message, sizeof(message) - 1, 0),
			 sizeof(message) - 1);
	is_closed(&one);
}
END_TEST

START_TEST(descriptors_end_the_connection)
{
	struct udax_close message = { .header = wire_header(UDAX_CLOSE, 1,
							    sizeof(message)) };
	struct wire_fds fds = { .count = 2, .fd = { 0, 1 } };

	ck_assert_int_eq(client_hello(&one), 0);
	ck_assert_int_eq(wire_send(one.socket, &message, &fds, 0), 0);
	is_closed(&one);
}
END_TEST

START_TEST(who_does_not_read_is_dropped)
{
	struct udax_close message = { .header = wire_header(UDAX_CLOSE, 0,
							    sizeof(message)) };
	int err = 0;

	ck_assert_int_eq(client_hello(&one), 0);
	for (unsigned i = 0; i < 1000000 && !err; i++)
		err = client_send(&one, &message);
	ck_assert_int_eq(err, -ECONNRESET);
	/* Others are served. */
	ck_assert_int_eq(client_hello(&two), 0);
}
END_TEST

static void add_granting(Suite *suite)
{
	TCase *tcase = tcase_create("granting");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, stores_through_a_lease_are_the_files);
	tcase_add_test(tcase, who_may_only_read_gets_what_only_reads);
	tcase_add_test(tcase, a_token_is_good_once_and_for_its_owner);
	tcase_add_test(tcase, one_descriptor_does_for_all_leases_of_a_mode);
	tcase_add_test(tcase, a_handle_that_is_closed_grants_nothing);
	tcase_add_test(tcase, handles_are_used_again_when_none_is_left);
	suite_add_tcase(suite, tcase);
}

static void add_taking_back(Suite *suite)
{
	TCase *tcase = tcase_create("taking_back");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_break_ends_when_the_client_gives_back);
	tcase_add_test(tcase, a_break_ends_when_the_client_does);
	tcase_add_test(tcase, a_break_of_pinned_pages_waits_for_unpin);
	tcase_add_test(tcase, a_device_is_clear_when_the_locks_say_so);
	tcase_add_test(tcase, a_descriptor_alone_holds_a_device);
	tcase_add_test(tcase, nothing_is_granted_while_a_device_is_revoked);
	tcase_add_test(tcase,
		       after_a_cancel_what_was_recalled_comes_back_first);
	tcase_add_test(tcase, pins_are_all_that_may_be_left_of_a_device);
	tcase_add_test(tcase, a_drain_asks_nobody_who_maps);
	tcase_add_test(tcase, states_are_told);
	suite_add_tcase(suite, tcase);
}

static void add_hostile(Suite *suite)
{
	TCase *tcase = tcase_create("hostile");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, nothing_is_said_before_hello);
	tcase_add_test(tcase, half_a_packet_ends_the_connection);
	tcase_add_test(tcase, descriptors_end_the_connection);
	tcase_add_test(tcase, who_does_not_read_is_dropped);
	suite_add_tcase(suite, tcase);
}

int main(void)
{
	Suite *suite = suite_create("direct");
	SRunner *runner;
	int failed;

	add_granting(suite);
	add_taking_back(suite);
	add_hostile(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
