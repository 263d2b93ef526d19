/* SPDX-License-Identifier: BSD-3-Clause */
/* state.h -- one content that the media may have at an event of a record */
#ifndef UDAX_TESTS_CRASH_STATE_H
#define UDAX_TESTS_CRASH_STATE_H

#include "crash/doubt.h"

enum state_kind {
	STATE_NONE,    /* of what is in doubt */
	STATE_ALL,     /* of it, as it was stored last */
	STATE_MEMBER,  /* all of member `unit`, nothing of the others */
	STATE_MISSING, /* all but that unit */
	STATE_ALONE,   /* that unit alone */
	STATE_OLDER,   /* all, that unit as of version `n` */
	STATE_OLDER_ALONE,
	STATE_PREFIX,	    /* all, of that unit the first n * 8 bytes */
	STATE_PREFIX_ALONE, /* those alone */
	STATE_UNTIL,	    /* what had been stored by event `n` */
	STATE_UNITS,	    /* each unit by chance, any of its contents */
	STATE_SECTORS,	    /* each 512 bytes by chance (pages) */
	STATE_WORDS,	    /* each 8 bytes by chance */
	STATE_KINDS
};

struct state {
	enum state_kind kind;
	unsigned unit; /* its place in doubt.units, or a member */
	uint64_t n;    /* a version, a length, an event, or what chance is */
};

/* The bytes of a unit (the i-th) in it; false: as they are durable. */
bool state_unit(const struct doubt *doubt, const struct state *state,
		const struct unit *unit, unsigned i, unsigned char *bytes);
uint64_t state_hash(const struct doubt *doubt, const struct state *state);
void state_print(const struct doubt *doubt, const struct state *state,
		 char *text, size_t text_bytes);

/*
 * States of this moment, about so many: nothing and all always, then each unit
 * missing that was touched since event `since` (a dozen times as many at most),
 * then single units, those above all, then by chance.
 */
typedef void state_fn(void *arg, const struct state *state);
void states_each(const struct doubt *doubt, size_t since, unsigned about,
		 uint64_t *random, state_fn *fn, void *arg);

#endif
