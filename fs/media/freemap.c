/* SPDX-License-Identifier: BSD-3-Clause */
#include "media/freemap.h"

#include "util/crc32c.h"

#include <errno.h>
#include <string.h>

#define CRC_CHUNK_BYTES (UINT64_C(1) << 30)

static uint64_t bitmap_bytes(uint64_t device_blocks)
{
	return device_blocks / 8 + (device_blocks % 8 != 0);
}

uint64_t freemap_area_blocks(uint64_t device_blocks)
{
	uint64_t bytes = bitmap_bytes(device_blocks);

	return 1 + bytes / BLOCK_BYTES + (bytes % BLOCK_BYTES != 0);
}

static uint32_t bitmap_crc(const freemap_media *map)
{
	const uint8_t *at = (const uint8_t *)map + BLOCK_BYTES;
	uint64_t left = bitmap_bytes(map->blocks);
	uint32_t crc = 0;

	while (left > 0) {
		uint64_t chunk = left < CRC_CHUNK_BYTES ? left
							: CRC_CHUNK_BYTES;

		crc = crc32c(crc, at, chunk);
		at += chunk;
		left -= chunk;
	}
	return crc;
}

static uint32_t header_crc(const freemap_media *map)
{
	return crc32c_skipping(map, sizeof(*map), offsetof(freemap_media, crc));
}

void freemap_seal(freemap_media *map)
{
	map->magic = FREEMAP_MAGIC;
	map->bitmap_crc = bitmap_crc(map);
	map->crc = header_crc(map);
}

int freemap_check(const freemap_media *map, uint64_t area_blocks,
		  uint64_t device_blocks, uint64_t generation,
		  const uint8_t lineage[16])
{
	if (area_blocks < freemap_area_blocks(device_blocks))
		return -EUCLEAN;
	if (map->magic != FREEMAP_MAGIC || map->crc != header_crc(map))
		return -EUCLEAN;
	if (map->blocks != device_blocks || map->free_blocks > map->blocks)
		return -EUCLEAN;
	if (map->generation != generation ||
	    memcmp(map->lineage, lineage, sizeof(map->lineage)) != 0)
		return -ESTALE;
	return map->bitmap_crc == bitmap_crc(map) ? 0 : -EUCLEAN;
}
