/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many extents of a file, many opens of one. Work costs the same however many
 * there are. CONFORM_EXTENTS: how many. As grow.c otherwise, after which it is
 * run.
 */
#include "check.h"
#include "cost.h"
#include "families.h"
#include "tree.h"

#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define PAGE 4096
#define OPENS 10000
#define REPLACED 2000

static off_t extents_wanted(void)
{
	return cost_setting("CONFORM_EXTENTS", 10000);
}

/* Each block says which one it is. */
static void fill_page(char *page, off_t number)
{
	memset(page, (int)(number % 251 + 1), PAGE);
	memcpy(page, &number, sizeof(number));
}

/* What finds them takes a few more. */
static void has_blocks(off_t count)
{
	const blkcnt_t blocks = stat_of("extents").st_blocks;
	const blkcnt_t data = count * (PAGE / 512);

	if (!HOLDS(blocks >= data && blocks <= data + data / 20))
		check_say("%ld of %ld", (long)blocks, (long)data);
}

static int many_fd, few_fd;

static bool write_block(int fd, off_t block)
{
	char page[PAGE];

	fill_page(page, block);
	return pwrite(fd, page, PAGE, block * PAGE) == PAGE;
}

static bool write_last(long i)
{
	return write_block(many_fd,
			   2 * (extents_wanted() - extents_wanted() / 10 + i));
}

static bool write_few(long i)
{
	return write_block(few_fd, 2 * i);
}

static void open_both(int flags)
{
	many_fd = (int)WORKS(open("extents", flags, 0644));
	few_fd = (int)WORKS(open("few/extents", flags, 0644));
}

static void many_extents_are_made(void)
{
	const off_t tenth = extents_wanted() / 10;

	open_both(O_CREAT | O_RDWR);
	for (off_t i = 0; i < extents_wanted() - tenth; i++)
		if (!HOLDS(write_block(many_fd, 2 * i)))
			return;
	HOLDS(cost_compare("extents made", tenth, write_last, write_few));
	has_blocks(extents_wanted());
}

static bool is_there(int fd, off_t block)
{
	char page[PAGE], expected[PAGE];

	fill_page(expected, block);
	return lseek(fd, (block - 1) * PAGE, SEEK_DATA) == block * PAGE &&
	       lseek(fd, block * PAGE, SEEK_HOLE) == (block + 1) * PAGE &&
	       pread(fd, page, PAGE, block * PAGE) == PAGE &&
	       memcmp(page, expected, PAGE) == 0;
}

static bool read_many(long i)
{
	return is_there(many_fd, 2 + i * 7919 % (extents_wanted() - 1) * 2);
}

static bool read_few(long i)
{
	return is_there(few_fd, 2 + i * 7919 % (extents_wanted() / 10 - 1) * 2);
}

static void many_extents_are_read(void)
{
	open_both(O_RDONLY);
	for (off_t i = 2; i < 2 * extents_wanted(); i += 2)
		if (!HOLDS(is_there(many_fd, i)))
			return;
	HOLDS(cost_compare("extents read", extents_wanted() / 10, read_many,
			   read_few));
}

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static bool punch_many(long i)
{
	return fallocate(many_fd, PUNCH, 4 * i * PAGE, PAGE) == 0;
}

static bool punch_few(long i)
{
	return fallocate(few_fd, PUNCH, 4 * i * PAGE, PAGE) == 0;
}

/* Every second, then all of the second half at once, then the rest. */
static void many_extents_are_punched(void)
{
	const off_t end = 2 * extents_wanted();

	open_both(O_RDWR);
	HOLDS(cost_compare("holes punched", end / 40, punch_many, punch_few));
	for (off_t i = end / 40; i < end / 4; i++)
		if (!HOLDS(punch_many(i)))
			return;
	for (off_t i = 2; i < end; i += 4)
		if (!HOLDS(is_there(many_fd, i)))
			return;
	has_blocks(end / 4);
	WORKS(ftruncate(many_fd, end / 2 * PAGE));
	has_blocks(end / 8);
	WORKS(fallocate(many_fd, PUNCH, 0, end * PAGE));
	IS(stat_of("extents").st_blocks, 0);
	FAILS(ENXIO, lseek(many_fd, 0, SEEK_DATA));
	WORKS(unlink("extents"));
	WORKS(unlink("few/extents"));
}

static int opened[2 * OPENS];
static int opened_count;

static bool open_one(const char *path)
{
	int fd = open(path, opened_count % 2 ? O_RDWR : O_RDONLY);

	opened[opened_count++] = fd;
	return fd >= 0;
}

static bool open_often(long i)
{
	return open_one("opened");
}

static bool open_seldom(long i)
{
	return open_one("few/seldom");
}

static void one_file_is_opened_often(void)
{
	const struct rlimit many = { 2 * OPENS, 2 * OPENS };
	char text[4];
	int fd;

	put("opened", "text");
	put("few/seldom", "text");
	if (setrlimit(RLIMIT_NOFILE, &many) != 0)
		check_skip("no room for descriptors");
	for (int i = 0; i < OPENS - OPENS / 10; i++)
		if (!HOLDS(open_often(i)))
			return;
	HOLDS(cost_compare("opens", OPENS / 10, open_often, open_seldom));
	fd = open("opened", O_RDWR);
	IS(pwrite(fd, "more", 4, 0), 4);
	IS(pread(opened[0], text, 4, 0), 4);
	HOLDS(memcmp(text, "more", 4) == 0);
	WORKS(unlink("opened"));
	WORKS(unlink("few/seldom"));
	for (int i = 0; i < opened_count; i++)
		close(opened[i]);
	IS(pread(fd, text, 4, 0), 4);
	close(fd);
}

static const char *version(long i)
{
	static char text[32];

	snprintf(text, sizeof(text), "version-%04ld", i);
	return text;
}

/* What is open stays what it was, whatever its name leads to by now. */
static void open_files_are_replaced(void)
{
	int old[16] = { 0 };
	char text[16];

	for (long i = 0; i < REPLACED; i++) {
		int *fd = &old[i % 16];

		if (i >= 16) {
			IS(pread(*fd, text, 16, 0), 12);
			HOLDS(memcmp(text, version(i - 16), 12) == 0);
			close(*fd);
		}
		put("new", version(i));
		*fd = (int)WORKS(open("new", O_RDWR));
		WORKS(rename("new", "replaced"));
	}
	HOLDS(contains("replaced", version(REPLACED - 1)));
	WORKS(unlink("replaced"));
}

const struct family family_spread = {
	.name = "spread",
	.special = true,
	.in_place = true,
	.cases =
		(const struct check_case[]){
			CASE(many_extents_are_made),
			CASE(one_file_is_opened_often),
			CASE(open_files_are_replaced),
			CASES_END,
		},
};

const struct family family_gather = {
	.name = "gather",
	.special = true,
	.in_place = true,
	.cases =
		(const struct check_case[]){
			CASE(many_extents_are_read),
			CASE(many_extents_are_punched),
			CASES_END,
		},
};
