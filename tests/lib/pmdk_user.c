/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pmdk_user: what programs do with PMDK, for udax-run
 *
 *   pmdk_user map FILE BYTES      pmem_map_file, a persist, a deep persist;
 *                                 says is_pmem=0|1
 *   pmdk_user create POOL         a pool of accounts that sum up to TOTAL
 *   pmdk_user move POOL N         N transactions that move money about
 *   pmdk_user crash POOL N        the same, and killed inside the last
 *   pmdk_user sum POOL            says what they sum up to, and how often
 *                                 money was moved
 */
#include <libpmem.h>
#include <libpmemobj.h>

#include <err.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACCOUNTS 4000
#define EACH 100

POBJ_LAYOUT_BEGIN(bank);
POBJ_LAYOUT_ROOT(bank, struct bank);
POBJ_LAYOUT_TOID(bank, struct letter);
POBJ_LAYOUT_END(bank);

struct letter {
	uint64_t number;
	TOID(struct letter) next;
	char text[200];
};

struct bank {
	int64_t account[ACCOUNTS];
	uint64_t moves;
	TOID(struct letter) letters; /* the newest; one a move */
};

static int map(const char *path, size_t length)
{
	size_t mapped;
	int is_pmem;
	char *at = pmem_map_file(path, length, PMEM_FILE_CREATE, 0600, &mapped,
				 &is_pmem);

	if (!at)
		err(1, "pmem_map_file %s: %s", path, pmem_errormsg());
	printf("is_pmem=%d\n", is_pmem);
	pmem_memcpy_persist(at, "from libpmem", 12);
	pmem_memset_persist(at + mapped - 100, 'x', 100);
	if (pmem_deep_persist(at, mapped))
		err(1, "pmem_deep_persist");
	if (pmem_unmap(at, mapped))
		err(1, "pmem_unmap");
	return 0;
}

static PMEMobjpool *open_pool(const char *path)
{
	PMEMobjpool *pool = pmemobj_open(path, POBJ_LAYOUT_NAME(bank));

	if (!pool)
		errx(1, "pmemobj_open %s: %s", path, pmemobj_errormsg());
	return pool;
}

static int create(const char *path)
{
	PMEMobjpool *pool = pmemobj_create(path, POBJ_LAYOUT_NAME(bank),
					   16 << 20, 0600);
	struct bank *bank;

	if (!pool)
		errx(1, "pmemobj_create %s: %s", path, pmemobj_errormsg());
	bank = D_RW(POBJ_ROOT(pool, struct bank));
	for (int i = 0; i < ACCOUNTS; i++)
		bank->account[i] = EACH;
	pmemobj_persist(pool, bank->account, sizeof(bank->account));
	pmemobj_close(pool);
	return 0;
}

/* Every account from which it takes and to which it gives is logged first. */
static void move_one(PMEMobjpool *pool, uint64_t number, bool crash)
{
	TOID(struct bank) root = POBJ_ROOT(pool, struct bank);
	struct bank *bank = D_RW(root);

	TX_BEGIN(pool)
	{
		TOID(struct letter) letter = TX_ZNEW(struct letter);

		TX_ADD(root);
		for (unsigned i = 0; i < 100; i++) {
			bank->account[(number * 7 + i) % ACCOUNTS] -= 3;
			if (crash && i == 50)
				raise(SIGKILL);
			bank->account[(number * 13 + i * 31) % ACCOUNTS] += 3;
		}
		D_RW(letter)->number = number;
		D_RW(letter)->next = bank->letters;
		memset(D_RW(letter)->text, 'a' + (int)(number % 26), 200);
		bank->letters = letter;
		bank->moves = number + 1;
	}
	TX_ONABORT
	{
		errx(1, "transaction: %s", pmemobj_errormsg());
	}
	TX_END
}

static int move(const char *path, unsigned long count, bool crash)
{
	PMEMobjpool *pool = open_pool(path);
	const struct bank *bank = D_RO(POBJ_ROOT(pool, struct bank));

	for (unsigned long i = 0; i < count; i++)
		move_one(pool, bank->moves, crash && i == count - 1);
	pmemobj_close(pool);
	return 0;
}

static int sum(const char *path)
{
	PMEMobjpool *pool = open_pool(path);
	const struct bank *bank = D_RO(POBJ_ROOT(pool, struct bank));
	TOID(struct letter) letter = bank->letters;
	uint64_t letters = 0;
	int64_t all = 0;

	for (int i = 0; i < ACCOUNTS; i++)
		all += bank->account[i];
	for (; !TOID_IS_NULL(letter); letter = D_RO(letter)->next)
		letters++;
	printf("%lld in all, %llu moves, %llu letters\n", (long long)all,
	       (unsigned long long)bank->moves, (unsigned long long)letters);
	pmemobj_close(pool);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long n = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	const char *verb = argc > 2 ? argv[1] : "";

	if (!strcmp(verb, "map"))
		return map(argv[2], n);
	if (!strcmp(verb, "create"))
		return create(argv[2]);
	if (!strcmp(verb, "move"))
		return move(argv[2], n, false);
	if (!strcmp(verb, "crash"))
		return move(argv[2], n, true);
	if (!strcmp(verb, "sum"))
		return sum(argv[2]);
	errx(2, "usage: pmdk_user map|create|move|crash|sum FILE [N]");
}
