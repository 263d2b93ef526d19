/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sizes.h -- how long files are, where clients of direct mappings can see it
 *
 * A page of 64-bit words in a sealed memfd: a client maps it read-only and
 * knows EOF without asking (udax/protocol.h). An inode that clients have open
 * has a word, which is stored with release order whenever a commit has changed
 * its size, before anybody gets an answer.
 *
 * Owns:    the memfd (fs.sizes_fd) and its mapping.
 * Locking: a mutex of its own, a leaf. A word is stored to under its inode's
 *          lock, exclusive; given out under it in either mode.
 */
#ifndef UDAX_CORE_SIZES_H
#define UDAX_CORE_SIZES_H

#include <stdint.h>

#define SIZES_WORDS (1u << 16)

struct fs;
struct inode;
struct sizes;

int sizes_init(struct fs *fs) __attribute__((warn_unused_result));
/* Nobody has a word any more. */
void sizes_fini(struct fs *fs);
/* NULL is fine. */
void sizes_give(struct sizes *sizes, uint32_t word);
/* The inode's size has changed; its lock is held exclusively. */
void sizes_publish(struct inode *inode);

#endif
