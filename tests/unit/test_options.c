/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/options.h"

#include <check.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct daemon_options options;

static int parse(const char *const *words)
{
	int argc = 0;

	while (words[argc])
		argc++;
	optind = 0; /* glibc: from the start */
	opterr = 0;
	return options_parse(&options, argc, (char **)(uintptr_t)words);
}

#define PARSE(...) parse((const char *const[]){ "udaxfs", __VA_ARGS__, NULL })

START_TEST(the_defaults_are_dax_always_and_the_counter)
{
	ck_assert_int_eq(PARSE("/a", "/m"), 0);
	ck_assert_int_eq(options.fs.dax, DAX_ALWAYS);
	ck_assert_int_eq(options.fs.pgmap, PGMAP_COUNTER);
	ck_assert_int_eq(options.fs.direct, DIRECT_OWNER);
	ck_assert(!options.fs.read_only && !options.fs.degraded);
	ck_assert(!options.foreground);
	ck_assert_str_eq(options.mountpoint, "/m");
	ck_assert_uint_eq(options.device_count, 1);
	options_fini(&options);
}
END_TEST

START_TEST(devices_keep_their_order_words_first)
{
	ck_assert_int_eq(PARSE("/a", "-o", "device=/c,device=/d", "/b", "/m"),
			 0);
	ck_assert_uint_eq(options.device_count, 4);
	ck_assert_str_eq(options.devices[0], "/a");
	ck_assert_str_eq(options.devices[1], "/b");
	ck_assert_str_eq(options.devices[2], "/c");
	ck_assert_str_eq(options.devices[3], "/d");
	options_fini(&options);
}
END_TEST

START_TEST(relative_devices_become_absolute)
{
	char cwd[4096];

	ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
	ck_assert_int_eq(PARSE("a", "/m"), 0);
	ck_assert_int_eq(strncmp(options.devices[0], cwd, strlen(cwd)), 0);
	ck_assert_str_eq(options.devices[0] + strlen(cwd), "/a");
	options_fini(&options);
}
END_TEST

START_TEST(a_backslash_keeps_a_comma)
{
	ck_assert_int_eq(PARSE("/a", "/m", "-o", "device=/x\\,y\\\\z,ro"), 0);
	ck_assert_str_eq(options.devices[1], "/x,y\\z");
	ck_assert(options.fs.read_only);
	options_fini(&options);
}
END_TEST

START_TEST(each_option_does_what_it_says)
{
	ck_assert_int_eq(PARSE("/a", "/m", "-f", "-o",
			       "dax=inode,pgmap=flag,direct=group:7,degraded,"
			       "threads=3,nonempty,noatime,fsname=n"),
			 0);
	ck_assert_int_eq(options.fs.dax, DAX_INODE);
	ck_assert_int_eq(options.fs.pgmap, PGMAP_FLAG);
	ck_assert_int_eq(options.fs.direct, DIRECT_GROUP);
	ck_assert_uint_eq(options.fs.direct_group, 7);
	ck_assert_uint_eq(options.threads, 3);
	ck_assert(options.fs.degraded && options.nonempty);
	ck_assert(options.fs.no_atime && options.foreground);
	ck_assert_str_eq(options.fsname, "n");
	options_fini(&options);
}
END_TEST

START_TEST(what_mount_and_fstab_add_is_taken)
{
	ck_assert_int_eq(PARSE("/a", "/m", "-o",
			       "rw,dev,suid,nofail,_netdev,noauto,user=me,"
			       "x-systemd.automount,X-a=b,defaults,relatime"),
			 0);
	options_fini(&options);
}
END_TEST

static const char *const wrong[] = {
	"frob",		"dax",		 "dax=",       "dax=perhaps",
	"pgmap=none",	"direct=group:", "direct=all", "threads=0",
	"threads=x",	"device=",	 "rox",	       "ro=1",
	"subtype=ext4", "blkdev",
};

START_TEST(anything_else_is_refused)
{
	ck_assert_int_eq(PARSE("/a", "/m", "-o", wrong[_i]), -EINVAL);
	options_fini(&options);
}
END_TEST

START_TEST(libfuse_is_told_type_source_and_permissions)
{
	char *list;

	ck_assert_int_eq(PARSE("/a,b", "/m", "-o", "noexec"), 0);
	list = options_for_fuse(&options);
	ck_assert_ptr_nonnull(strstr(list, "default_permissions"));
	ck_assert_ptr_nonnull(strstr(list, "subtype=udaxfs"));
	ck_assert_ptr_nonnull(strstr(list, "fsname=/a\\,b"));
	ck_assert_ptr_nonnull(strstr(list, "noexec"));
	ck_assert_int_eq(strstr(list, "allow_other") != NULL, geteuid() == 0);
	free(list);
	options_fini(&options);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *tc = tcase_create("options");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, the_defaults_are_dax_always_and_the_counter);
	tcase_add_test(tc, devices_keep_their_order_words_first);
	tcase_add_test(tc, relative_devices_become_absolute);
	tcase_add_test(tc, a_backslash_keeps_a_comma);
	tcase_add_test(tc, each_option_does_what_it_says);
	tcase_add_test(tc, what_mount_and_fstab_add_is_taken);
	tcase_add_loop_test(tc, anything_else_is_refused, 0,
			    sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(tc, libfuse_is_told_type_source_and_permissions);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
