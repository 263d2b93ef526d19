/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases as the direct door sees them, with a client made of functions. */
#include "lib/device_fixture.h"
#include "lib/file_fixture.h"

#include "core/lease.h"
#include "core/sizes.h"
#include "core/survey.h"
#include "dax/pgmap.h"
#include "media/addr.h"
#include "udax/protocol.h"
#include "util/clock.h"

#include <check.h>
#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define MIB (1u << 20)
#define PAGES_MIB (MIB / 4096)
#define NONE LEASE_NO_DEVICE

static unsigned char bytes[2 * MIB];
static unsigned char answer[2 * MIB];
static struct lease_grant got;

/* ------------------------------------------------------------- the client */

struct test_client {
	struct lease_client core;
	/* What it was asked for, in the order of asking. */
	struct {
		uint64_t lease, first, last;
		unsigned device;
	} recalled[64];
	unsigned recalls;
};

static struct test_client alice, bob;

static void on_recall(void *arg, struct lease_client *of_core, uint64_t id,
		      uint64_t first, uint64_t last, unsigned device)
{
	struct test_client *client = (struct test_client *)of_core;

	ck_assert_ptr_eq(arg, &alice);
	ck_assert_uint_lt(client->recalls, 64);
	client->recalled[client->recalls].lease = id;
	client->recalled[client->recalls].first = first;
	client->recalled[client->recalls].last = last;
	client->recalled[client->recalls++].device = device;
}

static const struct lease_ops ops = { .recall = on_recall };

static void new_client(struct test_client *client, pid_t pid, const char *name)
{
	memset(client, 0, sizeof(*client));
	client->core.pid = pid;
	snprintf(client->core.command, sizeof(client->core.command), "%s",
		 name);
}

static int try_lease(struct test_client *client, uint64_t first,
		     uint64_t npages, bool writable)
{
	const struct lease_want want = { .first = first,
					 .npages = npages,
					 .writable = writable };

	return lease_grant(&core.request, &client->core, fixture.file, &want,
			   &got);
}

static uint64_t lease(struct test_client *client, uint64_t first,
		      uint64_t npages, bool writable)
{
	ck_assert_int_eq(try_lease(client, first, npages, writable), 0);
	return got.id;
}

static int64_t give(struct test_client *client, uint64_t id, uint64_t first,
		    uint64_t last)
{
	return lease_return(core.fs, &client->core, id, first, last);
}

static struct lease_gone gone(struct test_client *client, unsigned device)
{
	struct lease_gone out;

	lease_client_gone(core.fs, &client->core, device, &out);
	return out;
}

/* As the client would: through the device. */
static unsigned char *at(uint64_t page)
{
	for (unsigned i = 0; i < got.run_count; i++) {
		const struct lease_run *run = &got.runs[i];

		if (page >= run->index && page < run->index + run->npages) {
			ck_assert(!run->zero);
			return device_at(
				core.fs->members.device[got.device],
				(run->device_page + page - run->index) * 4096);
		}
	}
	ck_abort_msg("page %ju is not leased", (uintmax_t)page);
	return NULL;
}

/* --------------------------------------------------------------- the mount */

struct hooks {
	unsigned calls, attribute_calls;
	off_t offset, length; /* of the last one */
	unsigned fills;	      /* so often somebody fills in between */
	off_t fill_at;
	int err;
};

static struct hooks hooks;

static int on_invalidate(void *arg, uint64_t ino, off_t offset, off_t length)
{
	ck_assert_uint_eq(ino, fixture.file->ino);
	/* Nothing is held, and there is no request. */
	ck_assert_int_eq(pthread_rwlock_trywrlock(&fixture.file->lock), 0);
	pthread_rwlock_unlock(&fixture.file->lock);
	ck_assert_ptr_null(atomic_load(&core.request.operation));
	if (offset == -1) {
		hooks.attribute_calls++;
		return 0;
	}
	hooks.calls++;
	hooks.offset = offset;
	hooks.length = length;
	if (hooks.fills > 0) {
		hooks.fills--;
		ck_assert_int_gt(fixture_fill(answer, 4096, hooks.fill_at), 0);
	}
	return hooks.err;
}

static struct pgmap *pgmap(void)
{
	return core.fs->devices[0].pgmap;
}

static int64_t references(void)
{
	return pgmap_references(pgmap());
}

/* R10 */
static void check_ledger(void)
{
	for (unsigned i = 0; i < core.fs->device_count; i++) {
		struct pgmap *map = core.fs->devices[i].pgmap;
		uint64_t references_walked;
		uint64_t folios = pgmap_active_folios_walk(map,
							   &references_walked);

		ck_assert_uint_eq(survey_associations(core.fs, i) +
					  lease_pinned_pages(core.fs, i),
				  references_walked);
		ck_assert_int_eq(lease_pinned_pages(core.fs, i),
				 pgmap_stat(map, PGMAP_PINNED_PAGES));
		ck_assert_int_eq(pgmap_references(map) - pgmap_gates(map),
				 folios);
	}
}

static struct entry_table *entries(void)
{
	return &atomic_load(&fixture.file->active)->entries;
}

static void setup_size(unsigned devices, const char *size)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i ^ i >> 8 ^ i >> 12) | 1;
	fixture_make();
	core_format(devices, size);
	core_mount(devices);
	memset(&hooks, 0, sizeof(hooks));
	core.fs->hooks.invalidate = on_invalidate;
	lease_set_ops(core.fs, &ops, &alice);
	new_client(&alice, 101, "alice");
	new_client(&bob, 102, "bob");
	fixture_open_file("file", true);
}

static void setup(void)
{
	setup_size(1, "64M");
}

static void teardown_devices(unsigned devices)
{
	check_ledger();
	gone(&alice, NONE);
	gone(&bob, NONE);
	check_ledger();
	for (unsigned i = 0; i < devices; i++)
		ck_assert_int_eq(
			pgmap_stat(core.fs->devices[i].pgmap, PGMAP_LEASES), 0);
	if (fixture.file)
		fixture_close_file();
	core_unmount();
	core_fsck(devices);
	fixture_remove();
}

static void teardown(void)
{
	teardown_devices(1);
}

/* ------------------------------------------------------------------- grants */

START_TEST(a_lease_shows_the_bytes_of_the_file)
{
	int64_t before = references();
	uint64_t id;

	ck_assert_int_eq(fixture_write(bytes, 100000, 0), 100000);
	id = lease(&alice, 0, 1000, false);
	ck_assert_uint_eq(got.first, 0);
	ck_assert_uint_eq(got.last, 24); /* EOF's page */
	ck_assert_uint_eq(got.run_count, 1);
	ck_assert_mem_eq(at(0), bytes, 100000);
	ck_assert_int_eq(references(), before + 25);
	ck_assert_int_eq(pgmap_stat(pgmap(), PGMAP_LEASES), 25);
	ck_assert(!lease_writable_on(fixture.file));
	ck_assert_uint_eq(hooks.calls + hooks.attribute_calls, 0);
	check_ledger();
	ck_assert_int_eq(give(&alice, id, 0, 24), 25);
	ck_assert_int_eq(references(), before);
	ck_assert_int_eq(give(&alice, id, 0, 24), 0);
	ck_assert_int_eq(try_lease(&alice, 25, 1, false), -ENODATA);
	ck_assert_int_eq(try_lease(&alice, 0, 0, false), -EINVAL);
}
END_TEST

START_TEST(stores_are_read_through_the_mount_and_the_other_way_round)
{
	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	lease(&alice, 3, 100, true);
	memset(at(7), 'x', 4096);
	ck_assert_int_eq(fixture_read(answer, 4096, 7 * 4096), 4096);
	ck_assert_mem_eq(answer, at(7), 4096);
	ck_assert_int_eq(fixture_write("yyyy", 4, 9 * 4096 + 1), 4);
	ck_assert_mem_eq(at(9) + 1, "yyyy", 4);
	ck_assert(lease_writable_on(fixture.file));
	ck_assert_uint_eq(hooks.attribute_calls, 1);
	lease(&bob, 0, 1, true);
	ck_assert_uint_eq(hooks.attribute_calls, 1);
}
END_TEST

START_TEST(behind_the_end_of_file_there_are_zeros)
{
	uint64_t id;

	memset(answer, 'x', 8192);
	ck_assert_int_eq(fixture_write(answer, 8192, 0), 8192);
	ck_assert_int_eq(fixture_truncate(5000), 0);
	id = lease(&alice, 0, 2, false);
	ck_assert_int_eq(at(1)[5000 - 4096 - 1], 'x');
	for (unsigned i = 5000 - 4096; i < 4096; i++)
		ck_assert_int_eq(at(1)[i], 0);
	/* Who has the page keeps what he stores there, as with mmap(2). */
	at(1)[4095] = 'y';
	lease(&bob, 1, 1, true);
	ck_assert_int_eq(at(1)[4095], 'y');
	ck_assert_int_eq(give(&alice, id, 0, 1), 1);
}
END_TEST

START_TEST(a_writers_holes_become_zeroed_blocks)
{
	ck_assert_int_eq(fixture_truncate(MIB), 0);
	ck_assert_int_eq(fixture_fallocate(0, 64 * 1024, 64 * 1024), 0);
	lease(&alice, 0, 40, true);
	ck_assert_uint_eq(got.last, 39);
	for (uint64_t page = 0; page < 40; page++)
		for (unsigned i = 0; i < 4096; i++)
			if (at(page)[i])
				ck_abort_msg("page %ju", (uintmax_t)page);
	ck_assert_uint_eq(fixture_map().blocks, 40);
	ck_assert_uint_eq(fixture_map().unwritten, 0);
	memcpy(at(39), bytes, 4096);
	ck_assert_int_eq(fixture_read(answer, 4096, 39 * 4096), 4096);
	ck_assert_mem_eq(answer, bytes, 4096);
}
END_TEST

START_TEST(a_readers_holes_are_zero_runs_without_a_reference)
{
	int64_t before = references();
	uint64_t id;

	ck_assert_int_eq(fixture_truncate(4 * MIB), 0);
	ck_assert_int_eq(fixture_write(bytes, 4096, 5 * 4096), 4096);
	ck_assert_int_eq(fixture_fallocate(0, 20 * 4096, 4096), 0);
	id = lease(&alice, 0, 4 * PAGES_MIB, false);
	ck_assert_uint_eq(got.run_count, 3);
	ck_assert(got.runs[0].zero && !got.runs[1].zero && got.runs[2].zero);
	ck_assert_uint_eq(got.runs[1].index, 5);
	ck_assert_uint_eq(got.runs[2].npages, 4 * PAGES_MIB - 6);
	ck_assert_uint_eq(got.device, 0);
	ck_assert_int_eq(references(), before + 1);
	check_ledger();
	/* The second 2 MiB are one entry. */
	ck_assert_uint_eq(entry_table_count(entries()), 512 + 1);
	ck_assert_int_eq(give(&alice, id, 0, 599), 512 + 88);
	ck_assert_int_eq(references(), before);
	ck_assert_int_eq(give(&alice, id, 600, 1023), 424);
	lease(&alice, 0, 5, false);
	ck_assert_uint_eq(got.device, NONE);
}
END_TEST

START_TEST(a_file_leaves_its_inode)
{
	ck_assert_int_eq(fixture_write(bytes, 100, 0), 100);
	lease(&alice, 0, 1, false);
	ck_assert_mem_eq(at(0), bytes, 100);
	for (unsigned i = 100; i < 4096; i++)
		ck_assert_uint_eq(at(0)[i], 0);
}
END_TEST

START_TEST(aligned_ranges_have_order_9_entries)
{
	uint64_t id;

	for (off_t i = 0; i < 8; i++)
		ck_assert_int_eq(fixture_write(bytes, MIB, i * MIB), MIB);
	ck_assert_uint_eq(fixture_map().out_of_phase, 0);
	id = lease(&alice, 0, 2048, true);
	ck_assert_uint_eq(entry_table_count(entries()), 4);
	lease(&bob, 512, 512, false);
	ck_assert_uint_eq(entry_table_count(entries()), 4);
	/* A part goes: its unit is cut, the others stay whole. */
	ck_assert_int_eq(give(&alice, id, 600, 600), 0); /* bob's still */
	ck_assert_int_eq(give(&alice, id, 1024, 1030), 7);
	ck_assert_uint_eq(entry_table_count(entries()), 2 + 512 + 505);
	check_ledger();
}
END_TEST

START_TEST(a_failed_grant_leaves_nothing)
{
	int64_t before = references();

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	ck_assert_int_eq(fixture_truncate(2 * MIB), 0);
	ck_assert_int_eq(pgmap_gate_enter(pgmap()), 0); /* the remover's */
	ck_assert_int_eq(pgmap_kill(pgmap()), 0);
	ck_assert_int_eq(try_lease(&alice, 0, 512, false), -ENXIO);
	ck_assert_int_eq(pgmap_resurrect(pgmap()), 0);
	pgmap_gate_exit(pgmap());
	ck_assert_int_eq(references(), before);
	ck_assert_uint_eq(entry_table_count(entries()), 0);
	lease(&alice, 0, 512, false);
}
END_TEST

START_TEST(the_end_of_space_is_the_end_of_a_lease)
{
	uint64_t blocks;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	ck_assert_int_eq(fixture_truncate(UINT64_C(1) << 40), 0);
	blocks = core_free_blocks();
	/* More than there is, so what is there already. */
	lease(&alice, 0, 2 * blocks, true);
	ck_assert_uint_eq(got.last, PAGES_MIB - 1);
	ck_assert_int_eq(try_lease(&alice, PAGES_MIB, 2 * blocks, true),
			 -ENOSPC);
}
END_TEST

/* --------------------------------------------------------------- the kernel */

START_TEST(the_kernels_pages_go_before_a_lease_comes)
{
	int64_t before = references();

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	ck_assert_int_eq(fixture_fill(answer, 65536, 0), 65536);
	lease(&alice, 4, 4, true);
	ck_assert_uint_eq(hooks.calls, 1);
	ck_assert_int_eq(hooks.offset, 4 * 4096);
	ck_assert_int_eq(hooks.length, 4 * 4096);
	ck_assert_int_eq(references(), before + 16);
	ck_assert_int_eq(pgmap_stat(pgmap(), PGMAP_KERNEL_MAPPINGS), 12);
	/* Elsewhere nobody is disturbed. */
	lease(&alice, 100, 4, true);
	ck_assert_uint_eq(hooks.calls, 1);
	check_ledger();
}
END_TEST

START_TEST(a_fill_in_between_begins_it_again)
{
	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	ck_assert_int_eq(fixture_fill(answer, 65536, 0), 65536);
	hooks.fills = 3;
	hooks.fill_at = 5 * 4096;
	lease(&alice, 4, 4, true);
	ck_assert_uint_eq(hooks.calls, 4);
	/* One elsewhere in the file is none of our business. */
	hooks.fills = 1;
	hooks.fill_at = 40 * 4096;
	lease(&alice, 0, 2, true);
	ck_assert_uint_eq(hooks.calls, 5);
	ck_assert_uint_eq(hooks.fills, 0);
	/* Nor is a page that was not there before: it counts. */
	hooks.fills = 1;
	hooks.fill_at = 41 * 4096;
	lease(&alice, 39, 4, true);
	ck_assert_uint_eq(hooks.calls, 7);
	check_ledger();
}
END_TEST

START_TEST(who_does_not_leave_it_alone_wins)
{
	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	ck_assert_int_eq(fixture_fill(answer, 65536, 0), 65536);
	hooks.fills = 1000;
	ck_assert_int_eq(try_lease(&alice, 0, 4, true), -EBUSY);
	ck_assert_uint_le(hooks.calls, 50);
	ck_assert_int_eq(pgmap_stat(pgmap(), PGMAP_KERNEL_MAPPINGS), 16);
	ck_assert_int_eq(pgmap_stat(pgmap(), PGMAP_LEASES), 0);
	hooks.fills = 0;
	hooks.err = -ENOTCONN; /* no connection, no pages */
	lease(&alice, 0, 4, true);
}
END_TEST

START_TEST(a_fill_of_a_leased_page_is_busy)
{
	uint64_t id;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	ck_assert_int_eq(fixture_truncate(2 * MIB), 0);
	id = lease(&alice, 4, 4, false);
	ck_assert_int_eq(fixture_fill(answer, 65536, 0), -EBUSY);
	ck_assert_int_gt(give(&alice, id, 4, 7), 0);
	ck_assert_int_eq(fixture_fill(answer, 65536, 0), 65536);
	/* A hole that is shown as one, too: be it to a writer, who needs a
	 * block there, or a reader. */
	id = lease(&alice, 300, 1, false);
	ck_assert_int_eq(fixture_fill(answer, 4096, 300 * 4096), -EBUSY);
	ck_assert_int_eq(give(&alice, id, 300, 300), 1);
	fixture_close_file();
	fixture_open_file("file", false);
	id = lease(&alice, 300, 1, false);
	ck_assert_int_eq(fixture_fill(answer, 4096, 300 * 4096), -EBUSY);
	ck_assert_int_eq(give(&alice, id, 300, 300), 1);
	ck_assert_int_eq(fixture_fill(answer, 4096, 300 * 4096), 4096);
	lease(&alice, 300, 1, false);
	ck_assert_int_eq(hooks.offset, 300 * 4096);
}
END_TEST

START_TEST(the_last_close_takes_the_kernels_entries_only)
{
	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	ck_assert_int_eq(fixture_fill(answer, 65536, 0), 65536);
	lease(&alice, 100, 4, true);
	fixture_close_file();
	ck_assert_int_eq(pgmap_stat(pgmap(), PGMAP_KERNEL_MAPPINGS), 0);
	ck_assert_int_eq(pgmap_stat(pgmap(), PGMAP_LEASES), 4);
	check_ledger();
	fixture_open_file("file", true);
	ck_assert_uint_eq(entry_table_kernel(entries()), 0);
	ck_assert_uint_eq(entry_table_count(entries()), 4);
}
END_TEST

START_TEST(an_unlinked_file_stays_as_long_as_a_lease)
{
	uint64_t free_blocks = core_free_blocks();
	uint64_t id;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	id = lease(&alice, 0, 100, true);
	fixture_unlink_file("file");
	fixture.file = NULL;
	ck_assert_uint_lt(core_free_blocks(), free_blocks - 200);
	memset(at(50), 'x', 4096);
	ck_assert_int_eq(give(&alice, id, 0, 98), 99);
	ck_assert_uint_lt(core_free_blocks(), free_blocks - 200);
	ck_assert_int_eq(give(&alice, id, 99, 99), 1);
	ck_assert_uint_ge(core_free_blocks(), free_blocks);
}
END_TEST

/* ------------------------------------------------------------------ returns */

START_TEST(parts_are_given_back_in_any_order)
{
	uint64_t id, other;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	id = lease(&alice, 0, 100, true);
	other = lease(&bob, 50, 100, false);
	ck_assert_uint_eq(alice.core.lease_count, 1);
	ck_assert_int_eq(give(&alice, id, 10, 19), 10);
	ck_assert_uint_eq(alice.core.lease_count, 2);
	ck_assert_int_eq(give(&alice, id, 15, 24), 5);
	ck_assert_int_eq(give(&alice, id, 40, 59), 10); /* bob has the rest */
	ck_assert_uint_eq(alice.core.lease_count, 3);
	check_ledger();
	/* Another's lease, and one that there is not. */
	ck_assert_int_eq(give(&bob, id, 0, 99), 0);
	ck_assert_int_eq(give(&alice, 12345, 0, 99), 0);
	ck_assert_int_eq(give(&alice, id, 0, 1000), 10 + 15);
	ck_assert_uint_eq(alice.core.lease_count, 0);
	ck_assert(LIST_EMPTY(&alice.core.leases));
	ck_assert(!lease_writable_on(fixture.file));
	ck_assert_int_eq(pgmap_stat(pgmap(), PGMAP_LEASES), 100);
	ck_assert_int_eq(give(&bob, other, 0, UINT64_MAX), 100);
}
END_TEST

START_TEST(a_client_that_is_gone_has_nothing)
{
	struct lease_tally tally;
	struct lease_gone out;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	lease(&alice, 0, 10, true);
	lease(&alice, 5, 10, true);
	lease(&bob, 0, 100, false);
	lease_client_tally(core.fs, &alice.core, 0, &tally);
	ck_assert_uint_eq(tally.leases, 2);
	out = gone(&alice, 7);
	ck_assert_uint_eq(out.leases, 0);
	out = gone(&alice, 0);
	ck_assert_uint_eq(out.leases, 2);
	ck_assert_uint_eq(out.entries, 0); /* bob's */
	lease_client_tally(core.fs, &alice.core, 0, &tally);
	ck_assert_uint_eq(tally.leases, 0);
	out = gone(&bob, NONE);
	ck_assert_uint_eq(out.leases, 1);
	ck_assert_uint_eq(out.entries, 100);
}
END_TEST

static void count_info(const struct lease_info *info, void *arg)
{
	unsigned *count = arg;

	ck_assert_uint_eq(info->ino, fixture.file->ino);
	if (info->pid == 101) {
		ck_assert_str_eq(info->command, "alice");
		ck_assert_uint_eq(info->offset, 4096);
		ck_assert_uint_eq(info->length, 8192);
		ck_assert(info->writable || info->pin);
	}
	++*count;
}

START_TEST(all_can_be_listed)
{
	uint64_t id, pin;
	unsigned count = 0;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	id = lease(&alice, 1, 2, true);
	ck_assert_int_eq(lease_pin(&core.request, &alice.core, id, 1, 2, &pin),
			 0);
	id = lease(&bob, 0, 10, false);
	ck_assert_int_eq(give(&bob, id, 5, 5), 1);
	lease_for_each(core.fs, count_info, &count);
	ck_assert_uint_eq(count, 4);
}
END_TEST

/* ------------------------------------------------------------------- breaks */

struct test_break {
	struct lease_break core;
	unsigned done;
	int err;
};

static void on_done(struct lease_break *of_core, int err)
{
	struct test_break *brk = (struct test_break *)of_core;

	/* No lock is held. */
	ck_assert_int_eq(pthread_mutex_trylock(&core.fs->lease_lock), 0);
	pthread_mutex_unlock(&core.fs->lease_lock);
	brk->done++;
	brk->err = err;
}

static int start(struct test_break *brk, uint64_t first, uint64_t last)
{
	memset(brk, 0, sizeof(*brk));
	brk->core.ino = fixture.file->ino;
	brk->core.first = first;
	brk->core.last = last;
	brk->core.done = on_done;
	return lease_break_start(core.fs, &brk->core);
}

static void end(struct test_break *brk)
{
	lease_break_end(core.fs, &brk->core);
}

START_TEST(a_break_waits_for_every_lease_of_its_range)
{
	struct test_break brk;
	uint64_t a, b, c;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	a = lease(&alice, 0, 50, true);
	b = lease(&bob, 40, 100, false);
	c = lease(&bob, 200, 10, false);
	ck_assert_int_eq(fixture_truncate(45 * 4096), -EBUSY);
	ck_assert_uint_eq(fixture.file->media->size, MIB);
	ck_assert_int_eq(start(&brk, 45, UINT64_MAX), -EINPROGRESS);
	ck_assert_uint_eq(alice.recalls, 1);
	ck_assert_uint_eq(alice.recalled[0].lease, a);
	ck_assert_uint_eq(alice.recalled[0].first, 45);
	ck_assert_uint_eq(alice.recalled[0].last, 49);
	ck_assert_uint_eq(alice.recalled[0].device, 0);
	ck_assert_uint_eq(bob.recalls, 2);
	/* Nobody new gets in, not even beside the leases there are. */
	ck_assert_int_eq(try_lease(&alice, 45, 1, false), -EAGAIN);
	ck_assert_int_eq(try_lease(&alice, 150, 1, false), -EAGAIN);
	ck_assert_int_eq(try_lease(&alice, 40, 6, false), -EAGAIN);
	lease(&alice, 40, 5, false);
	ck_assert_int_gt(give(&bob, c, 200, 209), 0);
	ck_assert_int_gt(give(&bob, b, 45, 139), 0);
	ck_assert_int_gt(give(&alice, a, 46, 49), 0);
	ck_assert_uint_eq(brk.done, 0);
	ck_assert_int_gt(give(&alice, a, 45, 45), 0);
	ck_assert_uint_eq(brk.done, 1);
	ck_assert_int_eq(brk.err, 0);
	ck_assert_int_eq(try_lease(&alice, 45, 1, false), -EAGAIN);
	ck_assert_int_eq(fixture_truncate(45 * 4096), 0);
	end(&brk);
	ck_assert_int_eq(try_lease(&alice, 45, 1, false), -ENODATA);
	/* The rest of alice's and bob's goes on. */
	ck_assert_int_eq(pgmap_stat(pgmap(), PGMAP_LEASES), 45 + 5 + 5);
}
END_TEST

START_TEST(a_free_range_is_broken_at_once_and_stays_so)
{
	struct test_break brk;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	lease(&alice, 0, 10, true);
	ck_assert_int_eq(start(&brk, 10, 20), 0);
	ck_assert_uint_eq(alice.recalls, 0);
	ck_assert_int_eq(try_lease(&alice, 20, 1, true), -EAGAIN);
	ck_assert(lease_break_cancel(core.fs, &brk.core));
	end(&brk);
	ck_assert_uint_eq(brk.done, 0);
	lease(&alice, 20, 1, true);
}
END_TEST

START_TEST(breaks_overlap_and_can_be_given_up)
{
	struct test_break one, two, three;
	uint64_t id;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	id = lease(&alice, 0, 100, true);
	ck_assert_int_eq(start(&one, 0, 9), -EINPROGRESS);
	ck_assert_int_eq(start(&two, 5, 20), -EINPROGRESS);
	ck_assert_int_eq(start(&three, 5, 99), -EINPROGRESS);
	ck_assert_int_eq(give(&alice, id, 0, 9), 10);
	ck_assert_uint_eq(one.done, 1);
	ck_assert(!lease_break_cancel(core.fs, &one.core));
	end(&one);
	ck_assert(lease_break_cancel(core.fs, &two.core));
	end(&two);
	ck_assert_int_eq(give(&alice, id, 0, 99), 90);
	ck_assert_uint_eq(two.done, 0);
	ck_assert_uint_eq(three.done, 1);
	end(&three);
}
END_TEST

START_TEST(who_cannot_be_made_to_yield_ends_the_break)
{
	struct test_break one, two;
	uint64_t id;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	id = lease(&alice, 0, 100, true);
	ck_assert_int_eq(start(&one, 0, 9), -EINPROGRESS);
	ck_assert_int_eq(start(&two, 50, 60), -EINPROGRESS);
	lease_unyielding(core.fs, &alice.core, id, 0, 9);
	ck_assert_uint_eq(one.done, 1);
	ck_assert_int_eq(one.err, -EBUSY);
	ck_assert_uint_eq(two.done, 0);
	end(&one);
	/* The client dies after all. */
	gone(&alice, NONE);
	ck_assert_uint_eq(two.done, 1);
	ck_assert_int_eq(two.err, 0);
	end(&two);
}
END_TEST

START_TEST(without_a_door_nobody_can_be_asked)
{
	struct test_break brk;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	lease(&alice, 0, 10, true);
	lease_set_ops(core.fs, NULL, NULL);
	ck_assert_int_eq(start(&brk, 0, 9), -EBUSY);
	ck_assert_int_eq(start(&brk, 10, 19), 0);
	end(&brk);
	lease_set_ops(core.fs, &ops, &alice);
}
END_TEST

START_TEST(a_hole_that_is_shown_as_one_gets_no_block)
{
	struct test_break brk;
	uint64_t id;

	ck_assert_int_eq(fixture_write(bytes, 4096, 0), 4096);
	ck_assert_int_eq(fixture_truncate(MIB), 0);
	ck_assert_int_eq(fixture_fallocate(0, 100 * 4096, 10 * 4096), 0);
	id = lease(&alice, 0, PAGES_MIB, false);
	ck_assert_int_eq(fixture_write(bytes, 4096, 0), 4096);
	ck_assert_int_eq(fixture_write(bytes, 1, 50 * 4096), -EBUSY);
	ck_assert_int_eq(fixture_write(bytes, 1, 105 * 4096), -EBUSY);
	ck_assert_int_eq(fixture_write(bytes, 8192, 8), -EBUSY);
	ck_assert_uint_eq(fixture_map().unwritten, 10);
	/* Unwritten ones read as what is shown. */
	ck_assert_int_eq(fixture_fallocate(0, 60 * 4096, 4096), 0);
	ck_assert_int_eq(fixture_fallocate(PUNCH, 60 * 4096, 4096), -EBUSY);
	ck_assert_int_eq(start(&brk, 50, 50), -EINPROGRESS);
	ck_assert_int_eq(give(&alice, id, 50, 50), 1);
	ck_assert_uint_eq(brk.done, 1);
	ck_assert_int_eq(fixture_write(bytes, 1, 50 * 4096), 1);
	end(&brk);
	ck_assert_int_eq(fixture_truncate(60 * 4096), -EBUSY);
	ck_assert_int_eq(give(&alice, id, 60, 1000), PAGES_MIB - 60);
	ck_assert_int_eq(fixture_truncate(60 * 4096), 0);
}
END_TEST

START_TEST(a_writer_calls_readers_back_from_holes)
{
	uint64_t id;

	ck_assert_int_eq(fixture_truncate(MIB), 0);
	id = lease(&alice, 0, 100, false);
	ck_assert_int_eq(try_lease(&bob, 10, 4, true), -EAGAIN);
	ck_assert_uint_eq(alice.recalls, 1);
	ck_assert_uint_eq(alice.recalled[0].first, 10);
	ck_assert_uint_eq(alice.recalled[0].last, 13);
	ck_assert_int_eq(try_lease(&bob, 10, 4, false), -EAGAIN);
	ck_assert_int_eq(give(&alice, id, 10, 13), 4);
	lease(&bob, 10, 4, true);
	/* And is a reader's block then, too. */
	lease(&alice, 8, 4, false);
	ck_assert_uint_eq(got.run_count, 2);
	ck_assert(got.runs[0].zero && !got.runs[1].zero);
}
END_TEST

/* --------------------------------------------------------------------- pins */

START_TEST(a_pin_outlasts_its_lease_and_is_waited_for)
{
	struct test_break brk;
	uint64_t id, pin;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	id = lease(&alice, 0, 100, true);
	ck_assert_int_eq(
		lease_pin(&core.request, &alice.core, id, 90, 110, &pin),
		-ENOENT);
	ck_assert_int_eq(lease_pin(&core.request, &bob.core, id, 10, 19, &pin),
			 -ENOENT);
	ck_assert_int_eq(
		lease_pin(&core.request, &alice.core, id, 10, 19, &pin), 0);
	ck_assert_uint_eq(lease_pinned_pages(core.fs, 0), 10);
	ck_assert_int_gt(pgmap_stat(pgmap(), PGMAP_PINS), 0);
	check_ledger();
	ck_assert_int_eq(give(&alice, id, 0, 99), -EBUSY);
	ck_assert_int_eq(give(&alice, id, 19, 20), -EBUSY);
	ck_assert_int_eq(start(&brk, 5, 24), -EINPROGRESS);
	/* The pinned part is not asked for before it is let go. */
	ck_assert_uint_eq(alice.recalls, 2);
	ck_assert_uint_eq(alice.recalled[0].first, 5);
	ck_assert_uint_eq(alice.recalled[0].last, 9);
	ck_assert_uint_eq(alice.recalled[1].first, 20);
	ck_assert_uint_eq(alice.recalled[1].last, 24);
	ck_assert_int_eq(
		lease_pin(&core.request, &alice.core, id, 24, 30, &pin),
		-EAGAIN);
	ck_assert_int_eq(give(&alice, id, 5, 9), 5);
	ck_assert_int_eq(give(&alice, id, 20, 24), 5);
	ck_assert_int_eq(lease_unpin(core.fs, &bob.core, pin), -ENOENT);
	ck_assert_int_eq(lease_unpin(core.fs, &alice.core, pin), 0);
	ck_assert_int_eq(lease_unpin(core.fs, &alice.core, pin), -ENOENT);
	ck_assert_uint_eq(alice.recalls, 3);
	ck_assert_uint_eq(alice.recalled[2].first, 10);
	ck_assert_uint_eq(alice.recalled[2].last, 19);
	ck_assert_uint_eq(brk.done, 0);
	ck_assert_int_eq(give(&alice, id, 10, 19), 10);
	ck_assert_uint_eq(brk.done, 1);
	end(&brk);
	check_ledger();
}
END_TEST

START_TEST(a_pin_without_a_lease_keeps_blocks_and_file)
{
	uint64_t free_blocks = core_free_blocks();
	struct test_break brk;
	struct lease_gone out;
	uint64_t id, pin;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	id = lease(&alice, 0, 100, true);
	ck_assert_int_eq(
		lease_pin(&core.request, &alice.core, id, 10, 19, &pin), 0);
	out = gone(&alice, 0);
	ck_assert_uint_eq(out.entries, 100);
	ck_assert_uint_eq(lease_pinned_pages(core.fs, 0), 10);
	check_ledger();
	ck_assert_int_eq(fixture_truncate(0), -EBUSY);
	ck_assert_int_eq(start(&brk, 0, UINT64_MAX), -EINPROGRESS);
	ck_assert_uint_eq(alice.recalls, 0);
	fixture_unlink_file("file");
	fixture.file = NULL;
	ck_assert_uint_lt(core_free_blocks(), free_blocks - 200);
	ck_assert_int_eq(lease_unpin(core.fs, &alice.core, pin), 0);
	ck_assert_uint_eq(brk.done, 1);
	end(&brk);
	ck_assert_uint_ge(core_free_blocks(), free_blocks);
	ck_assert_int_eq(pgmap_stat(pgmap(), PGMAP_PINS), 0);
}
END_TEST

START_TEST(a_dead_clients_pins_end)
{
	uint64_t id, pin;

	for (off_t i = 0; i < 4; i++)
		ck_assert_int_eq(fixture_write(bytes, MIB, i * MIB), MIB);
	id = lease(&alice, 0, 1024, true);
	/* One whole unit and two parts. */
	ck_assert_int_eq(
		lease_pin(&core.request, &alice.core, id, 3, 1020, &pin), 0);
	ck_assert_int_eq(
		lease_pin(&core.request, &alice.core, id, 512, 1023, &pin), 0);
	ck_assert_uint_eq(lease_pinned_pages(core.fs, 0), 1018 + 512);
	check_ledger();
	gone(&alice, NONE);
	ck_assert_uint_eq(lease_pinned_pages(core.fs, 0), 0);
	ck_assert_uint_eq(alice.core.pin_count, 0);
}
END_TEST

START_TEST(places_leave_out_what_is_pinned)
{
	struct lease_place places[4];
	uint64_t id, pin, start_byte;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	id = lease(&alice, 0, 100, true);
	start_byte = got.runs[0].device_page * 4096;
	ck_assert_int_eq(
		lease_pin(&core.request, &alice.core, id, 10, 19, &pin), 0);
	ck_assert_uint_eq(lease_places(core.fs, &alice.core, id, 0, UINT64_MAX,
				       places, 4),
			  2);
	ck_assert_uint_eq(places[0].device_offset, start_byte);
	ck_assert_uint_eq(places[0].length, 10 * 4096);
	ck_assert_uint_eq(places[1].device_offset, start_byte + 20 * 4096);
	ck_assert_uint_eq(places[1].length, 80 * 4096);
	ck_assert_int_eq(give(&alice, id, 50, 50), 1);
	ck_assert_uint_eq(
		lease_places(core.fs, &alice.core, id, 0, 99, places, 1), 3);
	ck_assert_uint_eq(
		lease_places(core.fs, &alice.core, id, 12, 15, places, 4), 0);
	ck_assert_uint_eq(
		lease_places(core.fs, &bob.core, id, 0, 99, places, 4), 0);
}
END_TEST

/* ------------------------------------------------------------------ removal */

START_TEST(a_device_that_goes_gives_no_leases_and_no_pins)
{
	uint64_t id, pin, more;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	id = lease(&alice, 0, 100, true);
	ck_assert_int_eq(lease_pin(&core.request, &alice.core, id, 0, 9, &pin),
			 0);
	ck_assert_int_eq(pgmap_gate_enter(pgmap()), 0); /* the remover's */
	ck_assert_int_eq(pgmap_kill(pgmap()), 0);
	ck_assert_int_eq(try_lease(&bob, 0, 1, false), -ENXIO);
	ck_assert_int_eq(try_lease(&alice, 0, 1, true), -ENXIO);
	ck_assert_int_eq(
		lease_pin(&core.request, &alice.core, id, 20, 29, &more),
		-ENXIO);
	ck_assert_int_eq(lease_sync(&core.request, &alice.core, id, 0, 99),
			 -ENXIO);
	ck_assert_int_eq(lease_device_open(core.fs, 0, false, 77), -ENXIO);
	gone(&alice, 0);
	ck_assert_int_gt(references(), 1);
	check_ledger();
	ck_assert_int_eq(lease_unpin(core.fs, &alice.core, pin), 0);
	ck_assert_int_eq(references(), 1); /* the remover's */
	ck_assert_int_eq(pgmap_resurrect(pgmap()), 0);
	pgmap_gate_exit(pgmap());
	lease(&alice, 0, 100, true);
}
END_TEST

START_TEST(a_clients_lock_says_whether_it_holds_the_device)
{
	dev_t dev;
	ino_t ino;
	int fd = lease_device_open(core.fs, 0, false, 77);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(lease_device_held(core.fs, 0, 77), 1);
	ck_assert_int_eq(lease_device_held(core.fs, 0, 78), 0);
	ck_assert_int_eq(lease_device_open(core.fs, 0, true, 77), -EBUSY);
	close(fd);
	ck_assert_int_eq(lease_device_held(core.fs, 0, 77), 0);
	ck_assert_int_eq(lease_device_file(core.fs, 0, &dev, &ino), 0);
	ck_assert_uint_eq(ino, core.fs->members.device[0]->file_ino);
	ck_assert_int_eq(lease_device_file(core.fs, 5, &dev, &ino), -ENXIO);
}
END_TEST

START_TEST(a_lease_is_on_one_device)
{
	uint64_t pages, first;
	off_t end;

	for (end = 0; fixture_map().devices != 3; end += MIB)
		ck_assert_int_eq(fixture_write(bytes, MIB, end), MIB);
	pages = (uint64_t)end / 4096;
	lease(&alice, 0, pages, false);
	ck_assert_uint_lt(got.last, pages - 1);
	first = got.device;
	lease(&alice, got.last + 1, pages, false);
	ck_assert_uint_ne(got.device, first);
	ck_assert_uint_eq(got.last, pages - 1);
	gone(&alice, (unsigned)first);
	ck_assert_uint_eq(alice.core.lease_count, 1);
}
END_TEST

/* ------------------------------------------------- what else clients can see
 */

static struct timespec mtime(void)
{
	return core_stat(fixture.file).st_mtim;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

START_TEST(stores_move_mtime_and_never_too_far)
{
	_Atomic uint64_t stored = 0;
	struct lease_want want = { .npages = 10,
				   .writable = true,
				   .stored_ns = &stored };
	struct stat past = { .st_mtim = { .tv_sec = 1000 } };
	uint64_t when;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	ck_assert_int_eq(core_setattr(fixture.file, &past, ATTR_MTIME), 0);
	ck_assert_int_eq(lease_grant(&core.request, &alice.core, fixture.file,
				     &want, &got),
			 0);
	ck_assert_int_eq(mtime().tv_sec, 1000);
	when = now_ns() - 5 * NS_PER_S;
	stored = when;
	ck_assert_int_eq(mtime().tv_sec, when / NS_PER_S);
	ck_assert_int_eq(mtime().tv_nsec, when % NS_PER_S);
	stored = when - 2 * NS_PER_S; /* never back */
	ck_assert_int_eq(mtime().tv_sec, when / NS_PER_S);
	/* A time set by hand is not overruled by what was stored before. */
	stored = when + 1;
	ck_assert_int_eq(core_setattr(fixture.file, &past, ATTR_MTIME), 0);
	ck_assert_int_eq(mtime().tv_sec, 1000);
	stored = UINT64_MAX; /* the future */
	ck_assert_int_le(mtime().tv_sec, time(NULL));
	ck_assert_int_eq(core_setattr(fixture.file, &past, ATTR_MTIME), 0);
	/* The last one is taken along when the lease ends. */
	stored = when;
	ck_assert_int_eq(give(&alice, got.id, 0, 9), 10);
	ck_assert_int_eq(mtime().tv_sec, when / NS_PER_S);
}
END_TEST

START_TEST(sync_puts_mtime_on_the_media_and_clears_the_marks)
{
	_Atomic uint64_t stored = 0;
	struct lease_want want = { .npages = 10,
				   .writable = true,
				   .stored_ns = &stored };
	uint64_t id;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	ck_assert_int_eq(lease_grant(&core.request, &alice.core, fixture.file,
				     &want, &got),
			 0);
	id = got.id;
	ck_assert(entry_table_test_mark(entries(), 3, ENTRY_DIRTY));
	memset(at(3), 'x', 4096);
	stored = now_ns() + 7;
	ck_assert_int_eq(lease_sync(&core.request, &alice.core, id, 0, 4), 0);
	ck_assert(!entry_table_test_mark(entries(), 3, ENTRY_DIRTY));
	ck_assert(entry_table_test_mark(entries(), 5, ENTRY_DIRTY));
	ck_assert_int_eq(fixture.file->media->mtime_s, mtime().tv_sec);
	ck_assert_uint_eq(fixture.file->media->mtime_ns, mtime().tv_nsec);
	ck_assert_int_eq(lease_sync(&core.request, &alice.core, id, 900, 999),
			 0);
	ck_assert_int_eq(lease_sync(&core.request, &bob.core, id, 0, 4),
			 -ENOENT);
	ck_assert_int_eq(give(&alice, id, 0, 9), 10);
}
END_TEST

/* -------------------------------------------------------------- durability */

static const unsigned char *watched;
static unsigned flushes, drains;

static void on_flush(struct device *device, const void *from, size_t length)
{
	const unsigned char *start = from;

	if (watched >= start && watched < start + length)
		flushes++;
}

static void on_drain(struct device *device)
{
	drains += flushes > 0;
}

static void on_store(struct device *device, const void *to, size_t length,
		     bool cached)
{
}

static const struct device_recorder recorder = { .stored = on_store,
						 .flushed = on_flush,
						 .drained = on_drain };

static unsigned take_flushes(void)
{
	unsigned count = flushes;

	ck_assert(!flushes == !drains);
	flushes = drains = 0;
	return count;
}

static int sync_file(void)
{
	int err;

	ck_assert_int_eq(request_begin(&core.request, "fsync",
				       fixture.file->ino, 1, false),
			 0);
	err = file_fsync(&core.request, fixture.file);
	request_end(&core.request);
	return err;
}

START_TEST(what_leases_store_is_durable_when_the_file_must_be)
{
	uint64_t id;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	id = lease(&alice, 0, 50, true);
	watched = at(7);
	device_set_recorder(&recorder);
	/* Each time anew: nobody sees whether it is stored to in between. */
	ck_assert_int_eq(lease_sync(&core.request, &alice.core, id, 0, 9), 0);
	ck_assert_uint_eq(take_flushes(), 1);
	ck_assert_int_eq(lease_sync(&core.request, &alice.core, id, 0, 9), 0);
	ck_assert_uint_eq(take_flushes(), 1);
	ck_assert_int_eq(lease_sync(&core.request, &alice.core, id, 10, 20), 0);
	ck_assert_uint_eq(take_flushes(), 0);
	ck_assert_int_eq(sync_file(), 0);
	ck_assert_uint_eq(take_flushes(), 1);
	/* Ending is cheap; what it leaves is for the next fsync, */
	ck_assert_int_eq(give(&alice, id, 5, 10), 6);
	ck_assert_uint_eq(take_flushes(), 0);
	ck_assert_int_eq(sync_file(), 0);
	ck_assert_uint_eq(take_flushes(), 1);
	ck_assert_int_eq(sync_file(), 0);
	ck_assert_uint_eq(take_flushes(), 0);
	/* or the last close. */
	lease(&bob, 7, 1, true);
	gone(&bob, NONE);
	fixture_close_file();
	ck_assert_uint_eq(take_flushes(), 1);
	fixture_open_file("file", true);
	ck_assert_int_eq(sync_file(), 0);
	ck_assert_uint_eq(take_flushes(), 0);
	/* A reader stores nothing. */
	lease(&bob, 7, 1, false);
	gone(&bob, NONE);
	ck_assert_int_eq(sync_file(), 0);
	ck_assert_uint_eq(take_flushes(), 0);
	device_set_recorder(NULL);
}
END_TEST

START_TEST(a_device_that_leaves_has_all_that_was_stored)
{
	unsigned device;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	device = fixture.file->media->home_device;
	if (device == core.fs->metadata_device) {
		fixture_close_file();
		fixture_open_file("second", true);
		ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
		device = fixture.file->media->home_device;
	}
	ck_assert_uint_ne(device, core.fs->metadata_device);
	lease(&alice, 0, 50, true);
	watched = at(7);
	gone(&alice, device);
	device_set_recorder(&recorder);
	ck_assert_int_eq(pgmap_gate_enter(core.fs->devices[device].pgmap), 0);
	ck_assert_int_eq(pgmap_kill(core.fs->devices[device].pgmap), 0);
	ck_assert_int_eq(fs_retire_device(core.fs, device), 0);
	ck_assert_uint_eq(take_flushes(), 1);
	device_set_recorder(NULL);
	ck_assert_int_eq(pgmap_resurrect(core.fs->devices[device].pgmap), 0);
	pgmap_gate_exit(core.fs->devices[device].pgmap);
	fixture_close_file();
	core_unmount();
	fixture_remove();
}
END_TEST

/* ------------------------------------------------------------------- sizes */

START_TEST(sizes_are_seen_before_the_answer)
{
	uint32_t word = lease_sizes_word(core.fs, fixture.file);
	_Atomic uint64_t *page;
	int fd;

	ck_assert_uint_ne(word, UDAX_NO_WORD);
	ck_assert_uint_eq(lease_sizes_word(core.fs, fixture.file), word);
	/* Nobody else writes to it: sealed. */
	ck_assert_ptr_eq(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
			      core.fs->sizes_fd, 0),
			 MAP_FAILED);
	fd = dup(core.fs->sizes_fd);
	page = mmap(NULL, SIZES_WORDS * 8, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	ck_assert_ptr_ne(page, MAP_FAILED);
	ck_assert_uint_eq(page[word], 0);
	ck_assert_int_eq(fixture_write(bytes, 100, 0), 100);
	ck_assert_uint_eq(page[word], 100);
	ck_assert_int_eq(fixture_write(bytes, 100, 99999), 100);
	ck_assert_uint_eq(page[word], 100099);
	ck_assert_int_eq(fixture_truncate(5), 0);
	ck_assert_uint_eq(page[word], 5);
	ck_assert_int_eq(fixture_fallocate(0, 0, 4096), 0);
	ck_assert_uint_eq(page[word], 4096);
	/* Given back with the last close, and taken again. */
	fixture_close_file();
	fixture_open_file("other", true);
	ck_assert_uint_eq(lease_sizes_word(core.fs, fixture.file), word);
	ck_assert_uint_eq(page[word], 0);
	munmap((void *)page, SIZES_WORDS * 8);
}
END_TEST

START_TEST(an_unmount_takes_what_was_never_given_back)
{
	uint64_t id, pin;

	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	id = lease(&alice, 0, 100, true);
	ck_assert_int_eq(lease_pin(&core.request, &alice.core, id, 5, 9, &pin),
			 0);
	lease(&bob, 50, 100, true);
	fixture_unlink_file("file");
	fixture.file = NULL;
	/* The clients' own memory is not looked at. */
	memset(&alice, 0xee, sizeof(alice));
	memset(&bob, 0xee, sizeof(bob));
	core_unmount();
	core_fsck(1);
	fixture_remove();
}
END_TEST

/* --------------------------------------------------------------------- many */

static double seconds_since(int64_t start_ns)
{
	return (double)(clock_monotonic_ns() - start_ns) / NS_PER_S;
}

START_TEST(a_hundred_thousand_leases)
{
	const unsigned count = 100000;
	uint64_t *ids = calloc(count, sizeof(*ids));
	int64_t start_ns = clock_monotonic_ns();
	double granted, given;

	ck_assert_ptr_nonnull(ids);
	ck_assert_int_eq(fixture_write(bytes, MIB, 0), MIB);
	for (unsigned i = 0; i < count; i++)
		ids[i] = lease(i % 2 ? &alice : &bob, i % 200, 3, false);
	granted = seconds_since(start_ns);
	check_ledger();
	start_ns = clock_monotonic_ns();
	for (unsigned i = 0; i < count; i++)
		ck_assert_int_ge(give(i % 2 ? &alice : &bob,
				      ids[(i / 2 * 7919 * 2 + i % 2) % count],
				      0, 1000),
				 0);
	given = seconds_since(start_ns);
	ck_assert_uint_eq(entry_table_count(entries()), 0);
	printf("# 100000 leases: granted %.2f s, given back %.2f s\n", granted,
	       given);
	free(ids);
}
END_TEST

START_TEST(a_lease_in_many_pieces)
{
	const uint64_t pages = 50000;
	int64_t start_ns;
	uint64_t id;

	ck_assert_int_eq(fixture_truncate(pages * 4096), 0);
	id = lease(&alice, 0, pages, false);
	start_ns = clock_monotonic_ns();
	for (uint64_t page = 1; page < pages; page += 2)
		ck_assert_int_eq(give(&alice, id, page, page), 1);
	ck_assert_uint_eq(alice.core.lease_count, pages / 2);
	for (uint64_t page = 0; page < pages; page += 2)
		ck_assert_int_eq(give(&alice, id, page, page), 1);
	printf("# 50000 returns of a page: %.2f s\n", seconds_since(start_ns));
	ck_assert(LIST_EMPTY(&alice.core.leases));
}
END_TEST

START_TEST(a_large_range_comes_and_goes)
{
	const unsigned mib = 256, rounds = 50;
	int64_t start_ns, best = INT64_MAX;

	for (off_t i = 0; i < mib; i++)
		ck_assert_int_eq(fixture_write(bytes, MIB, i * MIB), MIB);
	ck_assert_uint_eq(fixture_map().out_of_phase, 0);
	for (unsigned i = 0; i < rounds; i++) {
		uint64_t id;

		start_ns = clock_monotonic_ns();
		id = lease(&alice, 0, mib * PAGES_MIB, true);
		ck_assert_uint_eq(got.last, mib * PAGES_MIB - 1);
		ck_assert_int_eq(give(&alice, id, 0, UINT64_MAX), mib / 2);
		start_ns = clock_monotonic_ns() - start_ns;
		best = start_ns < best ? start_ns : best;
	}
	printf("# 256 MiB in order-9 entries, there and back: %.0f us\n",
	       (double)best / 1e3);
}
END_TEST

static void setup_large(void)
{
	setup_size(1, "300M");
}

static void setup_two(void)
{
	setup_size(2, "32M");
}

static void teardown_two(void)
{
	teardown_devices(2);
}

static TCase *grant_case(void)
{
	TCase *grants = tcase_create("grants");

	tcase_add_checked_fixture(grants, setup, teardown);
	tcase_add_test(grants, a_lease_shows_the_bytes_of_the_file);
	tcase_add_test(
		grants,
		stores_are_read_through_the_mount_and_the_other_way_round);
	tcase_add_test(grants, behind_the_end_of_file_there_are_zeros);
	tcase_add_test(grants, a_writers_holes_become_zeroed_blocks);
	tcase_add_test(grants,
		       a_readers_holes_are_zero_runs_without_a_reference);
	tcase_add_test(grants, a_file_leaves_its_inode);
	tcase_add_test(grants, aligned_ranges_have_order_9_entries);
	tcase_add_test(grants, a_failed_grant_leaves_nothing);
	tcase_add_test(grants, the_end_of_space_is_the_end_of_a_lease);
	tcase_add_test(grants, the_kernels_pages_go_before_a_lease_comes);
	tcase_add_test(grants, a_fill_in_between_begins_it_again);
	tcase_add_test(grants, who_does_not_leave_it_alone_wins);
	tcase_add_test(grants, a_fill_of_a_leased_page_is_busy);
	tcase_add_test(grants, the_last_close_takes_the_kernels_entries_only);
	tcase_add_test(grants, an_unlinked_file_stays_as_long_as_a_lease);
	return grants;
}

static TCase *end_case(void)
{
	TCase *ends = tcase_create("ends");

	tcase_add_checked_fixture(ends, setup, teardown);
	tcase_add_test(ends, parts_are_given_back_in_any_order);
	tcase_add_test(ends, a_client_that_is_gone_has_nothing);
	tcase_add_test(ends, all_can_be_listed);
	tcase_add_test(ends, a_break_waits_for_every_lease_of_its_range);
	tcase_add_test(ends, a_free_range_is_broken_at_once_and_stays_so);
	tcase_add_test(ends, breaks_overlap_and_can_be_given_up);
	tcase_add_test(ends, who_cannot_be_made_to_yield_ends_the_break);
	tcase_add_test(ends, without_a_door_nobody_can_be_asked);
	tcase_add_test(ends, a_hole_that_is_shown_as_one_gets_no_block);
	tcase_add_test(ends, a_writer_calls_readers_back_from_holes);
	return ends;
}

static TCase *hold_case(void)
{
	TCase *holds = tcase_create("holds");

	tcase_add_checked_fixture(holds, setup, teardown);
	tcase_add_test(holds, a_pin_outlasts_its_lease_and_is_waited_for);
	tcase_add_test(holds, a_pin_without_a_lease_keeps_blocks_and_file);
	tcase_add_test(holds, a_dead_clients_pins_end);
	tcase_add_test(holds, places_leave_out_what_is_pinned);
	tcase_add_test(holds, a_device_that_goes_gives_no_leases_and_no_pins);
	tcase_add_test(holds, a_clients_lock_says_whether_it_holds_the_device);
	tcase_add_test(holds, stores_move_mtime_and_never_too_far);
	tcase_add_test(holds,
		       sync_puts_mtime_on_the_media_and_clears_the_marks);
	tcase_add_test(holds,
		       what_leases_store_is_durable_when_the_file_must_be);
	tcase_add_test(holds, sizes_are_seen_before_the_answer);
	return holds;
}

int main(void)
{
	Suite *suite = suite_create("lease");
	TCase *two = tcase_create("two devices");
	TCase *leaving = tcase_create("leaving device");
	TCase *over = tcase_create("unmount");
	TCase *large = tcase_create("large");
	TCase *many = tcase_create("many");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, grant_case());
	suite_add_tcase(suite, end_case());
	suite_add_tcase(suite, hold_case());
	tcase_add_checked_fixture(two, setup_two, teardown_two);
	tcase_add_test(two, a_lease_is_on_one_device);
	suite_add_tcase(suite, two);
	tcase_add_checked_fixture(leaving, setup_two, NULL);
	tcase_add_test(leaving, a_device_that_leaves_has_all_that_was_stored);
	suite_add_tcase(suite, leaving);
	tcase_add_checked_fixture(over, setup, NULL);
	tcase_add_test(over, an_unmount_takes_what_was_never_given_back);
	suite_add_tcase(suite, over);
	tcase_add_checked_fixture(large, setup_large, teardown);
	tcase_add_test(large, a_large_range_comes_and_goes);
	tcase_set_timeout(large, 60);
	suite_add_tcase(suite, large);
	tcase_add_checked_fixture(many, setup, teardown);
	tcase_set_timeout(many, 120);
	tcase_add_test(many, a_hundred_thousand_leases);
	tcase_add_test(many, a_lease_in_many_pieces);
	suite_add_tcase(suite, many);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
