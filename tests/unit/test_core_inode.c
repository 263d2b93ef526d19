/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/core_fixture.h"
#include "lib/device_fixture.h"

#include "core/attr_flags.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FILE_MODE (S_IFREG | 0644)

static void set_up(void)
{
	fixture_make();
	core_format(1, "64M");
	core_mount(1);
}

static void tear_down(void)
{
	core_unmount();
	core_fsck(1);
	fixture_remove();
}

START_TEST(a_number_means_an_inode_as_long_as_it_is_looked_up)
{
	struct inode *file = core_new(core.root, "file", FILE_MODE);
	uint64_t ino = file->ino;
	struct inode *again;

	ck_assert_ptr_eq(inode_of(core.fs, ino), file);
	ck_assert_int_eq(inode_look(core.fs, ino, &again), 0);
	ck_assert_ptr_eq(again, file);
	inode_forget(core.fs, file, 2);
	ck_assert_ptr_null(inode_of(core.fs, ino));
	ck_assert_ptr_null(inode_of(core.fs, UINT64_MAX));
	ck_assert_int_eq(inode_look(core.fs, UINT64_MAX, &again), -ESTALE);
	ck_assert_int_eq(inode_look(core.fs, INO_INODE_FILE, &again), -ESTALE);
	ck_assert_int_eq(inode_look(core.fs, INO_SHARED, &again), -ESTALE);
	ck_assert_int_eq(inode_look(core.fs, ino + 1, &again), -ESTALE);
}
END_TEST

START_TEST(an_unlinked_inode_lives_until_it_is_forgotten)
{
	static char bytes[40000];
	struct inode *file = core_new(core.root, "file", FILE_MODE);
	uint64_t free_blocks = core_free_blocks();
	uint64_t used = inodes_used(core.fs);
	uint64_t ino = file->ino;
	uint32_t generation = file->media->generation;
	struct inode *next;

	ck_assert_int_eq(core_write(file, bytes, sizeof(bytes), 0),
			 sizeof(bytes));
	ck_assert_int_eq(core_unlink(core.root, "file"), 0);
	ck_assert_int_eq(core_stat(file).st_nlink, 0);
	ck_assert_int_eq(core_write(file, bytes, 100, 50000), 100);
	ck_assert_uint_eq(inodes_used(core.fs), used);
	core_forget(file);
	ck_assert_uint_eq(inodes_used(core.fs), used - 1);
	ck_assert_uint_eq(core_free_blocks(), free_blocks);
	next = core_new(core.root, "next", FILE_MODE);
	ck_assert_uint_eq(next->ino, ino);
	ck_assert_uint_eq(next->media->generation, generation + 1);
	ck_assert_int_eq(core_stat(next).st_size, 0);
	core_forget(next);
}
END_TEST

START_TEST(a_temporary_file_goes_or_gets_a_name)
{
	uint64_t used = inodes_used(core.fs);
	struct inode *gone, *named;

	ck_assert_int_eq(core_tmpfile(core.root, &gone), 0);
	ck_assert_int_eq(core_tmpfile(core.root, &named), 0);
	ck_assert_uint_eq(core_stat(named).st_nlink, 0);
	ck_assert_int_eq(core_link(named, core.root, "named"), 0);
	ck_assert_uint_eq(core_stat(named).st_nlink, 1);
	core_forget(gone);
	core_forget(named);
	ck_assert_uint_eq(inodes_used(core.fs), used + 1);
	ck_assert(core_exists(core.root, "named"));
}
END_TEST

START_TEST(setattr_changes_what_the_mask_names_and_ctime)
{
	struct inode *file = core_new(core.root, "file", FILE_MODE);
	struct stat attr = { .st_mode = 06755, .st_uid = 5, .st_gid = 6 };
	struct stat now;

	ck_assert_int_eq(core_setattr(file, &attr, ATTR_MODE), 0);
	ck_assert_uint_eq(core_stat(file).st_mode, S_IFREG | 06755);
	ck_assert_uint_eq(core_stat(file).st_uid, 1);
	ck_assert_int_eq(core_setattr(file, &attr, ATTR_UID), 0);
	now = core_stat(file);
	ck_assert_uint_eq(now.st_mode, S_IFREG | 0755); /* as chown(2) */
	ck_assert_uint_eq(now.st_uid, 5);
	ck_assert_uint_eq(now.st_gid, 2);

	attr.st_atim = (struct timespec){ 1000, 5 };
	attr.st_mtim = (struct timespec){ -3, 999999999 };
	ck_assert_int_eq(core_setattr(file, &attr, ATTR_ATIME | ATTR_MTIME), 0);
	now = core_stat(file);
	ck_assert_int_eq(now.st_atim.tv_sec, 1000);
	ck_assert_int_eq(now.st_atim.tv_nsec, 5);
	ck_assert_int_eq(now.st_mtim.tv_sec, -3);
	ck_assert_int_gt(now.st_ctim.tv_sec, 1000);
	attr.st_mtim.tv_nsec = 1000000000;
	ck_assert_int_eq(core_setattr(file, &attr, ATTR_MTIME), -EINVAL);
	ck_assert_int_eq(core_setattr(core.root, &attr, ATTR_SIZE), -EISDIR);
	attr.st_size = 123;
	ck_assert_int_eq(core_setattr(file, &attr, ATTR_SIZE), 0);
	ck_assert_int_eq(core_stat(file).st_size, 123);
	core_forget(file);
}
END_TEST

static void touch(struct inode *inode, unsigned lazy)
{
	pthread_rwlock_rdlock(&inode->lock);
	attr_touch(inode, lazy);
	pthread_rwlock_unlock(&inode->lock);
}

static void age(struct inode *inode, time_t atime, time_t mtime)
{
	const struct stat attr = { .st_atim.tv_sec = atime,
				   .st_mtim.tv_sec = mtime };

	ck_assert_int_eq(core_setattr(inode, &attr, ATTR_ATIME | ATTR_MTIME),
			 0);
}

START_TEST(timestamps_may_lag_and_are_written_at_last_close)
{
	struct inode *file = core_new(core.root, "file", FILE_MODE);
	uint64_t fences;
	struct stat stat;

	touch(file, LAZY_MTIME); /* not open: nothing can have happened */
	age(file, 100, 200);
	ck_assert_int_eq(inode_open(core.fs, file, true), 0);
	fences = device_fences();
	touch(file, LAZY_MTIME);
	touch(file, LAZY_ATIME);
	ck_assert_uint_eq(device_fences(), fences);
	stat = core_stat(file);
	ck_assert_int_gt(stat.st_mtim.tv_sec, 200);
	ck_assert_int_gt(stat.st_atim.tv_sec, 200);
	ck_assert_int_eq(file->media->mtime_s, 200);
	inode_close(core.fs, file, true);
	ck_assert_int_eq(file->media->mtime_s, stat.st_mtim.tv_sec);
	ck_assert_int_eq(file->media->atime_s, stat.st_atim.tv_sec);
	ck_assert_ptr_null(atomic_load(&file->active));
	ck_assert_uint_eq(device_fences(), fences + 1);
	core_forget(file);
}
END_TEST

START_TEST(atime_moves_as_relatime_has_it)
{
	struct inode *file = core_new(core.root, "file", FILE_MODE);
	time_t now = time(NULL);

	ck_assert_int_eq(inode_open(core.fs, file, false), 0);
	age(file, now + 10, now - 10); /* read since it was written */
	touch(file, LAZY_ATIME);
	ck_assert_int_ge(core_stat(file).st_atim.tv_sec, now);
	age(file, now - 2 * 24 * 60 * 60, now - 3 * 24 * 60 * 60);
	touch(file, LAZY_ATIME); /* ctime is newer than atime */
	ck_assert_int_ge(core_stat(file).st_atim.tv_sec, now);
	age(file, 5, 6);
	ck_assert_int_eq(core_stat(file).st_atim.tv_sec, 5);
	inode_close(core.fs, file, false);
	core_forget(file);
}
END_TEST

START_TEST(an_explicit_time_overrules_what_lags)
{
	struct inode *file = core_new(core.root, "file", FILE_MODE);

	ck_assert_int_eq(inode_open(core.fs, file, true), 0);
	touch(file, LAZY_MTIME | LAZY_ATIME);
	age(file, 5, 6);
	ck_assert_int_eq(core_stat(file).st_mtim.tv_sec, 6);
	inode_close(core.fs, file, true);
	ck_assert_int_eq(core_stat(file).st_mtim.tv_sec, 6);
	core_forget(file);
}
END_TEST

START_TEST(forgetting_an_open_inode_waits_for_its_close)
{
	struct inode *file = core_new(core.root, "file", FILE_MODE);
	uint64_t ino = file->ino;

	ck_assert_int_eq(inode_open(core.fs, file, true), 0);
	ck_assert_int_eq(core_unlink(core.root, "file"), 0);
	core_forget(file);
	ck_assert_ptr_eq(inode_of(core.fs, ino), file);
	inode_close(core.fs, file, true);
	ck_assert_ptr_null(inode_of(core.fs, ino));
	ck_assert_uint_eq(inodes_used(core.fs), 3);
}
END_TEST

START_TEST(the_inode_file_grows_and_its_slots_are_reused)
{
	static struct inode *made[3 * INODE_CHUNK];
	uint64_t used = inodes_used(core.fs);
	uint64_t most = 0;
	unsigned i;

	for (i = 0; i < 3 * INODE_CHUNK; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		made[i] = core_new(core.root, name, FILE_MODE);
		if (made[i]->ino > most)
			most = made[i]->ino;
	}
	for (i = 0; i < 3 * INODE_CHUNK; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		ck_assert_int_eq(core_unlink(core.root, name), 0);
		core_forget(made[i]);
	}
	ck_assert_uint_eq(inodes_used(core.fs), used);
	core_unmount();
	core_mount(1);
	ck_assert_uint_eq(inodes_used(core.fs), used);
	for (i = 0; i < 3 * INODE_CHUNK; i++) {
		struct inode *inode;

		ck_assert_int_eq(core_tmpfile(core.root, &inode), 0);
		ck_assert_uint_le(inode->ino, most);
		made[i] = inode;
	}
	for (i = 0; i < 3 * INODE_CHUNK; i++)
		core_forget(made[i]);
}
END_TEST

/* Files that keep a slot in the middle hold the file's length; then they go. */
START_TEST(the_inode_file_shrinks_when_its_end_is_free)
{
	enum { COUNT = 4 * INODE_CHUNK, KEPT = 2 * INODE_CHUNK };
	static struct inode *made[COUNT];
	uint64_t free_blocks = core_free_blocks();
	uint64_t in_middle = 0;
	uint32_t generation;
	struct inode *kept;
	int i, round;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < COUNT; i++)
			ck_assert_int_eq(core_tmpfile(core.root, &made[i]), 0);
		kept = made[KEPT];
		generation = made[COUNT - 1]->media->generation;
		for (i = 0; i < COUNT; i++)
			if (i != KEPT)
				core_forget(made[i]);
		in_middle = core_free_blocks();
		ck_assert_uint_le(in_middle + 2 * INODE_CHUNK / 8, free_blocks);
		ck_assert_uint_gt(in_middle + 3 * INODE_CHUNK / 8, free_blocks);
		core_forget(kept);
		ck_assert_uint_eq(core_free_blocks(), free_blocks);
	}
	/* slots that come back do not come back as the same inodes */
	ck_assert_uint_gt(generation, 2);
	core_unmount();
	core_fsck(1);
	core_mount(1);
	ck_assert_uint_eq(core_free_blocks(), free_blocks);
	for (i = 0; i < COUNT; i++) {
		ck_assert_int_eq(core_tmpfile(core.root, &made[i]), 0);
		ck_assert_uint_gt(made[i]->media->generation, generation);
	}
	for (i = 0; i < COUNT; i++)
		core_forget(made[i]);
}
END_TEST

static void count_one(struct inode *inode, void *arg)
{
	(void)inode;
	++*(unsigned *)arg;
}

START_TEST(for_each_meets_every_inode_in_memory)
{
	struct inode *a = core_new(core.root, "a", FILE_MODE);
	struct inode *b = core_new(core.root, "b", FILE_MODE);
	unsigned count = 0;

	inode_for_each(core.fs, count_one, &count);
	ck_assert_uint_eq(count, 3);
	core_forget(a);
	core_forget(b);
	count = 0;
	inode_for_each(core.fs, count_one, &count);
	ck_assert_uint_eq(count, 1);
}
END_TEST

static _Atomic bool stop;

static void *walk(void *arg)
{
	unsigned count = 0;
	char path[256];
	(void)arg;

	while (!atomic_load(&stop)) {
		inode_for_each(core.fs, count_one, &count);
		if (inode_path(core.fs, INO_FIRST, path, sizeof(path)) == 0)
			ck_assert_str_eq(path, "/shared");
		ck_assert_int_eq(fs_sync(core.fs), 0);
	}
	return NULL;
}

static void *open_and_close(void *arg)
{
	struct request request;
	unsigned i;
	(void)arg;

	ck_assert_int_eq(request_thread_init(core.fs, &request), 0);
	for (i = 0; i < 3000; i++) {
		struct inode *inode;
		struct stat stat;

		ck_assert_int_eq(request_begin(&request, "lookup", 1, 0, false),
				 0);
		ck_assert_int_eq(
			dir_lookup(&request, core.root, "shared", &inode), 0);
		attr_get(core.fs, inode, &stat);
		request_end(&request);
		ck_assert_int_eq(inode_open(core.fs, inode, i % 2), 0);
		touch(inode, LAZY_MTIME | LAZY_ATIME);
		inode_close(core.fs, inode, i % 2);
		inode_forget(core.fs, inode, 1);
	}
	request_thread_fini(&request);
	return NULL;
}

START_TEST(threads_share_an_inode_that_comes_and_goes)
{
	pthread_t walker, other;

	core_make(core.root, "shared", FILE_MODE);
	ck_assert_int_eq(pthread_create(&walker, NULL, walk, NULL), 0);
	ck_assert_int_eq(pthread_create(&other, NULL, open_and_close, NULL), 0);
	open_and_close(NULL);
	pthread_join(other, NULL);
	atomic_store(&stop, true);
	pthread_join(walker, NULL);
}
END_TEST

static int flag(struct inode *inode, uint32_t flags)
{
	const struct attr_flags all = { .flags = flags };
	int err;

	ck_assert_int_eq(
		request_begin(&core.request, "ioctl", inode->ino, 0, false), 0);
	err = attr_flags_set(&core.request, inode, &all);
	request_end(&core.request);
	return err;
}

START_TEST(an_append_only_file_only_grows)
{
	struct inode *file = core_new(core.root, "file", FILE_MODE);
	struct stat attr = { .st_size = 3 };

	ck_assert_int_eq(core_write(file, "0123456789", 10, 0), 10);
	ck_assert_int_eq(flag(file, FS_APPEND_FL | FS_DIRSYNC_FL), -EOPNOTSUPP);
	ck_assert_int_eq(flag(file, FS_APPEND_FL), 0);
	ck_assert_int_eq(core_write(file, "x", 1, 9), -EPERM);
	ck_assert_int_eq(core_write(file, "abc", 3, 10), 3);
	ck_assert_int_eq(core_write(file, "abc", 3, 9000), 3);
	ck_assert_int_eq(core_setattr(file, &attr, ATTR_SIZE), -EPERM);
	ck_assert_int_eq(core_setattr(file, &attr, ATTR_ATIME_NOW), -EPERM);
	ck_assert_int_eq(
		core_setattr(file, &attr, ATTR_ATIME_NOW | ATTR_MTIME_NOW), 0);
	ck_assert_int_eq(core_unlink(core.root, "file"), -EPERM);
	ck_assert_int_eq(core_link(file, core.root, "link"), -EPERM);
	ck_assert_int_eq(attr_flags_may_open(file, O_RDWR), -EPERM);
	ck_assert_int_eq(attr_flags_may_open(file, O_RDWR | O_APPEND), 0);
	ck_assert_int_eq(flag(file, FS_IMMUTABLE_FL), 0);
	ck_assert_int_eq(core_write(file, "abc", 3, 9003), -EPERM);
	ck_assert_int_eq(flag(file, FS_IMMUTABLE_FL | FS_NODUMP_FL), -EPERM);
	ck_assert_int_eq(flag(file, 0), 0);
	ck_assert_int_eq(core_stat(file).st_size, 9003);
	ck_assert_int_eq(core_unlink(core.root, "file"), 0);
	core_forget(file);
}
END_TEST

static bool asked;

static bool in_group(const struct attr_writer *writer, gid_t gid)
{
	asked = true;
	return gid == *(const gid_t *)writer->arg;
}

/* The mode that a write by a member of `group` leaves. */
static mode_t written_by(struct inode *file, mode_t mode, bool unprivileged,
			 gid_t group)
{
	const struct attr_writer writer = { .unprivileged = unprivileged,
					    .in_group = in_group,
					    .arg = &group };
	const struct stat attr = { .st_mode = mode, .st_gid = 5 };

	asked = false;
	ck_assert_int_eq(core_setattr(file, &attr, ATTR_GID), 0);
	ck_assert_int_eq(core_setattr(file, &attr, ATTR_MODE), 0);
	ck_assert_int_eq(
		request_begin(&core.request, "write", file->ino, 0, false), 0);
	ck_assert_int_eq(attr_drop_privileges(&core.request, file, &writer), 0);
	request_end(&core.request);
	return core_stat(file).st_mode & 07777;
}

START_TEST(an_owner_comes_and_suid_goes)
{
	struct inode *file = core_new(core.root, "file", FILE_MODE);
	const struct stat attr = { .st_mode = 06745, .st_gid = 5 };

	ck_assert_int_eq(core_setattr(file, &attr, ATTR_MODE), 0);
	ck_assert_int_eq(core_setattr(file, &attr, ATTR_GID), 0);
	ck_assert_uint_eq(core_stat(file).st_mode & 07777, 02745);
	ck_assert_int_eq(core_setattr(file, &attr, ATTR_MODE), 0);
	ck_assert_int_eq(core_setattr(file, &attr, ATTR_GID | ATTR_KILL_SGID),
			 0);
	ck_assert_uint_eq(core_stat(file).st_mode & 07777, 0745);
	core_forget(file);
}
END_TEST

START_TEST(a_write_takes_suid_and_sgid)
{
	struct inode *file = core_new(core.root, "file", FILE_MODE);

	ck_assert_uint_eq(written_by(file, 06755, true, 5), 0755);
	ck_assert(!asked);
	ck_assert_uint_eq(written_by(file, 02745, true, 5), 02745);
	ck_assert(asked);
	ck_assert_uint_eq(written_by(file, 02745, true, 6), 0745);
	ck_assert_uint_eq(written_by(file, 06755, false, 6), 06755);
	ck_assert_uint_eq(written_by(file, 0755, true, 6), 0755);
	ck_assert(!asked);
	core_forget(file);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core_inode");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(rules, set_up, tear_down);
	tcase_set_timeout(rules, 60);
	tcase_add_test(rules,
		       a_number_means_an_inode_as_long_as_it_is_looked_up);
	tcase_add_test(rules, an_unlinked_inode_lives_until_it_is_forgotten);
	tcase_add_test(rules, an_append_only_file_only_grows);
	tcase_add_test(rules, an_owner_comes_and_suid_goes);
	tcase_add_test(rules, a_write_takes_suid_and_sgid);
	tcase_add_test(rules, a_temporary_file_goes_or_gets_a_name);
	tcase_add_test(rules, setattr_changes_what_the_mask_names_and_ctime);
	tcase_add_test(rules, timestamps_may_lag_and_are_written_at_last_close);
	tcase_add_test(rules, atime_moves_as_relatime_has_it);
	tcase_add_test(rules, an_explicit_time_overrules_what_lags);
	tcase_add_test(rules, forgetting_an_open_inode_waits_for_its_close);
	tcase_add_test(rules, the_inode_file_grows_and_its_slots_are_reused);
	tcase_add_test(rules, the_inode_file_shrinks_when_its_end_is_free);
	tcase_add_test(rules, for_each_meets_every_inode_in_memory);
	tcase_add_test(rules, threads_share_an_inode_that_comes_and_goes);
	suite_add_tcase(suite, rules);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
