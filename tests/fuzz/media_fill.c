/* SPDX-License-Identifier: BSD-3-Clause */
#include "media_fill.h"

#include "media_base.h"
#include "core/dir.h"
#include "core/file.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/request.h"
#include "core/xattr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS 330	 /* with long names: three levels of directory */
#define NAMED_PIPES 530	 /* more than a chunk of the inode file */
#define FRAGMENTS 200	 /* extents of one file */
#define LARGE (20 << 10) /* a value in blocks of its own */

static struct fs *fs;
static struct request request;

#define DO(call, ino, operation)                                               \
	do {                                                                   \
		int done_;                                                     \
		if (request_begin(&request, operation, ino, getpid(), false))  \
			fuzz_fail("%s: no request", operation);                \
		done_ = (int)(call);                                           \
		request_end(&request);                                         \
		if (done_ < 0)                                                 \
			fuzz_fail("%s: %s", operation, strerror(-done_));      \
	} while (0)

static void mount_it(struct base *base)
{
	const struct fs_options options = { .dax = DAX_ALWAYS };
	char *paths[BASE_DEVICES];
	char why[256];

	for (unsigned i = 0; i < base->devices; i++)
		paths[i] = base->path[i];
	if (fs_mount(&fs, paths, base->devices, &options, why, sizeof(why)) ||
	    request_thread_init(fs, &request))
		fuzz_fail("the base: %s", why);
}

static void unmount_it(void)
{
	request_thread_fini(&request);
	fs_unmount(fs);
}

static struct inode *new_inode(struct inode *dir, const char *name, mode_t mode,
			       const char *target)
{
	const struct dir_new attr = {
		.mode = mode, .symlink = target, .uid = 1, .gid = 2
	};
	struct inode *inode = NULL;

	DO(dir_create(&request, dir, name, &attr, &inode), dir->ino, "create");
	return inode;
}

static void make(struct inode *dir, const char *name, mode_t mode,
		 const char *target)
{
	inode_forget(fs, new_inode(dir, name, mode, target), 1);
}

static struct inode *look(struct inode *dir, const char *name)
{
	struct inode *inode = NULL;

	DO(dir_lookup(&request, dir, name, &inode), dir->ino, "lookup");
	return inode;
}

static void write_at(struct inode *inode, size_t length, off_t offset)
{
	static char bytes[1 << 20];

	memset(bytes, 'a' + (int)(inode->ino % 26), sizeof(bytes));
	DO(file_write(&request, inode, bytes, length, offset, false),
	   inode->ino, "write");
}

static void set_xattr(struct inode *inode, const char *name, size_t length)
{
	static char value[LARGE];

	memset(value, 'v', sizeof(value));
	DO(xattr_set(&request, inode, name, value, length, 0), inode->ino,
	   "setxattr");
}

static struct inode *new_file(struct inode *dir, const char *name,
			      size_t length)
{
	struct inode *inode = new_inode(dir, name, S_IFREG | 0644, NULL);

	if (inode_open(fs, inode, true))
		fuzz_fail("no open");
	if (length)
		write_at(inode, length, 0);
	return inode;
}

static void leave(struct inode *inode)
{
	inode_close(fs, inode, true);
	inode_forget(fs, inode, 1);
}

static void fill_names(struct inode *root)
{
	struct inode *dir = new_inode(root, "many", S_IFDIR | 0755, NULL);
	struct inode *file = new_file(root, "linked", 100);
	char name[256];

	for (unsigned i = 0; i < LINKS; i++) {
		snprintf(name, sizeof(name), "%0200u", i);
		DO(dir_link(&request, file, dir, name), dir->ino, "link");
	}
	leave(file);
	inode_forget(fs, dir, 1);
	dir = new_inode(root, "pipes", S_IFDIR | 02755, NULL);
	for (unsigned i = 0; i < NAMED_PIPES; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		make(dir, name, S_IFIFO | 0600, NULL);
	}
	inode_forget(fs, dir, 1);
}

static void fill_data(struct inode *root)
{
	struct inode *file;

	leave(new_file(root, "empty", 0));
	leave(new_file(root, "inline", 200));
	leave(new_file(root, "block", 3000));
	leave(new_file(root, "large", 1 << 20));
	file = new_file(root, "fragments", 0);
	for (unsigned i = 0; i < FRAGMENTS; i++)
		write_at(file, 100, (off_t)i * 3 * BLOCK_BYTES);
	leave(file);
	file = new_file(root, "unwritten", 10);
	DO(file_fallocate(&request, file, FALLOC_FL_KEEP_SIZE, 0, 300 << 10),
	   file->ino, "fallocate");
	write_at(file, 5000, 100 << 10);
	leave(file);
}

static void copy(struct inode *root, const char *from, const char *to,
		 off_t offset, size_t length)
{
	struct inode *source = look(root, from);
	struct inode *target = new_file(root, to, 0);

	DO(file_copy(&request, source, offset, target, 0, length, false),
	   target->ino, "copy");
	leave(target);
	inode_forget(fs, source, 1);
}

/* Runs of two owners and of three, whole and in part. */
static void fill_shared(struct inode *root)
{
	copy(root, "large", "copy", 0, 1 << 20);
	copy(root, "large", "part", 256 << 10, 64 << 10);
	copy(root, "fragments", "fragments-too", 0, 100 * 3 * BLOCK_BYTES);
}

static void fill_xattrs(struct inode *root)
{
	struct inode *file = new_file(root, "attributes", 10);
	char name[64];

	set_xattr(file, "user.small", 5);
	set_xattr(file, "user.large", LARGE);
	set_xattr(file, "security.capability", 20);
	for (unsigned i = 0; i < 14; i++) {
		snprintf(name, sizeof(name), "user.attribute%u", i);
		set_xattr(file, name, 900);
	}
	leave(file);
	set_xattr(root, "user.of-root", 30);
}

static void fill_others(struct inode *root)
{
	struct inode *dir = new_inode(root, "deep", S_IFDIR | 0755, NULL);
	char target[3000];

	for (unsigned i = 0; i < 4; i++) {
		struct inode *deeper = new_inode(dir, "deeper", S_IFDIR | 01777,
						 NULL);

		leave(new_file(dir, "file", 5000));
		inode_forget(fs, dir, 1);
		dir = deeper;
	}
	inode_forget(fs, dir, 1);
	memset(target, 't', sizeof(target));
	target[sizeof(target) - 1] = '\0';
	make(root, "symlink", S_IFLNK | 0777, "inline");
	make(root, "long-symlink", S_IFLNK | 0777, target);
	make(root, "character", S_IFCHR | 0600, NULL);
	make(root, "block-device", S_IFBLK | 0600, NULL);
	make(root, "socket", S_IFSOCK | 0600, NULL);
}

void media_fill(struct base *base)
{
	struct inode *root;

	mount_it(base);
	root = inode_of(fs, INO_ROOT);
	fill_names(root);
	fill_data(root);
	fill_shared(root);
	fill_xattrs(root);
	fill_others(root);
	unmount_it();
}

/* As the first link of a chain leaves it, which a checkpoint has brought
 * home. */
static void leave_pending(struct inode *root)
{
	struct inode *file = look(root, "fragments");

	file->media->pending_start = (uint64_t)30 * BLOCK_BYTES;
	file->media->pending_end = (uint64_t)400 * BLOCK_BYTES;
	inode_media_seal(file->media);
	inode_forget(fs, file, 1);
}

static struct inode *leave_orphan(struct inode *root, const char *name)
{
	struct inode *file = new_file(root, name, 10);

	for (unsigned i = 0; i < 40; i++)
		write_at(file, 10, (off_t)i * 2 * BLOCK_BYTES);
	set_xattr(file, "user.large", LARGE);
	DO(dir_unlink(&request, root, name), root->ino, "unlink");
	return file;
}

void media_cut_short(struct base *base, void (*keep)(struct base *base))
{
	struct inode *orphan, *other, *root, *deep;

	mount_it(base);
	root = inode_of(fs, INO_ROOT);
	deep = look(root, "deep");
	leave_pending(root);
	orphan = leave_orphan(root, "orphan");
	other = leave_orphan(root, "other");
	DO(dir_rename(&request, root, "block", deep, "moved", 0), root->ino,
	   "rename");
	keep(base);
	/* What follows is of no consequence. */
	leave(orphan);
	leave(other);
	inode_forget(fs, deep, 1);
	unmount_it();
}
