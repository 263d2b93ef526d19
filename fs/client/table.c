/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

size_t table_find(const struct table *table, uintptr_t addr)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->segment[middle]->end > addr)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct segment *table_at(const struct table *table, uintptr_t addr)
{
	size_t i = table_find(table, addr);

	if (i == table->count || table->segment[i]->start > addr)
		return NULL;
	return table->segment[i];
}

int table_reserve(struct table *table, size_t more)
{
	size_t room = table->room ? table->room : 64;
	struct segment **grown;

	while (room < table->count + more)
		room *= 2;
	if (room == table->room)
		return 0;
	grown = realloc(table->segment, room * sizeof(struct segment *));
	if (!grown)
		return -ENOMEM;
	table->segment = grown;
	table->room = room;
	return 0;
}

static void put_at(struct table *table, size_t i, struct segment *segment)
{
	memmove(&table->segment[i + 1], &table->segment[i],
		(table->count - i) * sizeof(struct segment *));
	table->segment[i] = segment;
	table->count++;
}

int table_split(struct table *table, uintptr_t addr)
{
	size_t i = table_find(table, addr);
	struct segment *low, *high;

	if (i == table->count || table->segment[i]->start >= addr)
		return 0;
	if (table_reserve(table, 1))
		return -ENOMEM;
	high = malloc(sizeof(*high));
	if (!high)
		return -ENOMEM;
	low = table->segment[i];
	*high = *low;
	high->start = addr;
	high->offset = low->offset + (addr - low->start);
	low->end = addr;
	mapping_hold(high->mapping);
	put_at(table, i + 1, high);
	return 0;
}

int table_cut(struct table *table, uintptr_t start, uintptr_t end)
{
	int err = table_split(table, start);

	return err ? err : table_split(table, end);
}

int table_insert(struct table *table, const struct segment *like)
{
	size_t i = table_find(table, like->start);
	struct segment *segment;

	assert(like->start < like->end);
	assert(i == table->count || table->segment[i]->start >= like->end);
	if (table_reserve(table, 1))
		return -ENOMEM;
	segment = malloc(sizeof(*segment));
	if (!segment)
		return -ENOMEM;
	*segment = *like;
	mapping_hold(segment->mapping);
	put_at(table, i, segment);
	return 0;
}

void table_remove(struct table *table, size_t first, size_t count)
{
	if (!count)
		return;
	for (size_t i = first; i < first + count; i++) {
		mapping_drop(table->segment[i]->mapping);
		free(table->segment[i]);
	}
	memmove(&table->segment[first], &table->segment[first + count],
		(table->count - first - count) * sizeof(struct segment *));
	table->count -= count;
}
