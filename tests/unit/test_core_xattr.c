/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/core_fixture.h"
#include "lib/device_fixture.h"
#include "media/acl.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#define FILE_MODE (S_IFREG | 0644)
#define VALUE_MAX 65536

static struct inode *file;
static char value[VALUE_MAX], read_back[VALUE_MAX];

static void set_up(void)
{
	fixture_make();
	core_format(1, "64M");
	core_mount(1);
	file = core_new(core.root, "file", FILE_MODE);
}

static void tear_down(void)
{
	core_forget(file);
	core_unmount();
	core_fsck(1);
	fixture_remove();
}

static int set(const char *name, size_t size, int flags)
{
	int err;

	ck_assert_int_eq(
		request_begin(&core.request, "setxattr", file->ino, 0, false),
		0);
	err = xattr_set(&core.request, file, name, value, size, flags);
	request_end(&core.request);
	return err;
}

static ssize_t get(const char *name, size_t size)
{
	ssize_t done;

	ck_assert_int_eq(
		request_begin(&core.request, "getxattr", file->ino, 0, false),
		0);
	done = xattr_get(&core.request, file, name, read_back, size);
	request_end(&core.request);
	return done;
}

static int drop(const char *name)
{
	int err;

	ck_assert_int_eq(request_begin(&core.request, "removexattr", file->ino,
				       0, false),
			 0);
	err = xattr_remove(&core.request, file, name);
	request_end(&core.request);
	return err;
}

static ssize_t list(char *names, size_t size)
{
	ssize_t done;

	ck_assert_int_eq(
		request_begin(&core.request, "listxattr", file->ino, 0, false),
		0);
	done = xattr_list(&core.request, file, true, names, size);
	request_end(&core.request);
	return done;
}

static void fill(unsigned seed)
{
	unsigned i;

	for (i = 0; i < sizeof(value); i++)
		value[i] = (char)(seed + i * 7 + (i >> 8));
}

static void is_there(const char *name, size_t size)
{
	ck_assert_int_eq(get(name, 0), (ssize_t)size);
	ck_assert_int_eq(get(name, sizeof(read_back)), (ssize_t)size);
	ck_assert_int_eq(memcmp(read_back, value, size), 0);
}

START_TEST(values_of_every_size_come_back)
{
	static const size_t sizes[] = { 0,    1,    1023,  1024, 1025,
					4096, 4097, 65535, 65536 };
	char name[32];
	unsigned i;

	for (i = 0; i < 9; i++) {
		fill(i);
		snprintf(name, sizeof(name), "user.v%u", i);
		ck_assert_int_eq(set(name, sizes[i], 0), 0);
	}
	core_forget(file);
	core_unmount();
	core_fsck(1);
	core_mount(1);
	file = core_get(core.root, "file");
	for (i = 0; i < 9; i++) {
		fill(i);
		snprintf(name, sizeof(name), "user.v%u", i);
		is_there(name, sizes[i]);
	}
}
END_TEST

START_TEST(a_value_is_replaced_whole_whatever_the_sizes)
{
	static const size_t sizes[] = { 10, 65536, 2000, 1, 1024, 30000, 0 };
	uint64_t blocks = core_free_blocks();
	unsigned i;

	for (i = 0; i < 7; i++) {
		fill(i + 100);
		ck_assert_int_eq(set("user.value", sizes[i], 0), 0);
		is_there("user.value", sizes[i]);
	}
	ck_assert_int_eq(drop("user.value"), 0);
	ck_assert_int_eq(core_stat(file).st_blocks, 0);
	core_forget(file);
	core_unmount();
	core_mount(1);
	file = core_get(core.root, "file");
	ck_assert_uint_eq(core_free_blocks(), blocks);
}
END_TEST

START_TEST(flags_and_limits_are_linux_s)
{
	char name[258];

	memset(name, 'n', sizeof(name));
	memcpy(name, "user.", 5);
	name[256] = '\0';
	ck_assert_int_eq(get("user.none", 0), -ENODATA);
	ck_assert_int_eq(drop("user.none"), -ENODATA);
	ck_assert_int_eq(set("user.a", 5, XATTR_REPLACE), -ENODATA);
	ck_assert_int_eq(set("user.a", 5, XATTR_CREATE), 0);
	ck_assert_int_eq(set("user.a", 6, XATTR_CREATE), -EEXIST);
	ck_assert_int_eq(set("user.a", 6, XATTR_REPLACE), 0);
	ck_assert_int_eq(get("user.a", 5), -ERANGE);
	ck_assert_int_eq(set(name, 5, 0), -ERANGE);
	name[255] = '\0';
	ck_assert_int_eq(set(name, 5, 0), 0);
	ck_assert_int_eq(set("user.a", VALUE_MAX + 1, 0), -E2BIG);
	ck_assert_int_eq(set("mine.a", 5, 0), -EOPNOTSUPP);
	ck_assert_int_eq(set("system.mine", 5, 0), -EOPNOTSUPP);
	ck_assert_int_eq(set("system.posix_acl_access", 5, 0), -EINVAL);
	ck_assert_int_eq(set("user.", 5, 0), -EINVAL);
	ck_assert_int_eq(set("security.capability", 5, 0), 0);
	ck_assert_int_eq(set("trusted.t", 5, 0), 0);
}
END_TEST

START_TEST(the_list_names_each_once)
{
	static char names[VALUE_MAX];
	ssize_t length, at;
	unsigned i, count = 0;

	ck_assert_int_eq(list(names, sizeof(names)), 0);
	fill(1);
	for (i = 0; i < 500; i++) {
		char name[32];

		snprintf(name, sizeof(name), "user.attribute%u", i);
		ck_assert_int_eq(set(name, i * 3, 0), 0);
	}
	length = list(NULL, 0);
	ck_assert_int_eq(list(names, (size_t)length - 1), -ERANGE);
	ck_assert_int_eq(list(names, (size_t)length), length);
	for (at = 0; at < length; at += (ssize_t)strlen(names + at) + 1)
		count++;
	ck_assert_uint_eq(count, 500);
	for (i = 0; i < 500; i += 2) {
		char name[32];

		snprintf(name, sizeof(name), "user.attribute%u", i);
		ck_assert_int_eq(drop(name), 0);
	}
	for (i = 1; i < 500; i += 2) {
		char name[32];

		snprintf(name, sizeof(name), "user.attribute%u", i);
		is_there(name, i * 3);
	}
}
END_TEST

START_TEST(xattrs_go_with_their_inode)
{
	uint64_t blocks = core_free_blocks();
	unsigned i;

	for (i = 0; i < 300; i++) {
		char name[32];

		snprintf(name, sizeof(name), "user.attribute%u", i);
		ck_assert_int_eq(set(name, i % 10 ? 900 : 9000, 0), 0);
	}
	ck_assert_int_gt(core_stat(file).st_blocks, 0);
	ck_assert_int_eq(core_unlink(core.root, "file"), 0);
	core_forget(file);
	core_unmount();
	core_fsck(1);
	core_mount(1);
	ck_assert_uint_eq(core_free_blocks(), blocks);
	file = core_new(core.root, "file", FILE_MODE);
}
END_TEST

START_TEST(a_change_of_owner_takes_the_capability)
{
	const struct stat attr = { .st_uid = 9 };

	ck_assert_int_eq(set("security.capability", 20, 0), 0);
	ck_assert_int_eq(set("user.keep", 20, 0), 0);
	ck_assert_int_eq(core_setattr(file, &attr, ATTR_UID), 0);
	ck_assert_int_eq(get("security.capability", 0), -ENODATA);
	ck_assert_int_eq(get("user.keep", 0), 20);
}
END_TEST

START_TEST(no_space_leaves_the_old_value)
{
	unsigned i;
	int err = 0;

	fill(3);
	ck_assert_int_eq(set("user.keep", 60000, 0), 0);
	for (i = 0; !err && i < 2000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "user.fill%u", i);
		err = set(name, 65536, 0);
	}
	ck_assert_int_eq(err, -ENOSPC);
	fill(4);
	ck_assert_int_eq(set("user.keep", 65536, 0), -ENOSPC);
	fill(3);
	is_there("user.keep", 60000);
	ck_assert_int_eq(drop("user.fill0"), 0);
	ck_assert_int_eq(drop("user.fill1"), 0);
	ck_assert_int_eq(drop("user.fill2"), 0);
	ck_assert_int_eq(set("user.new", 65536, 0), 0);
}
END_TEST

START_TEST(a_change_costs_one_fence_and_one_for_a_long_value)
{
	uint64_t before;

	fill(5);
	ck_assert_int_eq(set("user.a", 10, 0), 0);
	before = device_fences();
	ck_assert_int_eq(set("user.b", 10, 0), 0);
	ck_assert_uint_eq(device_fences() - before, 1);
	before = device_fences();
	ck_assert_int_eq(set("user.b", 20000, 0), 0);
	ck_assert_uint_eq(device_fences() - before, 2);
	before = device_fences();
	ck_assert_int_eq(get("user.none", 0), -ENODATA);
	ck_assert_uint_eq(device_fences() - before, 0);
}
END_TEST

/* Owner, a user, group, mask, others. */
static size_t make_acl(unsigned mask)
{
	acl_media *acl = (acl_media *)value;

	acl->version = ACL_VERSION;
	acl->entries[0] = (acl_entry_media){ ACL_TAG_USER_OBJ, 7, 0 };
	acl->entries[1] = (acl_entry_media){ ACL_TAG_USER, 7, 1001 };
	acl->entries[2] = (acl_entry_media){ ACL_TAG_GROUP_OBJ, 5, 0 };
	acl->entries[3] = (acl_entry_media){ ACL_TAG_MASK, (uint16_t)mask, 0 };
	acl->entries[4] = (acl_entry_media){ ACL_TAG_OTHER, 0, 0 };
	return sizeof(*acl) + 5 * sizeof(acl_entry_media);
}

START_TEST(an_acl_and_the_mode_change_in_one_transaction)
{
	struct stat mode = { .st_mode = 0624 };
	size_t size = make_acl(6);
	uint64_t before = device_fences();

	ck_assert_int_eq(set(ACL_ACCESS_NAME, size, 0), 0);
	ck_assert_uint_eq(core_stat(file).st_mode, S_IFREG | 0760);
	ck_assert_int_eq(core_setattr(file, &mode, ATTR_MODE), 0);
	ck_assert_uint_eq(device_fences() - before, 2);
	make_acl(2);
	((acl_media *)value)->entries[0].perm = 6;
	((acl_media *)value)->entries[4].perm = 4;
	is_there(ACL_ACCESS_NAME, size);
	ck_assert_int_eq(set(ACL_DEFAULT_NAME, size, 0), -EACCES);
	ck_assert_int_eq(drop(ACL_ACCESS_NAME), 0);
	ck_assert_int_eq(drop(ACL_ACCESS_NAME), 0);
	ck_assert_uint_eq(core_stat(file).st_mode, S_IFREG | 0624);
}
END_TEST

START_TEST(what_is_made_below_a_default_acl_costs_one_fence)
{
	struct inode *dir;
	uint64_t before;
	size_t size;

	core_forget(file);
	core_make(core.root, "dir", S_IFDIR | 0777);
	file = core_get(core.root, "dir");
	size = make_acl(7);
	ck_assert_int_eq(set(ACL_DEFAULT_NAME, size, 0), 0);
	before = device_fences();
	core_make(file, "below", S_IFDIR | 0770);
	core_make(file, "node", S_IFIFO | 0700);
	ck_assert_uint_eq(device_fences() - before, 2);
	core_forget(file);
	core_unmount();
	core_fsck(1);
	core_mount(1);
	dir = core_get(core.root, "dir");
	file = core_get(dir, "below");
	is_there(ACL_DEFAULT_NAME, size);
	is_there(ACL_ACCESS_NAME, size);
	core_forget(file);
	file = core_get(dir, "node");
	make_acl(0);
	is_there(ACL_ACCESS_NAME, size);
	ck_assert_uint_eq(core_stat(file).st_mode, S_IFIFO | 0700);
	core_forget(dir);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core_xattr");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(rules, set_up, tear_down);
	tcase_set_timeout(rules, 60);
	tcase_add_test(rules, values_of_every_size_come_back);
	tcase_add_test(rules, a_value_is_replaced_whole_whatever_the_sizes);
	tcase_add_test(rules, flags_and_limits_are_linux_s);
	tcase_add_test(rules, the_list_names_each_once);
	tcase_add_test(rules, xattrs_go_with_their_inode);
	tcase_add_test(rules, a_change_of_owner_takes_the_capability);
	tcase_add_test(rules, no_space_leaves_the_old_value);
	tcase_add_test(rules,
		       a_change_costs_one_fence_and_one_for_a_long_value);
	tcase_add_test(rules, an_acl_and_the_mode_change_in_one_transaction);
	tcase_add_test(rules, what_is_made_below_a_default_acl_costs_one_fence);
	suite_add_tcase(suite, rules);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
