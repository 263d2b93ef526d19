/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lease_grant.c -- a range of a file is given to a client
 *
 * One try holds inode.lock exclusively and does all or nothing: blocks for a
 * writer, the kernel's entries out, the leases' in, the lease into the lists.
 * What it cannot do under the lock is asking the kernel for its pages: then the
 * try ends, that is done with nothing held, and it is tried again.
 */
#include "core/lease_grant.h"

#include "core/request.h"
#include "trace/trace.h"
#include "util/clock.h"
#include "util/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A program that maps it through the kernel is faster each time. */
#define GRANT_TRIES 50
/* ------------------------------------------------------------- the kernel's */

/* R11. 1: it is to be asked for its pages first. */
static int grant_expel(struct grant *grant)
{
	struct entry_table *table = lease_entries(grant->inode);
	const struct lease_grant *out = grant->out;
	int64_t deleted = -EAGAIN;

	if (entry_table_kernel(table) == 0)
		return 0;
	if (grant->want->nowait)
		return -EINPROGRESS;
	if (grant->asked && grant->asked_first <= out->first &&
	    grant->asked_last >= out->last)
		deleted = entry_table_expel_end(table, out->first, out->last);
	TRACE4(lease_expel, grant->inode->ino, out->first, out->last, deleted);
	if (deleted != -EAGAIN)
		return deleted < 0 ? (int)deleted : 0;
	grant->asked = entry_table_expel_begin(table, out->first, out->last);
	grant->asked_first = out->first;
	grant->asked_last = out->last;
	return grant->asked;
}

static int ask_kernel(const struct fs *fs, uint64_t ino, off_t offset,
		      off_t length)
{
	int err = 0;

	if (fs->hooks.invalidate)
		err = fs->hooks.invalidate(fs->hooks.arg, ino, offset, length);
	/* The connection has ended, and with it all that it had. */
	if (err == -ENODEV || err == -ENOTCONN || err == -EBADF)
		err = 0;
	if (err)
		log_warn("invalidate inode %llu: %s", (unsigned long long)ino,
			 strerror(-err));
	return err ? -EBUSY : 0;
}

/* ---------------------------------------------------------------- the lease */

static void entries_undo(struct grant *grant, uint64_t npages)
{
	int64_t deleted;

	if (npages == 0)
		return;
	deleted = entry_table_disassociate(lease_entries(grant->inode),
					   grant->out->first,
					   grant->out->first + npages - 1);
	assert(deleted >= 0); /* inserting them has cut what was in the way */
}

static int entries_insert(struct grant *grant)
{
	struct entry_table *table = lease_entries(grant->inode);
	const struct lease_grant *out = grant->out;
	uint64_t done = 0;
	int err = 0;

	for (unsigned i = 0; i < out->run_count && !err; i++) {
		const struct lease_run *run = &out->runs[i];
		const struct entry_new new = {
			.kind = run->zero ? ENTRY_ZERO : ENTRY_REAL,
			.holder = ENTRY_LEASE,
			.device = run->zero ? 0 : out->device,
			.device_page = run->device_page,
			.dirty = grant->want->writable && !run->zero,
		};
		uint64_t filled;

		err = entry_table_fill_run(table, run->index, run->npages, &new,
					   &filled);
		done += filled;
	}
	if (err)
		entries_undo(grant, done);
	return err;
}

/*
 * mmap(2): what is behind the end of file in its last page reads as zeros. It
 * may be what a truncate left there. Who has the page already may have stored
 * to it: then it stays. It need not last: nobody trusts it later (file.h). The
 * block is the file's own (grant_own_tail).
 */
static void grant_zero_tail(const struct grant *grant)
{
	const struct lease_grant *out = grant->out;
	const struct lease_run *run = &out->runs[out->run_count - 1];
	uint64_t size = grant->inode->media->size;
	size_t used = size % BLOCK_BYTES;
	struct entry_info info;
	struct device *device;
	unsigned char *page;

	if (!grant->fs->journal || used == 0 || run->zero ||
	    out->last != size >> BLOCK_SHIFT ||
	    entry_lookup(lease_entries(grant->inode), out->last, &info))
		return;
	device = grant->fs->members.device[out->device];
	page = device_at(device, (run->device_page + run->npages - 1)
					 << BLOCK_SHIFT);
	if (!grant_all_zero(page + used, BLOCK_BYTES - used))
		device_set(device, page + used, 0, BLOCK_BYTES - used);
}

/* One piece, in no list yet. */
static struct lease *lease_make(struct grant *grant)
{
	struct lease *lease = calloc(1, sizeof(*lease));
	struct lease_piece *piece = calloc(1, sizeof(*piece));
	struct lease_piece **pieces = calloc(1, sizeof(struct lease_piece *));

	if (!lease || !piece || !pieces) {
		free(lease);
		free(piece);
		free(pieces);
		return NULL;
	}
	piece->lease = lease;
	piece->first = grant->out->first;
	piece->last = grant->out->last;
	pieces[0] = piece;
	lease->client = grant->client;
	lease->inode = grant->inode;
	lease->device = grant->out->device;
	lease->writable = grant->want->writable;
	lease->since_ns = clock_monotonic_ns();
	lease->pid = grant->client->pid;
	memcpy(lease->command, grant->client->command, sizeof(lease->command));
	lease->pieces = pieces;
	lease->count = lease->room = 1;
	return lease;
}

static void lease_unmake(struct lease *lease)
{
	free(lease->pieces[0]);
	free(lease->pieces);
	free(lease);
}

/* From here on it can be asked for; out->id is its name. */
static int enter_locked(struct grant *grant, struct lease *lease)
{
	const struct lease_want *want = grant->want;
	struct fs *fs = grant->fs;
	struct lease_file *file = lease_file_make_locked(fs, grant->inode->ino);
	int err = 0;

	if (!file)
		return -ENOMEM;
	if (lease_breaking_locked(file, grant->out->first, grant->out->last))
		err = -EAGAIN;
	if (!err && want->stored_ns && want->writable) {
		lease->word = lease_word_get_locked(file, want->stored_ns);
		err = lease->word ? 0 : -ENOMEM;
	}
	if (err) {
		lease_file_put_locked(fs, file);
		return err;
	}
	lease->file = file;
	lease->by_id.key = grant->out->id = ++fs->leases->next_id;
	lease_hash_add(&fs->leases->by_id, &lease->by_id);
	LIST_INSERT_HEAD(&file->pieces, lease->pieces[0], of_file);
	LIST_INSERT_HEAD(&grant->client->leases, lease, of_client);
	grant->client->lease_count++;
	if (want->writable)
		grant->first_writer =
			atomic_fetch_add(&grant->inode->lease_writers, 1) == 0;
	return 0;
}

static int grant_enter(struct grant *grant)
{
	struct lease *lease = lease_make(grant);
	int err = -ENOMEM;

	if (lease) {
		pthread_mutex_lock(&grant->fs->lease_lock);
		err = enter_locked(grant, lease);
		pthread_mutex_unlock(&grant->fs->lease_lock);
	}
	if (err) {
		entries_undo(grant, grant->out->last - grant->out->first + 1);
		if (lease)
			lease_unmake(lease);
	}
	return err;
}

/* Before anything is changed for it. */
static int grant_not_breaking(const struct grant *grant)
{
	const struct lease_file *file;
	bool breaking;

	pthread_mutex_lock(&grant->fs->lease_lock);
	file = lease_file_find_locked(grant->fs, grant->inode->ino);
	breaking = file && lease_breaking_locked(file, grant->out->first,
						 grant->out->last);
	pthread_mutex_unlock(&grant->fs->lease_lock);
	return breaking ? -EAGAIN : 0;
}

static int grant_locked(struct grant *grant)
{
	int err = grant_clip(grant);

	/* The kernel is told of the first writer. */
	if (!err && grant->want->nowait && grant->want->writable &&
	    atomic_load(&grant->inode->lease_writers) == 0)
		err = -EINPROGRESS;
	if (!err)
		err = grant_not_breaking(grant);
	if (!err)
		err = grant_plan(grant);
	if (!err)
		err = grant_expel(grant);
	if (!err) {
		grant_zero_tail(grant);
		err = entries_insert(grant);
	}
	return err ? err : grant_enter(grant);
}

static int grant_try(struct grant *grant)
{
	struct request *request = grant->request;
	int err = request_begin(request, "lease", grant->inode->ino,
				grant->client->pid, false);

	if (err)
		return err;
	if (grant->want->nowait)
		err = pthread_rwlock_trywrlock(&grant->inode->lock);
	else
		pthread_rwlock_wrlock(&grant->inode->lock);
	if (err) {
		request_end(request);
		return -EINPROGRESS;
	}
	err = grant_locked(grant);
	pthread_rwlock_unlock(&grant->inode->lock);
	request_end(request);
	return err;
}

static int grant_retry(struct grant *grant)
{
	uint64_t pages;
	int err;

	for (unsigned i = 0; i < GRANT_TRIES; i++) {
		err = grant_try(grant);
		if (err <= 0)
			return err;
		pages = grant->asked_last - grant->asked_first + 1;
		err = ask_kernel(grant->fs, grant->inode->ino,
				 (off_t)(grant->asked_first << BLOCK_SHIFT),
				 (off_t)(pages << BLOCK_SHIFT));
		if (err)
			return err;
	}
	return -EBUSY;
}

int lease_grant(struct request *request, struct lease_client *client,
		struct inode *inode, const struct lease_want *want,
		struct lease_grant *out)
{
	struct grant grant = { .fs = request->fs,
			       .request = request,
			       .client = client,
			       .inode = inode,
			       .want = want,
			       .out = out };
	uint64_t ino = inode->ino; /* the lease may have ended by then */
	int err;

	inode_hold_again(request->fs, inode);
	err = grant_retry(&grant);
	if (err) {
		TRACE4(lease_grant_fail, ino, want->first, want->npages, err);
		inode_release_hold(request->fs, inode);
		return err == -EIO ? -ENXIO : err;
	}
	TRACE4(lease_grant, out->id, ino, out->first, out->last);
	/* The hold is the lease's now. */
	if (grant.first_writer)
		(void)ask_kernel(request->fs, ino, -1, 0);
	return 0;
}
