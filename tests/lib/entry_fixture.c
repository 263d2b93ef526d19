/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/entry_fixture.h"

#include <check.h>
#include <string.h>

void fixture_init(struct fixture *fixture)
{
	memset(fixture, 0, sizeof(*fixture));
	for (int i = 0; i < DEVICES; i++)
		ck_assert_int_eq(pgmap_create(&fixture->pgmaps[i], DEVICE_PAGES,
					      PGMAP_COUNTER, NULL, NULL),
				 0);
	for (int i = 0; i < TABLES; i++)
		ck_assert_int_eq(
			entry_table_init(&fixture->tables[i], fixture->pgmaps),
			0);
}

void fixture_fini(struct fixture *fixture)
{
	fixture_check(fixture);
	for (int i = 0; i < TABLES; i++)
		ck_assert_int_ge(entry_table_delete_range(&fixture->tables[i],
							  0, TO_THE_END,
							  ENTRY_OF_ALL),
				 0);
	fixture_check(fixture);
	for (int i = 0; i < TABLES; i++)
		entry_table_fini(&fixture->tables[i]);
	for (int i = 0; i < DEVICES; i++) {
		ck_assert_int_eq(pgmap_stat(fixture->pgmaps[i], PGMAP_ENTRIES),
				 0);
		pgmap_destroy(fixture->pgmaps[i]);
	}
}

struct tally {
	unsigned device;
	int64_t entries;
	int64_t kernel;
	int64_t leases;
	uint64_t end; /* of the entry before */
};

static int tally_one(const struct entry_info *info, void *arg)
{
	struct tally *tally = arg;

	ck_assert_uint_le(tally->end, info->index); /* no overlap, in order */
	tally->end = info->index + (UINT64_C(1) << info->order);
	ck_assert_uint_eq(info->index & ((UINT64_C(1) << info->order) - 1), 0);
	ck_assert(!info->towrite || info->kind == ENTRY_REAL);
	ck_assert(!info->dirty || info->holder == ENTRY_LEASE);
	if (info->kind != ENTRY_REAL) {
		ck_assert_uint_eq(info->associations > 0,
				  info->holder == ENTRY_LEASE);
		return 0;
	}
	ck_assert_uint_ge(info->associations, 1);
	if (info->device != tally->device)
		return 0;
	tally->entries++;
	if (info->holder == ENTRY_LEASE)
		tally->leases += info->associations;
	else
		tally->kernel += info->associations;
	return 0;
}

static int count_kernel(const struct entry_info *info, void *arg)
{
	uint64_t *counts = arg;

	counts[0] += info->holder == ENTRY_KERNEL;
	counts[1] += info->holder == ENTRY_KERNEL && info->kind == ENTRY_ZERO;
	return 0;
}

static void check_counts(struct entry_table *table)
{
	uint64_t counts[2] = { 0, 0 };

	entry_table_walk(table, 0, TO_THE_END, count_kernel, counts);
	ck_assert_uint_eq(entry_table_kernel(table), counts[0]);
	ck_assert_uint_eq(entry_table_kernel_zeros(table), counts[1]);
}

static void check_device(struct fixture *fixture, unsigned device)
{
	struct pgmap *pgmap = fixture->pgmaps[device];
	struct tally tally = { .device = device };
	uint64_t folios, references, expected;

	expected = (uint64_t)pgmap_stat(pgmap, PGMAP_PINNED_PAGES);
	for (int i = 0; i < TABLES; i++) {
		tally.end = 0;
		check_counts(&fixture->tables[i]);
		entry_table_walk(&fixture->tables[i], 0, TO_THE_END, tally_one,
				 &tally);
		expected += entry_table_active(&fixture->tables[i], device);
	}
	folios = pgmap_active_folios_walk(pgmap, &references);
	ck_assert_uint_eq(references, expected);
	ck_assert_int_eq(pgmap_references(pgmap) - pgmap_gates(pgmap), folios);
	ck_assert_int_eq(pgmap_stat(pgmap, PGMAP_ENTRIES), tally.entries);
	ck_assert_int_eq(pgmap_stat(pgmap, PGMAP_KERNEL_MAPPINGS),
			 tally.kernel);
	ck_assert_int_eq(pgmap_stat(pgmap, PGMAP_LEASES), tally.leases);
}

void fixture_check(struct fixture *fixture)
{
	for (unsigned device = 0; device < DEVICES; device++)
		if (fixture->pgmaps[device])
			check_device(fixture, device);
}

struct entry_new kernel_page(uint64_t device_page)
{
	return (struct entry_new){ .kind = ENTRY_REAL,
				   .holder = ENTRY_KERNEL,
				   .device_page = device_page };
}

struct entry_new lease_page(uint64_t device_page)
{
	return (struct entry_new){ .kind = ENTRY_REAL,
				   .holder = ENTRY_LEASE,
				   .device_page = device_page };
}

struct entry_new zero_page(void)
{
	return (struct entry_new){ .kind = ENTRY_ZERO, .holder = ENTRY_KERNEL };
}

struct entry_info entry_at(struct entry_table *table, uint64_t index)
{
	struct entry_info info;

	ck_assert_msg(entry_lookup(table, index, &info), "no entry at %ju",
		      (uintmax_t)index);
	return info;
}
