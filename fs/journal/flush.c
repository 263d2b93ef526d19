/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/flush.h"
#include "trace/mutate.h"

#include <errno.h>
#include <stdlib.h>

#define LINE_BYTES UINT64_C(64)

static int by_address(const void *left, const void *right)
{
	const struct flush_range *a = left;
	const struct flush_range *b = right;

	return a->from < b->from ? -1 : a->from > b->from;
}

static void flush_range(const struct area *area, struct flush_range range)
{
	if (mutated(MUTATE_HOME_FLUSH))
		return;
	device_flush(area_device(area, range.from), area_home(area, range.from),
		     range.to - range.from);
}

static void flush_batch(struct flush *flush)
{
	struct flush_range *range = flush->range;
	struct flush_range joined;
	unsigned int i;

	if (flush->count == 0)
		return;
	qsort(range, flush->count, sizeof(*range), by_address);
	joined = range[0];
	for (i = 1; i < flush->count; i++) {
		if (range[i].from > joined.to) {
			flush_range(flush->area, joined);
			joined = range[i];
		} else if (range[i].to > joined.to) {
			joined.to = range[i].to;
		}
	}
	flush_range(flush->area, joined);
	flush->count = 0;
}

void flush_begin(struct flush *flush, const struct area *area)
{
	flush->area = area;
	flush->touched = 0;
	flush->count = 0;
}

void flush_add(struct flush *flush, uint64_t addr, uint64_t length_bytes)
{
	if (flush->count == FLUSH_RANGES)
		flush_batch(flush);
	/* Members are multiples of 4 KiB: whole lines stay on the device. */
	flush->range[flush->count++] = (struct flush_range){
		.from = addr & ~(LINE_BYTES - 1),
		.to = (addr + length_bytes + LINE_BYTES - 1) &
		      ~(LINE_BYTES - 1),
	};
	flush->touched |= UINT64_C(1) << addr_device(addr);
}

int flush_drain(struct flush *flush)
{
	uint64_t left;
	int error = 0;

	flush_batch(flush);
	for (left = flush->touched; left; left &= left - 1) {
		struct device *device =
			flush->area->members->device[__builtin_ctzll(left)];

		if (!mutated(MUTATE_HOME_DRAIN))
			device_drain(device);
		if (device_failed(device))
			error = -EIO;
	}
	return error;
}
