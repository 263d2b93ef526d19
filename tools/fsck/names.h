/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * names.h -- keys of names as they come out of a tree: right and unique
 *
 * Names of equal hash stand one after the other (media/name.h), so a name
 * that is there twice is in one run of at most NAME_COLLISIONS.
 */
#ifndef UDAX_FSCK_NAMES_H
#define UDAX_FSCK_NAMES_H

#include "media/name.h"

#include <stddef.h>
#include <stdint.h>

enum name_verdict { NAME_RIGHT, NAME_WRONG_KEY, NAME_TWICE };

/* Start with zeros. Holds pointers to the names of the current run. */
struct name_run {
	uint64_t base;
	unsigned count;
	struct {
		const void *bytes;
		size_t length;
	} name[NAME_COLLISIONS];
};

enum name_verdict name_run_add(struct name_run *run, uint64_t seed,
			       uint64_t key, const void *bytes, size_t length);

#endif
