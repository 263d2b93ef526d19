/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * superblock.h -- who a device is, where things are on it, who belongs to it
 *
 * Two copies a device: block 0 and the last block of the device's used size.
 * Written rarely (mkfs, mount, clean unmount, removal), always whole, primary
 * first, each persisted before the other is begun; the valid copy with the
 * higher sequence is the truth. Little-endian. doc/FORMAT.md is the reference.
 *
 * Errors: -EUCLEAN damage, -EPROTONOSUPPORT unknown incompat feature or
 *         version, -ENODATA not a udaxfs superblock at all.
 */
#ifndef UDAX_MEDIA_SUPERBLOCK_H
#define UDAX_MEDIA_SUPERBLOCK_H

#include "media/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUPERBLOCK_MAGIC "UDAXFS\n\x1a"
#define SUPERBLOCK_VERSION 1
#define SUPERBLOCK_LABEL_BYTES 64
#define ROLL_MAX ADDR_DEVICES_MAX
#define SUPERBLOCK_MIRROR_NONE 0xffffu

/* Features this code knows; an unknown ro_compat bit allows reading only. */
#define SUPERBLOCK_INCOMPAT_KNOWN UINT64_C(0)
#define SUPERBLOCK_RO_COMPAT_KNOWN SUPERBLOCK_SHARED

/* ro_compat: data blocks may have several owners; inode 2 counts them. */
#define SUPERBLOCK_SHARED UINT64_C(1)

#define SUPERBLOCK_CLEAN 0x1u /* unmounted cleanly: the free maps hold */

enum roll_state { ROLL_PRESENT = 1, ROLL_REMOVED = 2 };

/* One member as the others know it. */
typedef struct __attribute__((packed)) {
	uint8_t uuid[16];
	uint64_t size_blocks;
	uint64_t generation; /* of the last superblock it wrote with us */
	uint32_t state;	     /* enum roll_state */
	uint32_t pad;
} roll_entry_media;

typedef struct __attribute__((packed)) {
	uint8_t magic[8];
	uint32_t crc; /* CRC-32C of the block, this field as 0 */
	uint32_t version;
	uint64_t compat;
	uint64_t incompat;
	uint64_t ro_compat;
	uint8_t fs_uuid[16];
	uint8_t device_uuid[16];
	uint8_t label[SUPERBLOCK_LABEL_BYTES]; /* at least one NUL at the end */
	uint16_t device_index;
	uint16_t device_count;
	uint16_t metadata_device; /* index of the primary */
	uint16_t metadata_mirror; /* SUPERBLOCK_MIRROR_NONE */
	uint32_t block_bytes;
	uint32_t flags;	      /* SUPERBLOCK_CLEAN */
	uint64_t sequence;    /* of this superblock on this device */
	uint64_t generation;  /* +1 at every writable mount */
	uint8_t lineage[16];  /* random; new when a member is left out */
	uint64_t size_blocks; /* of this device, both superblocks included */
	uint64_t created_ns;
	uint64_t hash_seed; /* of directory and xattr keys */
	/* areas of this device, in blocks; 0 length where it has none */
	uint64_t journal_start;
	uint64_t journal_blocks;
	uint64_t freemap_start;
	uint64_t freemap_blocks;
	uint64_t inode_root; /* address of the inode file's inode */
	/* true while CLEAN */
	uint64_t inodes_used;
	uint64_t journal_sequence; /* next record's */
	uint8_t reserved[224];
	roll_entry_media roll[ROLL_MAX];
	uint8_t tail[1048];
} superblock_media;

_Static_assert(sizeof(roll_entry_media) == 40, "roll entry");
_Static_assert(sizeof(superblock_media) == BLOCK_BYTES, "superblock");

/* Set the checksum; call just before the block is persisted. */
void superblock_seal(superblock_media *sb);

/* One copy: 0, -ENODATA, -EUCLEAN or -EPROTONOSUPPORT. */
int superblock_check(const superblock_media *sb, uint64_t device_size_bytes)
	__attribute__((warn_unused_result));

/*
 * Of the two copies of a mapped device the one that holds; *damaged tells
 * whether the other one does not (repair is fsck's), or belongs to an earlier
 * filesystem. An intact copy with a feature unknown here decides for both:
 * the other one may be older than the feature.
 */
int superblock_pick(const void *base, uint64_t device_size_bytes,
		    const superblock_media **out, bool *damaged)
	__attribute__((warn_unused_result));

/* Offset of the second copy, by the first's size or, without it, the device's.
 */
uint64_t superblock_second_offset(uint64_t size_blocks);

#endif
