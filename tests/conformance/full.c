/* SPDX-License-Identifier: BSD-3-Clause */
/* A small filesystem, filled by each case: ENOSPC. */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#define PIECE (1 << 20)
#define PAGE 4096

static char bytes[PIECE];

static void write_all(int fd, size_t piece)
{
	while (write(fd, bytes, piece) > 0)
		;
	IS(errno, ENOSPC);
}

/* To the last block, and no name more. */
static int fill(void)
{
	char name[64];
	int fd = (int)WORKS(open("filler", O_CREAT | O_WRONLY, 0644));
	static int i;

	memset(bytes, 'x', sizeof(bytes));
	write_all(fd, PIECE);
	write_all(fd, PAGE);
	do
		snprintf(name, sizeof(name), "%0*d", 60, i++);
	while (mkdir(name, 0755) == 0);
	IS(errno, ENOSPC);
	write_all(fd, PAGE);
	return fd;
}

static void write_is_refused(void)
{
	int fd;

	put("old", "text");
	fd = fill();
	FAILS(ENOSPC, write(fd, bytes, PAGE));
	FAILS(ENOSPC, pwrite(fd, bytes, PAGE, (off_t)1 << 30));
	IS(stat_of("filler").st_size, lseek(fd, 0, SEEK_END));
	FAILS(ENOSPC, fallocate(fd, 0, 0, (off_t)1 << 40));
	/* in place it goes on */
	IS(pwrite(fd, bytes, PAGE, 0), PAGE);
	HOLDS(contains("old", "text"));
}

/* What fits is written, and said. */
static void write_that_fits_in_part(void)
{
	struct statvfs room;
	char *much;
	size_t want;
	ssize_t n;
	int fd;

	fd = (int)WORKS(open("filler", O_CREAT | O_WRONLY, 0644));
	write_all(fd, PIECE);
	WORKS(ftruncate(fd, stat_of("filler").st_size - 3 * PIECE));
	WORKS(fsync(fd));
	WORKS(statvfs(".", &room));
	want = room.f_bfree * room.f_bsize + PIECE;
	much = calloc(1, want);
	n = pwrite((int)WORKS(open("new", O_CREAT | O_WRONLY, 0644)), much,
		   want, 0);
	free(much);
	HOLDS(n == -1 ? errno == ENOSPC : n < (ssize_t)want);
	IS(stat_of("new").st_size, n < 0 ? 0 : n);
}

static void names_are_refused(void)
{
	make_dir("dir", 0755);
	make_file("file", 0644);
	fill();
	FAILS(ENOSPC, mkdir(name_of_length(200), 0755));
	FAILS(ENOSPC, symlink(name_of_length(3000), "symlink"));
	FAILS(ENOENT, access(name_of_length(200), F_OK));
	FAILS(ENOENT, readlink("symlink", bytes, 10));
	FAILS(ENOSPC, setxattr("file", "user.big", bytes, 60000, 0));
	FAILS(ENODATA, getxattr("file", "user.big", NULL, 0));
}

/* At once or, behind FUSE, when the kernel has forgotten the file. */
static void wait_for_room(void)
{
	struct statvfs room;

	for (int tries = 0; tries < 500; tries++) {
		WORKS(statvfs(".", &room));
		if (room.f_bfree * room.f_frsize >= 2 * PIECE)
			return;
		usleep(10000);
	}
	HOLDS(!"room in 5 s");
}

static void removing_makes_room(void)
{
	int fd = fill();

	WORKS(chmod("filler", 0600));
	WORKS(ftruncate(fd, PIECE));
	IS(pwrite(fd, bytes, PIECE, PIECE), PIECE);
	close(fd);
	close(fill());
	WORKS(unlink("filler"));
	wait_for_room();
	close(fill());
}

static void unlinked_file_holds_its_room(void)
{
	int fd = fill(), other;

	WORKS(unlink("filler"));
	FAILS(ENOSPC, mkdir(name_of_length(200), 0755));
	close(fd);
	wait_for_room();
	other = (int)WORKS(open("filler", O_CREAT | O_WRONLY, 0644));
	IS(write(other, bytes, PIECE), PIECE);
}

static void what_was_allocated_can_be_written(void)
{
	int fd = (int)WORKS(open("file", O_CREAT | O_WRONLY, 0644));

	WORKS(fallocate(fd, 0, 0, 4 * PIECE));
	fill();
	for (int i = 0; i < 4; i++)
		IS(pwrite(fd, bytes, PIECE, i * PIECE), PIECE);
}

static sigjmp_buf jump;

static void on_bus(int number)
{
	siglongjmp(jump, 1);
}

/* A store for which there is no block. */
static void store_into_a_hole(void)
{
	volatile bool raised = true;
	volatile char *at;
	int fd = (int)WORKS(open("file", O_CREAT | O_RDWR, 0644));

	WORKS(ftruncate(fd, 8 * PIECE));
	at = (char *)WORKS(mmap(NULL, 8 * PIECE, PROT_READ | PROT_WRITE,
				MAP_SHARED, fd, 0));
	fill();
	signal(SIGBUS, on_bus);
	if (sigsetjmp(jump, 1) == 0) {
		for (int i = 0; i < 8 * PIECE; i += PAGE)
			at[i] = 'x';
		raised = false;
	}
	HOLDS(raised);
}

const struct family family_full = {
	.name = "full",
	.special = true,
	.cases =
		(const struct check_case[]){
			CASE(write_is_refused),
			CASE(write_that_fits_in_part),
			CASE(names_are_refused),
			CASE(removing_makes_room),
			CASE(unlinked_file_holds_its_room),
			CASE(what_was_allocated_can_be_written),
			CASE(store_into_a_hole),
			CASES_END,
		},
};
