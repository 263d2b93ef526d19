/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * share_model.h -- a few files, each against a plain array, and random steps:
 * calls of file_model.h, copies from one to another, and opens
 *
 * A run is repeated exactly by its seed (model_seed), step by step.
 */
#ifndef UDAX_TESTS_SHARE_MODEL_H
#define UDAX_TESTS_SHARE_MODEL_H

#include "lib/file_model.h"

#include <stdbool.h>
#include <stdint.h>

#define SHARE_FILES 4

struct share_one {
	struct model model;
	struct inode *file;
	bool writable;
};

extern struct share_one share_files[SHARE_FILES];

enum share_kind { STEP_CALL, STEP_COPY, STEP_OPEN };

struct share_step {
	enum share_kind kind;
	unsigned to; /* what it is about */
	bool writable, at_once;
	struct call call;
	unsigned from;
	uint64_t from_offset, to_offset, length;
};

void share_models_init(void);
void share_models_fini(void);
void share_open_all(void);
void share_close_all(void);
/* Into fixture.file. */
void share_choose(unsigned which);

struct share_step share_step_random(void);
/* On the filesystem; the model follows by share_step_apply(). full: it may
 * answer ENOSPC, and the model has followed as far as it came. */
int share_step_perform(struct share_step *step, bool full);
void share_step_apply(const struct share_step *step);

/* Every file is its model, owners are counted right, R10. How many blocks are
 * shared. */
uint64_t share_check_all(void);

#endif
