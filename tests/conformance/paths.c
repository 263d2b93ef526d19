/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be wrong with a path, for every call that takes one. */
#include "calls.h"
#include "check.h"
#include "families.h"
#include "tree.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* What each call must answer to this path. */
static void all_fail(int number, const char *path)
{
	for (const struct path_call *call = path_calls; call->name; call++)
		if (!FAILS(number, call->call(path)))
			check_say("%s", call->name);
}

static void prepare(void)
{
	make_file("other-file", 0644);
	make_file("file", 0644);
	make_dir("dir", 0755);
}

static void empty_path(void)
{
	prepare();
	all_fail(ENOENT, "");
}

static void no_such_directory(void)
{
	prepare();
	symlink("absent", "dangling");
	all_fail(ENOENT, "absent/name");
	all_fail(ENOENT, "dangling/name");
	all_fail(ENOENT, "dir/absent/name");
}

static void no_such_name(void)
{
	prepare();
	for (const struct path_call *call = path_calls; call->name; call++)
		if (!call->creates && !FAILS(ENOENT, call->call("absent")))
			check_say("%s", call->name);
}

static void file_on_the_way(void)
{
	prepare();
	make_fifo("fifo");
	symlink("file", "link");
	all_fail(ENOTDIR, "file/name");
	all_fail(ENOTDIR, "fifo/name");
	all_fail(ENOTDIR, "link/name");
	all_fail(ENOTDIR, "dir/../file/name");
}

static void name_of_256_bytes(void)
{
	prepare();
	all_fail(ENAMETOOLONG, name_of_length(NAME_MAX + 1));
	WORKS(chdir("dir"));
	make_file("other-file", 0644);
	all_fail(ENAMETOOLONG, name_of_length(NAME_MAX + 1));
	/* and on the way */
	all_fail(ENAMETOOLONG,
		 strcat((char *)name_of_length(NAME_MAX + 1), "/x"));
}

static void name_of_255_bytes(void)
{
	char name[NAME_MAX + 1] = "";

	make_file(name_of_length(NAME_MAX), 0644);
	/* bytes count, not characters */
	for (int i = 0; i < 85; i++)
		strcat(name, "\xe2\x82\xac");
	make_dir(name, 0755);
	WORKS(access(name, F_OK));
	strcpy(name + 252, "\xf0\x9f\x98");
	make_file(name, 0644);
	WORKS(unlink(name));
}

static void path_of_4096_bytes(void)
{
	prepare();
	all_fail(ENAMETOOLONG, path_of_length(PATH_MAX, "file"));
	all_fail(ENAMETOOLONG, path_of_length(PATH_MAX + 1, "file"));
	WORKS(access(path_of_length(PATH_MAX - 1, "file"), F_OK));
	WORKS(mkdir(path_of_length(PATH_MAX - 1, "new"), 0755));
}

static void circle_of_symlinks(void)
{
	prepare();
	symlink("circle", "circle");
	symlink("b", "a");
	symlink("a", "b");
	all_fail(ELOOP, "circle/name");
	all_fail(ELOOP, "a/name");
	for (const struct path_call *call = path_calls; call->name; call++)
		if (call->follows && !FAILS(ELOOP, call->call("a")))
			check_say("%s", call->name);
}

/* Root is asked by nobody. What needs a privilege says EPERM first or last. */
static void directory_one_may_not_search(void)
{
	make_dir("open", 0777);
	make_dir("open/closed", 0766);
	make_file("open/closed/file", 0777);
	make_file("open/other-file", 0666);
	WORKS(chdir("open"));
	become(USER, USER, 0);
	all_fail(EACCES, "closed/file");
	all_fail(EACCES, "closed/absent");
	all_fail(EACCES, "closed/..");
}

static void address_of_nothing(void)
{
	prepare();
	all_fail(EFAULT, bad_address());
}

static void slash_behind_a_file(void)
{
	prepare();
	for (const struct path_call *call = path_calls; call->name; call++)
		if (!call->creates && !FAILS(ENOTDIR, call->call("file/")))
			check_say("%s", call->name);
}

static void slashes_and_dots_do_not_matter(void)
{
	prepare();
	make_file("dir/file", 0644);
	HOLDS(same_file("dir/file", ".//dir///./../dir/file"));
	HOLDS(same_file("dir//", "dir"));
}

const struct family family_paths = {
	.name = "paths",
	.cases =
		(const struct check_case[]){
			CASE(empty_path),
			CASE(no_such_directory),
			CASE(no_such_name),
			CASE(file_on_the_way),
			CASE(name_of_256_bytes),
			CASE(name_of_255_bytes),
			CASE(path_of_4096_bytes),
			CASE(circle_of_symlinks),
			CASE(directory_one_may_not_search),
			CASE(address_of_nothing),
			CASE(slash_behind_a_file),
			CASE(slashes_and_dots_do_not_matter),
			CASES_END,
		},
};
