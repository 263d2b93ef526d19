/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * media_map.h -- where the structures of a base are, and their fields
 *
 * Found by a walk over the pristine base, which is believed.
 */
#ifndef UDAX_TESTS_FUZZ_MEDIA_MAP_H
#define UDAX_TESTS_FUZZ_MEDIA_MAP_H

#include "media_base.h"

#include <stdint.h>

enum thing_kind {
	THING_SUPERBLOCK,
	THING_ROLL,
	THING_ANCHOR,
	THING_RECORD,
	THING_ITEM,
	THING_FREEMAP,
	THING_INODE_FILE,
	THING_INODE,
	THING_PREFIX, /* of a node's block */
	THING_NODE,
	THING_SLOT,
	THING_CHILD,
	THING_EXTENT,
	THING_ENTRY,
	THING_XATTR,
	THING_SHARED,
	THING_KINDS
};

/* What has the checksum of something: itself, or where it is in. */
enum seal_kind {
	SEAL_SUPERBLOCK,
	SEAL_ANCHOR,
	SEAL_RECORD,
	SEAL_FREEMAP,
	SEAL_INODE,
	SEAL_BLOCK
};

struct thing {
	uint64_t addr;
	uint32_t length_bytes;
	enum seal_kind seal;
	uint64_t sealed; /* address of what has the checksum */
};

struct field {
	uint16_t offset;
	uint16_t length_bytes;
};

#define THINGS_MAX 4096
struct media_map {
	struct thing *things[THING_KINDS];
	unsigned count[THING_KINDS];
};

const struct media_map *media_map_get(struct base *base, unsigned which);

const struct field *media_fields(enum thing_kind kind, unsigned *count);

/* Its checksum is right again, whatever the rest of it is. */
void media_seal(struct base *base, const struct thing *thing);

#endif
