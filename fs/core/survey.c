/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/survey.h"

#include "alloc/alloc.h"
#include "core/fs.h"
#include "core/inode.h"

struct visit {
	survey_fn *fn;
	void *arg;
};

static void visit_inode(struct inode *inode, void *arg)
{
	const struct visit *visit = arg;
	struct inode_active *active;

	if (!atomic_load(&inode->active))
		return;
	pthread_rwlock_rdlock(&inode->lock);
	active = atomic_load(&inode->active);
	if (active && entry_table_count(&active->entries) > 0)
		visit->fn(inode, &active->entries, visit->arg);
	pthread_rwlock_unlock(&inode->lock);
}

void survey_tables(struct fs *fs, survey_fn *fn, void *arg)
{
	struct visit visit = { fn, arg };

	inode_for_each(fs, visit_inode, &visit);
}

struct sum {
	unsigned device;
	uint64_t associations;
};

static void add_table(struct inode *inode, struct entry_table *table, void *arg)
{
	struct sum *sum = arg;

	sum->associations += entry_table_active(table, sum->device);
}

uint64_t survey_associations(struct fs *fs, unsigned device)
{
	struct sum sum = { .device = device };

	survey_tables(fs, add_table, &sum);
	return sum.associations;
}

uint64_t survey_free_bytes(struct fs *fs, unsigned device)
{
	if (!fs->allocs[device])
		return 0;
	return alloc_free_blocks(fs->allocs[device]) * BLOCK_BYTES;
}
