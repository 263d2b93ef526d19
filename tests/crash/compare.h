/* SPDX-License-Identifier: BSD-3-Clause */
/* compare.h -- is a mounted filesystem what a shadow says that it may be? */
#ifndef UDAX_TESTS_CRASH_COMPARE_H
#define UDAX_TESTS_CRASH_COMPARE_H

#include "core/fs.h"
#include "core/request.h"
#include "crash/shadow.h"

/* Read whole: names, attributes, xattrs, bytes. False: text says the first
 * difference. */
bool compare_tree(struct fs *fs, struct request *request,
		  const struct shadow *shadow, char *text, size_t text_bytes)
	__attribute__((warn_unused_result));

#endif
