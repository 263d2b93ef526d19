/* SPDX-License-Identifier: BSD-3-Clause */
/* setxattr(2), getxattr(2), listxattr(2), removexattr(2) */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#define VALUE_MAX 65536

static char got[VALUE_MAX + 1];

static bool has(const char *path, const char *name, const char *value)
{
	ssize_t length = lgetxattr(path, name, got, sizeof(got));

	return length == (ssize_t)strlen(value) &&
	       memcmp(got, value, (size_t)length) == 0;
}

static bool lists(const char *path, const char *name)
{
	ssize_t length = llistxattr(path, got, sizeof(got));

	for (const char *at = got; at < got + length; at += strlen(at) + 1)
		if (strcmp(at, name) == 0)
			return true;
	return false;
}

static void values_are_kept(void)
{
	make_file("file", 0644);
	make_dir("dir", 0755);
	WORKS(setxattr("file", "user.a", "1", 1, 0));
	WORKS(setxattr("file", "user.b", "", 0, 0));
	WORKS(setxattr("dir", "user.a", "of a directory", 14, 0));
	WORKS(setxattr("file", "trusted.a", "t", 1, 0));
	WORKS(setxattr("file", "security.a", "s", 1, 0));
	HOLDS(has("file", "user.a", "1"));
	HOLDS(has("file", "user.b", ""));
	HOLDS(has("dir", "user.a", "of a directory"));
	WORKS(setxattr("file", "user.a", "changed", 7, XATTR_REPLACE));
	HOLDS(has("file", "user.a", "changed"));
	HOLDS(lists("file", "user.a") && lists("file", "user.b") &&
	      lists("file", "trusted.a") && lists("file", "security.a"));
	WORKS(removexattr("file", "user.a"));
	HOLDS(!lists("file", "user.a") && lists("file", "user.b"));
	IS(listxattr("dir", NULL, 0), strlen("user.a") + 1);
}

static void there_or_not(void)
{
	make_file("file", 0644);
	FAILS(ENODATA, getxattr("file", "user.a", got, 10));
	FAILS(ENODATA, removexattr("file", "user.a"));
	FAILS(ENODATA, setxattr("file", "user.a", "1", 1, XATTR_REPLACE));
	WORKS(setxattr("file", "user.a", "1", 1, XATTR_CREATE));
	FAILS(EEXIST, setxattr("file", "user.a", "2", 1, XATTR_CREATE));
	FAILS(EINVAL, setxattr("file", "user.a", "2", 1, 1 << 10));
	HOLDS(has("file", "user.a", "1"));
}

static void room_for_the_answer(void)
{
	make_file("file", 0644);
	WORKS(setxattr("file", "user.name", "value", 5, 0));
	IS(getxattr("file", "user.name", NULL, 0), 5);
	FAILS(ERANGE, getxattr("file", "user.name", got, 4));
	IS(getxattr("file", "user.name", got, 5), 5);
	IS(listxattr("file", NULL, 0), 10);
	FAILS(ERANGE, listxattr("file", got, 9));
	IS(listxattr("file", got, 10), 10);
}

static void limits(void)
{
	char name[300] = "user.";
	char *value = malloc(VALUE_MAX + 1);

	memset(value, 'v', VALUE_MAX + 1);
	make_file("file", 0644);
	strcat(name, name_of_length(250));
	WORKS(setxattr("file", name, "1", 1, 0));
	HOLDS(has("file", name, "1"));
	strcat(name, "n");
	FAILS(ERANGE, setxattr("file", name, "1", 1, 0));
	FAILS(ERANGE, getxattr("file", name, got, 1));
	FAILS(ERANGE, removexattr("file", name));
	FAILS(ERANGE, setxattr("file", "", "1", 1, 0));
	FAILS(E2BIG, setxattr("file", "user.big", value, VALUE_MAX + 1, 0));
	FAILS(ENODATA, getxattr("file", "user.big", got, 1));
	free(value);
}

static void the_largest_value(void)
{
	char *value = malloc(VALUE_MAX);

	make_file("file", 0644);
	for (size_t i = 0; i < VALUE_MAX; i++)
		value[i] = (char)(i * 7);
	WORKS(setxattr("file", "user.big", value, VALUE_MAX, 0));
	IS(getxattr("file", "user.big", got, VALUE_MAX), VALUE_MAX);
	HOLDS(memcmp(got, value, VALUE_MAX) == 0);
	FAILS(ERANGE, getxattr("file", "user.big", got, VALUE_MAX - 1));
	WORKS(setxattr("file", "user.big", "small", 5, 0));
	HOLDS(has("file", "user.big", "small"));
	free(value);
}

static void names_of_no_namespace(void)
{
	make_file("file", 0644);
	FAILS(EOPNOTSUPP, setxattr("file", "name", "1", 1, 0));
	FAILS(EOPNOTSUPP, setxattr("file", "nobody.name", "1", 1, 0));
	FAILS(EOPNOTSUPP, getxattr("file", "nobody.name", got, 1));
	FAILS(EOPNOTSUPP, removexattr("file", "nobody.name"));
	FAILS(EINVAL, setxattr("file", "user.", "1", 1, 0));
	FAILS(EOPNOTSUPP, setxattr("file", "system.name", "1", 1, 0));
}

static void paths_and_descriptors(void)
{
	int fd;

	make_file("file", 0644);
	symlink("absent", "dangling");
	symlink("file", "link");
	fd = open("file", O_RDONLY);
	FAILS(ENOENT, setxattr("absent", "user.a", "1", 1, 0));
	FAILS(ENOENT, getxattr("dangling", "user.a", got, 1));
	FAILS(ENOTDIR, listxattr("file/x", got, 1));
	FAILS(EBADF, fgetxattr(1000, "user.a", got, 1));
	FAILS(EBADF, fgetxattr(open("file", O_PATH), "user.a", got, 1));
	FAILS(EFAULT, setxattr("file", bad_address(), "1", 1, 0));
	FAILS(EFAULT, setxattr("file", "user.a", bad_address(), 1, 0));
	WORKS(fsetxattr(fd, "user.a", "1", 1, 0));
	FAILS(EFAULT, getxattr("file", "user.a", bad_address(), 1));
	HOLDS(has("file", "user.a", "1"));
	IS(getxattr("link", "user.a", got, 1), 1);
	WORKS(lsetxattr("link", "trusted.a", "2", 1, 0));
	HOLDS(has("link", "trusted.a", "2"));
	FAILS(ENODATA, getxattr("file", "trusted.a", got, 1));
	IS(flistxattr(fd, got, sizeof(got)), 7);
	WORKS(fremovexattr(fd, "user.a"));
}

/* user.* belongs to files and directories, as their contents do. */
static void users_attributes_of_special_files(void)
{
	make_fifo("fifo");
	symlink("x", "link");
	WORKS(mknod("null", S_IFCHR | 0666, 0x103));
	FAILS(EPERM, setxattr("fifo", "user.a", "1", 1, 0));
	FAILS(EPERM, setxattr("null", "user.a", "1", 1, 0));
	FAILS(EPERM, lsetxattr("link", "user.a", "1", 1, 0));
	FAILS(ENODATA, getxattr("fifo", "user.a", got, 1));
	WORKS(setxattr("fifo", "trusted.a", "1", 1, 0));
}

static void who_may(void)
{
	make_file("file", 0644);
	make_file("secret", 0600);
	make_file("shared", 0666);
	make_dir("sticky", 01777);
	WORKS(setxattr("file", "user.a", "1", 1, 0));
	WORKS(setxattr("file", "trusted.a", "1", 1, 0));
	WORKS(setxattr("secret", "user.a", "1", 1, 0));
	become(USER, USER, 0);
	HOLDS(has("file", "user.a", "1"));
	FAILS(EACCES, setxattr("file", "user.a", "2", 1, 0));
	FAILS(EACCES, removexattr("file", "user.a"));
	FAILS(EACCES, getxattr("secret", "user.a", got, 1));
	WORKS(setxattr("shared", "user.a", "2", 1, 0));
	FAILS(EPERM, setxattr("sticky", "user.a", "2", 1, 0));
	FAILS(EPERM, setxattr("shared", "trusted.a", "2", 1, 0));
	FAILS(ENODATA, getxattr("file", "trusted.a", got, 1));
	FAILS(EPERM, removexattr("file", "trusted.a"));
	FAILS(EPERM, setxattr("shared", "security.a", "2", 1, 0));
	HOLDS(lists("file", "user.a"));
	HOLDS(!lists("file", "trusted.a"));
}

static void many_at_once(void)
{
	char name[32], value[32];

	make_file("file", 0644);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "user.name-%d", i);
		snprintf(value, sizeof(value), "value of %d", i);
		WORKS(setxattr("file", name, value, strlen(value), 0));
	}
	for (int i = 0; i < 40; i += 2) {
		snprintf(name, sizeof(name), "user.name-%d", i);
		WORKS(removexattr("file", name));
	}
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "user.name-%d", i);
		snprintf(value, sizeof(value), "value of %d", i);
		HOLDS(lists("file", name) == (i % 2 == 1));
		HOLDS(has("file", name, value) == (i % 2 == 1));
	}
}

/* A program that was written to has the power of its file no more. */
static void writing_takes_capabilities_away(void)
{
	static const char name[] = "security.capability";
	static const char none[20] = { 0, 0, 0, 2 };
	int fd;

	make_file("file", 0777);
	fd = open("file", O_WRONLY);
	WORKS(setxattr("file", name, none, sizeof(none), 0));
	IS(getxattr("file", name, got, sizeof(got)), 20);
	IS(write(fd, "x", 1), 1);
	FAILS(ENODATA, getxattr("file", name, got, sizeof(got)));
	WORKS(setxattr("file", name, none, sizeof(none), 0));
	WORKS(chown("file", USER, USER));
	FAILS(ENODATA, getxattr("file", name, got, sizeof(got)));
	WORKS(setxattr("file", name, none, sizeof(none), 0));
	WORKS(truncate("file", 0));
	FAILS(ENODATA, getxattr("file", name, got, sizeof(got)));
	FAILS(EINVAL, setxattr("file", name, "rubbish", 7, 0));
	WORKS(setxattr("file", name, "", 0, 0)); /* it is none, and stays */
	WORKS(chown("file", 0, 0));
	HOLDS(lists("file", name));
	make_dir("dir", 0755);
	WORKS(setxattr("dir", name, none, sizeof(none), 0));
	WORKS(chown("dir", USER, USER));
	IS(getxattr("dir", name, got, sizeof(got)), 20);
}

const struct family family_xattr = {
	.name = "xattr",
	.cases =
		(const struct check_case[]){
			CASE(values_are_kept),
			CASE(there_or_not),
			CASE(room_for_the_answer),
			CASE(limits),
			CASE(the_largest_value),
			CASE(names_of_no_namespace),
			CASE(paths_and_descriptors),
			CASE(users_attributes_of_special_files),
			CASE(who_may),
			CASE(many_at_once),
			CASE(writing_takes_capabilities_away),
			CASES_END,
		},
};
