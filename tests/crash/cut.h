/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cut.h -- the power fails at every moment of a record
 *
 * Before each fence takes effect, after each answer, and now and then between,
 * the states that the media may be in are made and judged: nothing of what is
 * in doubt, all of it, each unit missing, each alone, an older content of one,
 * 8-byte prefixes, what had been stored up to some event, random subsets of
 * units and of words. Two members are cut independently. Of some states the
 * recovery is recorded in turn and cut as well.
 *
 * What is legal at a moment: all that was answered, and of what was under way
 * each operation done or not (op_apply() says what may be torn).
 */
#ifndef UDAX_TESTS_CRASH_CUT_H
#define UDAX_TESTS_CRASH_CUT_H

#include "crash/doubt.h"
#include "crash/image.h"
#include "crash/judge.h"
#include "crash/script.h"
#include "crash/seen.h"

#define UNDER_WAY_MAX 4
#define NO_STATE UINT64_MAX

struct cut_options {
	unsigned dense;	     /* states a fence, about */
	unsigned again;	     /* of so many states one is cut in recovery; 0 */
	uint64_t only;	     /* this state alone, or NO_STATE */
	uint64_t states_max; /* 0: all */
};

struct cut_counts {
	uint64_t made;	   /* states built */
	uint64_t distinct; /* by content */
	uint64_t judged;
	uint64_t in_recovery; /* of those judged */
	uint64_t failed;
};

struct cut {
	const struct cut_options *options;
	const struct script *script;
	enum device_granularity granularity;
	struct images *images;
	struct seen *seen;
	struct cut_counts *counts;
	uint64_t random;
	uint64_t made; /* of this record */
	/* A failing state: where, how it was made, what is wrong. */
	uint64_t failed_state;
	char failure[VERDICT_BYTES + 512];
};

/* `contents`: of the members when the record began. True: every state was
 * legal. */
bool cut_record(struct cut *cut, const struct record *record,
		unsigned char *const contents[])
	__attribute__((warn_unused_result));

#endif
