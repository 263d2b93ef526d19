/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/core_fixture.h"
#include "lib/device_fixture.h"

#include "core/dir_entry.h"
#include "journal/journal.h"
#include "media/name.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MODE (S_IFREG | 0644)
#define DIR_MODE (S_IFDIR | 0755)
#define NAMES_MANY 10000

static void set_up(void)
{
	fixture_make();
	core_format(1, "64M");
	core_mount(1);
}

/* Every test ends clean, or fsck says why. */
static void tear_down(void)
{
	core_unmount();
	core_fsck(1);
	core_mount(1);
	core_unmount();
	fixture_remove();
}

START_TEST(a_new_name_is_found_and_its_inode_is_as_asked)
{
	struct inode *file = core_new(core.root, "file", FILE_MODE | 01000);
	struct stat stat = core_stat(file);

	ck_assert_uint_eq(stat.st_mode, FILE_MODE | 01000);
	ck_assert_uint_eq(stat.st_nlink, 1);
	ck_assert_uint_eq(stat.st_uid, 1);
	ck_assert_uint_eq(stat.st_gid, 2);
	ck_assert_int_eq(stat.st_size, 0);
	ck_assert_int_gt(stat.st_ctim.tv_sec, 0);
	ck_assert_uint_eq(core_ino(core.root, "file"), file->ino);
	ck_assert_int_eq(core_create(core.root, "file", FILE_MODE, &file),
			 -EEXIST);
	core_forget(core_get(core.root, "file"));
	core_forget(inode_of(core.fs, core_ino(core.root, "file")));
}
END_TEST

START_TEST(names_are_checked)
{
	struct inode *inode;
	char name[258];

	memset(name, 'x', sizeof(name));
	name[256] = '\0';
	ck_assert_int_eq(core_create(core.root, name, FILE_MODE, &inode),
			 -ENAMETOOLONG);
	ck_assert_int_eq(core_look(core.root, name, &inode), -ENAMETOOLONG);
	name[255] = '\0';
	core_make(core.root, name, FILE_MODE);
	ck_assert(core_exists(core.root, name));
	ck_assert_int_eq(core_create(core.root, "", FILE_MODE, &inode),
			 -ENOENT);
	ck_assert_int_eq(core_create(core.root, "..", FILE_MODE, &inode),
			 -EEXIST);
	ck_assert_int_eq(core_create(core.root, "a/b", FILE_MODE, &inode),
			 -EINVAL);
	ck_assert_int_eq(core_rmdir(core.root, "."), -EINVAL);
	ck_assert_int_eq(core_rmdir(core.root, ".."), -ENOTEMPTY);
	ck_assert_int_eq(core_unlink(core.root, "none"), -ENOENT);
}
END_TEST

START_TEST(every_type_of_inode_keeps_what_makes_it)
{
	static const mode_t modes[] = { S_IFREG, S_IFDIR, S_IFCHR,
					S_IFBLK, S_IFIFO, S_IFSOCK };
	unsigned i;

	for (i = 0; i < 6; i++) {
		char name[2] = { (char)('a' + i), '\0' };
		struct inode *inode = core_new(core.root, name,
					       modes[i] | 0600);
		struct stat stat = core_stat(inode);

		ck_assert_uint_eq(stat.st_mode, modes[i] | 0600);
		if (S_ISCHR(modes[i]) || S_ISBLK(modes[i]))
			ck_assert_uint_eq(stat.st_rdev, 0x1234);
		core_forget(inode);
	}
}
END_TEST

START_TEST(unlink_and_rmdir_tell_files_from_directories)
{
	struct inode *dir = core_new(core.root, "dir", DIR_MODE);

	core_make(core.root, "file", FILE_MODE);
	core_make(dir, "inner", FILE_MODE);
	ck_assert_int_eq(core_unlink(core.root, "dir"), -EISDIR);
	ck_assert_int_eq(core_rmdir(core.root, "file"), -ENOTDIR);
	ck_assert_int_eq(core_rmdir(core.root, "dir"), -ENOTEMPTY);
	ck_assert_uint_eq(core_stat(core.root).st_nlink, 3);
	ck_assert_int_eq(core_unlink(dir, "inner"), 0);
	ck_assert_int_eq(core_rmdir(core.root, "dir"), 0);
	ck_assert_uint_eq(core_stat(core.root).st_nlink, 2);
	ck_assert_uint_eq(core_stat(dir).st_nlink, 0);
	ck_assert_int_eq(core_create(dir, "late", FILE_MODE, &dir), -ENOENT);
	core_forget(inode_of(core.fs, dir->ino));
	ck_assert_int_eq(core_unlink(core.root, "file"), 0);
	ck_assert_int_eq(core_stat(core.root).st_size, 0);
}
END_TEST

START_TEST(links_share_an_inode_until_the_last_is_gone)
{
	struct inode *file = core_new(core.root, "one", FILE_MODE);
	struct inode *dir = core_new(core.root, "dir", DIR_MODE);
	char path[64];

	ck_assert_int_eq(core_link(file, dir, "two"), 0);
	ck_assert_int_eq(core_link(file, dir, "two"), -EEXIST);
	ck_assert_int_eq(core_link(dir, core.root, "three"), -EPERM);
	ck_assert_int_eq(core_link(dir, dir, "three"), -EPERM);
	ck_assert_uint_eq(core_stat(file).st_nlink, 2);
	ck_assert_uint_eq(core_ino(dir, "two"), file->ino);
	ck_assert_int_eq(inode_path(core.fs, file->ino, path, 64), 0);
	ck_assert_str_eq(path, "/one");
	ck_assert_int_eq(core_unlink(core.root, "one"), 0);
	ck_assert_uint_eq(core_stat(file).st_nlink, 1);
	ck_assert_int_eq(inode_path(core.fs, file->ino, path, 64), -ENOENT);
	ck_assert_int_eq(core_rename(dir, "two", dir, "deux", 0), 0);
	ck_assert_int_eq(inode_path(core.fs, file->ino, path, 64), 0);
	ck_assert_str_eq(path, "/dir/deux");
	core_forget(file);
	core_forget(dir);
}
END_TEST

START_TEST(symlinks_short_and_long_come_back)
{
	static const size_t lengths[] = { 1, 343, 344, 345, 4095 };
	char target[4097], read[4097];
	unsigned i;

	memset(target, 't', sizeof(target));
	target[4096] = '\0';
	ck_assert_int_eq(core_symlink(core.root, "l", target), -ENAMETOOLONG);
	ck_assert_int_eq(core_symlink(core.root, "l", ""), -ENOENT);
	for (i = 0; i < 5; i++) {
		char name[2] = { (char)('a' + i), '\0' };
		struct inode *link;

		target[lengths[i]] = '\0';
		ck_assert_int_eq(core_symlink(core.root, name, target), 0);
		link = core_get(core.root, name);
		ck_assert_int_eq(request_begin(&core.request, "readlink",
					       link->ino, 0, false),
				 0);
		ck_assert_int_eq(
			dir_readlink(&core.request, link, read, sizeof(read)),
			0);
		request_end(&core.request);
		ck_assert_str_eq(read, target);
		ck_assert_int_eq(core_stat(link).st_size, lengths[i]);
		core_forget(link);
		target[lengths[i]] = 't';
	}
	for (i = 0; i < 4; i++) {
		char name[2] = { (char)('a' + i), '\0' };

		ck_assert_int_eq(core_unlink(core.root, name), 0);
	}
}
END_TEST

START_TEST(setgid_directories_pass_their_group_on)
{
	struct inode *dir = core_new(core.root, "dir", DIR_MODE);
	const struct stat attr = { .st_mode = S_ISGID | 0775, .st_gid = 77 };
	struct inode *inode;

	ck_assert_int_eq(core_setattr(dir, &attr, ATTR_MODE | ATTR_GID), 0);
	inode = core_new(dir, "file", FILE_MODE);
	ck_assert_uint_eq(core_stat(inode).st_gid, 77);
	ck_assert_uint_eq(core_stat(inode).st_mode, FILE_MODE);
	core_forget(inode);
	inode = core_new(dir, "sub", DIR_MODE);
	ck_assert_uint_eq(core_stat(inode).st_gid, 77);
	ck_assert_uint_eq(core_stat(inode).st_mode, DIR_MODE | S_ISGID);
	core_forget(inode);
	core_forget(dir);
}
END_TEST

/* ----------------------------------------------------------------- rename */

START_TEST(rename_moves_and_replaces_files)
{
	struct inode *dir = core_new(core.root, "dir", DIR_MODE);
	struct inode *a = core_new(core.root, "a", FILE_MODE);
	struct inode *b = core_new(dir, "b", FILE_MODE);

	ck_assert_int_eq(core_rename(core.root, "none", dir, "x", 0), -ENOENT);
	ck_assert_int_eq(
		core_rename(core.root, "a", dir, "b", RENAME_NOREPLACE),
		-EEXIST);
	ck_assert_int_eq(
		core_rename(core.root, "a", dir, "c", RENAME_NOREPLACE), 0);
	ck_assert(!core_exists(core.root, "a"));
	ck_assert_int_eq(core_rename(dir, "c", dir, "b", 0), 0);
	ck_assert_uint_eq(core_ino(dir, "b"), a->ino);
	ck_assert_uint_eq(core_stat(b).st_nlink, 0);
	ck_assert_int_eq(core_stat(dir).st_size, 1);
	ck_assert_int_eq(core_rename(dir, "b", dir, "b", 0), 0);
	ck_assert_int_eq(core_link(a, core.root, "same"), 0);
	ck_assert_int_eq(core_rename(core.root, "same", dir, "b", 0), 0);
	ck_assert(core_exists(core.root, "same"));
	ck_assert_int_eq(core_rename(dir, "b", core.root, "y", 1u << 3),
			 -EINVAL);
	core_forget(a);
	core_forget(b);
	core_forget(dir);
}
END_TEST

START_TEST(a_whiteout_comes_with_the_rename)
{
	struct inode *dir = core_new(core.root, "dir", DIR_MODE);
	struct inode *white;
	uint64_t used, before;

	core_make(core.root, "a", FILE_MODE);
	used = inodes_used(core.fs);
	before = device_fences();
	ck_assert_int_eq(core_rename(core.root, "a", dir, "b", RENAME_WHITEOUT),
			 0);
	ck_assert_uint_eq(device_fences() - before, 1);
	ck_assert_uint_eq(inodes_used(core.fs), used + 1);
	white = core_get(core.root, "a");
	ck_assert_uint_eq(core_stat(white).st_mode, S_IFCHR);
	ck_assert_uint_eq(core_stat(white).st_rdev, 0);
	ck_assert_uint_eq(core_stat(white).st_nlink, 1);
	ck_assert_uint_eq(core_stat(white).st_uid, 7);
	ck_assert_uint_eq(core_stat(white).st_gid, 8);
	ck_assert_int_eq(core_rename(dir, "b", dir, "b", RENAME_WHITEOUT), 0);
	ck_assert_int_eq(core_rename(dir, "none", dir, "c", RENAME_WHITEOUT),
			 -ENOENT);
	ck_assert_int_eq(core_rename(core.root, "a", dir, "b",
				     RENAME_WHITEOUT | RENAME_EXCHANGE),
			 -EINVAL);
	ck_assert_uint_eq(inodes_used(core.fs), used + 1);
	core_forget(white);
	ck_assert_int_eq(core_unlink(core.root, "a"), 0);
	ck_assert_uint_eq(inodes_used(core.fs), used);
	core_forget(dir);
}
END_TEST

START_TEST(rename_knows_directories_from_files)
{
	struct inode *full = core_new(core.root, "full", DIR_MODE);
	struct inode *inner;
	char path[64];

	core_make(core.root, "file", FILE_MODE);
	core_make(core.root, "empty", DIR_MODE);
	core_make(full, "inner", DIR_MODE);
	ck_assert_int_eq(core_rename(core.root, "file", core.root, "empty", 0),
			 -EISDIR);
	ck_assert_int_eq(core_rename(core.root, "empty", core.root, "file", 0),
			 -ENOTDIR);
	ck_assert_int_eq(core_rename(core.root, "empty", core.root, "full", 0),
			 -ENOTEMPTY);
	ck_assert_uint_eq(core_stat(core.root).st_nlink, 4);
	ck_assert_int_eq(core_rename(full, "inner", core.root, "empty", 0), 0);
	ck_assert_uint_eq(core_stat(core.root).st_nlink, 4);
	ck_assert_uint_eq(core_stat(full).st_nlink, 2);
	inner = core_get(core.root, "empty");
	ck_assert_int_eq(inode_path(core.fs, inner->ino, path, 64), 0);
	ck_assert_str_eq(path, "/empty");
	ck_assert_int_eq(core_rename(core.root, "empty", full, "deep", 0), 0);
	ck_assert_uint_eq(core_stat(core.root).st_nlink, 3);
	ck_assert_uint_eq(core_stat(full).st_nlink, 3);
	ck_assert_uint_eq(core_ino(inner, ".."), full->ino);
	core_forget(inner);
	core_forget(full);
}
END_TEST

START_TEST(no_directory_gets_below_itself)
{
	struct inode *a = core_new(core.root, "a", DIR_MODE);
	struct inode *b = core_new(a, "b", DIR_MODE);
	struct inode *c = core_new(b, "c", DIR_MODE);

	ck_assert_int_eq(core_rename(core.root, "a", a, "x", 0), -EINVAL);
	ck_assert_int_eq(core_rename(core.root, "a", c, "x", 0), -EINVAL);
	ck_assert_int_eq(core_rename(b, "c", core.root, "a", 0), -ENOTEMPTY);
	ck_assert_int_eq(core_rename(b, "c", core.root, "a", RENAME_EXCHANGE),
			 -EINVAL);
	ck_assert_int_eq(core_rename(core.root, "a", b, "c", RENAME_EXCHANGE),
			 -EINVAL);
	ck_assert_int_eq(core_rename(b, "c", core.root, "c", 0), 0);
	core_forget(a);
	core_forget(b);
	core_forget(c);
}
END_TEST

START_TEST(exchange_swaps_names_parents_and_counts)
{
	struct inode *one = core_new(core.root, "one", DIR_MODE);
	struct inode *two = core_new(core.root, "two", DIR_MODE);
	struct inode *dir = core_new(one, "dir", DIR_MODE);
	struct inode *file = core_new(two, "file", FILE_MODE);
	char path[64];

	ck_assert_int_eq(core_rename(one, "dir", two, "none", RENAME_EXCHANGE),
			 -ENOENT);
	ck_assert_int_eq(core_rename(one, "dir", two, "file", RENAME_EXCHANGE),
			 0);
	ck_assert_uint_eq(core_ino(one, "dir"), file->ino);
	ck_assert_uint_eq(core_ino(two, "file"), dir->ino);
	ck_assert_uint_eq(core_ino(dir, ".."), two->ino);
	ck_assert_uint_eq(core_stat(one).st_nlink, 2);
	ck_assert_uint_eq(core_stat(two).st_nlink, 3);
	ck_assert_int_eq(inode_path(core.fs, file->ino, path, 64), 0);
	ck_assert_str_eq(path, "/one/dir");
	ck_assert_int_eq(core_rename(core.root, "one", core.root, "two",
				     RENAME_EXCHANGE),
			 0);
	ck_assert_uint_eq(core_ino(core.root, "one"), two->ino);
	ck_assert_int_eq(core_rename(core.root, "one", core.root, "two",
				     RENAME_EXCHANGE | RENAME_NOREPLACE),
			 -EINVAL);
	core_forget(one);
	core_forget(two);
	core_forget(dir);
	core_forget(file);
}
END_TEST

/* --------------------------------------------------------------- many names */

struct listing {
	unsigned count;
	unsigned stop_after;
	uint64_t last_cookie;
	unsigned char seen[NAMES_MANY];
};

static int list_one(const char *name, size_t name_length, uint64_t ino,
		    unsigned type, uint64_t cookie, void *arg)
{
	struct listing *listing = arg;
	unsigned number = 0;
	size_t i;

	ck_assert_uint_gt(cookie, listing->last_cookie);
	if (listing->stop_after == 0)
		return 1;
	listing->stop_after--;
	listing->last_cookie = cookie;
	if (name[0] == '.') {
		ck_assert_uint_eq(type, DT_DIR);
		return 0;
	}
	for (i = 1; i < name_length; i++)
		number = number * 10 + (unsigned)(name[i] - '0');
	ck_assert_uint_lt(number, NAMES_MANY);
	listing->seen[number]++;
	listing->count++;
	return 0;
}

static void list(struct listing *listing, unsigned at_once)
{
	listing->stop_after = at_once;
	ck_assert_int_eq(request_begin(&core.request, "readdir", 1, 0, false),
			 0);
	ck_assert_int_eq(dir_read(&core.request, core.root,
				  listing->last_cookie, list_one, listing),
			 0);
	request_end(&core.request);
}

static void many_names(unsigned from, unsigned to)
{
	unsigned i;

	for (i = from; i < to; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		core_make(core.root, name, S_IFIFO | 0600);
	}
}

START_TEST(readdir_lists_each_name_once_while_others_go)
{
	static struct listing listing;
	unsigned i;

	many_names(0, 3000);
	for (i = 0; i < 3000; i += 2) {
		char name[16];

		if (i % 100 == 0)
			list(&listing, 90);
		snprintf(name, sizeof(name), "n%u", i);
		ck_assert_int_eq(core_unlink(core.root, name), 0);
	}
	list(&listing, UINT32_MAX);
	for (i = 0; i < 3000; i++) {
		ck_assert_uint_le(listing.seen[i], 1);
		ck_assert(i % 2 == 0 || listing.seen[i] == 1);
	}
	ck_assert_int_eq(core_stat(core.root).st_size, 1500);
	list(&listing, UINT32_MAX); /* the end stays the end */
	ck_assert_uint_eq(listing.stop_after, UINT32_MAX);
}
END_TEST

static void *make_half(void *arg)
{
	const unsigned first = *(const unsigned *)arg;
	struct request request;
	unsigned i;

	ck_assert_int_eq(request_thread_init(core.fs, &request), 0);
	for (i = first; i < NAMES_MANY; i += 2) {
		const struct dir_new new_inode = { .mode = FILE_MODE };
		struct inode *inode, *again;
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		ck_assert_int_eq(request_begin(&request, "create", 1, 0, false),
				 0);
		ck_assert_int_eq(dir_create(&request, core.root, name,
					    &new_inode, &inode),
				 0);
		ck_assert_int_eq(dir_lookup(&request, core.root, name, &again),
				 0);
		ck_assert_ptr_eq(inode, again);
		if (i % 3 == 0)
			ck_assert_int_eq(dir_unlink(&request, core.root, name),
					 0);
		request_end(&request);
		inode_forget(core.fs, inode, 2);
	}
	request_thread_fini(&request);
	return NULL;
}

START_TEST(two_threads_make_ten_thousand_names)
{
	static struct listing listing;
	const unsigned first[] = { 0, 1 };
	uint64_t used = inodes_used(core.fs);
	pthread_t thread;
	unsigned i;

	ck_assert_int_eq(
		pthread_create(&thread, NULL, make_half, (void *)&first[1]), 0);
	make_half((void *)&first[0]);
	pthread_join(thread, NULL);
	list(&listing, UINT32_MAX);
	for (i = 0; i < NAMES_MANY; i++)
		ck_assert_uint_eq(listing.seen[i], i % 3 != 0);
	ck_assert_uint_eq(inodes_used(core.fs), used + listing.count);
}
END_TEST

/* -------------------------------------------------------------- collisions */

static uint64_t key_of(const char *name)
{
	return name_key(core.fs->hash_seed, name, strlen(name));
}

/* As if the name had that key: -1 removes it. */
static void put_at(const char *text, uint64_t key, int nlink)
{
	const struct name name = { text, strlen(text) };
	const struct entry entry = { .key = key, .ino = 99, .type = DT_REG };
	struct dir_edit edit;
	struct txn *txn;

	pthread_rwlock_wrlock(&core.root->lock);
	txn = txn_begin(core.fs->journal);
	dir_edit_begin(&edit, core.fs, txn, core.root);
	if (nlink > 0)
		ck_assert_int_eq(entry_add(&edit, &name, &entry), 0);
	else
		ck_assert_int_eq(entry_remove(&edit, key), 0);
	ck_assert_int_eq(txn_commit(txn), 0);
	pthread_rwlock_unlock(&core.root->lock);
}

START_TEST(names_of_equal_hash_are_all_found_and_leave_gaps)
{
	uint64_t key = key_of("target");
	struct inode *inode;
	unsigned i;

	put_at("x", key, 1);
	put_at("y", key + 1, 1);
	put_at("z", key + 3, 1);
	ck_assert(!core_exists(core.root, "target"));
	core_make(core.root, "target", FILE_MODE);
	put_at("x", key, -1);
	put_at("y", key + 1, -1);
	ck_assert(core_exists(core.root, "target"));
	ck_assert_int_eq(core_create(core.root, "target", FILE_MODE, &inode),
			 -EEXIST);
	ck_assert_int_eq(core_unlink(core.root, "target"), 0);
	ck_assert(!core_exists(core.root, "target"));
	put_at("z", key + 3, -1);

	for (i = 0; i < 255; i++)
		put_at("x", key + i, 1);
	core_make(core.root, "target", FILE_MODE);
	ck_assert_int_eq(core_rename(core.root, "target", core.root, "t", 0),
			 0);
	put_at("x", key + 255, 1);
	ck_assert_int_eq(core_create(core.root, "target", FILE_MODE, &inode),
			 -ENOSPC);
	ck_assert_int_eq(core_rename(core.root, "t", core.root, "target", 0),
			 -ENOSPC);
	ck_assert(core_exists(core.root, "t"));
	for (i = 0; i < 256; i++)
		put_at("x", key + i, -1);
}
END_TEST

/* ------------------------------------------------------------------ bounds */

START_TEST(an_inode_has_at_most_65000_names)
{
	struct inode *file = core_new(core.root, "file", FILE_MODE);
	char name[16];
	unsigned i;

	for (i = 1; i < LINKS_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		ck_assert_int_eq(core_link(file, core.root, name), 0);
	}
	ck_assert_int_eq(core_link(file, core.root, "more"), -EMLINK);
	ck_assert_int_eq(core_unlink(core.root, "n5"), 0);
	ck_assert_int_eq(core_link(file, core.root, "more"), 0);
	core_forget(file);
}
END_TEST

static void empty_directory(void)
{
	static struct listing listing;
	unsigned i;

	memset(&listing, 0, sizeof(listing));
	list(&listing, UINT32_MAX);
	for (i = 0; i < NAMES_MANY; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		if (listing.seen[i])
			ck_assert_int_eq(core_unlink(core.root, name), 0);
	}
	ck_assert_int_eq(core_stat(core.root).st_size, 0);
}

START_TEST(an_operation_costs_one_fence_and_three_at_most)
{
	uint64_t creates = 0;
	unsigned i;

	for (i = 0; i < 2000; i++) {
		uint64_t before = device_fences();
		struct inode *inode;
		char name[16], to[16];

		snprintf(name, sizeof(name), "n%u", i);
		snprintf(to, sizeof(to), "n%u", i + 5000);
		inode = core_new(core.root, name, FILE_MODE);
		creates += device_fences() - before;
		ck_assert_uint_le(device_fences() - before, 5); /* grows */
		before = device_fences();
		ck_assert_int_eq(core_rename(core.root, name, core.root, to, 0),
				 0);
		ck_assert_uint_le(device_fences() - before, 3);
		if (i % 2) {
			before = device_fences();
			ck_assert_int_eq(core_unlink(core.root, to), 0);
			ck_assert_uint_le(device_fences() - before, 3);
		}
		core_forget(inode);
	}
	ck_assert_uint_lt(creates, 2000 + 100);
	empty_directory();
}
END_TEST

START_TEST(a_full_filesystem_refuses_and_can_be_emptied)
{
	static char bytes[1 << 20];
	struct inode *file = core_new(core.root, "big", FILE_MODE);
	uint64_t empty = core_free_blocks();
	unsigned i, made;
	ssize_t done;
	off_t at = 0;
	struct inode *inode;
	int err = 0;

	ck_assert_int_eq(inode_open(core.fs, file, true), 0);
	while ((done = core_write(file, bytes, sizeof(bytes), at)) > 0)
		at += done;
	ck_assert_int_eq(done, -ENOSPC);
	for (i = 0; err == 0 && i < NAMES_MANY; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		err = core_create(core.root, name, FILE_MODE, &inode);
		if (!err)
			core_forget(inode);
	}
	ck_assert_int_eq(err, -ENOSPC);
	made = i - 1;
	ck_assert_int_eq(core_stat(core.root).st_size, made + 1);
	inode_close(core.fs, file, true);
	for (i = 0; i < made; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		ck_assert_int_eq(core_unlink(core.root, name), 0);
	}
	ck_assert_int_eq(core_unlink(core.root, "big"), 0);
	core_forget(file);
	ck_assert_int_eq(fs_sync(core.fs), 0);
	core_unmount();
	core_mount(1);
	ck_assert_uint_le(empty - core_free_blocks(), 64 * 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core_dir");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(rules, set_up, tear_down);
	tcase_set_timeout(rules, 60);
	tcase_add_test(rules, a_new_name_is_found_and_its_inode_is_as_asked);
	tcase_add_test(rules, names_are_checked);
	tcase_add_test(rules, every_type_of_inode_keeps_what_makes_it);
	tcase_add_test(rules, unlink_and_rmdir_tell_files_from_directories);
	tcase_add_test(rules, links_share_an_inode_until_the_last_is_gone);
	tcase_add_test(rules, symlinks_short_and_long_come_back);
	tcase_add_test(rules, setgid_directories_pass_their_group_on);
	tcase_add_test(rules, rename_moves_and_replaces_files);
	tcase_add_test(rules, a_whiteout_comes_with_the_rename);
	tcase_add_test(rules, rename_knows_directories_from_files);
	tcase_add_test(rules, no_directory_gets_below_itself);
	tcase_add_test(rules, exchange_swaps_names_parents_and_counts);
	tcase_add_test(rules, readdir_lists_each_name_once_while_others_go);
	tcase_add_test(rules, two_threads_make_ten_thousand_names);
	tcase_add_test(rules, names_of_equal_hash_are_all_found_and_leave_gaps);
	tcase_add_test(rules, an_inode_has_at_most_65000_names);
	tcase_add_test(rules, an_operation_costs_one_fence_and_three_at_most);
	tcase_add_test(rules, a_full_filesystem_refuses_and_can_be_emptied);
	suite_add_tcase(suite, rules);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
