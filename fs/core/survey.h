/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * survey.h -- what an operator asks: who has which entries, how much is free
 *
 * Diagnostic, not on any request's path. Locking: takes inode locks shared,
 * one at a time; call with none held.
 */
#ifndef UDAX_CORE_SURVEY_H
#define UDAX_CORE_SURVEY_H

#include "dax/entry_table.h"

#include <stdint.h>

struct fs;
struct inode;

/* Every inode that has entries; the table stays while fn runs. */
typedef void survey_fn(struct inode *inode, struct entry_table *table,
		       void *arg);
void survey_tables(struct fs *fs, survey_fn *fn, void *arg);

/* Pages × associations of all tables on a device: one side of R10. */
uint64_t survey_associations(struct fs *fs, unsigned device);

/* Bytes of a device that can still be given to files; 0 when it is gone. */
uint64_t survey_free_bytes(struct fs *fs, unsigned device);

#endif
