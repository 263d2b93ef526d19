/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/core_fixture.h"

#include "lib/device_fixture.h"
#include "alloc/alloc.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEVICES_MOST 4

struct core_fixture core;

static void device_names(unsigned devices, char names[DEVICES_MOST][128])
{
	unsigned i;

	ck_assert_uint_le(devices, DEVICES_MOST);
	for (i = 0; i < devices; i++) {
		char name[2] = { (char)('0' + i), '\0' };

		snprintf(names[i], 128, "%s", fixture_path(name));
	}
}

/* Exit status. */
static int run(const char *program, const char *options, unsigned devices)
{
	char names[DEVICES_MOST][128];
	char command[1024];
	int length;
	int status;
	unsigned i;

	device_names(devices, names);
	length = snprintf(command, sizeof(command), "./%s %s", program,
			  options);
	for (i = 0; i < devices; i++)
		length += snprintf(command + length,
				   sizeof(command) - (size_t)length, " %s",
				   names[i]);
	fflush(NULL);
	status = system(command);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void core_format(unsigned devices, const char *size)
{
	char options[64];

	snprintf(options, sizeof(options), "-q -s %s", size);
	ck_assert_int_eq(run("mkfs.udaxfs", options, devices), 0);
}

void core_format_sparse(off_t bytes)
{
	int fd = open(fixture_path("0"), O_RDWR | O_CREAT | O_EXCL, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, bytes), 0);
	close(fd);
	ck_assert_int_eq(run("mkfs.udaxfs", "-q", 1), 0);
}

void core_fsck(unsigned devices)
{
	ck_assert_int_eq(run("fsck.udaxfs", "-n >&2", devices), 0);
}

int core_try_mount(unsigned devices, const struct fs_options *options)
{
	char names[DEVICES_MOST][128];
	char *paths[DEVICES_MOST];
	unsigned i;
	int err;

	device_names(devices, names);
	for (i = 0; i < devices; i++)
		paths[i] = names[i];
	err = fs_mount(&core.fs, paths, devices, options, core.why,
		       sizeof(core.why));
	if (err)
		return err;
	core.root = inode_of(core.fs, INO_ROOT);
	ck_assert_int_eq(request_thread_init(core.fs, &core.request), 0);
	return 0;
}

void core_mount(unsigned devices)
{
	const struct fs_options options = { .dax = DAX_ALWAYS };

	ck_assert_msg(core_try_mount(devices, &options) == 0, "%s", core.why);
}

void core_unmount(void)
{
	unsigned i;

	for (i = 0; i < core.fs->device_count; i++)
		ck_assert(!core.fs->allocs[i] ||
			  alloc_sound(core.fs->allocs[i]));
	request_thread_fini(&core.request);
	fs_unmount(core.fs);
	core.fs = NULL;
}

void core_crash_after(unsigned devices, void (*fn)(void))
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		core_mount(devices);
		fn();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static void begin(const char *operation, const struct inode *inode)
{
	ck_assert_int_eq(request_begin(&core.request, operation, inode->ino,
				       getpid(), false),
			 0);
}

static int end(int err)
{
	request_end(&core.request);
	return err;
}

int core_create(struct inode *dir, const char *name, mode_t mode,
		struct inode **out)
{
	const struct dir_new new_inode = {
		.mode = mode, .uid = 1, .gid = 2, .rdev = 0x1234
	};

	begin("create", dir);
	return end(dir_create(&core.request, dir, name, &new_inode, out));
}

struct inode *core_new(struct inode *dir, const char *name, mode_t mode)
{
	struct inode *inode = NULL;

	ck_assert_int_eq(core_create(dir, name, mode, &inode), 0);
	return inode;
}

void core_make(struct inode *dir, const char *name, mode_t mode)
{
	core_forget(core_new(dir, name, mode));
}

int core_look(struct inode *dir, const char *name, struct inode **out)
{
	begin("lookup", dir);
	return end(dir_lookup(&core.request, dir, name, out));
}

struct inode *core_get(struct inode *dir, const char *name)
{
	struct inode *inode = NULL;

	ck_assert_int_eq(core_look(dir, name, &inode), 0);
	return inode;
}

void core_forget(struct inode *inode)
{
	request_begin_ungated(&core.request, "forget", inode->ino);
	inode_forget(core.fs, inode, 1);
	request_end(&core.request);
}

uint64_t core_ino(struct inode *dir, const char *name)
{
	struct inode *inode;
	uint64_t ino;
	int err = core_look(dir, name, &inode);

	ck_assert(err == 0 || err == -ENOENT);
	if (err)
		return 0;
	ino = inode->ino;
	core_forget(inode);
	return ino;
}

bool core_exists(struct inode *dir, const char *name)
{
	return core_ino(dir, name) != 0;
}

int core_unlink(struct inode *dir, const char *name)
{
	begin("unlink", dir);
	return end(dir_unlink(&core.request, dir, name));
}

int core_rmdir(struct inode *dir, const char *name)
{
	begin("rmdir", dir);
	return end(dir_rmdir(&core.request, dir, name));
}

int core_link(struct inode *inode, struct inode *dir, const char *name)
{
	begin("link", dir);
	return end(dir_link(&core.request, inode, dir, name));
}

int core_rename(struct inode *from_dir, const char *from, struct inode *to_dir,
		const char *to, unsigned flags)
{
	const struct dir_new whiteout = { .mode = S_IFCHR, .uid = 7, .gid = 8 };

	begin("rename", from_dir);
	return end(dir_rename_white(&core.request, from_dir, from, to_dir, to,
				    flags, &whiteout));
}

int core_symlink(struct inode *dir, const char *name, const char *target)
{
	const struct dir_new new_inode = { .mode = S_IFLNK | 0777,
					   .symlink = target };
	struct inode *inode;
	int err;

	begin("symlink", dir);
	err = end(dir_create(&core.request, dir, name, &new_inode, &inode));
	if (!err)
		core_forget(inode);
	return err;
}

int core_tmpfile(struct inode *dir, struct inode **out)
{
	const struct dir_new new_inode = { .mode = S_IFREG | 0600 };

	begin("tmpfile", dir);
	return end(dir_tmpfile(&core.request, dir, &new_inode, out));
}

struct stat core_stat(struct inode *inode)
{
	struct stat stat;

	begin("getattr", inode);
	attr_get(core.fs, inode, &stat);
	end(0);
	return stat;
}

int core_setattr(struct inode *inode, const struct stat *attr, unsigned mask)
{
	begin("setattr", inode);
	return end(attr_set(&core.request, inode, attr, mask, NULL));
}

ssize_t core_write(struct inode *inode, const void *bytes, size_t length,
		   off_t offset)
{
	ssize_t done;

	begin("write", inode);
	done = file_write(&core.request, inode, bytes, length, offset, false);
	request_end(&core.request);
	return done;
}

uint64_t core_free_blocks(void)
{
	struct statvfs out;

	ck_assert_int_eq(fs_statvfs(core.fs, &out), 0);
	return out.f_bfree;
}
