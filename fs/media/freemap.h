/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * freemap.h -- a device's free blocks, saved at a clean unmount
 *
 * One header block, then a bitmap, one bit a block, 1 = used. It holds only
 * while its generation and lineage are the superblock's and that one is
 * CLEAN; otherwise free space is rebuilt from the extents.
 *
 * Errors: -EUCLEAN damage, -ESTALE intact, but of another generation.
 */
#ifndef UDAX_MEDIA_FREEMAP_H
#define UDAX_MEDIA_FREEMAP_H

#include "media/addr.h"

#include <stdint.h>

#define FREEMAP_MAGIC 0x50414d46u

typedef struct __attribute__((packed)) {
	uint32_t magic;
	uint32_t crc; /* CRC-32C of the header, this field as 0 */
	uint32_t bitmap_crc;
	uint32_t pad;
	uint64_t blocks;
	uint64_t free_blocks;
	uint64_t generation;
	uint8_t lineage[16];
	uint8_t reserved[BLOCK_BYTES - 56];
} freemap_media;

_Static_assert(sizeof(freemap_media) == BLOCK_BYTES, "free map header");

/* Blocks the saved map of a device of this size takes, header included. */
uint64_t freemap_area_blocks(uint64_t device_blocks);

/* Checksums of a header and the bitmap that follows it in the next block. */
void freemap_seal(freemap_media *map);

/* area_blocks: what the superblock gives the map on the media. */
int freemap_check(const freemap_media *map, uint64_t area_blocks,
		  uint64_t device_blocks, uint64_t generation,
		  const uint8_t lineage[16])
	__attribute__((warn_unused_result));

static inline uint8_t *freemap_bitmap(freemap_media *map)
{
	return (uint8_t *)map + BLOCK_BYTES;
}

#endif
