/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree/edit.h"

#include "journal/journal.h"

#include <assert.h>

int tree_edit(struct tree *tree, struct tree_cursor *path, unsigned depth,
	      node_media **out)
{
	struct tree_step *step = &path->at[depth];
	node_media *node = tree->root;
	void *block;

	if (step->addr != ADDR_NONE) {
		block = txn_edit_sealed(tree->txn, step->addr, BLOCK_BYTES,
					false, node_block_seal);
		node = node_of_block(block);
	}
	step->node = *out = node;
	return node_layout_check(node, tree_capacity(tree, depth), tree->kind);
}

void tree_free_block(struct tree *tree, uint64_t addr)
{
	txn_free(tree->txn, addr, 1, true);
	tree->blocks_delta--;
}

int tree_take_spares(struct tree *tree, unsigned count, struct spares *spares)
{
	int err;

	assert(count <= sizeof(spares->addr) / sizeof(spares->addr[0]));
	for (spares->count = 0; spares->count < count; spares->count++) {
		err = txn_alloc_block(tree->txn, &spares->addr[spares->count]);
		if (err != 0)
			goto out_give_back;
	}
	return 0;

out_give_back:
	while (spares->count > 0)
		txn_free(tree->txn, spares->addr[--spares->count], 1, true);
	return err;
}

node_media *tree_new_node(struct tree *tree, struct spares *spares,
			  unsigned level, uint64_t *addr)
{
	void *block;

	assert(spares->count > 0);
	*addr = spares->addr[--spares->count];
	block = txn_edit_sealed(tree->txn, *addr, BLOCK_BYTES, true,
				node_block_seal);
	node_block_init(block, tree->owner, *addr, level, tree->kind);
	tree->blocks_delta++;
	return node_of_block(block);
}

bool tree_found(const struct tree_cursor *path, uint64_t key)
{
	unsigned leaf = path->depth - 1;
	unsigned slot = path->at[leaf].slot;
	const node_media *node = path->at[leaf].node;

	return slot < node->count && node_key(node, slot) == key;
}
