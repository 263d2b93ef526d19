/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * judge.h -- is a state that a crash may leave one that may be?
 *
 * fsck finds nothing in it, it can be mounted, what is seen then is one of the
 * shadows that are legal at that moment, and once unmounted fsck finds nothing
 * again: the saved free map is the one that the extents give.
 */
#ifndef UDAX_TESTS_CRASH_JUDGE_H
#define UDAX_TESTS_CRASH_JUDGE_H

#include "crash/image.h"
#include "crash/shadow.h"

#define VERDICT_BYTES 1024

struct judge {
	struct images *images;
	const struct shadow *legal; /* any of these */
	unsigned legal_count;
	/* A superblock is being written: one of two may be half there. */
	bool superblocks;
	bool fsck_first; /* look at the state itself, too: takes longer */
	char verdict[VERDICT_BYTES]; /* what is wrong */
};

/* Of what the images hold. They are changed by it: the caller puts them back,
 * where image_touch() was told. */
bool judge_state(struct judge *judge) __attribute__((warn_unused_result));

unsigned judge_paths(const struct judge *judge, const char *out[CRASH_DEVICES]);
/* judge_fsck.c: fsck finds nothing. */
bool judge_fsck(struct judge *judge, const char *when, bool superblocks)
	__attribute__((warn_unused_result));

/* fsck's own words are caught: the program's standard output goes elsewhere. */
void judge_open(void);
/* What the program says itself. */
int judge_output(void);

#endif
