/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * many_files: fills a filesystem that mkfs.udaxfs has made, in this process and
 * without a mount: a million files in seconds.
 *
 * Folders d0, d1, ... with files f0, f1, ... in each. Every fourth file owns a
 * block (allocated, not written, so that the device file stays sparse), the
 * others hold their number as text, inline; or (-e) each has so many extents of
 * a block. What the log does with each is what it does with any program's;
 * PMEM2_FORCE_GRANULARITY=BYTE spares the msyncs.
 */
#include "core/dir.h"
#include "core/file.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/request.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_OWNERS 4 /* one file of so many */

static struct {
	struct fs *fs;
	struct request request;
	unsigned long files;
	unsigned long in_folder;
	unsigned long extents; /* in each file; 0: as above */
	bool crash;
} many = { .in_folder = 1000 };

static int begin(const char *operation, const struct inode *inode)
{
	return request_begin(&many.request, operation, inode->ino, getpid(),
			     false);
}

static int make(struct inode *dir, const char *name, mode_t mode,
		struct inode **out)
{
	const struct dir_new new_inode = { .mode = mode };
	int err = begin("create", dir);

	if (err)
		return err;
	err = dir_create(&many.request, dir, name, &new_inode, out);
	request_end(&many.request);
	return err;
}

/* Every other block of twice as many. */
static int scatter(struct inode *inode)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	int err = file_fallocate(&many.request, inode, 0, 0,
				 (off_t)(2 * many.extents * BLOCK_BYTES));

	for (unsigned long i = 0; i < many.extents && !err; i++)
		err = file_fallocate(&many.request, inode, punch,
				     (off_t)((2 * i + 1) * BLOCK_BYTES),
				     BLOCK_BYTES);
	return err;
}

static int fill(struct inode *inode, unsigned long number)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%lu\n", number);
	ssize_t done;
	int err = begin("write", inode);

	if (err)
		return err;
	if (many.extents > 0) {
		err = scatter(inode);
	} else if (number % BLOCK_OWNERS == 0) {
		err = file_fallocate(&many.request, inode, 0, 0, BLOCK_BYTES);
	} else {
		done = file_write(&many.request, inode, text, (size_t)length, 0,
				  false);
		err = done < 0 ? (int)done : 0;
	}
	request_end(&many.request);
	return err;
}

static int make_file(struct inode *dir, unsigned long number)
{
	struct inode *inode;
	char name[32];
	int err;

	snprintf(name, sizeof(name), "f%lu", number % many.in_folder);
	err = make(dir, name, S_IFREG | 0644, &inode);
	if (err)
		return err;
	err = fill(inode, number);
	inode_forget(many.fs, inode, 1);
	return err;
}

static int make_folder(struct inode *root, unsigned long first)
{
	unsigned long end = first + many.in_folder;
	struct inode *dir;
	char name[32];
	int err;

	snprintf(name, sizeof(name), "d%lu", first / many.in_folder);
	err = make(root, name, S_IFDIR | 0755, &dir);
	if (err)
		return err;
	for (; first < end && first < many.files && !err; first++)
		err = make_file(dir, first);
	inode_forget(many.fs, dir, 1);
	return err;
}

static int make_all(void)
{
	struct inode *root = inode_of(many.fs, INO_ROOT);
	unsigned long first;
	int err;

	err = request_thread_init(many.fs, &many.request);
	for (first = 0; first < many.files && !err; first += many.in_folder)
		err = make_folder(root, first);
	return err;
}

static bool options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "d:e:x")) != -1) {
		switch (option) {
		case 'd':
			many.in_folder = strtoul(optarg, NULL, 10);
			break;
		case 'e':
			many.extents = strtoul(optarg, NULL, 10);
			break;
		case 'x':
			many.crash = true;
			break;
		default:
			return false;
		}
	}
	if (argc - optind < 2 || many.in_folder == 0)
		return false;
	many.files = strtoul(argv[optind], NULL, 10);
	return many.files > 0;
}

int main(int argc, char **argv)
{
	const struct fs_options mount = { .dax = DAX_ALWAYS };
	char why[256];
	int err;

	if (!options(argc, argv)) {
		fputs("usage: many_files [-d FILES_IN_A_FOLDER] [-e EXTENTS] "
		      "[-x] FILES DEVICE...\n  -x ends without an unmount\n",
		      stderr);
		return 2;
	}
	err = fs_mount(&many.fs, argv + optind + 1,
		       (unsigned)(argc - optind - 1), &mount, why, sizeof(why));
	if (err) {
		fprintf(stderr, "many_files: %s\n", why);
		return 1;
	}
	err = make_all();
	if (err)
		fprintf(stderr, "many_files: %s\n", strerror(-err));
	if (many.crash)
		_exit(err != 0);
	request_thread_fini(&many.request);
	fs_unmount(many.fs);
	return err != 0;
}
