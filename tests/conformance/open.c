/* SPDX-License-Identifier: BSD-3-Clause */
/* open(2): flags, modes, who may */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

static void exclusive_create_refuses_what_is_there(void)
{
	const int exclusive = O_CREAT | O_EXCL | O_WRONLY;

	make_file("file", 0644);
	make_dir("dir", 0755);
	make_fifo("fifo");
	symlink("absent", "dangling");
	FAILS(EEXIST, open("file", exclusive, 0644));
	FAILS(EEXIST, open("dir", exclusive, 0644));
	FAILS(EEXIST, open("fifo", exclusive, 0644));
	FAILS(EEXIST, open("dangling", exclusive, 0644));
	FAILS(EEXIST, open(".", exclusive, 0644));
	FAILS(ENOENT, access("absent", F_OK));
}

static void absent_names(void)
{
	symlink("absent", "dangling");
	symlink("no/such", "lost");
	FAILS(ENOENT, open("absent", O_RDONLY));
	FAILS(ENOENT, open("dangling", O_RDONLY));
	FAILS(ENOENT, open("lost", O_CREAT | O_WRONLY, 0644));
	FAILS(ENOENT, open("no/such", O_CREAT | O_WRONLY, 0644));
	WORKS(open("dangling", O_CREAT | O_WRONLY, 0644));
	HOLDS(S_ISREG(stat_of("absent").st_mode));
}

static void directories_are_not_written(void)
{
	make_dir("dir", 0755);
	WORKS(open("dir", O_RDONLY));
	FAILS(EISDIR, open("dir", O_WRONLY));
	FAILS(EISDIR, open("dir", O_RDWR));
	FAILS(EISDIR, open("dir", O_RDONLY | O_TRUNC));
	FAILS(EISDIR, open("dir", O_CREAT | O_RDONLY, 0644));
	FAILS(EISDIR, open("dir/", O_CREAT | O_RDWR, 0644));
	FAILS(EISDIR, open("new/", O_CREAT | O_WRONLY, 0644));
	FAILS(EISDIR, creat("dir", 0644));
}

static void directory_is_asked_for(void)
{
	make_file("file", 0644);
	make_fifo("fifo");
	make_dir("dir", 0755);
	symlink("dir", "link");
	FAILS(ENOTDIR, open("file", O_RDONLY | O_DIRECTORY));
	FAILS(ENOTDIR, open("fifo", O_RDONLY | O_DIRECTORY | O_NONBLOCK));
	FAILS(ENOTDIR, open("file/", O_RDONLY));
	FAILS(ENOTDIR, open("file/below", O_RDONLY));
	FAILS(ENOTDIR, open("file/below", O_CREAT | O_WRONLY, 0644));
	WORKS(open("dir", O_RDONLY | O_DIRECTORY));
	WORKS(open("link", O_RDONLY | O_DIRECTORY));
	WORKS(open("link/", O_RDONLY));
}

static void symlinks_not_followed(void)
{
	make_file("file", 0644);
	make_dir("dir", 0755);
	symlink("file", "link");
	symlink("dir", "to-dir");
	FAILS(ELOOP, open("link", O_RDONLY | O_NOFOLLOW));
	FAILS(ELOOP, open("link", O_CREAT | O_WRONLY | O_NOFOLLOW, 0644));
	FAILS(ENOTDIR, open("to-dir", O_RDONLY | O_NOFOLLOW | O_DIRECTORY));
	WORKS(open("link", O_PATH | O_NOFOLLOW));
	WORKS(open("file", O_RDONLY | O_NOFOLLOW));
}

static void fifo_without_a_reader(void)
{
	int fd;

	make_fifo("fifo");
	FAILS(ENXIO, open("fifo", O_WRONLY | O_NONBLOCK));
	fd = (int)WORKS(open("fifo", O_RDONLY | O_NONBLOCK));
	WORKS(open("fifo", O_WRONLY | O_NONBLOCK));
	close(fd);
	FAILS(EEXIST, mkfifo("fifo", 0644));
}

static void socket_is_not_opened(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX,
				    .sun_path = "socket" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	WORKS(bind(fd, (struct sockaddr *)&name, sizeof(name)));
	FAILS(ENXIO, open("socket", O_RDONLY));
	FAILS(ENXIO, open("socket", O_WRONLY));
	FAILS(EADDRINUSE, bind(socket(AF_UNIX, SOCK_STREAM, 0),
			       (struct sockaddr *)&name, sizeof(name)));
	FAILS(ECONNREFUSED, connect(socket(AF_UNIX, SOCK_STREAM, 0),
				    (struct sockaddr *)&name, sizeof(name)));
	WORKS(listen(fd, 1));
	WORKS(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&name,
		      sizeof(name)));
}

/* Also a whiteout's number, which has no driver. */
static void device_without_a_driver(void)
{
	WORKS(mknod("none", S_IFCHR | 0666, makedev(0, 0)));
	WORKS(mknod("block", S_IFBLK | 0666, makedev(4000, 7)));
	FAILS(ENXIO, open("none", O_RDONLY));
	FAILS(ENXIO, open("block", O_RDONLY));
	WORKS(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
	IS(write((int)WORKS(open("null", O_RDWR)), "x", 1), 1);
}

static void program_that_runs_is_not_written(void)
{
	pid_t pid = run_program("program");

	FAILS(ETXTBSY, open("program", O_WRONLY));
	FAILS(ETXTBSY, open("program", O_RDWR));
	FAILS(ETXTBSY, truncate("program", 0));
	WORKS(open("program", O_RDONLY));
	WORKS(unlink("program"));
	end_program(pid);
}

static void program_that_is_written_does_not_run(void)
{
	char *argv[] = { "program", NULL };
	char *none[] = { NULL };
	int fd;

	end_program(run_program("program"));
	fd = (int)WORKS(open("program", O_WRONLY));
	FAILS(ETXTBSY, execve("program", argv, none));
	close(fd);
}

static void programs_need_a_bit_and_a_format(void)
{
	char *argv[] = { "program", NULL };
	char *none[] = { NULL };

	put("file", "\x7f text");
	put("script", "#!absent\n");
	make_dir("dir", 0755);
	FAILS(EACCES, execve("file", argv, none));
	chmod("file", 0755);
	chmod("script", 0755);
	FAILS(ENOEXEC, execve("file", argv, none));
	FAILS(ENOENT, execve("script", argv, none));
	FAILS(EACCES, execve("dir", argv, none));
	FAILS(ENOTDIR, execve("file/x", argv, none));
}

/* As user, group or other, with each of the modes 0 to 7 for them. */
static void check_modes(uid_t uid, gid_t gid, gid_t group, int shift)
{
	for (mode_t bits = 0; bits < 8; bits++) {
		mode_t others = 0777 & ~(07u << shift);
		int fd;

		/* what the other two may does not count */
		chmod("file", (bits << shift) | others);
		become(uid, gid, group);
		fd = open("file", O_RDONLY);
		IS(fd < 0 ? errno : 0, bits & 4 ? 0 : EACCES);
		fd = open("file", O_WRONLY);
		IS(fd < 0 ? errno : 0, bits & 2 ? 0 : EACCES);
		fd = open("file", O_RDWR);
		IS(fd < 0 ? errno : 0, (bits & 6) == 6 ? 0 : EACCES);
		fd = open("file", O_RDONLY | O_TRUNC);
		IS(fd < 0 ? errno : 0, (bits & 6) == 6 ? 0 : EACCES);
		become_root();
		WORKS(open("file", O_RDWR));
	}
}

static void modes_say_who_may(void)
{
	make_file("file", 0);
	give("file", USER, GROUP);
	check_modes(USER, USER, 0, 6);
	check_modes(USER, GROUP, 0, 6);
	check_modes(OTHER, GROUP, 0, 3);
	check_modes(OTHER, OTHER, GROUP, 3);
	check_modes(OTHER, OTHER, 0, 0);
}

static void creating_needs_a_directory_one_may_write(void)
{
	static const struct {
		mode_t mode;
		int number;
	} modes[] = { { 0777, 0 },	{ 0775, EACCES }, { 0776, EACCES },
		      { 0774, EACCES }, { 0773, 0 },	  { 0770, EACCES } };

	make_dir("dir", 0777);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		int fd;

		chmod("dir", modes[i].mode);
		become(USER, USER, 0);
		fd = open("dir/new", O_CREAT | O_EXCL | O_WRONLY, 0644);
		IS(fd < 0 ? errno : 0, modes[i].number);
		become_root();
		unlink("dir/new");
	}
}

static void truncates_at_open(void)
{
	struct stat before, after;

	put("file", "text");
	before = stat_of("file");
	tick();
	WORKS(open("file", O_WRONLY | O_TRUNC));
	after = stat_of("file");
	IS(after.st_size, 0);
	HOLDS(newer(after.st_mtim, before.st_mtim));
	HOLDS(newer(after.st_ctim, before.st_ctim));
	put("file", "text");
	WORKS(open("file", O_RDONLY | O_CREAT | O_TRUNC, 0777));
	IS(stat_of("file").st_size, 0);
	IS(mode_of("file"), 0644);
}

static void noatime_is_the_owners(void)
{
	make_file("file", 0644);
	become(USER, USER, 0);
	FAILS(EPERM, open("file", O_RDONLY | O_NOATIME));
	become_root();
	give("file", USER, USER);
	become(USER, USER, 0);
	WORKS(open("file", O_RDONLY | O_NOATIME));
}

static void path_descriptors_do_nothing(void)
{
	char byte = 0;
	int fd;

	make_file("file", 0);
	become(USER, USER, 0);
	fd = (int)WORKS(open("file", O_PATH));
	FAILS(EBADF, read(fd, &byte, 1));
	FAILS(EBADF, write(fd, &byte, 1));
	FAILS(EBADF, ftruncate(fd, 0));
	FAILS(EBADF, fchmod(fd, 0644));
	FAILS(EBADF, fsync(fd));
	FAILS(EBADF, lseek(fd, 0, SEEK_SET));
	WORKS(fstat(fd, &(struct stat){ 0 }));
}

static void descriptors_run_out(void)
{
	const struct rlimit few = { 20, 20 };
	int fd;

	make_file("file", 0644);
	setrlimit(RLIMIT_NOFILE, &few);
	do
		fd = open("file", O_RDONLY);
	while (fd >= 0);
	FAILS(EMFILE, open("file", O_RDONLY));
	FAILS(EMFILE, open("new", O_CREAT | O_WRONLY, 0644));
	FAILS(ENOENT, access("new", F_OK));
}

static void directories_to_begin_at(void)
{
	int file, dir;

	make_file("file", 0644);
	make_dir("dir", 0755);
	file = open("file", O_RDONLY);
	dir = open("dir", O_RDONLY);
	FAILS(EBADF, openat(-1, "new", O_CREAT | O_WRONLY, 0644));
	FAILS(EBADF, openat(1000, "file", O_RDONLY));
	FAILS(ENOTDIR, openat(file, "new", O_CREAT | O_WRONLY, 0644));
	WORKS(openat(dir, "new", O_CREAT | O_WRONLY, 0644));
	HOLDS(same_file("dir/new", "dir/../dir/new"));
}

static void reopened_without_a_name(void)
{
	char path[64];
	char text[5] = "";
	int fd;

	put("file", "text");
	fd = (int)WORKS(open("file", O_RDONLY));
	WORKS(unlink("file"));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = (int)WORKS(open(path, O_RDWR));
	IS(read(fd, text, 5), 4);
	IS(write(fd, "more", 4), 4);
	IS(lseek(fd, 0, SEEK_END), 8);
}

const struct family family_open = {
	.name = "open",
	.cases =
		(const struct check_case[]){
			CASE(exclusive_create_refuses_what_is_there),
			CASE(absent_names),
			CASE(directories_are_not_written),
			CASE(directory_is_asked_for),
			CASE(symlinks_not_followed),
			CASE(fifo_without_a_reader),
			CASE(socket_is_not_opened),
			CASE(device_without_a_driver),
			CASE(program_that_runs_is_not_written),
			CASE(program_that_is_written_does_not_run),
			CASE(programs_need_a_bit_and_a_format),
			CASE(modes_say_who_may),
			CASE(creating_needs_a_directory_one_may_write),
			CASE(truncates_at_open),
			CASE(noatime_is_the_owners),
			CASE(path_descriptors_do_nothing),
			CASE(descriptors_run_out),
			CASE(directories_to_begin_at),
			CASE(reopened_without_a_name),
			CASES_END,
		},
};
