/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree_image.c -- a filesystem filled, or walked whole, without a mount
 *
 *   tree_image fill DEVICE...   a bit of everything, the same each time
 *   tree_image more DEVICE...   a bit more
 *   tree_image full DEVICE...   a directory of many nodes, and a file that
 * takes all blocks that a write gets tree_image crash DEVICE...  the same, an
 * orphan, and no unmount tree_image list DEVICE...   mount, walk, unmount: one
 * line for each name: PATH MODE NLINK SIZE CRC CRC_OF_XATTRS
 *
 * Whatever cannot be read ends it with a line on stderr and exit status 1.
 */
#include "core/attr.h"
#include "core/dir.h"
#include "core/file.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/request.h"
#include "core/xattr.h"
#include "util/crc32c.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define DEPTH_MAX 64

static struct fs *fs;
static struct request request;

static void begin(const char *operation, const struct inode *inode)
{
	int error = request_begin(&request, operation, inode->ino, getpid(),
				  false);

	if (error)
		errx(1, "%s: %s", operation, strerror(-error));
}

static void end(const char *what, const char *path, ssize_t done)
{
	request_end(&request);
	if (done < 0)
		errx(1, "%s %s: %s", what, path, strerror((int)-done));
}

/* ------------------------------------------------------------------- fill */

static struct inode *make(struct inode *dir, const char *name, mode_t mode,
			  const char *target)
{
	const struct dir_new attr = { .mode = mode, .symlink = target };
	struct inode *inode;
	int error;

	begin("create", dir);
	error = dir_create(&request, dir, name, &attr, &inode);
	end("create", name, error);
	return inode;
}

/* Bytes that tell where they belong. */
static void put(struct inode *inode, off_t offset, size_t length)
{
	uint64_t *bytes = malloc(length + sizeof(*bytes));
	size_t i;
	ssize_t done;

	if (bytes == NULL)
		errx(1, "out of memory");
	for (i = 0; i <= length / sizeof(*bytes); i++)
		bytes[i] = inode->ino << 32 ^
			   ((uint64_t)offset + i) * UINT64_C(0x9e3779b9);
	begin("write", inode);
	done = file_write(&request, inode, bytes, length, offset, false);
	end("write", "", done);
	free(bytes);
}

static void attribute(struct inode *inode, const char *name, size_t length)
{
	static char value[65536];
	int error;

	memset(value, 'a' + (int)(length % 26), length);
	begin("setxattr", inode);
	error = xattr_set(&request, inode, name, value, length, 0);
	end("setxattr", name, error);
}

static void fill_files(struct inode *root)
{
	struct inode *large = make(root, "large", S_IFREG | 0644, NULL);
	struct inode *holes = make(root, "holes", S_IFREG | 0644, NULL);
	struct inode *twin = make(root, "twin", S_IFREG | 0600, NULL);
	int i, error;
	ssize_t done;

	put(large, 0, 300000);
	attribute(large, "user.short", 5);
	attribute(large, "user.long", 3000);
	begin("link", large);
	error = dir_link(&request, large, root, "hard");
	end("link", "hard", error);
	for (i = 1; i < 600; i += 2)
		put(holes, i * 4096L, 4096);
	begin("copy", twin);
	done = file_copy(&request, large, 0, twin, 0, 65536, false);
	end("copy", "twin", done);
	inode_forget(fs, large, 1);
	inode_forget(fs, holes, 1);
	inode_forget(fs, twin, 1);
}

static void fill_dirs(struct inode *root)
{
	struct inode *dir = make(root, "dir", S_IFDIR | 0755, NULL), *sub;
	char name[32];
	int i;

	for (i = 1; i <= 400; i++) {
		snprintf(name, sizeof(name), "file-%d", i);
		inode_forget(fs, make(dir, name, S_IFREG | 0644, NULL), 1);
	}
	sub = make(dir, "sub", S_IFDIR | 0755, NULL);
	inode_forget(fs, make(sub, "deeper", S_IFDIR | 0755, NULL), 1);
	inode_forget(fs, sub, 1);
	inode_forget(fs, dir, 1);
	inode_forget(fs, make(root, "other", S_IFDIR | 0755, NULL), 1);
}

static void fill(void)
{
	struct inode *root = inode_of(fs, INO_ROOT), *inode;
	char name[32];
	int i;

	fill_dirs(root);
	fill_files(root);
	inode = make(root, "small", S_IFREG | 0644, NULL);
	put(inode, 0, 100);
	inode_forget(fs, inode, 1);
	inode = make(root, "tagged", S_IFREG | 0644, NULL);
	for (i = 1; i <= 60; i++) {
		snprintf(name, sizeof(name), "user.number-%d", i);
		attribute(inode, name, 100);
	}
	inode_forget(fs, inode, 1);
	inode_forget(fs, make(root, "symbolic", S_IFLNK | 0777, "target"), 1);
	inode_forget(fs, make(root, "fifo", S_IFIFO | 0644, NULL), 1);
}

/* crash: an orphan is left, and what the log alone has. */
static void more(bool crash)
{
	struct inode *root = inode_of(fs, INO_ROOT), *inode;
	char name[32];
	int i, error;

	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "late-%d", i);
		inode = make(root, name, S_IFREG | 0644, NULL);
		put(inode, 0, 5000);
		if (i == 0 && crash) {
			begin("unlink", root);
			error = dir_unlink(&request, root, name);
			end("unlink", name, error);
			continue; /* as if it were open */
		}
		inode_forget(fs, inode, 1);
	}
	if (crash)
		_exit(0);
}

/* Names of the largest sort, all of one file. */
static void crowd(struct inode *root)
{
	struct inode *dir = make(root, "crowd", S_IFDIR | 0755, NULL);
	struct inode *file = make(dir, "one", S_IFREG | 0644, NULL);
	char name[251];
	int i, error;

	for (i = 0; i < 1500; i++) {
		snprintf(name, sizeof(name), "%0250d", i);
		begin("link", dir);
		error = dir_link(&request, file, dir, name);
		end("link", name, error);
	}
	inode_forget(fs, file, 1);
	inode_forget(fs, dir, 1);
}

static void full(struct inode *root)
{
	struct inode *inode = make(root, "filler", S_IFREG | 0644, NULL);
	static char bytes[1 << 20];
	size_t length = sizeof(bytes);
	off_t offset = 0;

	crowd(root);
	while (length >= 4096) {
		ssize_t done;

		begin("write", inode);
		done = file_write(&request, inode, bytes, length, offset,
				  false);
		request_end(&request);
		if (done > 0)
			offset += done;
		else
			length /= 2;
	}
	inode_forget(fs, inode, 1);
}

/* ------------------------------------------------------------------- list */

struct names {
	struct name {
		char text[256];
		uint64_t ino;
	} * at;
	size_t count, room;
};

static int take_name(const char *name, size_t length, uint64_t ino,
		     unsigned type, uint64_t cookie, void *arg)
{
	struct names *names = arg;

	(void)type;
	(void)cookie;
	if (name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.')))
		return 0;
	if (names->count == names->room) {
		names->room = names->room * 2 + 64;
		names->at = reallocarray(names->at, names->room,
					 sizeof(names->at[0]));
		if (names->at == NULL)
			errx(1, "out of memory");
	}
	memcpy(names->at[names->count].text, name, length);
	names->at[names->count].text[length] = '\0';
	names->at[names->count++].ino = ino;
	return 0;
}

static uint32_t crc_of_file(struct inode *inode, const char *path)
{
	struct iovec iov[FILE_READ_IOVS];
	uint32_t crc = 0;
	off_t offset = 0;
	unsigned count, i;
	ssize_t done;

	do {
		begin("read", inode);
		done = file_read(&request, inode, 1 << 20, offset, iov, &count);
		for (i = 0; done > 0 && i < count; i++)
			crc = crc32c(crc, iov[i].iov_base, iov[i].iov_len);
		end("read", path, done);
		offset += done;
	} while (done > 0);
	return crc;
}

static uint32_t crc_of_link(struct inode *inode, const char *path)
{
	char target[PATH_BYTES];
	int error;

	begin("readlink", inode);
	error = dir_readlink(&request, inode, target, sizeof(target));
	end("readlink", path, error);
	return crc32c(0, target, strlen(target));
}

static uint32_t crc_of_xattrs(struct inode *inode, const char *path)
{
	static char list[65536], value[65536];
	uint32_t crc = 0;
	ssize_t bytes, at, length;

	begin("listxattr", inode);
	bytes = xattr_list(&request, inode, true, list, sizeof(list));
	end("listxattr", path, bytes);
	for (at = 0; at < bytes; at += (ssize_t)strlen(list + at) + 1) {
		begin("getxattr", inode);
		length = xattr_get(&request, inode, list + at, value,
				   sizeof(value));
		end("getxattr", path, length);
		/* in any order: hash seeds differ */
		crc += crc32c(crc32c(0, list + at, strlen(list + at)), value,
			      (size_t)length);
	}
	return crc;
}

static void list_dir(struct inode *dir, const char *path, unsigned depth);

static void list_one(uint64_t ino, const char *path, unsigned depth)
{
	struct inode *inode;
	uint32_t crc = 0;
	struct stat stat;
	int error = inode_look(fs, ino, &inode);

	if (error)
		errx(1, "%s: %s", path, strerror(-error));
	attr_get(fs, inode, &stat);
	if (S_ISREG(stat.st_mode))
		crc = crc_of_file(inode, path);
	else if (S_ISLNK(stat.st_mode))
		crc = crc_of_link(inode, path);
	printf("%s %o %u %ju %08x %08x\n", path, stat.st_mode,
	       (unsigned)stat.st_nlink,
	       S_ISDIR(stat.st_mode) ? 0 : (uintmax_t)stat.st_size, crc,
	       crc_of_xattrs(inode, path));
	if (S_ISDIR(stat.st_mode))
		list_dir(inode, path, depth + 1);
	inode_forget(fs, inode, 1);
}

static void list_dir(struct inode *dir, const char *path, unsigned depth)
{
	struct names names = { .count = 0 };
	char below[PATH_BYTES];
	size_t i;
	int error;

	if (depth > DEPTH_MAX)
		errx(1, "%s: too deep", path);
	begin("readdir", dir);
	error = dir_read(&request, dir, 0, take_name, &names);
	end("readdir", path, error);
	for (i = 0; i < names.count; i++) {
		snprintf(below, sizeof(below), "%s/%s",
			 strcmp(path, "/") == 0 ? "" : path, names.at[i].text);
		list_one(names.at[i].ino, below, depth);
	}
	free(names.at);
}

int main(int argc, char **argv)
{
	const struct fs_options options = { .dax = DAX_ALWAYS };
	char why[256];

	if (argc < 3)
		errx(2, "tree_image fill|more|full|crash|list DEVICE...");
	if (fs_mount(&fs, argv + 2, (unsigned)argc - 2, &options, why,
		     sizeof(why)) != 0)
		errx(1, "%s", why);
	if (request_thread_init(fs, &request) != 0)
		errx(1, "out of memory");
	if (strcmp(argv[1], "fill") == 0)
		fill();
	else if (strcmp(argv[1], "full") == 0)
		full(inode_of(fs, INO_ROOT));
	else if (strcmp(argv[1], "list") != 0)
		more(strcmp(argv[1], "crash") == 0);
	else
		list_one(INO_ROOT, "/", 0);
	request_thread_fini(&request);
	fs_unmount(fs);
	return 0;
}
