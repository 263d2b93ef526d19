/* SPDX-License-Identifier: BSD-3-Clause */
#include "media_mutate.h"

#include "media/inode.h"
#include "media/node.h"

#include <string.h>

static const struct thing *thing_of(const struct media_map *map, unsigned kind,
				    unsigned which)
{
	unsigned count = map->count[kind];

	return count ? &map->things[kind][which % count] : NULL;
}

static uint64_t load(struct base *base, uint64_t addr, unsigned length_bytes)
{
	uint64_t value = 0;

	memcpy(&value, base_at(base, addr), length_bytes);
	return value;
}

static uint64_t some_addr(struct base *base, const struct media_map *map,
			  const struct mutate_step *step)
{
	unsigned device = step->place % base->devices;
	unsigned block = step->argument % BASE_BLOCKS;
	const struct thing *other;

	switch (step->value & 0x7f) {
	case VALUE_OTHER_ADDR:
		other = thing_of(map, THING_PREFIX, step->argument);
		return other->addr;
	case VALUE_END_ADDR:
		block = BASE_BLOCKS - step->argument % 4;
		break;
	default:
		break;
	}
	return addr_make(device, (uint64_t)block * BLOCK_BYTES);
}

static uint64_t new_value(struct base *base, const struct media_map *map,
			  const struct mutate_step *step,
			  const struct thing *thing, const struct field *field,
			  unsigned length)
{
	uint64_t old = load(base, thing->addr + field->offset, length);
	const struct thing *other;

	switch (step->value & 0x7f) {
	case VALUE_ZERO:
		return 0;
	case VALUE_ONE:
		return 1;
	case VALUE_MAX:
		return UINT64_MAX;
	case VALUE_MORE:
		return old + 1;
	case VALUE_LESS:
		return old - 1;
	case VALUE_ARGUMENT:
		return step->argument;
	case VALUE_PLUS_ARGUMENT:
		return old + step->argument;
	case VALUE_MINUS_ARGUMENT:
		return old - step->argument;
	case VALUE_FLIP_BIT:
		return old ^ UINT64_C(1) << step->argument % (length * 8);
	case VALUE_HIGH_BIT:
		return old | UINT64_C(1) << (length * 8 - 1);
	case VALUE_DOUBLE:
		return old * 2;
	case VALUE_OTHER_FIELD:
		other = thing_of(map, step->kind % STEP_KINDS, step->argument);
		return load(base, other->addr + field->offset, length);
	case VALUE_OWN_ADDR:
		return thing->addr;
	default:
		return some_addr(base, map, step);
	}
}

static void set_field(struct base *base, const struct media_map *map,
		      const struct mutate_step *step, const struct thing *thing)
{
	unsigned count;
	const struct field *fields = media_fields(step->kind % STEP_KINDS,
						  &count);
	const struct field *field = &fields[step->field % count];
	unsigned length = field->length_bytes < 8 ? field->length_bytes : 8;
	uint64_t value = new_value(base, map, step, thing, field, length);

	memcpy(base_at(base, thing->addr + field->offset), &value, length);
	base_touch(base, thing->addr + field->offset, length);
}

static void set_bytes(struct base *base, const struct mutate_step *step,
		      const struct thing *thing)
{
	unsigned at = step->place * 16u + step->argument % 16;
	uint64_t block = thing->addr & ~(uint64_t)(BLOCK_BYTES - 1);
	unsigned char *byte = base_at(base, block + at);

	*byte = step->value & 1 ? *byte ^ (1u << step->argument / 16 % 8)
				: step->argument >> 8;
	base_touch(base, block + at, 1);
}

/* What was copied says again who and where it is. */
static void introduce(struct base *base, const struct thing *thing,
		      const void *before)
{
	void *at = base_at(base, thing->addr);

	if (thing->seal == SEAL_INODE && thing->sealed == thing->addr)
		((inode_media *)at)->ino = ((const inode_media *)before)->ino;
	if (thing->seal == SEAL_BLOCK && thing->sealed == thing->addr) {
		const node_block_media *prefix = before;

		((node_block_media *)at)->owner = prefix->owner;
		((node_block_media *)at)->self = prefix->self;
	}
}

/* A prefix stands for its whole block. */
static size_t whole_length(enum thing_kind kind, const struct thing *thing)
{
	return kind == THING_PREFIX ? BLOCK_BYTES : thing->length_bytes;
}

static void copy_thing(struct base *base, const struct media_map *map,
		       const struct mutate_step *step, enum thing_kind kind,
		       const struct thing *to)
{
	const struct thing *from = thing_of(map, kind, step->argument);
	size_t length = whole_length(kind, from);
	static unsigned char before[BASE_BYTES / 16];

	if (length > whole_length(kind, to))
		length = whole_length(kind, to);
	memcpy(before, base_at(base, to->addr), length);
	memmove(base_at(base, to->addr), base_at(base, from->addr), length);
	base_touch(base, to->addr, length);
	if (step->value & 1)
		introduce(base, to, before);
}

static void copy_block(struct base *base, const struct mutate_step *step)
{
	unsigned device = step->place % base->devices;
	uint64_t to = addr_make(device, (uint64_t)(step->which % BASE_BLOCKS) *
						BLOCK_BYTES);
	uint64_t from = addr_make(
		device, (uint64_t)(step->argument % BASE_BLOCKS) * BLOCK_BYTES);

	memmove(base_at(base, to), base_at(base, from), BLOCK_BYTES);
	base_touch(base, to, BLOCK_BYTES);
}

static void zero_thing(struct base *base, enum thing_kind kind,
		       const struct thing *thing)
{
	size_t length = whole_length(kind, thing);

	memset(base_at(base, thing->addr), 0, length);
	base_touch(base, thing->addr, length);
}

static void take_step(struct base *base, const struct media_map *map,
		      const struct mutate_step *step)
{
	unsigned kind = step->kind % STEP_KINDS;
	unsigned thing_kind = kind < THING_KINDS ? kind
						 : step->field % THING_KINDS;
	const struct thing *thing = thing_of(map, thing_kind, step->which);

	if (kind == STEP_COPY_BLOCK)
		copy_block(base, step);
	if (!thing || kind == STEP_COPY_BLOCK || kind == STEP_CUT)
		return;
	if (kind == STEP_BYTES)
		set_bytes(base, step, thing);
	else if (kind == STEP_COPY)
		copy_thing(base, map, step, thing_kind, thing);
	else if (kind == STEP_ZERO)
		zero_thing(base, thing_kind, thing);
	else
		set_field(base, map, step, thing);
	if (!(step->value & 0x80))
		media_seal(base, thing);
}

/* Last, because what is beyond cannot be touched any more. */
static void cut(struct base *base, const struct mutate_step *step)
{
	unsigned device = step->place % base->devices;
	unsigned most = step->argument % 16 ? BASE_BYTES / 16 / BLOCK_BYTES
					    : BASE_BLOCKS;

	base_cut(base, device, BASE_BLOCKS - 1 - step->which % most);
}

void mutate(struct base *base, const struct media_map *map, const uint8_t *data,
	    size_t size)
{
	struct mutate_step steps[MUTATE_STEPS_MAX];
	size_t count = size > MUTATE_HEADER_BYTES
			       ? (size - MUTATE_HEADER_BYTES) / sizeof(*steps)
			       : 0;

	if (count > MUTATE_STEPS_MAX)
		count = MUTATE_STEPS_MAX;
	if (count > 0)
		memcpy(steps, data + MUTATE_HEADER_BYTES,
		       count * sizeof(*steps));
	for (size_t i = 0; i < count; i++)
		take_step(base, map, &steps[i]);
	for (size_t i = 0; i < count; i++)
		if (steps[i].kind % STEP_KINDS == STEP_CUT)
			cut(base, &steps[i]);
}
