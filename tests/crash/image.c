/* SPDX-License-Identifier: BSD-3-Clause */
#include "crash/image.h"

#include "media/superblock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define POISON_BYTE 0xd7 /* no file's pattern, no zeros */

static void fail(const char *what)
{
	perror(what);
	abort();
}

static void make_one(struct images *images, unsigned device)
{
	struct image *image = &images->image[device];
	struct stat stat;
	int fd;

	snprintf(image->path, sizeof(image->path), "%s/%u", images->dir,
		 device);
	fd = open(image->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)images->bytes) != 0)
		fail(image->path);
	image->map = mmap(NULL, images->bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, fd, 0);
	if (image->map == MAP_FAILED || fstat(fd, &stat) != 0)
		fail(image->path);
	close(fd);
	memset(image->map, POISON_BYTE, images->bytes);
	image->dirty = calloc(images->bytes / PAGE_BYTES, 1);
	image->pages = calloc(images->bytes / PAGE_BYTES, sizeof(uint32_t));
	image->file = stat.st_ino;
}

/* The same tree for the same script. */
static void know_seed(struct images *images, unsigned device)
{
	unsigned char *map = images->image[device].map;
	superblock_media *first = (superblock_media *)map;
	void *second = map + superblock_second_offset(first->size_blocks);

	first->hash_seed = 0x9e3779b97f4a7c15;
	superblock_seal(first);
	memcpy(second, first, sizeof(*first));
}

void images_make(struct images *images, unsigned devices, uint64_t bytes)
{
	bool shm = access("/dev/shm", W_OK) == 0;
	unsigned i;

	*images = (struct images){ .devices = devices, .bytes = bytes };
	snprintf(images->dir, sizeof(images->dir), "%s/udaxfs-crash.XXXXXX",
		 shm ? "/dev/shm" : "/tmp");
	if (!mkdtemp(images->dir))
		fail(images->dir);
	for (i = 0; i < devices; i++)
		make_one(images, i);
}

void images_format(struct images *images)
{
	char command[512] = "./mkfs.udaxfs -q -f";
	size_t length = strlen(command);
	unsigned i;

	for (i = 0; i < images->devices; i++)
		length += (size_t)snprintf(command + length,
					   sizeof(command) - length, " %s",
					   images->image[i].path);
	fflush(NULL);
	if (system(command) != 0)
		fail(command);
	for (i = 0; i < images->devices; i++)
		know_seed(images, i);
}

void images_listen(const struct images *images)
{
	unsigned i;

	for (i = 0; i < images->devices; i++)
		record_member(i, images->image[i].file);
}

void images_remove(struct images *images)
{
	unsigned i;

	for (i = 0; i < images->devices; i++) {
		munmap(images->image[i].map, images->bytes);
		free(images->image[i].dirty);
		free(images->image[i].pages);
		unlink(images->image[i].path);
	}
	rmdir(images->dir);
}

void image_touch(struct images *images, unsigned device, uint64_t offset,
		 size_t length)
{
	struct image *image = &images->image[device];
	uint64_t page = offset / PAGE_BYTES;

	for (; page * PAGE_BYTES < offset + length; page++)
		if (!image->dirty[page]) {
			image->dirty[page] = 1;
			image->pages[image->count++] = (uint32_t)page;
		}
}

void images_restore(struct images *images, unsigned char *const contents[])
{
	unsigned i;

	for (i = 0; i < images->devices; i++) {
		struct image *image = &images->image[i];

		while (image->count > 0) {
			uint64_t page = image->pages[--image->count];

			image->dirty[page] = 0;
			memcpy(image->map + page * PAGE_BYTES,
			       contents[i] + page * PAGE_BYTES, PAGE_BYTES);
		}
	}
}

void images_set(struct images *images, unsigned char *const contents[])
{
	unsigned i;

	for (i = 0; i < images->devices; i++)
		memcpy(images->image[i].map, contents[i], images->bytes);
	images_restore(images, contents);
}
