/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * image.h -- the members' files: made once, brought to a state and back cheaply
 *
 * Files on tmpfs, mapped here as well. Whoever changes one says where; undoing
 * copies those pages alone from what they shall hold again.
 */
#ifndef UDAX_TESTS_CRASH_IMAGE_H
#define UDAX_TESTS_CRASH_IMAGE_H

#include "crash/record.h"

#include <stdbool.h>

struct image {
	ino_t file;
	char path[128];
	unsigned char *map;
	unsigned char *dirty; /* a byte a page */
	uint32_t *pages;      /* the dirty ones */
	uint32_t count;
};

struct images {
	char dir[64];
	unsigned devices;
	uint64_t bytes; /* of each */
	struct image image[CRASH_DEVICES];
};

/* Files full of poison: what is read of a block that nobody wrote. */
void images_make(struct images *images, unsigned devices, uint64_t bytes);
/* mkfs.udaxfs; hash_seed is made known. */
void images_format(struct images *images);
/* These are the members that are recorded. */
void images_listen(const struct images *images);
void images_remove(struct images *images);

/* Bytes [offset, offset + length) are about to be changed, or were. */
void image_touch(struct images *images, unsigned device, uint64_t offset,
		 size_t length);
/* As `contents` again, wherever it was touched. */
void images_restore(struct images *images, unsigned char *const contents[]);
/* Everywhere. */
void images_set(struct images *images, unsigned char *const contents[]);

#endif
