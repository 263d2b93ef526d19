/* SPDX-License-Identifier: BSD-3-Clause */
/* calls.h -- every call that takes a path, as one that takes nothing else */
#ifndef UDAX_CONFORMANCE_CALLS_H
#define UDAX_CONFORMANCE_CALLS_H

#include <stdbool.h>

struct path_call {
	const char *name;
	long (*call)(const char *path);
	bool follows; /* a symlink at the end */
	bool creates; /* what need not be there */
	bool changes; /* something: refused where nothing may be written */
};

extern const struct path_call path_calls[]; /* ends with a NULL name */

#endif
