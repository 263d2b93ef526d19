/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * media_walk.h -- a mount that looks at everything, and one that changes things
 *
 * What a mount of a damaged filesystem may answer is any error; what it may
 * not do is crash, and so on. Whether damage was met is told to the caller.
 */
#ifndef UDAX_TESTS_FUZZ_MEDIA_WALK_H
#define UDAX_TESTS_FUZZ_MEDIA_WALK_H

#include "media_base.h"

#include <stdbool.h>

struct walk_result {
	int mount_error;
	char why[256];	     /* of that */
	int damage;	     /* first EUCLEAN or EIO of a call, or 0 */
	const char *damaged; /* which call */
	uint64_t damaged_ino;
};

struct walk_how {
	bool read_only;
	bool degraded; /* without the second device */
	unsigned seed; /* of changes; 0: none */
};

/* Mounted, walked, changed, walked again. */
void walk_mount(struct base *base, const struct walk_how *how,
		struct walk_result *result);

#endif
