/* SPDX-License-Identifier: BSD-3-Clause */
#include "crash/cut.h"

#include "crash/state.h"
#include "crash/watch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEGAL_MAX (1u << UNDER_WAY_MAX)
#define BETWEEN 6	    /* one store of so many is cut after */
#define RECOVERY_STATES 100 /* of one recovery, at most */
#define MIX UINT64_C(0x9e3779b97f4a7c15)

/* One walk over one record: of the script, or of a recovery. */
struct walk {
	struct cut *cut;
	const struct record *record;
	struct doubt doubt;
	size_t at;    /* the event */
	size_t epoch; /* the last mark: what is legal changed there */
	size_t since; /* doubt.event at the last fence */
	uint64_t random;
	const struct walk *outer; /* whose recovery it is, or NULL */
	bool judged;		  /* the states of this part of the script */
	struct shadow *done;
	unsigned under_way[UNDER_WAY_MAX];
	unsigned under_way_count;
	bool stale; /* legal[] is to be made again */
	struct shadow *legal;
	unsigned legal_count;
	unsigned tried;
	bool failed;
};

/* ---------------------------------------------------------- what is legal */

static void drop_legal(struct walk *walk)
{
	while (walk->legal_count > 0)
		shadow_fini(&walk->legal[--walk->legal_count]);
}

static void make_legal(struct walk *walk)
{
	const struct op *ops = walk->cut->script->ops;
	unsigned subset, i;

	if (!walk->stale || walk->outer)
		return;
	drop_legal(walk);
	/* The likeliest first: all that is under way, or nothing of it. */
	for (subset = 0; subset < 1u << walk->under_way_count; subset++) {
		struct shadow *legal = &walk->legal[walk->legal_count++];

		shadow_copy(legal, walk->done);
		for (i = 0; i < walk->under_way_count; i++)
			if (subset >> i & 1)
				op_apply(legal, &ops[walk->under_way[i]], true);
	}
	walk->stale = false;
}

static bool changes_superblocks(const struct walk *walk)
{
	unsigned i;

	for (i = 0; i < walk->under_way_count; i++)
		switch (walk->cut->script->ops[walk->under_way[i]].kind) {
		case OP_MOUNT:
		case OP_UNMOUNT:
		case OP_REMOVE:
			return true;
		default:
			break;
		}
	return walk->outer != NULL;
}

static void mark(struct walk *walk, const struct event *event)
{
	const struct script *script = walk->cut->script;
	unsigned i;

	walk->epoch = walk->at;
	walk->stale = true;
	if (event->kind == EVENT_BEGIN) {
		assert(walk->under_way_count < UNDER_WAY_MAX);
		walk->under_way[walk->under_way_count++] = event->op;
		if (event->op == script->cut_from)
			walk->judged = true;
		return;
	}
	op_apply(walk->done, &script->ops[event->op], false);
	for (i = 0; walk->under_way[i] != event->op; i++)
		;
	walk->under_way[i] = walk->under_way[--walk->under_way_count];
	if (script->ops[event->op].then != OP_THEN_AS_BEFORE)
		walk->judged = script->ops[event->op].then == OP_THEN_JUDGED;
}

/* ---------------------------------------------------------------- judging */

static bool cut_recovery(struct walk *outer, const struct state *state,
			 uint64_t hash, uint64_t lot);

static void say_failure(struct walk *walk, const struct state *state,
			uint64_t number, const char *verdict)
{
	struct cut *cut = walk->cut;
	const struct script *script = cut->script;
	const struct walk *script_walk = walk->outer ? walk->outer : walk;
	char during[256] = "nothing under way";
	char made[128];

	walk->failed = true;
	cut->counts->failed++;
	if (cut->failure[0])
		return;
	if (script_walk->under_way_count > 0)
		op_print(&script->ops[script_walk->under_way[0]], during,
			 sizeof(during));
	state_print(&walk->doubt, state, made, sizeof(made));
	cut->failed_state = number;
	snprintf(cut->failure, sizeof(cut->failure),
		 "event %zu of %zu, during %s; %sevent %zu of %zu; %s: %s",
		 script_walk->at, script_walk->record->count, during,
		 walk->outer ? "then in recovery, " : "", walk->at,
		 walk->record->count, made, verdict);
}

static void put_state(struct walk *walk, const struct state *state)
{
	struct images *images = walk->cut->images;
	unsigned char bytes[UNIT_BYTES_MAX];
	unsigned i;

	for (i = 0; i < walk->doubt.count; i++) {
		const struct unit *unit = &walk->doubt.units[i];
		uint64_t offset = unit->number * walk->doubt.unit_bytes;

		if (!state_unit(&walk->doubt, state, unit, i, bytes))
			continue;
		image_touch(images, unit->device, offset,
			    walk->doubt.unit_bytes);
		memcpy(images->image[unit->device].map + offset, bytes,
		       walk->doubt.unit_bytes);
	}
}

static bool judge_one(struct walk *walk, const struct state *state,
		      uint64_t lot, char *verdict)
{
	struct cut *cut = walk->cut;
	struct judge judge = {
		.images = cut->images,
		.superblocks = changes_superblocks(walk),
		.fsck_first = (lot >> 40 & 3) == 0,
	};
	bool good;

	make_legal(walk);
	judge.legal = walk->legal;
	judge.legal_count = walk->legal_count;
	put_state(walk, state);
	watch_beat();
	good = judge_state(&judge);
	images_restore(cut->images, walk->doubt.durable);
	cut->counts->judged++;
	cut->counts->in_recovery += walk->outer != NULL;
	memcpy(verdict, judge.verdict, VERDICT_BYTES);
	return good;
}

/* What was seen before may be legal no longer: more is promised now. */
static bool is_wanted(struct walk *walk, uint64_t number, uint64_t hash)
{
	struct cut *cut = walk->cut;
	bool fresh = seen_add(cut->seen, hash);
	bool here = seen_add(cut->seen, (hash ^ walk->epoch * MIX) * MIX);

	cut->counts->distinct += fresh;
	if (!walk->outer && cut->options->only != NO_STATE)
		return number == cut->options->only;
	return fresh || (here && !walk->outer);
}

static bool is_cut_again(const struct walk *walk, uint64_t lot)
{
	const struct cut_options *options = walk->cut->options;

	return !walk->outer && options->again &&
	       (lot >> 32) % options->again == 0;
}

static void try_state(void *arg, const struct state *state)
{
	struct walk *walk = arg;
	struct cut *cut = walk->cut;
	char verdict[VERDICT_BYTES];
	uint64_t number = walk->outer ? 0 : cut->made++;
	uint64_t lot = ((walk->outer ? walk->tried : number) + 1) * MIX ^
		       walk->cut->random * MIX;
	uint64_t hash;

	if (walk->failed)
		return;
	cut->counts->made += walk->outer == NULL;
	if (walk->outer && walk->tried++ > RECOVERY_STATES)
		return;
	hash = state_hash(&walk->doubt, state);
	if (!is_wanted(walk, number, hash))
		return;
	if (!judge_one(walk, state, lot, verdict)) {
		say_failure(walk, state, number, verdict);
	} else if (is_cut_again(walk, lot) &&
		   !cut_recovery(walk, state, hash, lot)) {
		cut->failed_state = number;
		walk->failed = true;
	}
}

/* ------------------------------------------------------------------ walks */

static void settled(void *arg, unsigned device, uint64_t offset, size_t length)
{
	struct walk *walk = arg;

	memcpy(walk->cut->images->image[device].map + offset,
	       walk->doubt.durable[device] + offset, length);
}

static void walk_listen(struct walk *walk)
{
	walk->doubt.settled = settled;
	walk->doubt.arg = walk;
}

static void walk_init(struct walk *walk, struct cut *cut,
		      const struct record *record,
		      unsigned char *const contents[])
{
	walk->cut = cut;
	walk->record = record;
	doubt_init(&walk->doubt, cut->granularity, cut->images->devices,
		   cut->images->bytes, contents);
	walk_listen(walk);
	images_set(cut->images, contents);
}

static void walk_fini(struct walk *walk)
{
	doubt_fini(&walk->doubt);
	if (walk->outer)
		return; /* whose legal states they are */
	drop_legal(walk);
	free(walk->legal);
}

static void cut_here(struct walk *walk, unsigned about)
{
	if (walk->judged && !walk->failed)
		states_each(&walk->doubt, walk->since, about, &walk->random,
			    try_state, walk);
}

static void walk_event(struct walk *walk, const struct event *event)
{
	unsigned dense = walk->cut->options->dense;

	if (walk->outer)
		dense = dense / 4 + 1;
	if (event->kind == EVENT_DRAIN) {
		cut_here(walk, dense);
		walk->since = walk->doubt.event;
	}
	doubt_feed(&walk->doubt, walk->record, event);
	if (event->kind == EVENT_ANSWER || event->kind == EVENT_BEGIN) {
		mark(walk, event);
		if (event->kind == EVENT_ANSWER)
			cut_here(walk, dense / 4);
	} else if (event->kind != EVENT_DRAIN &&
		   random_next(&walk->random) % BETWEEN == 0) {
		cut_here(walk, dense / 8);
	}
}

static bool is_enough(const struct walk *walk)
{
	const struct cut *cut = walk->cut;

	return walk->failed || (walk->outer && walk->tried > RECOVERY_STATES) ||
	       (cut->options->only != NO_STATE && !walk->outer &&
		cut->made > cut->options->only) ||
	       (cut->options->states_max &&
		cut->counts->judged >= cut->options->states_max);
}

static bool walk_all(struct walk *walk)
{
	for (walk->at = 0; walk->at < walk->record->count && !is_enough(walk);
	     walk->at++)
		walk_event(walk, &walk->record->events[walk->at]);
	return !walk->failed;
}

/* A mount of that state, recorded, and what it is to the members before. */
static bool record_recovery(struct walk *outer, const struct state *state,
			    struct record *record, unsigned char *contents[])
{
	struct images *images = outer->cut->images;
	char verdict[VERDICT_BYTES];
	unsigned i;
	bool good;

	put_state(outer, state);
	for (i = 0; i < images->devices; i++) {
		contents[i] = malloc(images->bytes);
		memcpy(contents[i], images->image[i].map, images->bytes);
	}
	images_restore(images, outer->doubt.durable);
	record_thread(0);
	record_begin(record);
	good = judge_one(outer, state, 1, verdict);
	record_end();
	if (!good)
		say_failure(outer, state, outer->cut->made - 1, verdict);
	return good;
}

/*
 * The power goes again while the next mount recovers: after a power loss that
 * left the media in that state or, now and then, after a daemon's death, when
 * everything that was stored is there and still in doubt.
 */
static bool cut_recovery(struct walk *outer, const struct state *state,
			 uint64_t hash, uint64_t lot)
{
	static const struct state all = { .kind = STATE_ALL };
	struct cut *cut = outer->cut;
	bool died = lot >> 28 & 1;
	unsigned char *contents[CRASH_DEVICES];
	struct record record;
	struct walk walk = { .judged = true, .outer = outer };
	unsigned i;
	bool good;

	good = record_recovery(outer, died ? &all : state, &record, contents);
	walk.random = lot;
	walk_init(&walk, cut, &record, contents);
	if (died) {
		doubt_fini(&walk.doubt);
		doubt_inherit(&walk.doubt, &outer->doubt);
		walk_listen(&walk);
		images_set(cut->images, outer->doubt.durable);
	} else {
		walk.doubt.hash = hash;
	}
	walk.legal = outer->legal;
	walk.legal_count = outer->legal_count;
	good = good && walk_all(&walk);
	walk_fini(&walk);
	record_fini(&record);
	for (i = 0; i < cut->images->devices; i++)
		free(contents[i]);
	images_set(cut->images, outer->doubt.durable);
	return good;
}

bool cut_record(struct cut *cut, const struct record *record,
		unsigned char *const contents[])
{
	struct walk walk = { .random = cut->random, .stale = true };
	bool good;

	walk.legal = calloc(LEGAL_MAX, sizeof(*walk.legal));
	walk_init(&walk, cut, record, contents);
	walk.done = malloc(sizeof(*walk.done));
	shadow_init(walk.done);
	good = walk_all(&walk);
	shadow_fini(walk.done);
	free(walk.done);
	walk_fini(&walk);
	return good;
}
