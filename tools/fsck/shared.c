/* SPDX-License-Identifier: BSD-3-Clause */
#include "shared.h"

#include "report.h"
#include "tree_scan.h"

#include <stdlib.h>

static uint64_t run_end(const struct shared_run *run)
{
	return run->key + run->blocks;
}

static bool keep(struct shared_runs *runs, struct shared_run run)
{
	struct shared_run *more;
	uint32_t *found;

	if (runs->count == runs->room) {
		size_t room = runs->room ? runs->room * 2 : 64;

		more = reallocarray(runs->run, room, sizeof(*more));
		if (more == NULL)
			return false;
		runs->run = more;
		runs->room = room;
	}
	found = calloc(run.blocks, sizeof(*found));
	if (found == NULL)
		return false;
	run.found = found;
	runs->run[runs->count++] = run;
	return true;
}

/* Of a member that is not here only the roll knows the size. */
static bool fits(const struct fsck *fsck, uint64_t key, uint64_t blocks)
{
	const struct shared_runs *runs = &fsck->shared;
	uint64_t addr = key << BLOCK_SHIFT;

	if (runs->count > 0 && key < run_end(&runs->run[runs->count - 1]))
		return false;
	return addr_block(addr) + blocks <=
	       fsck->sb->roll[addr_device(addr)].size_blocks;
}

static void take_run(void *arg, uint64_t key, const void *value,
		     unsigned length_bytes)
{
	struct fsck *fsck = arg;
	struct shared_runs *runs = &fsck->shared;
	const shared_media *shared = value;
	enum claim claim = blocks_claim(fsck, key << BLOCK_SHIFT,
					shared->blocks, INO_SHARED, OWNER_DATA);

	if (fsck->resolving || (claim != CLAIM_OK && claim != CLAIM_MISSING))
		return;
	if (!fits(fsck, key, shared->blocks)) {
		problem_inode(fsck, "shared", INO_SHARED,
			      "the run at block %ju of device %u overlaps the "
			      "one before, or ends behind the device",
			      (uintmax_t)addr_block(key << BLOCK_SHIFT),
			      addr_device(key << BLOCK_SHIFT));
		return;
	}
	if (!keep(runs, (struct shared_run){ .key = key,
					     .blocks = shared->blocks,
					     .owners = shared->owners }) &&
	    !runs->out_of_memory) {
		operational(fsck, "out of memory for shared blocks");
		runs->out_of_memory = true;
	}
}

uint64_t check_shared(struct fsck *fsck, const inode_media *inode,
		      bool *damaged)
{
	struct tree_scan scan = {
		.fsck = fsck,
		.ino = inode->ino,
		.kind = TREE_SHARED,
		.value = take_run,
		.arg = fsck,
	};

	tree_scan_inode(&scan, inode);
	*damaged = *damaged || scan.damaged;
	return scan.nodes;
}

/* The first run that ends behind key, or the count. */
static size_t find(const struct shared_runs *runs, uint64_t key)
{
	size_t low = 0, high = runs->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (run_end(&runs->run[middle]) <= key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void count(struct fsck *fsck, struct shared_run *run, uint64_t from,
		  uint64_t to)
{
	for (; from < to && !fsck->resolving; from++)
		if (run->found[from - run->key] < UINT32_MAX)
			run->found[from - run->key]++;
}

enum claim shared_claim(struct fsck *fsck, uint64_t addr, uint64_t blocks,
			uint64_t ino)
{
	const struct shared_runs *runs = &fsck->shared;
	uint64_t key = addr >> BLOCK_SHIFT, end = key + blocks;
	enum claim worst = CLAIM_OK;

	if (!shares(fsck) && !fsck->resolving)
		problem_inode(fsck, "shared", ino,
			      "the extent at block %ju of device %u is flagged "
			      "shared, and the filesystem has no such feature",
			      (uintmax_t)addr_block(addr), addr_device(addr));
	while (key < end) {
		size_t at = find(runs, key);
		uint64_t to = end;
		enum claim claim = CLAIM_OK;

		if (at < runs->count && runs->run[at].key <= key) {
			if (run_end(&runs->run[at]) < end)
				to = run_end(&runs->run[at]);
			count(fsck, &runs->run[at], key, to);
		} else {
			if (at < runs->count && runs->run[at].key < end)
				to = runs->run[at].key;
			claim = blocks_claim(fsck, key << BLOCK_SHIFT, to - key,
					     ino, OWNER_DATA);
		}
		if (claim > worst)
			worst = claim;
		key = to;
	}
	return worst;
}

static void report_run(struct fsck *fsck, const struct shared_run *run)
{
	uint64_t from = 0, to;

	for (; from < run->blocks; from = to) {
		uint64_t block = addr_block((run->key + from) << BLOCK_SHIFT);

		for (to = from + 1; to < run->blocks; to++)
			if (run->found[to] != run->found[from])
				break;
		if (run->found[from] == run->owners)
			continue;
		problem_inode(fsck, "shared", INO_SHARED,
			      "blocks %ju to %ju of device %u have %u owners, "
			      "found %u",
			      (uintmax_t)block,
			      (uintmax_t)(block + to - from - 1),
			      addr_device(run->key << BLOCK_SHIFT), run->owners,
			      run->found[from]);
	}
}

void shared_report(struct fsck *fsck)
{
	size_t i;

	if (fsck->shared.out_of_memory)
		return;
	for (i = 0; i < fsck->shared.count; i++)
		report_run(fsck, &fsck->shared.run[i]);
}

void shared_close(struct fsck *fsck)
{
	size_t i;

	for (i = 0; i < fsck->shared.count; i++)
		free(fsck->shared.run[i].found);
	free(fsck->shared.run);
}
