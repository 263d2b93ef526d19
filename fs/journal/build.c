/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/log.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* An item's header is 16 bytes: two runs this close are cheaper as one. */
#define GAP_WORDS 3
#define STRIDE_WORDS 16

_Static_assert(sizeof(record_item_media) == 2 * sizeof(uint64_t),
	       "items stay aligned to 8");

/*
 * One item of words. Runs are at least 24 bytes apart, so that a piece of n
 * bytes never takes more than n + 16: what txn_room() counts with.
 */
static int add_item(struct txn *txn, uint64_t addr, const uint64_t *words,
		    size_t count)
{
	record_media *record = (void *)txn->record;
	record_item_media item = {
		.addr = addr,
		.length_bytes = count * sizeof(*words),
	};
	unsigned char *at = txn->record + record->length_bytes;

	if (record->length_bytes + sizeof(item) + item.length_bytes >
		    RECORD_BYTES_MAX ||
	    record->items == UINT16_MAX)
		return -E2BIG;
	memcpy(at, &item, sizeof(item));
	memcpy(at + sizeof(item), words, item.length_bytes);
	record->length_bytes += sizeof(item) + item.length_bytes;
	record->items++;
	return 0;
}

/* The first word at i or after in which they differ, or `words`. Little of a
 * piece has changed: what has not is passed over in long strides. */
static size_t next_difference(const uint64_t *copy, const uint64_t *home,
			      size_t i, size_t words)
{
	while (i + STRIDE_WORDS <= words &&
	       memcmp(copy + i, home + i, STRIDE_WORDS * sizeof(*copy)) == 0)
		i += STRIDE_WORDS;
	while (i < words && copy[i] == home[i])
		i++;
	return i;
}

/*
 * The runs in which the copy differs from home. What is seen there is what a
 * crash would leave: home changes only through the log.
 */
static int add_differences(struct txn *txn, const struct piece *piece)
{
	const uint64_t *copy = (const void *)(txn->copies + piece->copy_offset);
	const uint64_t *home = area_home(&txn->journal->area, piece->addr);
	size_t words = piece->length_bytes / sizeof(*copy);
	size_t i = 0;

	while ((i = next_difference(copy, home, i, words)) < words) {
		size_t start = i;
		size_t end;
		int error;

		for (end = ++i; i < words && i < end + GAP_WORDS; i++)
			if (copy[i] != home[i])
				end = i + 1;
		error = add_item(txn, piece->addr + start * sizeof(*copy),
				 copy + start, end - start);
		if (error)
			return error;
	}
	return 0;
}

/*
 * A fresh block is logged whole: it may have been data until now, whose last
 * stores nobody has fenced, so what is seen at home proves nothing.
 */
static int add_fresh(struct txn *txn, const struct piece *piece)
{
	return add_item(txn, piece->addr,
			(const void *)(txn->copies + piece->copy_offset),
			piece->length_bytes / sizeof(uint64_t));
}

int txn_build_record(struct txn *txn)
{
	record_media *record = (void *)txn->record;
	unsigned int i;

	memset(record, 0, sizeof(*record));
	record->kind = RECORD_CHANGES;
	record->length_bytes = sizeof(*record);
	for (i = 0; i < txn->pieces; i++) {
		const struct piece *piece = &txn->piece[i];
		int error = piece->fresh ? add_fresh(txn, piece)
					 : add_differences(txn, piece);

		if (error)
			return error;
	}
	/* RECORD_BYTES_MAX is a multiple, so this still fits. */
	record->length_bytes = (record->length_bytes + RECORD_ALIGN - 1) /
			       RECORD_ALIGN * RECORD_ALIGN;
	return 0;
}
