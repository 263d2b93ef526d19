/* SPDX-License-Identifier: BSD-3-Clause */
#include "data.h"

#include <string.h>

#define HUGE (2u << 20)

static unsigned char scratch[FILE_MOST];

struct file *any_file(void)
{
	return &world.files[chance(FILES)];
}

static uint64_t near(uint64_t place)
{
	uint64_t at = place + chance(17);

	return at < 8 ? 0 : at - 8;
}

static uint64_t any_offset(uint64_t most)
{
	uint64_t at = chance(most);

	switch (chance(8)) {
	case 0:
		at &= ~UINT64_C(4095);
		break;
	case 1:
		at = near(at & ~UINT64_C(4095));
		break;
	case 2:
		at = near(world.files[chance(FILES)].size[0]);
		break;
	case 3:
		at = near(HUGE * chance(3));
		break;
	case 4:
		at = chance(400); /* where a small file is in its inode */
		break;
	default:
		break;
	}
	return at < most ? at : most - 1;
}

static uint64_t any_length(uint64_t most)
{
	static const uint64_t upto[] = { 8, 400, 5000, 5000, 20000, 140000 };
	uint64_t length;

	if (one_in(40))
		length = 1 + chance(HUGE + 100000);
	else
		length = 1 + chance(upto[chance(sizeof(upto) / sizeof(*upto))]);
	if (length > 4096 && one_in(3))
		length &= ~UINT64_C(4095);
	return length < most ? length : most;
}

static struct range within(uint64_t begin, uint64_t end)
{
	struct range range = { .offset = begin + any_offset(end - begin) };

	range.length = any_length(end - range.offset);
	return range;
}

/* Programs have the stripes by turns. */
static struct range any_stripe(void)
{
	uint64_t count = FILE_MOST / STRIPE_BYTES / world.programs;
	uint64_t stripe = chance(count) * world.programs + world.program;

	return within(stripe * STRIPE_BYTES, (stripe + 1) * STRIPE_BYTES);
}

struct range any_range(void)
{
	return alone() ? within(0, FILE_MOST) : any_stripe();
}

bool any_range_within(const struct file *file, struct range *range)
{
	uint64_t size = *file->size;

	if (size == 0)
		return false;
	*range = any_range();
	if (range->offset >= size)
		range->offset = chance(size);
	if (range->length > size - range->offset)
		range->length = size - range->offset;
	return true;
}

unsigned char *buffer(void)
{
	return scratch;
}

/* Seldom zeros, which are data as well. */
unsigned char *any_bytes(uint64_t length)
{
	uint64_t word = chance(UINT64_MAX);

	if (one_in(10)) {
		memset(scratch, 0, length);
		return scratch;
	}
	for (uint64_t i = 0; i < length; i++) {
		if (i % 8 == 0)
			word = word * UINT64_C(6364136223846793005) + 1;
		scratch[i] = (unsigned char)(word >> (i % 8 * 8)) | 1;
	}
	return scratch;
}

void model_resize(struct file *file, uint64_t size)
{
	if (size < *file->size)
		memset(file->bytes + size, 0, *file->size - size);
	*file->size = size;
}

void model_write(struct file *file, struct range range,
		 const unsigned char *bytes)
{
	memcpy(file->bytes + range.offset, bytes, range.length);
	if (range.offset + range.length > *file->size)
		*file->size = range.offset + range.length;
}

/* No byte of the model behind the end is anything but zero. */
void model_zero(struct file *file, struct range range)
{
	memset(file->bytes + range.offset, 0, range.length);
}

void compare(const struct file *file, uint64_t offset,
	     const unsigned char *bytes, uint64_t length, const char *how)
{
	const unsigned char *expected = file->bytes + offset;
	uint64_t at = 0, wrong = 0;

	if (memcmp(bytes, expected, length) == 0)
		return;
	while (bytes[at] == expected[at])
		at++;
	for (uint64_t i = at; i < length; i++)
		wrong += bytes[i] != expected[i];
	fail("%s of %c: byte %llu is %#x, expected %#x; %llu wrong in "
	     "%llu+%llu; size %llu",
	     how, letter(file), (unsigned long long)(offset + at), bytes[at],
	     expected[at], (unsigned long long)wrong,
	     (unsigned long long)offset, (unsigned long long)length,
	     (unsigned long long)*file->size);
}
