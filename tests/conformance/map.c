/* SPDX-License-Identifier: BSD-3-Clause */
/* mmap(2), msync(2), mprotect(2) */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096

static int make_open(const char *path, off_t size)
{
	int fd = (int)WORKS(open(path, O_CREAT | O_RDWR | O_TRUNC, 0644));

	WORKS(ftruncate(fd, size));
	return fd;
}

static char *map_shared(int fd, size_t bytes)
{
	return (char *)WORKS(
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
}

static sigjmp_buf jump;

static void on_bus(int number)
{
	siglongjmp(jump, 1);
}

/* Does a load of this byte raise SIGBUS? */
static bool raises(const volatile char *byte)
{
	volatile bool raised = true;

	signal(SIGBUS, on_bus);
	if (sigsetjmp(jump, 1) == 0) {
		(void)*byte;
		raised = false;
	}
	signal(SIGBUS, SIG_DFL);
	return raised;
}

static void mappings_are_refused(void)
{
	int rw = make_open("file", PAGE);
	int r = open("file", O_RDONLY), w = open("file", O_WRONLY);

	FAILS(EACCES, mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, r, 0));
	FAILS(EACCES, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, w, 0));
	FAILS(EACCES, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, w, 0));
	FAILS(EBADF, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, 1000, 0));
	FAILS(EINVAL, mmap(NULL, 0, PROT_READ, MAP_SHARED, rw, 0));
	FAILS(EINVAL, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, rw, 100));
	FAILS(EINVAL, mmap(NULL, PAGE, PROT_READ, 0, rw, 0));
	FAILS(ENODEV,
	      mmap(NULL, PAGE, PROT_READ, MAP_SHARED, open(".", O_RDONLY), 0));
	FAILS(EOVERFLOW, mmap(NULL, (size_t)PAGE * 4, PROT_READ, MAP_SHARED, rw,
			      0x7ffffffffffff000));
	FAILS(ENOMEM,
	      mmap(NULL, (size_t)1 << 60, PROT_READ, MAP_SHARED, rw, 0));
	FAILS(EOPNOTSUPP, mmap(NULL, PAGE, PROT_READ,
			       MAP_SHARED_VALIDATE | (1 << 21), rw, 0));
	FAILS(EOPNOTSUPP, mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			       MAP_SHARED_VALIDATE | MAP_SYNC, rw, 0));
}

static void protection_follows_the_open(void)
{
	char *at;
	int fd;

	make_open("file", PAGE);
	fd = open("file", O_RDONLY);
	at = (char *)WORKS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	FAILS(EACCES, mprotect(at, PAGE, PROT_READ | PROT_WRITE));
	at = (char *)WORKS(
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	at[0] = 'x';
	at = (char *)WORKS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	IS(at[0], 0);
}

static void stores_and_writes_meet(void)
{
	int fd = make_open("file", 2 * PAGE);
	char *at = map_shared(fd, 2 * PAGE);
	char *other = map_shared(open("file", O_RDWR), 2 * PAGE);
	char bytes[4];

	memcpy(at + 100, "mmap", 4);
	WORKS(msync(at, PAGE, MS_SYNC));
	IS(pread(fd, bytes, 4, 100), 4);
	HOLDS(memcmp(bytes, "mmap", 4) == 0);
	HOLDS(memcmp(other + 100, "mmap", 4) == 0);
	IS(pwrite(fd, "text", 4, PAGE), 4);
	HOLDS(memcmp(at + PAGE, "text", 4) == 0);
	WORKS(munmap(at, 2 * PAGE));
	HOLDS(memcmp(other + PAGE, "text", 4) == 0);
	WORKS(close(fd));
	HOLDS(memcmp(other + 100, "mmap", 4) == 0);
}

static void private_stores_stay_private(void)
{
	int fd = make_open("file", PAGE);
	char *at = (char *)WORKS(
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	char byte = 'y';

	at[0] = 'x';
	WORKS(msync(at, PAGE, MS_SYNC));
	IS(pread(fd, &byte, 1, 0), 1);
	IS(byte, 0);
}

static void past_the_end(void)
{
	int fd = make_open("file", 100);
	char *at = map_shared(fd, 2 * PAGE);

	IS(at[100], 0);
	HOLDS(raises(at + PAGE));
	at[200] = 'x'; /* of the last page, past the end: nobody's */
	WORKS(msync(at, PAGE, MS_SYNC));
	IS(stat_of("file").st_size, 100);
	WORKS(ftruncate(fd, 2 * PAGE));
	HOLDS(!raises(at + PAGE));
	WORKS(ftruncate(fd, PAGE));
	HOLDS(raises(at + PAGE));
	HOLDS(!raises(at));
}

/* What was stored past the end does not become a part of the file. */
static void stores_past_the_end_are_lost(void)
{
	int fd = make_open("file", 100);
	char *at = map_shared(fd, PAGE);
	char byte = 'y';

	at[200] = 'x';
	WORKS(msync(at, PAGE, MS_SYNC));
	WORKS(munmap(at, PAGE));
	WORKS(ftruncate(fd, PAGE));
	IS(pread(fd, &byte, 1, 200), 1);
	IS(byte, 0);
}

static void stores_into_holes(void)
{
	int fd = make_open("file", 1 << 20);
	char *at = map_shared(fd, 1 << 20);
	char byte = 0;

	for (int i = 0; i < 1 << 20; i += 32 * PAGE)
		at[i] = 'x';
	WORKS(msync(at, 1 << 20, MS_SYNC));
	IS(at[5 * PAGE], 0);
	IS(pread(fd, &byte, 1, 64 * PAGE), 1);
	IS(byte, 'x');
	HOLDS(stat_of("file").st_blocks >= 8 * PAGE / 512);
}

static void mapping_outlives_its_name(void)
{
	int fd = make_open("file", PAGE);
	char *at = map_shared(fd, PAGE);

	WORKS(close(fd));
	WORKS(unlink("file"));
	at[0] = 'x';
	WORKS(msync(at, PAGE, MS_SYNC));
	IS(at[0], 'x');
	put("file", "text");
	IS(at[0], 'x');
}

static void msync_is_refused(void)
{
	int fd = make_open("file", PAGE);
	char *at = map_shared(fd, PAGE);

	FAILS(EINVAL, msync(at, PAGE, MS_SYNC | MS_ASYNC));
	FAILS(EINVAL, msync(at, PAGE, 1 << 10));
	FAILS(EINVAL, msync(at + 1, PAGE, MS_SYNC));
	WORKS(msync(at, PAGE, MS_ASYNC));
	WORKS(msync(at, PAGE, MS_SYNC | MS_INVALIDATE));
	WORKS(munmap(at, PAGE));
	FAILS(ENOMEM, msync(at, PAGE, MS_SYNC));
	FAILS(EINVAL, munmap(at + 1, PAGE));
}

static void children_share_it(void)
{
	int fd = make_open("file", PAGE);
	char *at = map_shared(fd, PAGE);
	pid_t child = fork();

	if (child == 0) {
		at[0] = 'c';
		check_child_exit();
	}
	check_wait(child);
	IS(at[0], 'c');
}

const struct family family_map = {
	.name = "map",
	.cases =
		(const struct check_case[]){
			CASE(mappings_are_refused),
			CASE(protection_follows_the_open),
			CASE(stores_and_writes_meet),
			CASE(private_stores_stay_private),
			CASE(past_the_end),
			CASE(stores_past_the_end_are_lost),
			CASE(stores_into_holes),
			CASE(mapping_outlives_its_name),
			CASE(msync_is_refused),
			CASE(children_share_it),
			CASES_END,
		},
};
