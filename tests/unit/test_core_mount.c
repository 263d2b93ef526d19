/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/core_fixture.h"
#include "lib/device_fixture.h"

#include "device/device.h"
#include "media/superblock.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE (S_IFREG | 0644)
#define DEVICE_SIZE_BYTES (32 << 20)

/* What a process that is gone leaves for the test to compare. */
struct notes {
	uint64_t free_blocks;
	uint64_t used;
	uint64_t offset;
	uint64_t ino;
};
static struct notes *notes;

static void set_up(void)
{
	fixture_make();
	notes = mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(notes, MAP_FAILED);
}

static void tear_down(void)
{
	fixture_remove();
}

static void write_file(const char *name, size_t length)
{
	static char bytes[1 << 20];
	struct inode *file = core_new(core.root, name, FILE_MODE);

	memset(bytes, name[0], sizeof(bytes));
	ck_assert_int_eq(inode_open(core.fs, file, true), 0);
	ck_assert_int_eq(core_write(file, bytes, length, 0), (ssize_t)length);
	inode_close(core.fs, file, true);
	core_forget(file);
}

static void take_notes(void)
{
	notes->free_blocks = core_free_blocks();
	notes->used = inodes_used(core.fs);
}

static void compare_notes(void)
{
	ck_assert_uint_eq(core_free_blocks(), notes->free_blocks);
	ck_assert_uint_eq(inodes_used(core.fs), notes->used);
}

/* Some of everything that takes blocks. */
static void populate(void)
{
	char target[2000];
	unsigned i;

	for (i = 0; i < 1500; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		write_file(name, i % 3 ? 300 : 5000);
	}
	write_file("large", 1 << 20);
	memset(target, 't', sizeof(target));
	target[1999] = '\0';
	ck_assert_int_eq(core_symlink(core.root, "link", target), 0);
	core_make(core.root, "dir", S_IFDIR | 0755);
	ck_assert_int_eq(fs_sync(core.fs), 0);
}

START_TEST(a_clean_mount_knows_what_it_knew)
{
	core_format(1, "32M");
	core_mount(1);
	populate();
	core_unmount();
	core_fsck(1);
	core_mount(1);
	take_notes();
	core_unmount();
	core_mount(1);
	compare_notes();
	ck_assert(core_exists(core.root, "n1499"));
	ck_assert_int_eq(core_stat(core.root).st_size, 1503);
	core_unmount();
	core_fsck(1);
}
END_TEST

static void crash_populated(void)
{
	populate();
	core_unmount();
	core_mount(1);
	take_notes(); /* of a mount from saved maps */
	core_make(core.root, "last", FILE_MODE);
	notes->used++;
}

START_TEST(a_crash_loses_nothing_and_free_space_is_found_again)
{
	core_format(1, "32M");
	core_crash_after(1, crash_populated);
	core_fsck(1);
	core_mount(1);
	compare_notes();
	ck_assert(core_exists(core.root, "last"));
	core_unmount();
	core_fsck(1);
}
END_TEST

static void crash_with_orphans(void)
{
	struct inode *inode;
	unsigned i;

	take_notes();
	for (i = 0; i < 300; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		write_file(name, 5000);
		inode = core_get(core.root, name);
		ck_assert_int_eq(core_unlink(core.root, name), 0);
	}
	ck_assert_int_eq(core_tmpfile(core.root, &inode), 0);
}

START_TEST(orphans_of_a_crash_are_freed_by_the_next_mount)
{
	core_format(1, "32M");
	core_crash_after(1, crash_with_orphans);
	core_mount(1);
	ck_assert_uint_eq(inodes_used(core.fs), notes->used);
	core_unmount();
	core_fsck(1);
}
END_TEST

static void leave_file(void)
{
	struct inode *file;

	write_file("file", 5000);
	file = core_get(core.root, "file");
	notes->offset = addr_offset(file->addr);
	notes->ino = file->ino;
}

static void scribble(const char *name, uint64_t offset)
{
	int fd = open(fixture_path(name), O_RDWR);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, "damage", 6, (off_t)offset + 200), 6);
	close(fd);
}

START_TEST(damage_met_in_recovery_refuses_the_mount_in_one_line)
{
	const struct fs_options options = { .dax = DAX_ALWAYS };
	char expected[64];

	core_format(1, "32M");
	core_mount(1);
	leave_file();
	core_unmount();
	core_crash_after(1, take_notes);
	scribble("0", notes->offset);
	ck_assert_int_eq(core_try_mount(1, &options), -EUCLEAN);
	snprintf(expected, sizeof(expected),
		 "inode %ju is damaged; run fsck.udaxfs",
		 (uintmax_t)notes->ino);
	ck_assert_str_eq(core.why, expected);
}
END_TEST

/* Of both superblocks; sealed. */
static void change_superblocks(void (*change)(superblock_media *sb))
{
	int fd = open(fixture_path("0"), O_RDWR);
	superblock_media sb;
	off_t second;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, &sb, sizeof(sb), 0), sizeof(sb));
	change(&sb);
	superblock_seal(&sb);
	second = (off_t)superblock_second_offset(sb.size_blocks);
	ck_assert_int_eq(pwrite(fd, &sb, sizeof(sb), 0), sizeof(sb));
	ck_assert_int_eq(pwrite(fd, &sb, sizeof(sb), second), sizeof(sb));
	close(fd);
}

static void grow_in_roll(superblock_media *sb)
{
	sb->roll[0].size_blocks *= 2;
}

START_TEST(a_member_of_another_size_than_the_roll_says_is_refused)
{
	const struct fs_options options = { .dax = DAX_ALWAYS };

	core_format(1, "32M");
	change_superblocks(grow_in_roll);
	ck_assert_int_eq(core_try_mount(1, &options), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(core.why, ": not of the size that "));
}
END_TEST

static void forget_inodes(superblock_media *sb)
{
	sb->inodes_used = UINT64_C(1) << 40;
}

START_TEST(a_count_of_inodes_that_cannot_be_is_found_anew)
{
	core_format(1, "32M");
	core_mount(1);
	take_notes();
	core_unmount();
	change_superblocks(forget_inodes);
	core_mount(1);
	compare_notes();
	core_unmount();
	core_fsck(1);
}
END_TEST

START_TEST(what_is_no_udaxfs_is_refused)
{
	const struct fs_options options = { .dax = DAX_ALWAYS };

	fixture_create("0");
	ck_assert_int_eq(core_try_mount(1, &options), -ENODATA);
	ck_assert_ptr_nonnull(strstr(core.why, ": not a udaxfs device"));
}
END_TEST

static uint64_t digest(const char *name)
{
	int fd = open(fixture_path(name), O_RDONLY);
	const uint64_t *words = mmap(NULL, DEVICE_SIZE_BYTES, PROT_READ,
				     MAP_SHARED, fd, 0);
	uint64_t sum = 0;
	size_t i;

	ck_assert_ptr_ne(words, MAP_FAILED);
	for (i = 0; i < DEVICE_SIZE_BYTES / 8; i++)
		sum = (sum ^ words[i]) * UINT64_C(0x100000001b3);
	munmap((void *)words, DEVICE_SIZE_BYTES);
	close(fd);
	return sum;
}

START_TEST(a_read_only_mount_recovers_in_memory_alone)
{
	const struct fs_options options = { .read_only = true };
	struct inode *inode;
	uint64_t before;

	core_format(1, "32M");
	core_crash_after(1, crash_populated);
	before = digest("0");
	ck_assert_msg(core_try_mount(1, &options) == 0, "%s", core.why);
	compare_notes();
	ck_assert(core_exists(core.root, "last"));
	ck_assert_int_eq(core_create(core.root, "no", FILE_MODE, &inode),
			 -EROFS);
	ck_assert_int_eq(core_unlink(core.root, "last"), -EROFS);
	core_unmount();
	ck_assert_uint_eq(digest("0"), before);
}
END_TEST

/* ---------------------------------------------------------------- members */

static unsigned home(const char *name)
{
	struct inode *inode = core_get(core.root, name);
	unsigned device = inode->media->home_device;

	core_forget(inode);
	return device;
}

START_TEST(files_go_to_the_devices_in_turn)
{
	core_format(2, "32M");
	core_mount(2);
	write_file("a", 100000);
	write_file("b", 100000);
	ck_assert_uint_ne(home("a"), home("b"));
	core_unmount();
	core_fsck(2);
	core_crash_after(2, take_notes);
	core_mount(2);
	compare_notes();
	core_unmount();
	core_fsck(2);
}
END_TEST

START_TEST(members_are_known_by_what_is_on_them)
{
	const struct fs_options options = { .dax = DAX_ALWAYS };

	core_format(2, "32M");
	ck_assert_int_eq(rename(fixture_path("0"), fixture_path("x")), 0);
	ck_assert_int_eq(rename(fixture_path("1"), fixture_path("0")), 0);
	ck_assert_int_eq(rename(fixture_path("x"), fixture_path("1")), 0);
	core_mount(2);
	ck_assert_uint_eq(core.fs->metadata_device, 0);
	ck_assert_str_eq(core.fs->devices[0].path, fixture_path("1"));
	core_unmount();
	ck_assert_int_eq(core_try_mount(1, &options), -ENODEV);
	ck_assert_ptr_nonnull(strstr(core.why, "with the metadata is missing"));
}
END_TEST

START_TEST(a_missing_member_is_refused_unless_degraded)
{
	const struct fs_options options = { .dax = DAX_ALWAYS };
	const struct fs_options degraded = { .degraded = true };
	uint8_t lineage[16];

	core_format(2, "32M");
	core_mount(2);
	write_file("a", 100000);
	write_file("b", 100000);
	core_unmount();
	core_mount(2);
	take_notes();
	memcpy(lineage, core.fs->devices[0].sb.lineage, 16);
	core_unmount();

	ck_assert_int_eq(core_try_mount(1, &options), -ENODEV);
	ck_assert_ptr_nonnull(strstr(core.why, "is missing; -o degraded"));
	ck_assert_msg(core_try_mount(1, &degraded) == 0, "%s", core.why);
	ck_assert(core.fs->devices[1].missing);
	ck_assert_int_ne(memcmp(lineage, core.fs->devices[0].sb.lineage, 16),
			 0);
	ck_assert(core_exists(core.root, "a"));
	core_make(core.root, "c", FILE_MODE);
	core_unmount();
	ck_assert_int_eq(core_try_mount(1, &options), -ENODEV);

	core_mount(2); /* nothing has changed on it: taken back */
	ck_assert(!core.fs->devices[1].missing);
	notes->used++;
	compare_notes();
	core_unmount();
	core_fsck(2);
	core_mount(2);
	compare_notes();
	core_unmount();
}
END_TEST

static void copy_file(const char *from, const char *to)
{
	static char bytes[1 << 20];
	int in = open(fixture_path(from), O_RDONLY);
	int out = open(fixture_path(to), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t length;

	while ((length = read(in, bytes, sizeof(bytes))) > 0)
		ck_assert_int_eq(write(out, bytes, (size_t)length), length);
	close(in);
	close(out);
}

START_TEST(a_member_from_the_past_is_refused)
{
	const struct fs_options options = { .dax = DAX_ALWAYS };

	core_format(2, "32M");
	core_mount(2);
	core_unmount();
	copy_file("1", "old");
	core_mount(2);
	core_unmount();
	core_mount(2);
	core_unmount();
	copy_file("old", "1");
	ck_assert_int_eq(core_try_mount(2, &options), -ESTALE);
	ck_assert_ptr_nonnull(strstr(core.why, "has been changed apart"));
}
END_TEST

START_TEST(devices_of_two_filesystems_are_refused)
{
	const struct fs_options options = { .dax = DAX_ALWAYS };

	core_format(2, "32M");
	ck_assert_int_eq(rename(fixture_path("1"), fixture_path("x")), 0);
	ck_assert_int_eq(unlink(fixture_path("0")), 0);
	core_format(2, "32M");
	ck_assert_int_eq(rename(fixture_path("x"), fixture_path("1")), 0);
	ck_assert_int_eq(core_try_mount(2, &options), -EINVAL);
	ck_assert_ptr_nonnull(strstr(core.why, "not of one filesystem"));
}
END_TEST

/* ------------------------------------------------------------ superblocks */

static uint64_t first_store;
static unsigned stores;
static uint64_t anchors; /* where they stand */
static bool primary_flushed, anchors_flushed;

static void note_store(struct device *device, const void *to,
		       size_t length_bytes, bool cached)
{
	(void)length_bytes, (void)cached;
	if (stores++ == 0)
		first_store = device_offset(device, to);
	if (stores == 1)
		ck_assert(primary_flushed);
	if (device_offset(device, to) / BLOCK_BYTES == anchors / BLOCK_BYTES)
		ck_assert(anchors_flushed);
}

static void note_flush(struct device *device, const void *from,
		       size_t length_bytes)
{
	primary_flushed |= device_offset(device, from) == 0 &&
			   length_bytes == BLOCK_BYTES;
	anchors_flushed |= device_offset(device, from) == anchors &&
			   length_bytes == BLOCK_BYTES;
}

static const struct device_recorder store_recorder = { .stored = note_store,
						       .flushed = note_flush };

/* Or whole, but as it was at the time before. */
static void spoil_second(bool half)
{
	const off_t second = DEVICE_SIZE_BYTES - BLOCK_BYTES;
	int fd = open(fixture_path("0"), O_RDWR);
	superblock_media sb;

	ck_assert_int_eq(pread(fd, &sb, sizeof(sb), second), sizeof(sb));
	sb.sequence--;
	if (!half)
		superblock_seal(&sb);
	ck_assert_int_eq(pwrite(fd, &sb, sizeof(sb), second), sizeof(sb));
	close(fd);
}

/* A mount that is cut short while it writes the other one leaves one, even if
 * that had been in caches alone. So with anchors. */
START_TEST(a_second_superblock_that_lags_is_written_first)
{
	core_format(1, "32M");
	core_mount(1);
	core_unmount();
	spoil_second(_i);
	stores = 0;
	anchors = BLOCK_BYTES; /* as mkfs lays it out */
	primary_flushed = anchors_flushed = false;
	device_set_recorder(&store_recorder);
	core_mount(1);
	device_set_recorder(NULL);
	ck_assert_uint_eq(first_store, DEVICE_SIZE_BYTES - BLOCK_BYTES);
	core_unmount();
	core_fsck(1);
}
END_TEST

static unsigned settled; /* of device 1, before device 0 is stored to */

static void note_first_store(struct device *device, const void *to,
			     size_t length_bytes, bool cached)
{
	(void)device, (void)to, (void)length_bytes, (void)cached;
	stores++;
}

static void note_settling(struct device *device, const void *from,
			  size_t length_bytes)
{
	uint64_t offset = device_offset(device, from);

	if (stores > 0 || strcmp(device->path, fixture_path("1")) != 0)
		return;
	if (length_bytes == BLOCK_BYTES && offset == 0)
		settled |= 1;
	if (length_bytes == BLOCK_BYTES &&
	    offset == DEVICE_SIZE_BYTES - BLOCK_BYTES)
		settled |= 2;
}

/* What another member says may be in caches alone: the roll repeats it. */
START_TEST(others_are_on_the_media_before_the_roll_says_so)
{
	static const struct device_recorder recorder = {
		.stored = note_first_store, .flushed = note_settling
	};

	core_format(2, "32M");
	core_mount(2);
	core_unmount();
	stores = settled = 0;
	device_set_recorder(&recorder);
	core_mount(2);
	device_set_recorder(NULL);
	ck_assert_uint_eq(settled, 3);
	core_unmount();
	core_fsck(2);
}
END_TEST

/* ---------------------------------------------------------------- removal */

/* As removal.c does it. */
static void take_away(unsigned index)
{
	struct pgmap *pgmap = core.fs->pgmaps[index];

	ck_assert_int_eq(pgmap_kill(pgmap), 0);
	ck_assert_int_eq(pgmap_wait_idle(pgmap, deadline_in(1000)), 0);
	ck_assert_int_eq(fs_retire_device(core.fs, index), 0);
	fs_close_device(core.fs, index);
}

START_TEST(a_data_device_retires_and_the_rest_goes_on)
{
	const struct fs_options options = { .dax = DAX_ALWAYS };
	const struct fs_options degraded = { .degraded = true };
	uint8_t lineage[16];
	char offline;

	core_format(2, "32M");
	core_mount(2);
	write_file("a", 100000);
	write_file("b", 100000);
	offline = home("a") == 1 ? 'a' : 'b';
	memcpy(lineage, core.fs->devices[0].sb.lineage, 16);
	take_away(1);
	ck_assert_int_ne(memcmp(lineage, core.fs->devices[0].sb.lineage, 16),
			 0);
	ck_assert_int_eq(request_begin(&core.request, "read", 1, 0, false), 0);
	ck_assert_int_eq(request_gate(&core.request, 1), -EIO);
	ck_assert_uint_eq(atomic_load(&core.fs->devices[1].refused), 1);
	ck_assert_int_eq(request_gate(&core.request, 0), 0);
	request_end(&core.request);
	write_file("c", 100000);
	ck_assert_uint_eq(home("c"), 0);
	core_make(core.root, "d", FILE_MODE);
	ck_assert_int_eq(core_unlink(core.root, (char[]){ offline, '\0' }), 0);
	core_unmount();

	ck_assert_int_eq(core_try_mount(1, &options), -ENODEV);
	ck_assert_msg(core_try_mount(1, &degraded) == 0, "%s", core.why);
	core_unmount();
	core_mount(2);
	ck_assert(core_exists(core.root, "d"));
	core_unmount();
	core_fsck(2);
}
END_TEST

static _Atomic unsigned refused;

/* Names and data on all devices, whatever happens to one of them. */
static void *work(void *arg)
{
	static const char bytes[9000];
	const char *prefix = arg;
	struct request request;
	unsigned i;

	ck_assert_int_eq(request_thread_init(core.fs, &request), 0);
	for (i = 0; i < 400; i++) {
		const struct dir_new new_inode = { .mode = FILE_MODE };
		struct inode *inode;
		ssize_t done;
		char name[16];

		snprintf(name, sizeof(name), "%s%u", prefix, i);
		ck_assert_int_eq(request_begin(&request, "create", 1, 0, false),
				 0);
		ck_assert_int_eq(dir_create(&request, core.root, name,
					    &new_inode, &inode),
				 0);
		done = file_write(&request, inode, bytes, sizeof(bytes), 0,
				  false);
		ck_assert(done == sizeof(bytes) || done == -EIO);
		refused += done < 0;
		if (i % 4 == 0)
			ck_assert_int_eq(dir_unlink(&request, core.root, name),
					 0);
		request_end(&request);
		inode_forget(core.fs, inode, 1);
	}
	request_thread_fini(&request);
	return NULL;
}

START_TEST(a_device_retires_while_names_change)
{
	pthread_t thread[2];

	core_format(3, "32M");
	core_mount(3);
	pthread_create(&thread[0], NULL, work, "a");
	pthread_create(&thread[1], NULL, work, "b");
	usleep(5000);
	take_away(1);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	ck_assert_int_eq(core_stat(core.root).st_size, 600);
	core_unmount();
	core_mount(3);
	ck_assert_int_eq(core_stat(core.root).st_size, 600);
	core_unmount();
	core_fsck(3);
}
END_TEST

static void crash_without_device(void)
{
	core_make(core.root, "before", FILE_MODE);
	take_away(1);
	core_make(core.root, "after", FILE_MODE);
}

static void crash_without_device_again(void)
{
	take_away(1);
	core_make(core.root, "again", FILE_MODE);
}

START_TEST(a_crash_after_a_removal_loses_nothing)
{
	const struct fs_options degraded = { .degraded = true };

	core_format(3, "32M");
	core_crash_after(3, crash_without_device);
	core_fsck(3);
	core_mount(3);
	ck_assert(core_exists(core.root, "before"));
	ck_assert(core_exists(core.root, "after"));
	core_unmount();
	core_fsck(3);
	core_crash_after(3, crash_without_device_again);
	ck_assert_msg(core_try_mount(1, &degraded) == 0, "%s", core.why);
	ck_assert(core_exists(core.root, "again"));
	core_unmount();
}
END_TEST

START_TEST(the_metadata_device_retires_clean_under_open_files)
{
	struct inode *open_file, *orphan;
	struct stat stat;

	core_format(2, "32M");
	core_mount(2);
	take_notes();
	open_file = core_new(core.root, "open", FILE_MODE);
	ck_assert_int_eq(inode_open(core.fs, open_file, true), 0);
	orphan = core_new(core.root, "orphan", FILE_MODE);
	ck_assert_int_eq(inode_open(core.fs, orphan, true), 0);
	ck_assert_int_eq(core_write(orphan, &stat, sizeof(stat), 5000),
			 sizeof(stat));
	ck_assert_int_eq(core_unlink(core.root, "orphan"), 0);
	pthread_rwlock_rdlock(&open_file->lock);
	attr_touch(open_file, LAZY_MTIME);
	pthread_rwlock_unlock(&open_file->lock);
	stat = core_stat(open_file);
	take_away(0);

	ck_assert(atomic_load(&core.fs->shut_down));
	ck_assert_int_eq(request_begin(&core.request, "read", 1, 0, false),
			 -EIO);
	inode_close(core.fs, open_file, true);
	inode_close(core.fs, orphan, true);
	core_forget(orphan);
	core_forget(open_file);
	core_unmount();
	core_fsck(2);
	core_mount(2);
	notes->used++;
	ck_assert_uint_eq(inodes_used(core.fs), notes->used);
	open_file = core_get(core.root, "open");
	ck_assert_int_eq(core_stat(open_file).st_mtim.tv_nsec,
			 stat.st_mtim.tv_nsec);
	core_forget(open_file);
	core_unmount();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core_mount");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(rules, set_up, tear_down);
	tcase_set_timeout(rules, 60);
	tcase_add_test(rules, a_clean_mount_knows_what_it_knew);
	tcase_add_test(rules,
		       a_crash_loses_nothing_and_free_space_is_found_again);
	tcase_add_test(rules, orphans_of_a_crash_are_freed_by_the_next_mount);
	tcase_add_test(rules,
		       damage_met_in_recovery_refuses_the_mount_in_one_line);
	tcase_add_test(rules,
		       a_member_of_another_size_than_the_roll_says_is_refused);
	tcase_add_test(rules, a_count_of_inodes_that_cannot_be_is_found_anew);
	tcase_add_test(rules, what_is_no_udaxfs_is_refused);
	tcase_add_test(rules, a_read_only_mount_recovers_in_memory_alone);
	tcase_add_test(rules, files_go_to_the_devices_in_turn);
	tcase_add_test(rules, members_are_known_by_what_is_on_them);
	tcase_add_test(rules, a_missing_member_is_refused_unless_degraded);
	tcase_add_test(rules, a_member_from_the_past_is_refused);
	tcase_add_test(rules, devices_of_two_filesystems_are_refused);
	tcase_add_loop_test(
		rules, a_second_superblock_that_lags_is_written_first, 0, 2);
	tcase_add_test(rules, others_are_on_the_media_before_the_roll_says_so);
	tcase_add_test(rules, a_data_device_retires_and_the_rest_goes_on);
	tcase_add_test(rules, a_device_retires_while_names_change);
	tcase_add_test(rules, a_crash_after_a_removal_loses_nothing);
	tcase_add_test(rules,
		       the_metadata_device_retires_clean_under_open_files);
	suite_add_tcase(suite, rules);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
