/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * foreign.h -- what libblkid sees on a device: not udaxfs, which it does not
 *              know
 *
 * Errors: -ENOMEM. What it cannot look at (a devdax device) has nothing.
 */
#ifndef UDAX_DEVICE_FOREIGN_H
#define UDAX_DEVICE_FOREIGN_H

#include <stddef.h>
#include <stdint.h>

/* A filesystem's or partition table's name, and where its magic stands;
 * length_bytes 0: not known. */
typedef void foreign_fn(void *arg, const char *name, uint64_t offset_bytes,
			size_t length_bytes);
int foreign_find(int fd, foreign_fn *fn, void *arg)
	__attribute__((warn_unused_result));

/* The first one's name; "": there is none. */
#define FOREIGN_NAME_BYTES 32
int foreign_name(int fd, char name[FOREIGN_NAME_BYTES])
	__attribute__((warn_unused_result));

#endif
