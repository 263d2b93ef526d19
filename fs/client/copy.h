/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * copy.h -- stores that go to the media, and lines that are sent there
 *
 * Durability: what copy_in() stored and copy_flush() flushed is durable after
 *             copy_fence(), on a device of cache-line or byte granularity.
 */
#ifndef UDAX_CLIENT_COPY_H
#define UDAX_CLIENT_COPY_H

#include <stddef.h>

/* Past the caches where that pays; else written and flushed. */
void copy_in(void *to, const void *from, size_t count);
void copy_flush(const void *from, size_t count);
void copy_fence(void);

#endif
