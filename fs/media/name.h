/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * name.h -- the key of a name: XXH3 of its bytes, seeded per filesystem
 *
 * A directory key is 62 bits so that it passes as an off_t cookie: 54 bits of
 * hash above 8 bits that number the names of equal hash; keys 0 to 255 are
 * never used (cookies of "." and ".."). The seed is random, so names that
 * collide cannot be prepared.
 */
#ifndef UDAX_MEDIA_NAME_H
#define UDAX_MEDIA_NAME_H

#include <stddef.h>
#include <stdint.h>

#define NAME_COLLISIONS 256
#define NAME_KEY_FIRST UINT64_C(256)
#define NAME_KEY_END (UINT64_C(1) << 62)

/* First key of the name's hash; the collision number is added to it. */
uint64_t name_key(uint64_t seed, const char *name, size_t length_bytes);

#endif
