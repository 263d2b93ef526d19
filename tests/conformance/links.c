/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * As many links as there may be: EMLINK. CONFORM_LINKS: how many, where that is
 * not for the filesystem to say (tmpfs and ext4 have no end of directories).
 */
#include "check.h"
#include "cost.h"
#include "families.h"
#include "tree.h"

#include <stdio.h>

static const char *number(const char *dir, long i)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%ld", dir, i);
	return path;
}

static long links_wanted(void)
{
	long wanted = cost_setting("CONFORM_LINKS", 0);

	if (!wanted)
		check_skip("no limit is known");
	return wanted;
}

static void file_has_no_more_links(void)
{
	const long most = links_wanted();

	put("file", "text");
	make_dir("dir", 0755);
	for (long i = 1; i < most; i++)
		if (!HOLDS(link("file", number("dir", i)) == 0))
			return;
	IS(links_of("file"), most);
	FAILS(EMLINK, link("file", "dir/more"));
	IS(links_of("file"), most);
	WORKS(rename("file", "dir/file"));
	WORKS(unlink("dir/1"));
	WORKS(link("dir/2", "dir/more"));
	FAILS(EMLINK, link("dir/2", "dir/1"));
	HOLDS(contains("dir/more", "text"));
}

static void directory_has_no_more_subdirectories(void)
{
	const long most = links_wanted();

	make_dir("dir", 0755);
	make_dir("other", 0755);
	make_dir("more", 0755);
	make_file("dir/file", 0644);
	for (long i = 2; i < most; i++)
		if (!HOLDS(mkdir(number("dir", i), 0755) == 0))
			return;
	IS(links_of("dir"), most);
	FAILS(EMLINK, mkdir("dir/new", 0755));
	FAILS(EMLINK, rename("other", "dir/new"));
	FAILS(EMLINK, renameat2(AT_FDCWD, "other", AT_FDCWD, "dir/file",
				RENAME_EXCHANGE));
	/* what adds none may go on */
	WORKS(rename("dir/2", "dir/moved"));
	WORKS(rename("other", "dir/3"));
	WORKS(renameat2(AT_FDCWD, "more", AT_FDCWD, "dir/4", RENAME_EXCHANGE));
	WORKS(rename("dir/file", "file"));
	WORKS(mknod("dir/file", S_IFREG | 0644, 0));
	IS(links_of("dir"), most);
	WORKS(rmdir("dir/5"));
	WORKS(mkdir("dir/new", 0755));
	FAILS(EMLINK, mkdir("dir/5", 0755));
}

const struct family family_links = {
	.name = "links",
	.special = true,
	.cases =
		(const struct check_case[]){
			CASE(file_has_no_more_links),
			CASE(directory_has_no_more_subdirectories),
			CASES_END,
		},
};
