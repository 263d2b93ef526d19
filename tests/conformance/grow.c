/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many names in one directory, directories in each other. Work costs the same
 * however many there are.
 *
 * "grow" makes it, "shrink" finds it again and takes it away: between them the
 * filesystem may be unmounted and checked. CONFORM_NAMES: how many.
 */
#include "check.h"
#include "cost.h"
#include "families.h"
#include "tree.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define DEPTH 1200

static long names_wanted(void)
{
	return cost_setting("CONFORM_NAMES", 50000);
}

static const char *name_of_number(long i)
{
	static char name[32];

	snprintf(name, sizeof(name), "name-%07ld", i);
	return name;
}

static bool make_in(const char *dir, long i)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name_of_number(i));
	return mknod(path, S_IFREG | 0644, 0) == 0;
}

static bool make_first(long i)
{
	return make_in("names", i);
}

static bool make_last(long i)
{
	return make_in("names", names_wanted() - names_wanted() / 10 + i);
}

static bool make_few(long i)
{
	return make_in("few", i);
}

static void many_names_are_made(void)
{
	const long tenth = names_wanted() / 10;

	make_dir("names", 0755);
	make_dir("few", 0755);
	HOLDS(cost_compare("the first names made", tenth, make_first, NULL));
	for (long i = tenth; i < names_wanted() - tenth; i++)
		if (!HOLDS(make_in("names", i)))
			return;
	HOLDS(cost_compare("names made", tenth, make_last, make_few));
}

/* Each once. */
static void list_all(const char *path, long count)
{
	unsigned char *seen = calloc(1, (size_t)count);
	struct dirent *entry;
	DIR *dir = opendir(path);
	long listed = 0;

	while ((entry = readdir(dir))) {
		long i;

		if (entry->d_name[0] == '.')
			continue;
		i = strtol(entry->d_name + 5, NULL, 10);
		if (!HOLDS(i >= 0 && i < count && !seen[i]++))
			break;
		listed++;
	}
	IS(listed, count);
	closedir(dir);
	free(seen);
}

static DIR *names, *few;

#define LISTED 20 /* at once: a turn is more than the library reads ahead */

static bool list_some(DIR *dir)
{
	for (int i = 0; i < LISTED; i++)
		if (!readdir(dir))
			return false;
	return true;
}

static bool list_many(long i)
{
	return list_some(names);
}

static bool list_few(long i)
{
	return list_some(few);
}

static void many_names_are_listed(void)
{
	struct stat attr;
	char path[64];

	list_all("names", names_wanted());
	names = opendir("names");
	few = opendir("few");
	HOLDS(cost_compare("names listed", names_wanted() / 10 / LISTED,
			   list_many, list_few));
	for (long i = 0; i < names_wanted(); i += names_wanted() / 1000 + 1) {
		snprintf(path, sizeof(path), "names/%s", name_of_number(i));
		if (WORKS(lstat(path, &attr)) != 0)
			return;
	}
}

static bool remove_from(const char *dir, long i)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name_of_number(i));
	return unlink(path) == 0;
}

static bool remove_many(long i)
{
	return remove_from("names", i * 7919 % names_wanted());
}

static bool remove_few(long i)
{
	return remove_from("few", i);
}

static void many_names_go(void)
{
	const long tenth = names_wanted() / 10;

	HOLDS(cost_compare("names removed", tenth, remove_many, remove_few));
	for (long i = tenth; i < names_wanted(); i++)
		if (!HOLDS(remove_many(i)))
			return;
	WORKS(rmdir("names"));
	WORKS(rmdir("few"));
}

static void deep_tree_is_made(void)
{
	make_dir("deep", 0755);
	WORKS(chdir("deep"));
	for (int i = 0; i < DEPTH; i++) {
		if (!HOLDS(mkdir("d", 0755) == 0 && chdir("d") == 0))
			return;
	}
	put("bottom", "text");
}

/* "deep/d/d/.../NAME" */
static const char *path_down(const char *top, const char *name)
{
	static char path[2 * DEPTH + 64];
	size_t at = (size_t)sprintf(path, "%s", top);

	for (int i = 0; i < DEPTH; i++, at += 2)
		memcpy(path + at, "/d", 2);
	sprintf(path + at, "/%s", name);
	return path;
}

static void deep_tree_is_walked_and_moved(void)
{
	HOLDS(contains(path_down("deep", "bottom"), "text"));
	FAILS(EINVAL, rename("deep", path_down("deep", "below")));
	FAILS(ENOTEMPTY, rename(path_down("deep", ""), "deep"));
	make_dir("other", 0755);
	WORKS(rename("deep/d", "other/d"));
	IS(links_of("deep"), 2);
	HOLDS(contains(path_down("other", "bottom"), "text"));
	WORKS(chdir(path_down("other", ".")));
	for (int i = 0; i < DEPTH; i++)
		WORKS(chdir(".."));
	WORKS(access("d", F_OK));
	WORKS(chdir(".."));
	HOLDS(same_file("other/d/d/..", "other/d"));
	WORKS(rename("other/d", "deep/d"));
	WORKS(rmdir("other"));
}

static void deep_tree_goes(void)
{
	const struct rlimit many = { 20000, 20000 };

	setrlimit(RLIMIT_NOFILE, &many);
	WORKS(tree_remove(AT_FDCWD, "deep"));
	FAILS(ENOENT, access("deep", F_OK));
}

const struct family family_grow = {
	.name = "grow",
	.special = true,
	.in_place = true,
	.cases =
		(const struct check_case[]){
			CASE(many_names_are_made),
			CASE(many_names_are_listed),
			CASE(deep_tree_is_made),
			CASES_END,
		},
};

const struct family family_shrink = {
	.name = "shrink",
	.special = true,
	.in_place = true,
	.cases =
		(const struct check_case[]){
			CASE(many_names_are_listed),
			CASE(many_names_go),
			CASE(deep_tree_is_walked_and_moved),
			CASE(deep_tree_goes),
			CASES_END,
		},
};
