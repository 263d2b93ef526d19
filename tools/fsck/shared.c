/* SPDX-License-Identifier: BSD-3-Clause */
#include "shared.h"

#include "build.h"
#include "inodes.h"
#include "report.h"
#include "tree_scan.h"
#include "write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define REPORTS_MAX 16 /* runs that are named */

/* ----------------------------------------------------------------- owners */

static void add(struct fsck *fsck, struct shared_runs *runs,
		struct shared_run run)
{
	struct shared_run *more;

	if (runs->count == runs->room) {
		size_t room = runs->room * 2 + 64;

		more = reallocarray(runs->run, room, sizeof(*more));
		if (more == NULL) {
			if (!fsck->shared.out_of_memory)
				operational(fsck,
					    "out of memory for shared blocks");
			fsck->shared.out_of_memory = true;
			return;
		}
		runs->run = more;
		runs->room = room;
	}
	runs->run[runs->count++] = run;
}

static int by_place(const void *one, const void *other)
{
	const uint64_t *a = one, *b = other;

	return *a < *b ? -1 : *a > *b;
}

static void sort_ends(const struct shared_runs *runs, uint64_t *starts,
		      uint64_t *ends)
{
	size_t i;

	for (i = 0; i < runs->count; i++) {
		starts[i] = runs->run[i].key;
		ends[i] = runs->run[i].end;
	}
	qsort(starts, runs->count, sizeof(*starts), by_place);
	qsort(ends, runs->count, sizeof(*ends), by_place);
}

/* Flagged extents, each with one owner, to runs of equal owners. */
static void sum_up(struct fsck *fsck, const struct shared_runs *flagged,
		   struct shared_runs *sums)
{
	size_t count = flagged->count, start = 0, end = 0;
	uint64_t *starts = calloc(count + 1, sizeof(*starts));
	uint64_t *ends = calloc(count + 1, sizeof(*ends));
	uint64_t at = 0, next;
	uint32_t owners = 0;

	if (starts == NULL || ends == NULL) {
		fsck->shared.out_of_memory = true;
		count = 0;
	} else {
		sort_ends(flagged, starts, ends);
	}
	while (end < count) {
		next = start < count && starts[start] < ends[end]
			       ? starts[start]
			       : ends[end];
		if (owners > 0 && next > at)
			add(fsck, sums,
			    (struct shared_run){ at, next, owners });
		for (; start < count && starts[start] == next; start++)
			owners++;
		for (; end < count && ends[end] == next; end++)
			owners--;
		at = next;
	}
	free(starts);
	free(ends);
}

/* ------------------------------------------------------------------- read */

static void take_run(void *arg, uint64_t key, const void *value,
		     unsigned length_bytes)
{
	struct fsck *fsck = arg;
	struct shared_runs *told = &fsck->shared.told;
	const shared_media *shared = value;
	uint64_t end = key + shared->blocks;

	if (fsck->look != LOOK_CLAIM)
		return;
	if (told->count > 0 && key < told->run[told->count - 1].end) {
		problem_inode(fsck, "shared", INO_SHARED, MEND_SHARED,
			      "the run at block %ju of device %u overlaps the "
			      "one before",
			      (uintmax_t)addr_block(key << BLOCK_SHIFT),
			      addr_device(key << BLOCK_SHIFT));
		return;
	}
	add(fsck, told, (struct shared_run){ key, end, shared->owners });
}

static bool is_sound(const inode_media *inode)
{
	return inode_media_check(inode, INO_SHARED) == 0 &&
	       inode->format == INODE_SHARED && inode->xattr_root == ADDR_NONE;
}

void shared_open(struct fsck *fsck)
{
	struct tree_scan scan = {
		.fsck = fsck,
		.ino = INO_SHARED,
		.kind = TREE_SHARED,
		.value = take_run,
		.arg = fsck,
	};
	const inode_media *inode;

	if (!shares(fsck) || fsck->inode_file.inodes <= INO_SHARED)
		return;
	inode = inodes_slot(fsck, INO_SHARED);
	if (!is_sound(inode)) {
		problem_inode(fsck, "shared", INO_SHARED, MEND_SHARED,
			      "is reserved for shared blocks, and damaged");
		return;
	}
	tree_scan_inode(&scan, inode);
	if (!scan.damaged && inode->blocks != scan.nodes)
		problem_inode(fsck, "shared", INO_SHARED, MEND_SHARED,
			      "blocks is %ju, found %ju",
			      (uintmax_t)inode->blocks, (uintmax_t)scan.nodes);
}

enum claim shared_claim(struct fsck *fsck, uint64_t addr, uint64_t blocks,
			uint64_t ino)
{
	uint64_t key = addr >> BLOCK_SHIFT;

	if (!shares(fsck))
		problem_inode(fsck, "shared", ino, MEND_TREE,
			      "the extent at block %ju of device %u is flagged "
			      "shared, and the filesystem has no such feature",
			      (uintmax_t)addr_block(addr), addr_device(addr));
	else if (fsck->look == LOOK_CLAIM)
		add(fsck, &fsck->shared.flagged,
		    (struct shared_run){ key, key + blocks, 1 });
	return blocks_claim(fsck, addr, blocks, ino,
			    shares(fsck) ? OWNER_SHARED : OWNER_DATA);
}

/* ---------------------------------------------------------------- compare */

static void report_run(struct fsck *fsck, uint64_t from, uint64_t to,
		       uint32_t told, uint32_t found)
{
	uint64_t block = addr_block(from << BLOCK_SHIFT);

	problem_inode(fsck, "shared", INO_SHARED, MEND_SHARED,
		      "blocks %ju to %ju of device %u have %u owners, "
		      "found %u",
		      (uintmax_t)block, (uintmax_t)(block + to - from - 1),
		      addr_device(from << BLOCK_SHIFT), told, found);
}

/* Where a list stands: [start, end) of `owners`, from `at` on. */
static uint64_t stretch(const struct shared_runs *runs, size_t *i, uint64_t at,
			uint32_t *owners)
{
	while (*i < runs->count && runs->run[*i].end <= at)
		(*i)++;
	*owners = 0;
	if (*i == runs->count)
		return UINT64_MAX;
	if (runs->run[*i].key > at)
		return runs->run[*i].key;
	*owners = runs->run[*i].owners;
	return runs->run[*i].end;
}

void shared_report(struct fsck *fsck)
{
	struct shared *shared = &fsck->shared;
	size_t told_at = 0, sum_at = 0;
	unsigned reports = 0;
	uint64_t at = 0, end;

	sum_up(fsck, &shared->flagged, &shared->sums);
	if (shared->out_of_memory ||
	    (shared->told.count == 0 && shared->sums.count == 0))
		return;
	while (reports < REPORTS_MAX) {
		uint32_t told, found;
		uint64_t told_end = stretch(&shared->told, &told_at, at, &told);

		end = stretch(&shared->sums, &sum_at, at, &found);
		if (told_end < end)
			end = told_end;
		if (end == UINT64_MAX)
			break;
		if (told != found && (told > 0 || found > 1)) {
			report_run(fsck, at, end, told, found);
			reports++;
		}
		at = end;
	}
}

/* ------------------------------------------------------------------- mend */

static void make_inode(struct fsck *fsck, inode_media *out)
{
	*out = *inodes_slot(fsck, INO_SHARED);
	if (is_sound(out))
		return;
	memset(out, 0, sizeof(*out));
	out->ino = INO_SHARED;
	out->format = INODE_SHARED;
	out->generation = fsck->inode_file.own.generation + 1;
	out->mode = S_IFREG | 0600;
	out->nlink = 1;
}

/* Runs of at most what a value can count. */
static int list_values(const struct shared_runs *sums, struct values *values,
		       shared_media *bytes)
{
	size_t i;
	int err = 0;

	for (i = 0; i < sums->count && err == 0; i++) {
		const struct shared_run *run = &sums->run[i];

		if (run->owners < 2)
			continue;
		bytes[i] = (shared_media){ (uint32_t)(run->end - run->key),
					   run->owners };
		err = values_add(values, run->key, &bytes[i], sizeof(bytes[i]));
	}
	return err;
}

int shared_mend(struct fsck *fsck)
{
	const struct shared_runs *sums = &fsck->shared.sums;
	shared_media *bytes = calloc(sums->count + 1, sizeof(*bytes));
	struct values values = { .at = NULL };
	inode_media inode;
	struct txn *txn;
	uint64_t nodes;
	int err = -ENOMEM;

	if (bytes == NULL || fsck->shared.out_of_memory)
		goto out_free;
	make_inode(fsck, &inode);
	err = list_values(sums, &values, bytes);
	if (err == 0)
		err = build_tree(fsck, INO_SHARED, TREE_SHARED, &values,
				 (node_media *)inode.area, INODE_AREA_BYTES,
				 &nodes);
	if (err == 0) {
		inode.blocks = nodes;
		txn = txn_begin(fsck->journal);
		write_slot(fsck, txn, INO_SHARED, &inode);
		err = txn_commit(txn);
	}
out_free:
	values_fini(&values);
	free(bytes);
	return err;
}

void shared_close(struct fsck *fsck)
{
	free(fsck->shared.told.run);
	free(fsck->shared.flagged.run);
	free(fsck->shared.sums.run);
	fsck->shared = (struct shared){ .out_of_memory = false };
}
