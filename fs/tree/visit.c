/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree/visit.h"

#include "device/members.h"
#include "journal/journal.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64

/* Both ends belong to it. */
struct key_range {
	uint64_t first;
	uint64_t last;
};

int tree_env_init(struct tree_env *env, const struct members *members,
		  unsigned metadata_device)
{
	const struct device *device = members->device[metadata_device];

	memset(env, 0, sizeof(*env));
	if (device == NULL)
		return -ENODEV;
	env->members = members;
	env->metadata_device = metadata_device;
	env->device_blocks = device->size_bytes >> BLOCK_SHIFT;
	env->seen = calloc(env->device_blocks / WORD_BITS + 1,
			   sizeof(*env->seen));
	return env->seen != NULL ? 0 : -ENOMEM;
}

void tree_env_fini(struct tree_env *env)
{
	free(env->seen);
	env->seen = NULL;
}

static int check_first_time(const struct tree *tree, const void *block,
			    uint64_t addr)
{
	uint64_t at = addr_block(addr);
	uint64_t bit = UINT64_C(1) << at % WORD_BITS;
	_Atomic uint64_t *word = &tree->env->seen[at / WORD_BITS];
	int err;

	if (atomic_load_explicit(word, memory_order_relaxed) & bit)
		return 0;
	err = node_block_check(block, tree->owner, addr, tree->kind);
	if (err == 0)
		atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
	return err;
}

static bool keys_in_range(const node_media *node, struct key_range range)
{
	return node_key(node, 0) >= range.first &&
	       node_key(node, node->count - 1) <= range.last;
}

static int check_every_time(const struct tree *tree,
			    const node_block_media *block, uint64_t addr,
			    unsigned level, struct key_range range)
{
	const node_media *node = (const node_media *)(block + 1);

	if (node_block_identify(block, tree->owner, addr) != 0 ||
	    node_header_check(node, NODE_BLOCK_BYTES, tree->kind) != 0)
		return -EUCLEAN;
	if (node->level != level || node->count == 0 ||
	    !keys_in_range(node, range))
		return -EUCLEAN;
	return 0;
}

static int visit(const struct tree *tree, uint64_t addr, unsigned level,
		 struct key_range range, const node_media **out)
{
	const struct tree_env *env = tree->env;
	const struct device *device =
		env->members->device[env->metadata_device];
	const node_block_media *block;
	const void *home;
	int err;

	if (addr_device(addr) != env->metadata_device ||
	    addr_block(addr) >= env->device_blocks)
		return -EUCLEAN;
	if (device == NULL)
		return -EIO;
	home = device_at(device, addr_offset(addr));
	block = tree->txn != NULL ? txn_see(tree->txn, addr) : home;
	/* A copy is of a node seen before, or new, and not sealed yet [T2]. */
	if (block == home) {
		err = check_first_time(tree, block, addr);
		if (err != 0)
			return err;
	}
	*out = (const node_media *)(block + 1);
	return check_every_time(tree, block, addr, level, range);
}

int tree_visit_root(const struct tree *tree, struct tree_cursor *cursor)
{
	const node_media *root = tree->root;

	cursor->tree = tree;
	cursor->depth = 1;
	cursor->at[0].addr = ADDR_NONE;
	cursor->at[0].node = root;
	cursor->at[0].slot = 0;
	cursor->value = NULL;
	return node_header_check(root, tree->root_capacity_bytes, tree->kind);
}

uint64_t tree_lower_bound(const struct tree_cursor *path, unsigned depth)
{
	while (depth-- > 0)
		if (path->at[depth].slot > 0)
			return node_key(path->at[depth].node,
					path->at[depth].slot);
	return 0;
}

static uint64_t upper_bound(const struct tree_cursor *path, unsigned depth)
{
	while (depth-- > 0) {
		const node_media *node = path->at[depth].node;
		unsigned next = path->at[depth].slot + 1;

		if (next < node->count) {
			uint64_t end = node_key(node, next);

			return end > 0 ? end - 1 : 0;
		}
	}
	return UINT64_MAX;
}

int tree_visit_child(struct tree_cursor *cursor)
{
	unsigned depth = cursor->depth;
	const node_media *node = cursor->at[depth - 1].node;
	unsigned slot = cursor->at[depth - 1].slot;
	struct key_range range;
	unsigned length;
	uint64_t addr;
	int err;

	assert(node->level > 0 && depth < NODE_LEVELS_MAX);
	if (node_slot_check(node, tree_capacity(cursor->tree, depth - 1),
			    slot) != 0)
		return -EUCLEAN;
	memcpy(&addr, node_value(node, slot, &length), sizeof(addr));
	range.first = tree_lower_bound(cursor, depth);
	range.last = upper_bound(cursor, depth);
	err = visit(cursor->tree, addr, node->level - 1, range,
		    &cursor->at[depth].node);
	if (err != 0)
		return err;
	cursor->at[depth].addr = addr;
	cursor->at[depth].slot = 0;
	cursor->depth = depth + 1;
	return 0;
}

int tree_visit_leaf(const struct tree *tree, uint64_t key,
		    struct tree_cursor *cursor)
{
	int err = tree_visit_root(tree, cursor);

	while (err == 0) {
		const node_media *node = cursor->at[cursor->depth - 1].node;
		unsigned *slot = &cursor->at[cursor->depth - 1].slot;

		if (node->level == 0) {
			*slot = node_lower_bound(node, key);
			return 0;
		}
		*slot = node_floor(node, key);
		err = tree_visit_child(cursor);
	}
	return err;
}
