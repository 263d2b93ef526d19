/* SPDX-License-Identifier: BSD-3-Clause */
/* chmod(2), chown(2), access(2); set-user-ID and set-group-ID and who clears
 * them */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <grp.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>

static void mode_has_twelve_bits(void)
{
	static const mode_t modes[] = { 0,     0777,  0644,  01777,
					02755, 04711, 07777, 0000001 };
	struct stat before, after;

	make_file("file", 0644);
	make_dir("dir", 0755);
	before = stat_of("file");
	tick();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		WORKS(chmod("file", modes[i]));
		IS(stat_of("file").st_mode, S_IFREG | modes[i]);
		WORKS(chmod("dir", modes[i] | S_IFREG));
		IS(stat_of("dir").st_mode, S_IFDIR | modes[i]);
	}
	after = stat_of("file");
	HOLDS(newer(after.st_ctim, before.st_ctim));
	HOLDS(!newer(after.st_mtim, before.st_mtim));
	symlink("file", "link");
	WORKS(chmod("link", 0600));
	IS(mode_of("file"), 0600);
	IS(mode_of("link"), 0777);
}

static void chmod_is_refused(void)
{
	int fd;

	make_file("file", 0666);
	symlink("file", "link");
	fd = open("file", O_RDWR);
	FAILS(ENOENT, chmod("absent", 0644));
	FAILS(ENOTDIR, chmod("file/x", 0644));
	FAILS(EBADF, fchmod(1000, 0644));
	FAILS(EBADF, fchmodat(-1, "file", 0644, 0));
	FAILS(EINVAL, fchmodat(AT_FDCWD, "file", 0644, 1 << 30));
	FAILS(EOPNOTSUPP,
	      fchmodat(AT_FDCWD, "link", 0644, AT_SYMLINK_NOFOLLOW));
	become(USER, USER, 0);
	FAILS(EPERM, chmod("file", 0777));
	FAILS(EPERM, fchmod(fd, 0777));
	IS(mode_of("file"), 0666);
}

/* An owner who is not in the file's group cannot set set-group-ID. */
static void setgid_needs_the_group(void)
{
	make_file("file", 0644);
	give("file", USER, GROUP);
	become(USER, USER, 0);
	WORKS(chmod("file", 02755));
	IS(mode_of("file"), 0755);
	WORKS(chmod("file", 04755));
	IS(mode_of("file"), 04755);
	become_root();
	become(USER, USER, GROUP);
	WORKS(chmod("file", 02755));
	IS(mode_of("file"), 02755);
}

static void owners_of_every_size(void)
{
	struct stat before, after;

	make_file("file", 0644);
	symlink("file", "link");
	before = stat_of("file");
	tick();
	WORKS(chown("file", 4294967294u, 2147483648u));
	after = stat_of("file");
	IS(after.st_uid, 4294967294u);
	IS(after.st_gid, 2147483648u);
	HOLDS(newer(after.st_ctim, before.st_ctim));
	HOLDS(!newer(after.st_mtim, before.st_mtim));
	WORKS(chown("link", 5, -1));
	IS(stat_of("file").st_uid, 5);
	IS(stat_of("file").st_gid, 2147483648u);
	WORKS(lchown("link", -1, 7));
	IS(stat_of("link").st_uid, 0);
	IS(stat_of("link").st_gid, 7);
	WORKS(fchownat(AT_FDCWD, "link", 8, 9, AT_SYMLINK_NOFOLLOW));
	IS(stat_of("link").st_uid, 8);
	WORKS(fchownat(open("file", O_PATH), "", 1, 2, AT_EMPTY_PATH));
	IS(stat_of("file").st_gid, 2);
}

static void chown_is_refused(void)
{
	int fd;

	make_file("file", 0666);
	make_file("ours", 0666);
	give("ours", USER, USER);
	fd = open("file", O_RDWR);
	FAILS(ENOENT, chown("absent", 1, 1));
	FAILS(ENOTDIR, chown("file/x", 1, 1));
	FAILS(EBADF, fchown(1000, 1, 1));
	FAILS(EBADF, fchownat(-1, "file", 1, 1, 0));
	FAILS(EBADF, fchown(open("file", O_PATH), 1, 1));
	FAILS(EINVAL, fchownat(AT_FDCWD, "file", 1, 1, 1 << 30));
	become(USER, USER, GROUP);
	FAILS(EPERM, chown("file", USER, -1));
	FAILS(EPERM, fchown(fd, -1, GROUP));
	FAILS(EPERM, chown("ours", OTHER, -1));
	FAILS(EPERM, chown("ours", -1, OTHER));
	WORKS(chown("ours", USER, GROUP));
	WORKS(chown("ours", -1, USER));
	IS(stat_of("ours").st_gid, USER);
}

/* Set-group-ID without group execution is no privilege, and stays. */
static void chown_clears_setuid(void)
{
	static const mode_t modes[][2] = {
		{ 04755, 0755 },  { 06755, 0755 },  { 02755, 0755 },
		{ 02745, 02745 }, { 06744, 02744 }, { 01755, 01755 },
	};

	make_file("file", 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		chmod("file", modes[i][0]);
		WORKS(chown("file", 1, 1));
		IS(mode_of("file"), modes[i][1]);
	}
	make_dir("dir", 06755);
	WORKS(chown("dir", 1, 1));
	IS(mode_of("dir"), 06755);
}

/* Also the owner's own, and one that changes nothing. */
static void chown_by_the_owner_clears_setuid(void)
{
	make_file("file", 0);
	give("file", USER, USER);
	chmod("file", 06755);
	become(USER, USER, GROUP);
	WORKS(chown("file", -1, GROUP));
	IS(mode_of("file"), 0755);
	WORKS(chmod("file", 04755));
	WORKS(chown("file", -1, -1));
	IS(mode_of("file"), 0755);
	/* a group's own member takes no set-group-ID, a stranger does */
	WORKS(chmod("file", 02745));
	WORKS(chown("file", -1, USER));
	IS(mode_of("file"), 02745);
	become_root();
	give("file", USER, OTHER);
	chmod("file", 02745);
	become(USER, USER, GROUP);
	WORKS(chown("file", -1, GROUP));
	IS(mode_of("file"), 0745);
	become_root();
	chmod("file", 04755);
	WORKS(chown("file", -1, -1));
	IS(mode_of("file"), 0755);
}

/* ... which takes no rights from anybody. */
static void chown_by_another_is_refused(void)
{
	int fd;

	make_file("file", 0);
	give("file", OTHER, OTHER);
	chmod("file", 06755);
	become(USER, USER, GROUP);
	FAILS(EPERM, chown("file", -1, -1));
	FAILS(EPERM, chown("file", USER, -1));
	become_root();
	fd = (int)WORKS(open("file", O_WRONLY));
	become(USER, USER, GROUP);
	chown("file", -1, -1);
	IS(mode_of("file"), 06755);
	become_root();
	close(fd);
	chmod("file", 0755);
	become(USER, USER, GROUP);
	WORKS(chown("file", -1, -1));
}

static int by_write(int fd)
{
	return write(fd, "x", 1) == 1 ? 0 : -1;
}

static int by_truncate(int fd)
{
	return ftruncate(fd, 7);
}

static int by_allocating(int fd)
{
	return fallocate(fd, 0, 0, 10000);
}

static int by_punching(int fd)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			 4096);
}

static int by_copying(int fd)
{
	int from = open("source", O_RDONLY);

	return copy_file_range(from, NULL, fd, NULL, 6, 0) == 6 ? 0 : -1;
}

static int by_opening(int fd)
{
	return open("file", O_WRONLY | O_TRUNC);
}

static void clears(const char *what, int (*change)(int fd), mode_t mode,
		   mode_t after)
{
	int fd;

	put("file", "text");
	chmod("file", mode);
	fd = open("file", O_WRONLY);
	become(USER, USER, 0);
	WORKS(change(fd));
	become_root();
	if (!IS(mode_of("file"), after))
		check_say("%s", what);
	chmod("file", mode);
	WORKS(change(fd));
	/* root's may: it has CAP_FSETID */
	if (!IS(mode_of("file"), mode))
		check_say("%s by root", what);
	close(fd);
}

static void writing_clears_setuid(void)
{
	put("source", "source");
	clears("write", by_write, 06777, 0777);
	clears("write", by_write, 02767, 0767);
	clears("ftruncate", by_truncate, 06777, 0777);
	clears("open O_TRUNC", by_opening, 06777, 0777);
}

static void allocating_clears_setuid(void)
{
	clears("fallocate", by_allocating, 06777, 0777);
	clears("punch", by_punching, 06777, 0777);
}

static void copying_clears_setuid(void)
{
	put("source", "source");
	clears("copy_file_range", by_copying, 06777, 0777);
}

/* A program of USER's that anybody runs, and who it is then. */
static void runs_as(mode_t mode, uid_t uid, gid_t gid)
{
	char expected[64], got[64] = "";
	int ends[2];
	pid_t child;

	give("program", USER, USER);
	WORKS(chmod("program", mode));
	WORKS(pipe(ends));
	child = fork();
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		if (setgroups(0, NULL) == 0 && setgid(OTHER) == 0 &&
		    setuid(OTHER) == 0)
			execl("program", "sh", "-pc",
			      "awk '/^[UG]id/ { print $3 }' /proc/$$/status",
			      (char *)NULL);
		_exit(1);
	}
	check_wait(child);
	snprintf(expected, sizeof(expected), "%u\n%u\n", uid, gid);
	HOLDS(read(ends[0], got, sizeof(got) - 1) > 0);
	if (!HOLDS(strcmp(got, expected) == 0))
		check_say("mode %o: %s", mode, got);
}

static void programs_run_as_their_owner(void)
{
	copy_program("/bin/sh", "program");
	runs_as(0755, OTHER, OTHER);
	runs_as(04755, USER, OTHER);
	runs_as(02755, OTHER, USER);
	runs_as(06755, USER, USER);
	runs_as(02745, OTHER, OTHER);
}

/* What the real user may, not the effective one. */
static void access_of_another(void)
{
	make_file("none", 0);
	make_file("read", 0444);
	make_file("all", 0777);
	make_dir("closed", 0700);
	make_file("closed/file", 0777);
	WORKS(access("none", R_OK | W_OK));
	FAILS(EACCES, access("none", X_OK));
	WORKS(access("closed", R_OK | W_OK | X_OK));
	if (setresgid(USER, USER, 0) != 0 || setresuid(USER, 0, 0) != 0)
		check_skip("no such user");
	WORKS(access("none", F_OK));
	FAILS(EACCES, access("none", R_OK));
	WORKS(access("read", R_OK));
	FAILS(EACCES, access("read", R_OK | W_OK));
	FAILS(EACCES, access("read", X_OK));
	WORKS(access("all", R_OK | W_OK | X_OK));
	FAILS(EACCES, access("closed/file", F_OK));
	WORKS(faccessat(AT_FDCWD, "none", R_OK | W_OK, AT_EACCESS));
	WORKS(eaccess("closed/file", X_OK));
}

static void access_is_refused(void)
{
	make_file("file", 0644);
	symlink("absent", "dangling");
	symlink("circle", "circle");
	FAILS(ENOENT, access("absent", F_OK));
	FAILS(ENOENT, access("dangling", F_OK));
	FAILS(ELOOP, access("circle", F_OK));
	FAILS(ENOTDIR, access("file/x", F_OK));
	FAILS(EINVAL, access("file", 64));
	FAILS(EBADF, faccessat(-1, "file", F_OK, 0));
	FAILS(EINVAL, faccessat(AT_FDCWD, "file", F_OK, 1 << 30));
	WORKS(faccessat(AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
}

const struct family family_owner = {
	.name = "owner",
	.cases =
		(const struct check_case[]){
			CASE(mode_has_twelve_bits),
			CASE(chmod_is_refused),
			CASE(setgid_needs_the_group),
			CASE(owners_of_every_size),
			CASE(chown_is_refused),
			CASE(chown_clears_setuid),
			CASE(chown_by_the_owner_clears_setuid),
			CASE(chown_by_another_is_refused),
			CASE(writing_clears_setuid),
			CASE(allocating_clears_setuid),
			CASE(copying_clears_setuid),
			CASE(programs_run_as_their_owner),
			CASE(access_of_another),
			CASE(access_is_refused),
			CASES_END,
		},
};
