/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree_scan.h"

#include "blocks.h"
#include "collect.h"
#include "report.h"

#include <string.h>

static unsigned mend_of(const struct tree_scan *scan)
{
	if (scan->kind == TREE_SHARED)
		return MEND_SHARED;
	return scan->kind == TREE_XATTRS ? MEND_XATTRS : MEND_TREE;
}

/* Something was left out: what it may name is not to be given away. */
static void damage(struct tree_scan *scan, uint64_t addr)
{
	struct fsck *fsck = scan->fsck;

	scan->damaged = true;
	if (fsck->look != LOOK_CLAIM)
		return;
	fsck_mend(fsck, scan->ino, mend_of(scan));
	if (collect_protect(fsck, scan->ino, addr, scan->kind) != 0)
		operational(fsck, "out of memory for a damaged tree");
}

static const node_media *claim_node(struct tree_scan *scan, uint64_t addr)
{
	const void *block = blocks_see_metadata(scan->fsck, addr, 1, scan->ino,
						OWNER_NODE);

	if (block == NULL) {
		damage(scan, addr);
		return NULL;
	}
	if (node_block_check(block, scan->ino, addr, scan->kind) != 0) {
		problem_inode(scan->fsck, "tree", scan->ino, mend_of(scan),
			      "the node in block %ju is damaged",
			      (uintmax_t)addr_block(addr));
		damage(scan, addr);
		return NULL;
	}
	if (!blocks_claim_metadata(scan->fsck, addr, 1, scan->ino,
				   OWNER_NODE)) {
		damage(scan, addr);
		return NULL;
	}
	return (const node_media *)((const char *)block +
				    sizeof(node_block_media));
}

static uint64_t child_addr(const node_media *node, unsigned slot)
{
	unsigned length;
	uint64_t addr;

	memcpy(&addr, node_value(node, slot, &length), sizeof(addr));
	return addr;
}

/* All keys of a node lie where its parent says: in [low, high). */
static bool keys_fit(struct tree_scan *scan, const node_media *node,
		     uint64_t addr, uint64_t low, uint64_t high)
{
	if (node->count == 0) /* the root of an empty tree */
		return true;
	if (node_key(node, 0) >= low &&
	    (high == UINT64_MAX || node_key(node, node->count - 1) < high))
		return true;
	problem_inode(scan->fsck, "tree", scan->ino, mend_of(scan),
		      "a level %u node has keys %ju to %ju, its parent gives "
		      "it %ju to %ju",
		      node->level, (uintmax_t)node_key(node, 0),
		      (uintmax_t)node_key(node, node->count - 1),
		      (uintmax_t)low, (uintmax_t)high);
	damage(scan, addr);
	return false;
}

static void scan_leaf(struct tree_scan *scan, const node_media *node)
{
	unsigned slot, length;

	for (slot = 0; slot < node->count; slot++) {
		const void *value = node_value(node, slot, &length);

		scan->value(scan->arg, node_key(node, slot), value, length);
	}
}

/* node has passed its check. Levels fall by one, so this ends. */
static void scan_node(struct tree_scan *scan, const node_media *node,
		      uint64_t addr, uint64_t low, uint64_t high)
{
	unsigned slot;

	if (!keys_fit(scan, node, addr, low, high))
		return;
	if (node->level == 0) {
		scan_leaf(scan, node);
		return;
	}
	for (slot = 0; slot < node->count; slot++) {
		uint64_t from = slot ? node_key(node, slot) : low;
		uint64_t to = slot + 1 < node->count ? node_key(node, slot + 1)
						     : high;
		uint64_t at = child_addr(node, slot);
		const node_media *child = claim_node(scan, at);

		if (child == NULL)
			continue;
		scan->nodes++;
		if (child->level != node->level - 1 || child->count == 0) {
			problem_inode(scan->fsck, "tree", scan->ino,
				      mend_of(scan),
				      "a level %u node with %u keys under one "
				      "of level %u",
				      child->level, child->count, node->level);
			damage(scan, at);
			continue;
		}
		scan_node(scan, child, at, from, to);
	}
}

void tree_scan_inode(struct tree_scan *scan, const inode_media *inode)
{
	scan_node(scan, (const node_media *)inode->area, ADDR_NONE, 0,
		  UINT64_MAX);
}

void tree_scan_block(struct tree_scan *scan, uint64_t addr)
{
	const node_media *root = claim_node(scan, addr);

	if (root == NULL)
		return;
	scan->nodes++;
	scan_node(scan, root, addr, 0, UINT64_MAX);
}
