/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * entry_private.h -- the steps that entry_table.h's operations are made of
 *
 * Locking: table->lock is held on every call; only entry_get_unlocked() gives
 *          it up, to sleep.
 */
#ifndef UDAX_DAX_ENTRY_PRIVATE_H
#define UDAX_DAX_ENTRY_PRIVATE_H

#include "dax/entry_node.h"
#include "dax/entry_table.h"
#include "dax/entry_wait.h"

/*
 * What many deletions take off their device's numbers, at once: under one hold
 * of the lock and in one read-side section, for a put may be the last.
 */
struct entry_batch {
	struct pgmap *pgmap;
	int64_t entries, kernel, leases;
};

/* Lock the table, and from here on gather; and the end of it. */
void entry_batch_begin(struct entry_table *table, struct entry_batch *batch);
void entry_batch_end(struct entry_table *table);

/* Whose wake this thread took. */
struct entry_waited {
	bool any;
	uint64_t index;
};

/*
 * The entry that covers index once it is not locked, or nowhere [I5]. order 9:
 * -EEXIST, without waiting, where smaller entries are. Then lock the entry, or
 * delete it, or call entry_pass_on().
 */
int entry_get_unlocked(struct entry_table *table, uint64_t index,
		       unsigned order, struct entry_waited *waited,
		       struct entry_slot *out)
	__attribute__((warn_unused_result));

/* This thread will not lock what it waited for [I4]. */
void entry_pass_on(struct entry_table *table, struct entry_waited *waited);

/* Find it locked, unlock it, wake the next. */
void entry_unlock_slot(struct entry_table *table, struct entry_slot slot);

void entry_info_of(struct entry_slot slot, struct entry_info *out);

/* A new empty, unlocked entry where nothing is. 0, -ENOMEM. */
int entry_make_slot(struct entry_table *table, uint64_t index, unsigned order,
		    struct entry_slot *out) __attribute__((warn_unused_result));

/* Would the page change holders [R11]? */
bool entry_conflicts(uint64_t value, const struct entry_new *new);

/* Is the device still taking references? For what is kept as it is [R2]. */
int entry_check_live(struct entry_table *table, unsigned device)
	__attribute__((warn_unused_result));

/* entry_insert_locked() on a slot; its lock bit stays as it is. */
int entry_insert_slot(struct entry_table *table, struct entry_slot slot,
		      const struct entry_new *new)
	__attribute__((warn_unused_result));

/*
 * Order 9 to order 0, unlocked: a real or zero entry becomes 512, an empty one
 * nothing. 0, -ENOMEM.
 */
int entry_split_slot(struct entry_table *table, struct entry_slot slot)
	__attribute__((warn_unused_result));

/* Drop n of the associations of an entry that keeps some. */
void entry_drop_associations(struct entry_table *table, struct entry_slot slot,
			     unsigned n);

/* Delete an unlocked entry and wake all who wait for it. */
void entry_delete_slot(struct entry_table *table, struct entry_slot slot);

#endif
