/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_txn.h"

#include "journal/journal.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COPIES_MAX 256

struct copy {
	uint64_t addr;
	size_t length_bytes;
	txn_seal_fn *seal;
	char bytes[BLOCK_BYTES];
};

struct txn {
	struct fake *fake;
	unsigned copies, taken, freed;
	struct copy copy[COPIES_MAX];
	uint64_t taken_addr[COPIES_MAX];
	uint64_t freed_addr[COPIES_MAX];
};

void fake_init(struct fake *fake, uint64_t blocks)
{
	memset(fake, 0, sizeof(*fake));
	fake->blocks = blocks;
	fake->spare_blocks = UINT64_MAX;
	fake->used = calloc(blocks, 1);
	fake->device.base = aligned_alloc(BLOCK_BYTES, blocks * BLOCK_BYTES);
	must(fake->used != NULL);
	must(fake->device.base != NULL);
	memset(fake->device.base, 0xdd, blocks * BLOCK_BYTES);
	fake->device.size_bytes = blocks * BLOCK_BYTES;
	fake->members.device[0] = &fake->device;
	fake->members.count = 1;
	fake->used[0] = 1;
	fake->txn = malloc(sizeof(*fake->txn));
	must(fake->txn != NULL);
}

void fake_trim(struct fake *fake, uint64_t blocks)
{
	unsigned char *shorter;
	uint64_t i;

	for (i = blocks; i < fake->blocks; i++)
		must(!fake->used[i]);
	shorter = aligned_alloc(BLOCK_BYTES, blocks * BLOCK_BYTES);
	must(shorter != NULL);
	memcpy(shorter, fake->device.base, blocks * BLOCK_BYTES);
	free(fake->device.base);
	fake->device.base = shorter;
	fake->device.size_bytes = blocks * BLOCK_BYTES;
	fake->blocks = blocks;
}

void fake_fini(struct fake *fake)
{
	free(fake->txn);
	free(fake->used);
	free(fake->device.base);
}

struct txn *fake_begin(struct fake *fake)
{
	struct txn *txn = fake->txn;

	txn->fake = fake;
	txn->copies = txn->taken = txn->freed = 0;
	return txn;
}

unsigned fake_copies(const struct txn *txn)
{
	return txn->copies;
}

static void *home(const struct txn *txn, uint64_t addr)
{
	must(addr_device(addr) == 0);
	return device_at(&txn->fake->device, addr_offset(addr));
}

static struct copy *find(struct txn *txn, uint64_t addr)
{
	unsigned i;

	for (i = 0; i < txn->copies; i++)
		if (txn->copy[i].addr == addr)
			return &txn->copy[i];
	return NULL;
}

const void *txn_see(struct txn *txn, uint64_t addr)
{
	struct copy *copy = find(txn, addr);

	return copy != NULL ? copy->bytes : home(txn, addr);
}

void *txn_edit_sealed(struct txn *txn, uint64_t addr, size_t length_bytes,
		      bool fresh, txn_seal_fn *seal)
{
	struct copy *copy = find(txn, addr);

	if (copy != NULL) {
		must(copy->length_bytes == length_bytes);
		return copy->bytes;
	}
	must(txn->copies < COPIES_MAX);
	copy = &txn->copy[txn->copies++];
	copy->addr = addr;
	copy->length_bytes = length_bytes;
	copy->seal = seal;
	must(length_bytes <= sizeof(copy->bytes));
	if (fresh)
		memset(copy->bytes, 0, length_bytes);
	else
		memcpy(copy->bytes, home(txn, addr), length_bytes);
	return copy->bytes;
}

int txn_alloc_block(struct txn *txn, uint64_t *addr)
{
	struct fake *fake = txn->fake;
	uint64_t block;

	if (fake->spare_blocks == 0)
		return -ENOSPC;
	for (block = 1; block < fake->blocks; block++)
		if (!fake->used[block])
			break;
	if (block == fake->blocks)
		return -ENOSPC;
	must(txn->taken < COPIES_MAX);
	fake->spare_blocks--;
	fake->used_blocks++;
	fake->used[block] = 1;
	*addr = addr_make(0, block * BLOCK_BYTES);
	txn->taken_addr[txn->taken++] = *addr;
	return 0;
}

void txn_free(struct txn *txn, uint64_t addr, uint64_t blocks, bool metadata)
{
	unsigned i;

	must(blocks == 1);
	must(metadata);
	must(txn->fake->used[addr_block(addr)] == 1);
	for (i = 0; i < txn->freed; i++)
		must(txn->freed_addr[i] != addr);
	must(txn->freed < COPIES_MAX);
	txn->freed_addr[txn->freed++] = addr;
}

static void give_back(struct fake *fake, const uint64_t *addr, unsigned count)
{
	while (count-- > 0) {
		uint64_t block = addr_block(addr[count]);

		must(fake->used[block] == 1);
		fake->used[block] = 0;
		fake->used_blocks--;
		if (fake->spare_blocks != UINT64_MAX)
			fake->spare_blocks++;
	}
}

int txn_commit(struct txn *txn)
{
	unsigned i;

	for (i = 0; i < txn->copies; i++) {
		struct copy *copy = &txn->copy[i];

		if (copy->seal != NULL)
			copy->seal(copy->bytes);
		memcpy(home(txn, copy->addr), copy->bytes, copy->length_bytes);
	}
	give_back(txn->fake, txn->freed_addr, txn->freed);
	return 0;
}

void txn_abort(struct txn *txn)
{
	give_back(txn->fake, txn->taken_addr, txn->taken);
}
