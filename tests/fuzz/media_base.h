/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * media_base.h -- filesystems to damage, and to have back at once
 *
 * Made in this process by mkfs.udaxfs of the build and by core, the same every
 * time but for timestamps: of one device or two, left clean or cut short (a
 * journal with records, orphans, a range whose freeing is under way). Each is
 * kept twice: pristine, in memory, and as files that programs open. Who stores
 * to a file tells base_touch(); the device layer's stores tell themselves.
 */
#ifndef UDAX_TESTS_FUZZ_MEDIA_BASE_H
#define UDAX_TESTS_FUZZ_MEDIA_BASE_H

#include "media/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BASES 4
#define BASE_DEVICES 2
#define BASE_BYTES (17u << 20) /* the least is 16 MiB: some can be cut off */
#define BASE_BLOCKS (BASE_BYTES / BLOCK_BYTES)

struct base {
	unsigned devices;
	bool clean;
	char path[BASE_DEVICES][64];
	int fd[BASE_DEVICES];
	unsigned char *image[BASE_DEVICES]; /* the file, mapped */
	unsigned char *pristine[BASE_DEVICES];
	uint64_t blocks[BASE_DEVICES]; /* now; less after base_cut() */
	uint64_t dirty[BASE_DEVICES][BASE_BLOCKS / 64];
};

/* Made at the first call. which: below BASES. */
struct base *base_get(unsigned which);

static inline void *base_at(struct base *base, uint64_t addr)
{
	return base->image[addr_device(addr)] + addr_offset(addr);
}

void base_touch(struct base *base, uint64_t addr, size_t length_bytes);
/* The device ends there. */
void base_cut(struct base *base, unsigned device, uint64_t blocks);
/* Back to what it was. */
void base_restore(struct base *base);
/* Whether it is. */
bool base_is_pristine(const struct base *base);

void fuzz_fail(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

#endif
