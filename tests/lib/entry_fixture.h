/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * entry_fixture.h -- two devices and two entry tables over them
 *
 * fixture_check() recomputes the ledger [R10] by walking; fixture_fini() ends
 * with it, so that every test does.
 */
#ifndef UDAX_TESTS_ENTRY_FIXTURE_H
#define UDAX_TESTS_ENTRY_FIXTURE_H

#include "dax/entry_table.h"
#include "dax/pgmap.h"

#define PTE PGMAP_ORDER_PTE
#define PMD PGMAP_ORDER_PMD
#define UNIT PGMAP_PMD_PAGES
#define DEVICES 2
#define TABLES 2
#define DEVICE_PAGES (16 * UNIT)
#define TO_THE_END UINT64_MAX

struct fixture {
	struct pgmap *pgmaps[DEVICES];
	struct entry_table tables[TABLES];
};

void fixture_init(struct fixture *fixture);
void fixture_fini(struct fixture *fixture);
void fixture_check(struct fixture *fixture);

/* What to put in: a page of device 0. */
struct entry_new kernel_page(uint64_t device_page);
struct entry_new lease_page(uint64_t device_page);
struct entry_new zero_page(void);

/* The entry of a page; fails the test when there is none. */
struct entry_info entry_at(struct entry_table *table, uint64_t index);

#endif
