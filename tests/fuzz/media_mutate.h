/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * media_mutate.h -- an input: what is done to which base
 *
 * A header of 2 bytes (base, seed of what a writable mount then does), then
 * steps of 8 bytes each; what is left over is ignored. Every value of every
 * byte means something.
 */
#ifndef UDAX_TESTS_FUZZ_MEDIA_MUTATE_H
#define UDAX_TESTS_FUZZ_MEDIA_MUTATE_H

#include "media_map.h"

#include <stddef.h>
#include <stdint.h>

#define MUTATE_HEADER_BYTES 2
#define MUTATE_STEPS_MAX 12

struct mutate_step {
	uint8_t kind;	/* enum thing_kind or one of the others below */
	uint8_t value;	/* enum value_kind; bit 7: the checksum stays */
	uint16_t which; /* of those things */
	uint8_t field;
	uint8_t place; /* device, offset */
	uint16_t argument;
};

_Static_assert(sizeof(struct mutate_step) == 8, "step");

/* The others: beyond the kinds of things. */
enum step_kind {
	STEP_BYTES = THING_KINDS, /* any bytes of a thing's block */
	STEP_COPY,		  /* one thing over another of its kind */
	STEP_COPY_BLOCK,	  /* any block over another one */
	STEP_ZERO,		  /* a whole thing */
	STEP_CUT,		  /* the device ends early */
	STEP_KINDS
};

enum value_kind {
	VALUE_ZERO,
	VALUE_ONE,
	VALUE_MAX,
	VALUE_MORE,
	VALUE_LESS,
	VALUE_ARGUMENT,
	VALUE_PLUS_ARGUMENT,
	VALUE_MINUS_ARGUMENT,
	VALUE_FLIP_BIT,
	VALUE_HIGH_BIT,
	VALUE_DOUBLE,
	VALUE_OTHER_FIELD, /* of another thing of its kind */
	VALUE_OWN_ADDR,
	VALUE_OTHER_ADDR, /* of a node's block, mostly */
	VALUE_ANY_ADDR,	  /* of a block; which one: the argument */
	VALUE_END_ADDR,	  /* near the end of the device */
	VALUE_KINDS
};

void mutate(struct base *base, const struct media_map *map, const uint8_t *data,
	    size_t size);

#endif
