/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script.h -- what is done to a filesystem while it is recorded
 *
 * Each script makes the operations of one kind meet; "random" and its like
 * make them by chance, from a seed. The first part of a script only prepares:
 * its states are not judged.
 */
#ifndef UDAX_TESTS_CRASH_SCRIPT_H
#define UDAX_TESTS_CRASH_SCRIPT_H

#include "crash/shadow.h"

struct script {
	const char *name;
	unsigned devices;
	struct op *ops;
	unsigned count, room;
	unsigned cut_from;   /* the first operation whose states are judged */
	unsigned link_steps; /* steps a link of a chain; 0: as it is */
	/* While it is made: */
	struct shadow shadow;
	uint64_t random;
	uint32_t version;
	bool nameless[OP_SLOTS]; /* has never had a name */
};

typedef void script_fn(struct script *script);

struct script_kind {
	const char *name;
	unsigned devices;
	bool random; /* another one for each seed */
	script_fn *make;
};

extern const struct script_kind script_kinds[];
extern const unsigned script_kind_count;

void script_make(struct script *script, const struct script_kind *kind,
		 uint64_t seed);
void script_fini(struct script *script);

/* To make one: the operation is added and applied to the shadow. */
struct op *script_add(struct script *script, struct op op);
uint64_t script_random(struct script *script, uint64_t below);
uint64_t random_next(uint64_t *state);

/* script_random.c */
void script_random_one(struct script *script);
void script_random_two(struct script *script);
void script_random_threads(struct script *script);

#endif
