/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/share_fixture.h"

#include "alloc/alloc.h"
#include "core/file_extent.h"
#include "core/inode_table.h"
#include "core/survey.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define DEVICES 2

ssize_t share_copy(struct inode *from, uint64_t from_offset, struct inode *to,
		   uint64_t to_offset, uint64_t length)
{
	ssize_t bytes;

	ck_assert_int_eq(
		request_begin(&core.request, "copy", to->ino, getpid(), false),
		0);
	bytes = file_copy(&core.request, from, (off_t)from_offset, to,
			  (off_t)to_offset, length, false);
	ck_assert_int_eq(request_verdict(&core.request), 0);
	request_end(&core.request);
	return bytes;
}

/* Of each block: extents that have it, and those of them that say so. */
struct owners {
	uint32_t *all[DEVICES];
	uint32_t *flagged[DEVICES];
};

static int count_extents(struct fs *fs, uint64_t ino, inode_media *media,
			 void *arg)
{
	struct owners *owners = arg;
	struct extent extent;
	struct tree map;
	uint64_t at = 0, i;

	if (media->mode == 0 || media->format != INODE_EXTENTS)
		return 0;
	extent_map_init(&map, fs, NULL, ino, media);
	while (!extent_first(fs, &map, at, EXTENT_BLOCKS_END, &extent)) {
		unsigned device = addr_device(extent.addr);

		ck_assert_uint_lt(device, DEVICES);
		for (i = 0; i < extent.blocks; i++) {
			uint64_t block = addr_block(extent.addr) + i;

			owners->all[device][block]++;
			owners->flagged[device][block] += (extent.flags &
							   EXTENT_SHARED) != 0;
		}
		at = extent_end(&extent);
	}
	return 0;
}

static uint32_t said(uint64_t addr)
{
	struct tree tree = shared_tree(core.fs);
	struct shared_run run;

	ck_assert_int_eq(shared_look(&tree, addr, 1, &run), 0);
	return run.owners;
}

/* No run has neighbours that could be one with it. */
static uint64_t count_runs(void)
{
	struct tree tree = shared_tree(core.fs);
	shared_media last = { 0 };
	struct tree_cursor cursor;
	uint64_t end = 0, blocks = 0;
	int err;

	for (err = tree_seek(&tree, 0, &cursor); !err;
	     err = tree_next(&cursor)) {
		const shared_media *run = cursor.value;

		ck_assert_uint_ge(cursor.key, end);
		ck_assert(cursor.key > end || run->owners != last.owners);
		last = *run;
		end = cursor.key + run->blocks;
		blocks += run->blocks;
	}
	ck_assert_int_eq(err, -ENOENT);
	return blocks;
}

uint64_t share_check_owners(void)
{
	struct owners owners = { .all = { NULL } };
	uint64_t several = 0, block;
	unsigned i;

	for (i = 0; i < core.fs->device_count; i++) {
		block = core.fs->devices[i].sb.size_blocks;
		owners.all[i] = calloc(block, sizeof(uint32_t));
		owners.flagged[i] = calloc(block, sizeof(uint32_t));
	}
	ck_assert_int_eq(inode_table_scan(core.fs, count_extents, &owners), 0);
	for (i = 0; i < core.fs->device_count; i++) {
		for (block = 0; block < core.fs->devices[i].sb.size_blocks;
		     block++) {
			uint32_t all = owners.all[i][block];

			if (all < 2)
				continue;
			several++;
			ck_assert_uint_eq(owners.flagged[i][block], all);
			ck_assert_uint_eq(
				said(addr_make(i, block << BLOCK_SHIFT)), all);
		}
		free(owners.all[i]);
		free(owners.flagged[i]);
	}
	/* And nothing else. */
	ck_assert_uint_eq(count_runs(), several);
	return several;
}

void share_check_references(void)
{
	unsigned i;

	for (i = 0; i < core.fs->device_count; i++) {
		const struct pgmap *pgmap = core.fs->pgmaps[i];
		uint64_t references, folios, block;
		uint8_t *bitmap = malloc(core.fs->devices[i].sb.size_blocks);

		folios = pgmap_active_folios_walk(pgmap, &references);
		ck_assert_int_eq(pgmap_references(pgmap) - pgmap_gates(pgmap),
				 folios);
		ck_assert_uint_eq(references,
				  survey_associations(core.fs, i) +
					  (uint64_t)pgmap_stat(
						  pgmap, PGMAP_PINNED_PAGES));
		alloc_export(core.fs->allocs[i], bitmap);
		for (block = 0; block < core.fs->devices[i].sb.size_blocks;
		     block++)
			if (!(bitmap[block / 8] >> block % 8 & 1))
				ck_assert_uint_eq(pgmap_count(pgmap, block), 0);
		free(bitmap);
	}
}
