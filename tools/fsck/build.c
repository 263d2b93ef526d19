/* SPDX-License-Identifier: BSD-3-Clause */
#include "build.h"

#include "write.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct build {
	struct fsck *fsck;
	uint64_t owner;
	enum tree_kind kind;
	unsigned level;
	uint64_t nodes;
};

static int store_node(struct build *build, const struct values *values,
		      size_t *at, uint64_t *addr)
{
	unsigned metadata = build->fsck->metadata_device;
	struct device *device = build->fsck->device[metadata].device;
	char block[BLOCK_BYTES];
	uint64_t got;
	size_t first = *at;
	int err = write_take(build->fsck, metadata, 1, addr, &got);

	if (err)
		return err;
	node_block_init(block, build->owner, *addr, build->level, build->kind);
	for (; *at < values->count; (*at)++)
		if (node_insert(node_of_block(block), NODE_BLOCK_BYTES,
				values->at[*at].key, values->at[*at].bytes,
				values->at[*at].length) != 0)
			break;
	if (*at == first)
		return -EUCLEAN; /* two of one key, or longer than a node */
	node_block_seal(block);
	device_copy(device, device_at(device, addr_offset(*addr)), block,
		    sizeof(block));
	build->nodes++;
	return 0;
}

/* Does all of it go into the root? */
static bool fill_root(const struct build *build, const struct values *values,
		      node_media *root, unsigned root_bytes)
{
	size_t i;

	memset(root, 0, root_bytes);
	node_init(root, root_bytes, build->level, build->kind);
	for (i = 0; i < values->count; i++)
		if (node_insert(root, root_bytes, values->at[i].key,
				values->at[i].bytes, values->at[i].length) != 0)
			return false;
	return true;
}

/*
 * One level: nodes, and the level above it, whose values are their addresses,
 * kept in *addrs.
 */
static int build_level(struct build *build, const struct values *values,
		       struct values *above, uint64_t **addrs)
{
	size_t at = 0, most = values->count, i;
	int err = 0;

	*addrs = calloc(most, sizeof(**addrs));
	if (*addrs == NULL)
		return -ENOMEM;
	for (i = 0; at < values->count && err == 0; i++) {
		/* 0 along the left edge */
		uint64_t key = at ? values->at[at].key : 0;

		err = store_node(build, values, &at, &(*addrs)[i]);
		if (err == 0)
			err = values_add(above, key, &(*addrs)[i],
					 sizeof(**addrs));
	}
	return err;
}

int build_tree(struct fsck *fsck, uint64_t owner, enum tree_kind kind,
	       const struct values *values, node_media *root,
	       unsigned root_bytes, uint64_t *nodes)
{
	struct build build = { .fsck = fsck, .owner = owner, .kind = kind };
	struct device *device = fsck->device[fsck->metadata_device].device;
	struct values now = *values, above = { .at = NULL };
	uint64_t *addrs = NULL, *addrs_above;
	int err = 0;

	while (err == 0 && !fill_root(&build, &now, root, root_bytes)) {
		if (build.level + 2 > NODE_LEVELS_MAX) {
			err = -ENOSPC;
			break;
		}
		err = build_level(&build, &now, &above, &addrs_above);
		if (build.level > 0)
			values_fini(&now);
		free(addrs);
		addrs = addrs_above;
		now = above;
		above = (struct values){ .at = NULL };
		build.level++;
	}
	if (build.level > 0)
		values_fini(&now);
	free(addrs);
	*nodes = build.nodes;
	if (err)
		return err;
	device_drain(device);
	return device_still_there(device) ? 0 : -EIO;
}
