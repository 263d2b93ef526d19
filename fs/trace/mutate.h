/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mutate.h -- mistakes that a test may switch on, one at a time
 *
 * Each site is a flush or fence left out, or two stores in the wrong order:
 * tests/crash shows that each is found. In builds without --enable-debug
 * nothing of it is there.
 */
#ifndef UDAX_TRACE_MUTATE_H
#define UDAX_TRACE_MUTATE_H

#include <config.h>
#include <stdbool.h>

enum mutation_site {
	MUTATION_NONE,
	/* journal: */
	MUTATE_RECORD_FENCE,	   /* none behind a record */
	MUTATE_HOME_BEFORE_RECORD, /* homes are stored first */
	MUTATE_HOME_FLUSH,	   /* a checkpoint does not flush homes */
	MUTATE_HOME_DRAIN,	   /* nor fence them */
	MUTATE_ANCHOR_FENCE,	   /* none behind an anchor */
	MUTATE_FREE_EARLY,	   /* blocks are free before the record is */
	MUTATE_PENDING_FREE,	   /* metadata's before the tail has moved */
	MUTATE_PUBLISH_FIRST,	   /* a new lineage before the checkpoint */
	MUTATE_REPLAY_SECURE,	   /* replay trusts records in the caches */
	MUTATE_REPLAY_FLUSH,	   /* nor does it flush homes */
	/* core: */
	MUTATE_DATA_DRAIN,	/* data is not durable before the commit */
	MUTATE_OVERWRITE_DRAIN, /* nor, in place, before the answer */
	MUTATE_CHUNK_ZERO,	/* new slots are zeroed after the commit */
	MUTATE_CHUNK_DRAIN,	/* or before, but not durable then */
	MUTATE_XATTR_DRAIN,	/* nor a value's blocks */
	MUTATE_PENDING_MARK,	/* a hole's edges are zeroed before its mark */
	MUTATE_LEASE_FLUSH,	/* fsync: stores of leases are not flushed */
	MUTATE_SUPER_FENCES,	/* none behind superblocks */
	MUTATE_SUPER_COPIES,	/* none between the two copies */
	MUTATE_SUPER_SETTLE,	/* a roll says what is in caches alone */
	MUTATE_FREEMAP_AFTER,	/* free maps after the clean mark */
	MUTATE_ORPHAN_ORDER, /* an orphan's blocks are marked before it goes */
	MUTATION_SITES
};

/* NULL past the last. */
const char *mutation_name(unsigned site);
/* By its name; false: there is none, or this build has none at all. */
bool mutation_choose(const char *name);

/* Not a mistake: links of a chain that have so few steps (core/file_change.c);
 * 0: as many as there is room for. Of no effect in other builds, either. */
extern unsigned mutation_link_steps;

#ifdef UDAX_DEBUG
extern enum mutation_site mutation_now;

static inline bool mutated(enum mutation_site site)
{
	return __builtin_expect(mutation_now == site, 0);
}
#else
static inline bool mutated(enum mutation_site site)
{
	(void)site;
	return false;
}
#endif

#endif
