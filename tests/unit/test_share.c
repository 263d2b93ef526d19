/* SPDX-License-Identifier: BSD-3-Clause */
/* copy_file_range and what it leaves: blocks of two files, case by case. */
#include "lib/device_fixture.h"
#include "lib/file_fixture.h"
#include "lib/share_fixture.h"

#include "alloc/alloc.h"
#include "core/attr_flags.h"
#include "core/file_extent.h"
#include "core/lease.h"
#include "core/survey.h"
#include "journal/journal.h"
#include "media/addr.h"

#include <check.h>
#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <unistd.h>

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define BLOCKS 16
#define BYTES (BLOCKS * BLOCK_BYTES)

static unsigned char bytes[2 * BYTES];
static unsigned char answer[2 * BYTES];
static struct inode *source, *target;

static void choose(struct inode *inode)
{
	fixture.file = inode;
	fixture.writable = true;
}

static struct inode *open_file(const char *name)
{
	fixture_open_file(name, true);
	return fixture.file;
}

static void setup(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i ^ i >> 8 ^ i >> 12) | 1;
	fixture_make();
	core_format(1, "32M");
	core_mount(1);
	target = open_file("target");
	source = open_file("source");
	ck_assert_int_eq(fixture_write(bytes, BYTES, 0), BYTES);
}

static void teardown(void)
{
	share_check_owners();
	share_check_references();
	if (target) {
		choose(target);
		fixture_close_file();
	}
	if (source) {
		choose(source);
		fixture_close_file();
	}
	core_unmount();
	core_fsck(1);
	fixture_remove();
}

static void is(struct inode *inode, const unsigned char *expected,
	       size_t length)
{
	choose(inode);
	ck_assert_uint_eq(inode->media->size, length);
	ck_assert_int_eq(fixture_read(answer, sizeof(answer), 0), length);
	ck_assert_mem_eq(answer, expected, length);
}

static uint64_t place(struct inode *inode)
{
	choose(inode);
	return fixture_map().first_device_offset;
}

static void share_all(void)
{
	ck_assert_int_eq(share_copy(source, 0, target, 0, BYTES), BYTES);
	ck_assert_uint_eq(share_check_owners(), BLOCKS);
}

/* ------------------------------------------------------------------ sharing */

START_TEST(a_copy_has_the_same_blocks)
{
	uint64_t before = core_free_blocks();

	share_all();
	ck_assert_uint_eq(core_free_blocks(), before);
	ck_assert_uint_eq(place(source), place(target));
	is(target, bytes, BYTES);
	ck_assert_int_eq(core_stat(target).st_blocks,
			 core_stat(source).st_blocks);
}
END_TEST

START_TEST(a_write_makes_the_block_ones_own)
{
	uint64_t before;

	share_all();
	before = core_free_blocks();
	choose(target);
	ck_assert_int_eq(fixture_write("x", 1, 5000), 1);
	ck_assert_uint_eq(core_free_blocks(), before - 1);
	ck_assert_uint_eq(share_check_owners(), BLOCKS - 1);
	is(source, bytes, BYTES);
	bytes[5000] = 'x';
	is(target, bytes, BYTES);
	ck_assert_int_eq(core_stat(target).st_blocks, BYTES / 512);
}
END_TEST

START_TEST(the_last_owner_writes_in_place)
{
	uint64_t before, at;

	share_all();
	at = place(source);
	choose(target);
	ck_assert_int_eq(fixture_truncate(0), 0);
	ck_assert_uint_eq(share_check_owners(), 0);
	before = core_free_blocks();
	choose(source);
	ck_assert_int_eq(fixture_write("x", 1, 5000), 1);
	ck_assert_uint_eq(place(source), at);
	ck_assert_uint_eq(core_free_blocks(), before);
}
END_TEST

START_TEST(the_last_owner_frees)
{
	uint64_t before = core_free_blocks();

	share_all();
	choose(_i ? source : target);
	ck_assert_int_eq(fixture_truncate(0), 0);
	ck_assert_uint_eq(core_free_blocks(), before);
	is(_i ? target : source, bytes, BYTES);
	ck_assert_int_eq(fixture_fallocate(PUNCH, 0, BYTES), 0);
	ck_assert_uint_eq(core_free_blocks(), before + BLOCKS);
}
END_TEST

START_TEST(many_owners_are_counted)
{
	char name[] = "copyA";
	uint64_t before = core_free_blocks();
	struct inode *copy;

	for (; name[4] < 'Z'; name[4]++) {
		copy = open_file(name);
		ck_assert_int_eq(share_copy(source, 0, copy, 0, BYTES), BYTES);
		fixture_close_file();
	}
	ck_assert_uint_eq(share_check_owners(), BLOCKS);
	/* Of a file that has one of them twice. */
	ck_assert_int_eq(share_copy(source, 0, source, BYTES, BLOCK_BYTES),
			 BLOCK_BYTES);
	ck_assert_uint_eq(share_check_owners(), BLOCKS);
	while (--name[4] >= 'A') {
		fixture_open_file(name, true);
		is(fixture.file, bytes, BYTES);
		fixture_unlink_file(name);
	}
	ck_assert_uint_eq(share_check_owners(), 1);
	/* but for directory nodes and the like */
	ck_assert_uint_ge(core_free_blocks() + 4, before);
}
END_TEST

START_TEST(the_last_block_of_both_is_shared_too)
{
	choose(source);
	ck_assert_int_eq(fixture_truncate(BYTES - 100), 0);
	ck_assert_int_eq(share_copy(source, 0, target, 0, 2 * BYTES),
			 BYTES - 100);
	ck_assert_uint_eq(share_check_owners(), BLOCKS);
	is(target, bytes, BYTES - 100);
	/* Growing it shows zeros, and nothing of that in the source. */
	choose(target);
	ck_assert_int_eq(fixture_truncate(BYTES), 0);
	is(source, bytes, BYTES - 100);
	memset(bytes + BYTES - 100, 0, 100);
	is(target, bytes, BYTES);
	ck_assert_uint_eq(share_check_owners(), BLOCKS - 1);
}
END_TEST

START_TEST(a_last_block_in_the_middle_is_copied)
{
	choose(source);
	ck_assert_int_eq(fixture_truncate(BYTES - 100), 0);
	choose(target);
	ck_assert_int_eq(fixture_write(bytes + 7, BYTES, 0), BYTES);
	ck_assert_int_eq(share_copy(source, 0, target, 0, BYTES), BYTES - 100);
	ck_assert_uint_eq(share_check_owners(), BLOCKS - 1);
	memcpy(answer, bytes, BYTES - 100);
	memmove(bytes + BYTES - 100, bytes + 7 + BYTES - 100, 100);
	is(target, bytes, BYTES);
}
END_TEST

START_TEST(what_is_not_aligned_is_copied)
{
	ck_assert_int_eq(share_copy(source, 100, target, 50, 10000), 10000);
	ck_assert_uint_eq(share_check_owners(), 0);
	memmove(bytes + 50, bytes + 100, 10000);
	memset(bytes, 0, 50);
	is(target, bytes, 10050);
}
END_TEST

START_TEST(a_like_misalignment_shares_the_middle)
{
	ck_assert_int_eq(share_copy(source, 100, target, 100, BYTES - 200),
			 BYTES - 200);
	ck_assert_uint_eq(share_check_owners(), BLOCKS - 2);
	memset(bytes, 0, 100);
	is(target, bytes, BYTES - 100);
}
END_TEST

START_TEST(ranges_of_one_file_may_not_overlap)
{
	ck_assert_int_eq(share_copy(source, 0, source, BLOCK_BYTES, BYTES),
			 -EINVAL);
	ck_assert_int_eq(share_copy(source, BLOCK_BYTES, source, 0, BYTES),
			 -EINVAL);
	ck_assert_int_eq(share_copy(source, 0, source, 0, 1), -EINVAL);
	/* Clipped at EOF they do not. */
	ck_assert_int_eq(share_copy(source, BYTES / 2, source, BYTES, BYTES),
			 BYTES / 2);
	ck_assert_int_eq(share_copy(source, 2 * BYTES, target, 0, 10), 0);
	ck_assert_int_eq(share_copy(source, 0, target, FILE_BYTES_MAX, 10),
			 -EFBIG);
	memcpy(bytes + BYTES, bytes + BYTES / 2, BYTES / 2);
	is(source, bytes, BYTES + BYTES / 2);
}
END_TEST

START_TEST(holes_make_holes)
{
	choose(source);
	ck_assert_int_eq(fixture_fallocate(PUNCH, BLOCK_BYTES, BLOCK_BYTES), 0);
	ck_assert_int_eq(fixture_fallocate(0, BYTES, BYTES), 0);
	choose(target);
	ck_assert_int_eq(fixture_write(bytes, 2 * BYTES, 0), 2 * BYTES);
	ck_assert_int_eq(share_copy(source, 0, target, 0, 2 * BYTES),
			 2 * BYTES);
	ck_assert_uint_eq(fixture_map().blocks, BLOCKS - 1);
	memset(bytes + BLOCK_BYTES, 0, BLOCK_BYTES);
	memset(bytes + BYTES, 0, BYTES);
	is(target, bytes, 2 * BYTES);
}
END_TEST

START_TEST(a_gap_before_it_reads_as_zeros)
{
	choose(target);
	ck_assert_int_eq(fixture_write(bytes, 5000, 0), 5000);
	ck_assert_int_eq(fixture_truncate(4990), 0);
	ck_assert_int_eq(
		share_copy(source, 0, target, 4 * BLOCK_BYTES, BLOCK_BYTES),
		BLOCK_BYTES);
	memmove(bytes + 4 * BLOCK_BYTES, bytes, BLOCK_BYTES);
	memset(bytes + 4990, 0, 4 * BLOCK_BYTES - 4990);
	is(target, bytes, 5 * BLOCK_BYTES);
}
END_TEST

START_TEST(small_files_are_copied)
{
	struct inode *small = open_file("small");

	ck_assert_int_eq(fixture_write(bytes, 100, 0), 100);
	ck_assert_int_eq(share_copy(small, 0, target, 0, 1000), 100);
	is(target, bytes, 100);
	/* And over a small one blocks are shared. */
	ck_assert_int_eq(share_copy(source, 0, small, 0, BYTES), BYTES);
	ck_assert_uint_eq(share_check_owners(), BLOCKS);
	is(small, bytes, BYTES);
	fixture_close_file();
}
END_TEST

START_TEST(without_the_feature_all_is_copied)
{
	inode_media *shared = core.fs->shared.media;

	core.fs->shared.media = NULL;
	ck_assert_int_eq(share_copy(source, 0, target, 0, BYTES), BYTES);
	is(target, bytes, BYTES);
	core.fs->shared.media = shared;
	ck_assert_uint_eq(share_check_owners(), 0);
}
END_TEST

START_TEST(the_copy_takes_privileges_and_time)
{
	const struct stat mode = { .st_mode = 06755 };
	const struct stat past = { .st_mtim.tv_sec = 1 };

	ck_assert_int_eq(core_setattr(target, &mode, ATTR_MODE), 0);
	ck_assert_int_eq(core_setattr(target, &past, ATTR_MTIME), 0);
	share_all();
	ck_assert_int_eq(core_stat(target).st_mode & 07777, 06755);
	ck_assert_int_ne(core_stat(target).st_mtim.tv_sec, 1);
	ck_assert_int_eq(
		request_begin(&core.request, "copy", target->ino, 0, false), 0);
	ck_assert_int_eq(
		file_copy(&core.request, source, 0, target, 0, BYTES, true),
		BYTES);
	request_end(&core.request);
	ck_assert_int_eq(core_stat(target).st_mode & 07777, 0755);
}
END_TEST

static int set_flags(struct inode *inode, uint32_t flags)
{
	const struct attr_flags all = { .flags = flags };
	int err;

	ck_assert_int_eq(
		request_begin(&core.request, "flags", inode->ino, 0, false), 0);
	err = attr_flags_set(&core.request, inode, &all);
	request_end(&core.request);
	return err;
}

START_TEST(a_flagged_file_stays_as_it_is)
{
	choose(target);
	ck_assert_int_eq(fixture_write(bytes + 1, BYTES, 0), BYTES);
	ck_assert_int_eq(set_flags(target, _i ? FS_APPEND_FL : FS_IMMUTABLE_FL),
			 0);
	ck_assert_int_eq(share_copy(source, 0, target, 0, BYTES), -EPERM);
	ck_assert_int_eq(share_copy(source, 1, target, 0, 10), -EPERM);
	is(target, bytes + 1, BYTES);
	/* A source may be what it wants. */
	ck_assert_int_eq(share_copy(target, 0, source, 0, BYTES), BYTES);
	ck_assert_uint_eq(share_check_owners(), BLOCKS);
	ck_assert_int_eq(set_flags(target, 0), 0);
}
END_TEST

/* ------------------------------------------------------------ unseen stores */

START_TEST(a_fill_for_writing_makes_blocks_ones_own)
{
	share_all();
	choose(target);
	ck_assert_int_eq(fixture_fill(answer, 2 * BLOCK_BYTES, 0),
			 2 * BLOCK_BYTES);
	ck_assert_mem_eq(answer, bytes, 2 * BLOCK_BYTES);
	ck_assert_uint_eq(share_check_owners(), BLOCKS - 2);
	ck_assert(!atomic_load(&atomic_load(&target->active)->shows_shared));
}
END_TEST

START_TEST(what_the_kernel_may_store_to_is_copied)
{
	choose(source);
	ck_assert_int_eq(fixture_fill(answer, BLOCK_BYTES, 3 * BLOCK_BYTES),
			 BLOCK_BYTES);
	ck_assert_int_eq(share_copy(source, 0, target, 0, BYTES), BYTES);
	ck_assert_uint_lt(share_check_owners(), BLOCKS);
	ck_assert_uint_ge(share_check_owners(), 3);
	is(target, bytes, BYTES);
}
END_TEST

/* As two opens: a reader fills, then there is a writer. */
static void fill_as_reader(struct inode *inode)
{
	ck_assert_int_eq(inode_open(core.fs, inode, false), 0);
	inode_close(core.fs, inode, true);
	choose(inode);
	ck_assert_int_eq(fixture_fill(answer, BYTES, 0), BYTES);
}

static void is_writer_again(struct inode *inode)
{
	ck_assert_int_eq(inode_open(core.fs, inode, true), 0);
	inode_close(core.fs, inode, false);
}

START_TEST(a_reader_sees_shared_blocks_and_the_writer_is_told)
{
	share_all();
	fill_as_reader(target);
	ck_assert_uint_eq(share_check_owners(), BLOCKS);
	ck_assert(atomic_load(&atomic_load(&target->active)->shows_shared));
	share_check_references();
	is_writer_again(target);
}
END_TEST

START_TEST(what_a_reader_has_mapped_is_shared_and_the_writer_is_told)
{
	fill_as_reader(source);
	share_all();
	ck_assert(atomic_load(&atomic_load(&source->active)->shows_shared));
	is_writer_again(source);
}
END_TEST

START_TEST(kernel_entries_go_with_the_bytes)
{
	struct entry_info info;
	struct extent run;
	struct tree map;

	share_all();
	fill_as_reader(target);
	is_writer_again(target);
	ck_assert_int_eq(fixture_write("x", 1, 5 * BLOCK_BYTES), 1);
	ck_assert(
		entry_lookup(&atomic_load(&target->active)->entries, 5, &info));
	extent_map_init(&map, core.fs, NULL, target->ino, target->media);
	ck_assert_int_eq(extent_at(core.fs, &map, 5, &run), 0);
	ck_assert_uint_eq(run.flags, 0);
	ck_assert_uint_eq(info.device_page, addr_block(run.addr));
	share_check_references();
	/* Then the source is alone with its old block, and frees it. */
	choose(source);
	ck_assert_int_eq(fixture_truncate(0), 0);
	share_check_references();
}
END_TEST

/* ------------------------------------------------------------------- leases */

static struct lease_client alice;
static struct lease_grant got;

static uint64_t lease_of(struct inode *inode, uint64_t first, uint64_t npages,
			 bool writable)
{
	const struct lease_want want = { .first = first,
					 .npages = npages,
					 .writable = writable };

	ck_assert_int_eq(lease_grant(&core.request, &alice, inode, &want, &got),
			 0);
	ck_assert_uint_eq(got.last, first + npages - 1);
	return got.id;
}

static uint64_t lease(struct inode *inode, bool writable)
{
	return lease_of(inode, 0, BLOCKS, writable);
}

static void return_lease(uint64_t id)
{
	ck_assert_int_ge(lease_return(core.fs, &alice, id, 0, BLOCKS - 1), 0);
}

static uint64_t leased_page(void)
{
	return got.runs[0].device_page;
}

START_TEST(a_writable_lease_is_of_blocks_of_its_own)
{
	uint64_t id;

	share_all();
	id = lease(target, true);
	ck_assert_uint_eq(share_check_owners(), 0);
	memset(device_at(core.fs->members.device[0],
			 leased_page() * BLOCK_BYTES),
	       'x', BLOCK_BYTES);
	is(source, bytes, BYTES);
	/* What is leased is copied, as it is now; and not shared. */
	ck_assert_int_eq(share_copy(target, 0, source, 0, BYTES), BYTES);
	ck_assert_uint_eq(share_check_owners(), 0);
	memset(bytes, 'x', BLOCK_BYTES);
	is(source, bytes, BYTES);
	/* Over it nothing is copied while it is there. */
	ck_assert_int_eq(share_copy(source, 0, target, 0, BYTES), -EBUSY);
	return_lease(id);
	share_all();
}
END_TEST

START_TEST(two_files_leases_of_a_block_are_two_references)
{
	uint64_t of_source, of_target, page;

	share_all();
	of_source = lease(source, false);
	page = leased_page();
	of_target = lease(target, false);
	ck_assert_uint_eq(leased_page(), page);
	ck_assert_uint_eq(pgmap_count(core.fs->pgmaps[0], page), 2);
	share_check_references();
	/* A change of the one waits for its lease, not for the other's. */
	choose(source);
	ck_assert_int_eq(fixture_write("x", 1, 0), -EBUSY);
	ck_assert_int_eq(fixture_fallocate(PUNCH, 0, BYTES), -EBUSY);
	return_lease(of_source);
	ck_assert_uint_eq(pgmap_count(core.fs->pgmaps[0], page), 1);
	ck_assert_int_eq(fixture_write("x", 1, 0), 1);
	ck_assert_int_eq(fixture_truncate(0), 0);
	share_check_references();
	is(target, bytes, BYTES);
	/* The last owner's lease holds the block. */
	ck_assert_int_eq(fixture_truncate(0), -EBUSY);
	return_lease(of_target);
	ck_assert_int_eq(fixture_truncate(0), 0);
}
END_TEST

START_TEST(a_lease_in_the_way_leaves_the_entries)
{
	struct entry_table *table;
	uint64_t before, id;

	share_all();
	fill_as_reader(target);
	table = &atomic_load(&target->active)->entries;
	/* The last block is leased, the others are the kernel's. */
	ck_assert_int_ge(entry_table_delete_range(table, BLOCKS - 1, BLOCKS - 1,
						  ENTRY_OF_KERNEL),
			 0);
	id = lease_of(target, BLOCKS - 1, 1, false);
	before = entry_table_count(table);
	ck_assert_int_eq(fixture_fallocate(PUNCH, 0, BYTES - 100), -EBUSY);
	ck_assert_int_eq(
		fixture_fallocate(FALLOC_FL_ZERO_RANGE, 0, BYTES - 100),
		-EBUSY);
	ck_assert_uint_eq(entry_table_count(table), before);
	is(target, bytes, BYTES);
	ck_assert_int_ge(lease_return(core.fs, &alice, id, 0, BLOCKS), 0);
	is_writer_again(target);
}
END_TEST

/* The kernel's entries of what a write made its own before it met the lease
 * come back, also around another lease. */
START_TEST(a_lease_in_the_way_of_a_write_leaves_the_entries)
{
	struct entry_table *table;
	struct entry_info info;
	uint64_t id[2];

	share_all();
	choose(target);
	ck_assert_int_eq(fixture_write(bytes, BLOCK_BYTES, BLOCK_BYTES),
			 BLOCK_BYTES);
	ck_assert_int_eq(fixture_write(bytes, BLOCK_BYTES, 3 * BLOCK_BYTES),
			 BLOCK_BYTES);
	fill_as_reader(target);
	is_writer_again(target);
	table = &atomic_load(&target->active)->entries;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t page = i ? 4 : 1;

		ck_assert_int_ge(entry_table_delete_range(table, page, page,
							  ENTRY_OF_KERNEL),
				 0);
		id[i] = lease_of(target, page, 1, false);
	}
	ck_assert_int_eq(fixture_write(bytes, 5 * BLOCK_BYTES, 0), -EBUSY);
	for (unsigned page = 0; page < 5; page += 2) {
		ck_assert(entry_lookup(table, page, &info));
		ck_assert_uint_eq(info.device_page,
				  place(source) / BLOCK_BYTES + page);
		choose(target);
	}
	for (unsigned i = 0; i < 2; i++)
		return_lease(id[i]);
}
END_TEST

START_TEST(a_pin_keeps_what_it_shows)
{
	uint64_t id, pin;

	share_all();
	id = lease(target, false);
	ck_assert_int_eq(lease_pin(&core.request, &alice, id, 0, 0, &pin), 0);
	ck_assert_int_eq(lease_return(core.fs, &alice, id, 1, BLOCKS - 1),
			 BLOCKS - 1);
	choose(target);
	ck_assert_int_eq(fixture_write("x", 1, 0), -EBUSY);
	ck_assert_int_eq(fixture_fallocate(PUNCH, 0, BLOCK_BYTES), -EBUSY);
	ck_assert_int_eq(share_copy(source, 0, target, 0, BYTES), -EBUSY);
	/* The source does not care. */
	choose(source);
	ck_assert_int_eq(fixture_truncate(0), 0);
	share_check_references();
	ck_assert_int_eq(lease_unpin(core.fs, &alice, pin), 0);
	ck_assert_int_ge(lease_return(core.fs, &alice, id, 0, 0), 0);
	choose(target);
	ck_assert_int_eq(fixture_truncate(0), 0);
}
END_TEST

/* -------------------------------------------------------------- no space */

/* All of it but what is in reserve. */
static void fill_up(void)
{
	static unsigned char much[1 << 20];
	off_t at = 0;
	uint64_t left;

	open_file("filler");
	while (fixture_write(much, sizeof(much), at) > 0)
		at += sizeof(much);
	at = 0;
	left = fixture.file->media->size;
	while (fixture_write(much, BLOCK_BYTES, (off_t)left + at) > 0)
		at += BLOCK_BYTES;
	fixture_close_file();
}

START_TEST(a_write_without_space_changes_nothing)
{
	share_all();
	fill_up();
	choose(target);
	ck_assert_int_eq(fixture_write("x", 1, 5000), -ENOSPC);
	ck_assert_int_eq(fixture_fallocate(PUNCH, 100, 100), -ENOSPC);
	ck_assert_int_eq(fixture_fill(answer, BLOCK_BYTES, 0), -ENOSPC);
	is(target, bytes, BYTES);
	is(source, bytes, BYTES);
	choose(target);
	/* Zeros all the same, as a hole; and what was shared is left. */
	ck_assert_int_eq(fixture_fallocate(PUNCH, 0, BLOCK_BYTES), 0);
	ck_assert_uint_eq(share_check_owners(), BLOCKS - 1);
	is(source, bytes, BYTES);
}
END_TEST

/* It takes nodes alone, and would take all of them. */
START_TEST(a_copy_leaves_the_reserve)
{
	uint64_t reserve = alloc_reserve_blocks(core.fs->allocs[0]);
	struct inode *other = open_file("other");
	uint64_t at = 0;
	ssize_t copied;

	ck_assert_int_eq(fixture_write(bytes + BYTES, BYTES, 0), BYTES);
	fill_up();
	do {
		at += 2 * BLOCK_BYTES;
		copied = share_copy(source, 0, target, at, BLOCK_BYTES);
	} while (copied == BLOCK_BYTES);
	ck_assert_int_eq(copied, -ENOSPC);
	ck_assert_uint_gt(alloc_free_blocks(core.fs->allocs[0]), reserve / 2);
	/* Where there are blocks already it can be copied. */
	ck_assert_int_eq(share_copy(source, 0, other, 0, BYTES), BYTES);
	is(other, bytes, BYTES);
	choose(other);
	fixture_close_file();
}
END_TEST

/* A truncate to four blocks that had no room to go on after its first link. */
static void leave_a_truncate(struct inode *inode)
{
	struct txn *txn = txn_begin(core.fs->journal);
	inode_media *copy;

	ck_assert_int_eq(
		request_begin(&core.request, "test", inode->ino, 1, false), 0);
	pthread_rwlock_wrlock(&inode->lock);
	copy = inode_edit(txn, inode);
	copy->size = copy->pending_start = 4 * BLOCK_BYTES;
	copy->pending_end = EXTENT_BLOCKS_END << BLOCK_SHIFT;
	ck_assert_int_eq(txn_commit(txn), 0);
	pthread_rwlock_unlock(&inode->lock);
	request_end(&core.request);
}

START_TEST(what_a_truncate_left_goes_before_others_come)
{
	const unsigned at = 8 * BLOCK_BYTES;

	share_all();
	leave_a_truncate(target);
	choose(target);
	if (_i == 0)
		ck_assert_int_eq(fixture_write(bytes + at, BLOCK_BYTES, at),
				 BLOCK_BYTES);
	else if (_i == 1)
		ck_assert_int_eq(fixture_truncate(at + BLOCK_BYTES), 0);
	else if (_i == 2)
		ck_assert_int_eq(fixture_fallocate(0, at, BLOCK_BYTES), 0);
	else
		ck_assert_int_eq(
			share_copy(source, at, target, at, BLOCK_BYTES),
			BLOCK_BYTES);
	ck_assert_uint_eq(target->media->pending_end, 0);
	memset(bytes + 4 * BLOCK_BYTES, 0, 4 * BLOCK_BYTES);
	if (_i == 1 || _i == 2)
		memset(bytes + at, 0, BLOCK_BYTES);
	is(target, bytes, at + BLOCK_BYTES);
}
END_TEST

/* ---------------------------------------------------------------- crashes */

/* An open file that has lost its name, and blocks that live on. */
static void leave_an_orphan(void)
{
	struct inode *from = open_file("source"), *to = open_file("target");

	ck_assert_int_eq(fixture_truncate(0), 0);
	ck_assert_int_eq(share_copy(from, 0, to, 0, BYTES), BYTES);
	ck_assert_int_eq(core_unlink(core.root, "source"), 0);
}

START_TEST(an_orphan_gives_up_its_part)
{
	uint64_t before;

	choose(source);
	fixture_close_file();
	choose(target);
	fixture_close_file();
	source = target = NULL;
	core_unmount();
	core_crash_after(1, leave_an_orphan);
	core_mount(1);
	ck_assert(!core_exists(core.root, "source"));
	ck_assert_uint_eq(share_check_owners(), 0);
	target = open_file("target");
	is(target, bytes, BYTES);
	before = core_free_blocks();
	ck_assert_int_eq(fixture_truncate(0), 0);
	ck_assert_uint_eq(core_free_blocks(), before + BLOCKS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("share");
	TCase *share = tcase_create("share");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(share, setup, teardown);
	tcase_set_timeout(share, 60);
	tcase_add_test(share, a_copy_has_the_same_blocks);
	tcase_add_test(share, a_write_makes_the_block_ones_own);
	tcase_add_test(share, the_last_owner_writes_in_place);
	tcase_add_loop_test(share, the_last_owner_frees, 0, 2);
	tcase_add_test(share, many_owners_are_counted);
	tcase_add_test(share, the_last_block_of_both_is_shared_too);
	tcase_add_test(share, a_last_block_in_the_middle_is_copied);
	tcase_add_test(share, what_is_not_aligned_is_copied);
	tcase_add_test(share, a_like_misalignment_shares_the_middle);
	tcase_add_test(share, ranges_of_one_file_may_not_overlap);
	tcase_add_test(share, holes_make_holes);
	tcase_add_test(share, a_gap_before_it_reads_as_zeros);
	tcase_add_test(share, small_files_are_copied);
	tcase_add_test(share, without_the_feature_all_is_copied);
	tcase_add_test(share, the_copy_takes_privileges_and_time);
	tcase_add_loop_test(share, a_flagged_file_stays_as_it_is, 0, 2);
	tcase_add_test(share, a_fill_for_writing_makes_blocks_ones_own);
	tcase_add_test(share, what_the_kernel_may_store_to_is_copied);
	tcase_add_test(share,
		       a_reader_sees_shared_blocks_and_the_writer_is_told);
	tcase_add_test(
		share,
		what_a_reader_has_mapped_is_shared_and_the_writer_is_told);
	tcase_add_test(share, kernel_entries_go_with_the_bytes);
	tcase_add_test(share, a_writable_lease_is_of_blocks_of_its_own);
	tcase_add_test(share, two_files_leases_of_a_block_are_two_references);
	tcase_add_test(share, a_lease_in_the_way_leaves_the_entries);
	tcase_add_test(share, a_lease_in_the_way_of_a_write_leaves_the_entries);
	tcase_add_test(share, a_pin_keeps_what_it_shows);
	tcase_add_test(share, a_write_without_space_changes_nothing);
	tcase_add_test(share, a_copy_leaves_the_reserve);
	tcase_add_loop_test(share, what_a_truncate_left_goes_before_others_come,
			    0, 4);
	tcase_add_test(share, an_orphan_gives_up_its_part);
	suite_add_tcase(suite, share);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
