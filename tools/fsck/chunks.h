/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chunks.h -- the runs of the inode file, and those that its tree has lost
 *
 * A chunk is found again by its slots: each has its number and a checksum, so
 * a block of eight that fit one another says which block of the inode file it
 * is, and a chunk lies in one run. Who could make the content of a file look
 * like that could have it taken for inodes; so nothing is searched unless the
 * tree is damaged, and only in blocks that its readable part leaves.
 */
#ifndef UDAX_FSCK_CHUNKS_H
#define UDAX_FSCK_CHUNKS_H

#include "fsck.h"

#define INODES_PER_BLOCK (BLOCK_BYTES / INODE_BYTES)
#define CHUNK_BLOCKS (INODE_CHUNK_BYTES / BLOCK_BYTES)

/* Without gaps on one device, it has no more blocks than the device. */
bool chunks_possible(const struct fsck *fsck, uint64_t block, uint64_t blocks);
/*
 * Do the inodes there say that they are these blocks of the inode file? Chunk
 * by chunk, by what most of its blocks say, if the first one does not.
 */
bool chunks_agree(const struct fsck *fsck, uint64_t block, uint64_t addr,
		  uint64_t blocks);
int chunks_add(struct inode_file *file, struct chunk chunk)
	__attribute__((warn_unused_result));
/* The block after the last one, and the first that is not there. */
uint64_t chunks_end(const struct inode_file *file);
uint64_t chunks_gap(const struct inode_file *file);
/*
 * Look at the whole metadata device; what is found is claimed and joins the
 * list, what is not there is a chunk without an address. *blocks grows by what
 * was found. -ENOMEM.
 */
int chunks_search(struct fsck *fsck, uint64_t *blocks)
	__attribute__((warn_unused_result));

#endif
