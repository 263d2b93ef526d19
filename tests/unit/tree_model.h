/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree_model.h -- a tree on a fake journal, and a sorted array of what it holds
 *
 * Each changing call is made on both and must agree. Values are made from the
 * key and a version number, so that the array need not keep them.
 */
#ifndef UDAX_TESTS_TREE_MODEL_H
#define UDAX_TESTS_TREE_MODEL_H

#include "fake_txn.h"
#include "tree/tree.h"

#define MODEL_BLOCKS 4096
#define MODEL_KEYS_MAX 6000
#define MODEL_OWNER 77
#define MODEL_ROOT_BLOCK 1 /* not one of the tree's */

struct model_key {
	uint64_t key;
	unsigned version; /* which of the key's many values */
};

extern struct model {
	struct fake fake;
	struct tree_env env;
	enum tree_kind kind;
	unsigned root_bytes;
	int64_t node_blocks; /* as blocks_delta has it */
	unsigned count;
	struct model_key at[MODEL_KEYS_MAX];
} model;

/* What trees there are: for loop tests. */
#define SHAPES 7
extern const struct shape {
	enum tree_kind kind;
	unsigned root_bytes;
	bool sequential;
} shapes[SHAPES];

void model_setup(enum tree_kind kind, unsigned root_bytes);
void model_teardown(void);

node_media *model_root(void);
struct tree model_reader(void);
struct tree model_writer(void);
void model_commit(struct tree *tree);

/* The value number `version` of a key: always the same bytes. */
unsigned model_value(uint64_t key, unsigned version, char *value);
bool model_has(uint64_t key);
/* A key that is there, or one that hardly is. */
uint64_t model_some_key(void);

void model_insert(struct tree *tree, uint64_t key);
void model_replace(struct tree *tree, uint64_t key);
void model_delete(struct tree *tree, uint64_t key);
/* Any of them, at random; the tree tends to `target` keys. */
void model_change(struct tree *tree, unsigned target, uint64_t *sequential);
/* One transaction a key. */
void model_fill(unsigned count, uint64_t first, int64_t step);
/* Insert or replace; an error leaves the array alone and is returned. */
int model_put(struct tree *tree, uint64_t key);

void model_expect_seeks(const struct tree *tree, uint64_t key);
/* All of it, blocks too, as a mount that has seen nothing yet reads it. */
void model_expect(void);
void model_forget_seen(void);

#endif
