/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options.h -- what the command line asks of a campaign
 */
#ifndef UDAX_TESTS_CRASH_OPTIONS_H
#define UDAX_TESTS_CRASH_OPTIONS_H

#include "crash/cut.h"

#include <stdbool.h>
#include <stdint.h>

#define GRANULARITIES 3 /* of enum device_granularity */
#define JOBS_MAX 64

struct options {
	const char *script; /* NULL: all */
	uint64_t seed;	    /* the first */
	unsigned seeds;	    /* so many of each script by chance */
	int granularity;    /* enum device_granularity; -1: all */
	unsigned jobs;
	uint64_t distinct; /* go on with more seeds until so many; 0 */
	unsigned seconds;  /* but no longer; 0 */
	bool json;
	bool quiet;
	bool keep_going; /* after a failure */
	struct cut_options cut;
};

/* False: the usage was told. --list and --mutations end the process. */
bool options_parse(struct options *options, int argc, char **argv)
	__attribute__((warn_unused_result));

#endif
