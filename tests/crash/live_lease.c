/* SPDX-License-Identifier: BSD-3-Clause */
/* live_lease.c -- a client of direct mappings, made of functions */
#include "crash/live.h"

#include "core/inode.h"
#include "media/addr.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where that byte of the file stands, and how many follow it there. */
static uint64_t place(const struct lease_grant *grant, uint64_t byte,
		      uint64_t *length)
{
	uint64_t page = byte / BLOCK_BYTES;
	unsigned i;

	for (i = 0; i < grant->run_count; i++) {
		const struct lease_run *run = &grant->runs[i];
		uint64_t skip = byte - run->index * BLOCK_BYTES;

		if (page < run->index || page >= run->index + run->npages)
			continue;
		assert(!run->zero);
		*length = run->npages * BLOCK_BYTES - skip;
		return run->device_page * BLOCK_BYTES + skip;
	}
	abort();
}

typedef void piece_fn(struct live *live, unsigned device, uint64_t offset,
		      const unsigned char *bytes, size_t length);

static void each_piece(struct live *live, const struct lease_grant *grant,
		       const struct op *op, const unsigned char *bytes,
		       piece_fn *fn)
{
	uint64_t at = op->offset;
	uint64_t left = op->length;

	while (left > 0) {
		uint64_t n;
		uint64_t offset = place(grant, at, &n);

		if (n > left)
			n = left;
		fn(live, grant->device, offset, bytes, n);
		at += n;
		bytes += n;
		left -= n;
	}
}

static void store(struct live *live, unsigned device, uint64_t offset,
		  const unsigned char *bytes, size_t length)
{
	memcpy(device_at(live->fs->members.device[device], offset), bytes,
	       length);
	record_client_store(device, offset, bytes, length);
}

static void persist(struct live *live, unsigned device, uint64_t offset,
		    const unsigned char *bytes, size_t length)
{
	(void)live, (void)bytes;
	record_client_persist(device, offset, length);
}

static void copy(struct live *live, unsigned device, uint64_t offset,
		 const unsigned char *bytes, size_t length)
{
	memcpy(device_at(live->fs->members.device[device], offset), bytes,
	       length);
	record_client_copy(device, offset, bytes, length);
}

static void take(struct live *live, struct request *request,
		 struct live_slot *slot, const struct op *op)
{
	const struct lease_want want = {
		.first = op->offset / BLOCK_BYTES,
		.npages = (op->length + BLOCK_BYTES - 1) / BLOCK_BYTES,
		.writable = true,
	};

	(void)live;
	slot->client = (struct lease_client){ .pid = getpid(),
					      .command = "client" };
	slot->grant = malloc(sizeof(*slot->grant));
	live_check(op,
		   lease_grant(request, &slot->client, slot->inode, &want,
			       slot->grant),
		   0);
}

void live_lease_end(struct live *live, struct live_slot *slot)
{
	struct lease_gone gone;

	if (!slot->grant)
		return;
	lease_client_gone(live->fs, &slot->client, LEASE_NO_DEVICE, &gone);
	free(slot->grant);
	slot->grant = NULL;
}

/* The client's own doing, on device memory. */
static void change(struct live *live, const struct lease_grant *grant,
		   const struct op *op)
{
	unsigned char *bytes = malloc(op->length);

	pattern_fill(bytes, op->file, op->version, op->offset, op->length);
	switch (op->kind) {
	case OP_LEASE_STORE:
		each_piece(live, grant, op, bytes, store);
		break;
	case OP_LEASE_WRITE:
		each_piece(live, grant, op, bytes, copy);
		record_client_fence(grant->device);
		break;
	default:
		each_piece(live, grant, op, bytes, persist);
		break;
	}
	free(bytes);
}

void live_lease(struct live *live, struct request *request, const struct op *op)
{
	struct live_slot *slot = &live->slot[op->slot];
	unsigned thread = record_thread_now();

	if (op->kind == OP_LEASE) {
		take(live, request, slot, op);
		return;
	}
	if (op->kind == OP_LEASE_RETURN) {
		live_lease_end(live, slot);
		return;
	}
	if (op->kind == OP_LEASE_SYNC) {
		live_check(
			op,
			lease_sync(request, &slot->client, slot->grant->id,
				   op->offset / BLOCK_BYTES,
				   (op->offset + op->length - 1) / BLOCK_BYTES),
			0);
		return;
	}
	record_thread(thread + CLIENT_THREADS);
	change(live, slot->grant, op);
	record_thread(thread);
}
