/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * entry_wait.h -- where those sleep who met a locked entry
 *
 * A fixed array of queues, hashed by (table, index rounded down to 2 MiB), so
 * that a table needs none of its own and entries of both orders of one range
 * meet in one queue. A waiter names the first index of the entry that it met.
 *
 * A waiter means to lock the entry, so one wake goes to one waiter: who was
 * woken and does not take the lock must pass the wake on (entry_wait_wake_next
 * again). A deletion, after which there is nothing to queue for, wakes all.
 *
 * Locking: the table's lock is held on every call, so that no wake falls
 *          between looking and sleeping; a queue's own lock is a leaf inside.
 */
#ifndef UDAX_DAX_ENTRY_WAIT_H
#define UDAX_DAX_ENTRY_WAIT_H

#include "dax/entry_table.h"

/* Sleep without table->lock, return with it. Look the entry up again. */
void entry_wait_sleep(struct entry_table *table, uint64_t index);

void entry_wait_wake_next(struct entry_table *table, uint64_t index);
void entry_wait_wake_all(struct entry_table *table, uint64_t index);

#endif
