/* SPDX-License-Identifier: BSD-3-Clause */
#include "crash/state.h"

#include "crash/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BYTES 8u
#define SECTOR_BYTES 512u
#define EACH 12 /* so many times as many states may leave out one unit */

static uint64_t lot(uint64_t salt, uint64_t what)
{
	uint64_t state = salt ^ what * UINT64_C(0xd6e8feb86659fd93);

	return random_next(&state);
}

/* As it was after so many of its contents; 0: as it is durable. */
static const unsigned char *content(const struct doubt *doubt,
				    const struct unit *unit, uint64_t versions)
{
	return versions == 0 ? unit_durable(doubt, unit)
			     : unit->versions[versions - 1].bytes;
}

static uint64_t versions_until(const struct unit *unit, size_t event)
{
	unsigned i = unit->count;

	while (i > 0 && unit->versions[i - 1].event > event)
		i--;
	return i;
}

/* Each piece is from any of the unit's contents. */
static void mix_pieces(const struct doubt *doubt, const struct state *state,
		       const struct unit *unit, unsigned piece,
		       unsigned char *bytes)
{
	uint64_t start = unit->number * doubt->unit_bytes;
	unsigned at;

	for (at = 0; at < doubt->unit_bytes; at += piece) {
		uint64_t drawn = lot(state->n, (start + at) * 2 + unit->device);

		memcpy(bytes + at,
		       content(doubt, unit, drawn % (unit->count + 1)) + at,
		       piece);
	}
}

static uint64_t versions_by_chance(const struct state *state,
				   const struct unit *unit)
{
	uint64_t drawn = lot(state->n, unit->number * 2 + unit->device);
	/* A few, half, or most of them are there. */
	uint64_t most = 64 + state->n % 3 * 64;

	if ((drawn & 255) >= most)
		return 0;
	return (drawn >> 8) % 4 ? unit->count : 1 + (drawn >> 16) % unit->count;
}

/* How many of the unit's contents came before the one it has. */
static uint64_t versions_of(const struct state *state, const struct unit *unit,
			    unsigned i)
{
	bool it = state->unit == i;

	switch (state->kind) {
	case STATE_ALL:
		return unit->count;
	case STATE_MEMBER:
		return unit->device == state->unit ? unit->count : 0;
	case STATE_MISSING:
		return it ? 0 : unit->count;
	case STATE_ALONE:
		return it ? unit->count : 0;
	case STATE_OLDER:
		return it ? state->n : unit->count;
	case STATE_OLDER_ALONE:
		return it ? state->n : 0;
	case STATE_PREFIX:
		return unit->count;
	case STATE_UNTIL:
		return versions_until(unit, state->n);
	case STATE_UNITS:
		return versions_by_chance(state, unit);
	default:
		return 0;
	}
}

bool state_unit(const struct doubt *doubt, const struct state *state,
		const struct unit *unit, unsigned i, unsigned char *bytes)
{
	const unsigned char *durable = unit_durable(doubt, unit);

	switch (state->kind) {
	case STATE_SECTORS:
		mix_pieces(doubt, state, unit,
			   doubt->unit_bytes < SECTOR_BYTES ? WORD_BYTES
							    : SECTOR_BYTES,
			   bytes);
		break;
	case STATE_WORDS:
		mix_pieces(doubt, state, unit, WORD_BYTES, bytes);
		break;
	case STATE_PREFIX:
	case STATE_PREFIX_ALONE:
		if (state->unit == i) {
			memcpy(bytes, durable, doubt->unit_bytes);
			memcpy(bytes, content(doubt, unit, unit->count),
			       state->n * WORD_BYTES);
			break;
		}
		/* fall through */
	default:
		memcpy(bytes, content(doubt, unit, versions_of(state, unit, i)),
		       doubt->unit_bytes);
		break;
	}
	return memcmp(bytes, durable, doubt->unit_bytes) != 0;
}

uint64_t state_hash(const struct doubt *doubt, const struct state *state)
{
	unsigned char bytes[UNIT_BYTES_MAX];
	uint64_t hash = doubt->hash;
	unsigned i;

	for (i = 0; i < doubt->count; i++)
		if (state_unit(doubt, state, &doubt->units[i], i, bytes))
			hash = doubt_hash_with(doubt, hash, &doubt->units[i],
					       bytes);
	return hash;
}

void state_print(const struct doubt *doubt, const struct state *state,
		 char *text, size_t text_bytes)
{
	static const char *const names[STATE_KINDS] = {
		"nothing",	"all",	 "one member",	"one missing",
		"one alone",	"older", "older alone", "prefix",
		"prefix alone", "until", "units",	"sectors",
		"words",
	};
	const struct unit *unit = NULL;

	if (state->kind >= STATE_MISSING && state->kind <= STATE_PREFIX_ALONE)
		unit = &doubt->units[state->unit];
	snprintf(text, text_bytes, "%s (member %u byte %llu, %llx) of %u units",
		 names[state->kind], unit ? unit->device : state->unit,
		 unit ? (unsigned long long)unit->number * doubt->unit_bytes
		      : 0,
		 (unsigned long long)state->n, doubt->count);
}

/* -------------------------------------------------------------- enumeration */

struct each {
	const struct doubt *doubt;
	uint64_t *random;
	state_fn *fn;
	void *arg;
	unsigned *fresh; /* units touched since */
	unsigned fresh_count;
};

static void give(struct each *each, enum state_kind kind, unsigned unit,
		 uint64_t n)
{
	const struct state state = { .kind = kind, .unit = unit, .n = n };

	each->fn(each->arg, &state);
}

static unsigned any_unit(struct each *each)
{
	uint64_t drawn = random_next(each->random);

	if (each->fresh_count > 0 && drawn % 4 > 0)
		return each->fresh[(drawn >> 8) % each->fresh_count];
	return (unsigned)((drawn >> 8) % each->doubt->count);
}

static void give_single(struct each *each)
{
	unsigned at = any_unit(each);
	const struct unit *unit = &each->doubt->units[at];
	unsigned words = each->doubt->unit_bytes / WORD_BYTES;
	uint64_t drawn = random_next(each->random);
	bool alone = drawn >> 32 & 1;

	switch (drawn % 4) {
	case 0:
		give(each, alone ? STATE_ALONE : STATE_MISSING, at, 0);
		break;
	case 1:
		if (unit->count > 1) {
			give(each, alone ? STATE_OLDER_ALONE : STATE_OLDER, at,
			     1 + (drawn >> 40) % (unit->count - 1));
			break;
		}
		/* fall through */
	default:
		give(each, alone ? STATE_PREFIX_ALONE : STATE_PREFIX, at,
		     1 + (drawn >> 40) % (words - 1));
		break;
	}
}

static void give_chance(struct each *each, size_t since)
{
	uint64_t drawn = random_next(each->random);
	size_t now = each->doubt->event;

	switch (drawn % 8) {
	case 0:
	case 1:
		give(each, STATE_UNTIL, 0,
		     since + (drawn >> 16) % (now - since + 1));
		break;
	case 2:
	case 3:
		give(each, STATE_WORDS, 0, drawn);
		break;
	case 4:
		give(each, STATE_SECTORS, 0, drawn);
		break;
	default:
		give(each, STATE_UNITS, 0, drawn);
		break;
	}
}

static void find_fresh(struct each *each, size_t since)
{
	unsigned i;

	each->fresh = malloc((each->doubt->count + 1) * sizeof(unsigned));
	for (i = 0; i < each->doubt->count; i++)
		if (each->doubt->units[i].touched > since)
			each->fresh[each->fresh_count++] = i;
}

void states_each(const struct doubt *doubt, size_t since, unsigned about,
		 uint64_t *random, state_fn *fn, void *arg)
{
	struct each each = {
		.doubt = doubt, .random = random, .fn = fn, .arg = arg
	};
	unsigned i;

	give(&each, STATE_NONE, 0, 0);
	if (doubt->count == 0)
		return;
	give(&each, STATE_ALL, 0, 0);
	for (i = 0; i < doubt->devices && doubt->devices > 1; i++)
		give(&each, STATE_MEMBER, i, 0);
	find_fresh(&each, since);
	for (i = 0; i < each.fresh_count; i++) {
		if (each.fresh_count <= about * EACH)
			give(&each, STATE_MISSING, each.fresh[i], 0);
		if (each.fresh_count * 2 <= about)
			give(&each, STATE_ALONE, each.fresh[i], 0);
	}
	for (i = 0; i < about; i++)
		if (i % 2)
			give_chance(&each, since);
		else
			give_single(&each);
	free(each.fresh);
}
