/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Power losses: whatever of the last stores has reached the media, replay
 * finds every transaction that was answered, and of the one under way all or
 * nothing.
 */
#include "lib/journal_fixture.h"
#include "lib/power_loss.h"

#include "trace/pause.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HOMES_BYTES (HOMES * HOME_BYTES)
#define FRESH_BLOCKS 40

/* One thread, so there is little to find, and it takes long. */
#ifdef __SANITIZE_THREAD__
#define SCALE 8
#else
#define SCALE 1
#endif

static struct journal_fixture fix;
static struct members survivor; /* what the next mount finds */
static struct members second_survivor;
static size_t watched_bytes;

/* What homes may be after a replay: before or after the commit under way. */
static unsigned char before[HOMES_BYTES];
static unsigned char after[HOMES_BYTES];
static unsigned int crashes;

static void setup(void)
{
	journal_fixture_make(&fix, RING_BLOCKS_LEAST);
	survivor.device[0] = fixture_create_and_open("survivor");
	survivor.count = 1;
	second_survivor.device[0] = fixture_create_and_open("second");
	second_survivor.count = 1;
	/* The journal and the homes; fresh blocks are not looked at. */
	watched_bytes = fix.free_block * BLOCK_BYTES;
	memset(before, 0, sizeof(before));
	memset(after, 0, sizeof(after));
	srandom(4);
}

static void teardown(void)
{
	pause_set_hook(NULL);
	device_set_recorder(NULL);
	members_close(&second_survivor);
	members_close(&survivor);
	journal_fixture_remove(&fix);
}

static const unsigned char *replayed_homes(const struct members *members)
{
	struct journal_replay_report report;

	ck_assert_int_eq(journal_replay(members, &fix.sb, &report), 0);
	return device_at(members->device[0], fix.homes_addr);
}

static void check_homes(const struct members *members)
{
	const unsigned char *homes = replayed_homes(members);

	crashes++;
	if (memcmp(homes, before, HOMES_BYTES) != 0)
		ck_assert_mem_eq(homes, after, HOMES_BYTES);
}

/* ------------------------------------------------------- the last record */

static unsigned char *image_before, *image_after;

static void keep_images(const char *point)
{
	unsigned char *base = fix.members.device[0]->base;

	if (strcmp(point, "journal-homes-durable") == 0)
		memcpy(image_before, base, watched_bytes);
	if (strcmp(point, "journal-record-written") == 0 ||
	    strcmp(point, "journal-anchor-durable") == 0)
		memcpy(image_after, base, watched_bytes);
}

START_TEST(a_record_counts_only_when_its_last_line_is_there)
{
	unsigned char *base = fix.members.device[0]->base;
	unsigned char *next = survivor.device[0]->base;
	size_t from, bytes, at;

	image_before = malloc(watched_bytes);
	image_after = malloc(watched_bytes);
	ck_assert_int_eq(journal_fixture_fill(&fix, 0, 1), 0);
	ck_assert_int_eq(journal_fixture_fill(&fix, 1, 1), 0);
	memcpy(before, journal_fixture_home(&fix, 0), HOMES_BYTES);
	memcpy(image_before, base, watched_bytes);
	pause_set_hook(keep_images);
	ck_assert_int_eq(journal_fixture_fill(&fix, 1, 2), 0);
	memcpy(after, journal_fixture_home(&fix, 0), HOMES_BYTES);
	ck_assert_int_ne(memcmp(before, after, HOMES_BYTES), 0);

	for (from = 0; image_before[from] == image_after[from]; from++)
		;
	for (bytes = watched_bytes;
	     image_before[bytes - 1] == image_after[bytes - 1]; bytes--)
		;
	from = from / 64 * 64;
	bytes = (bytes + 63) / 64 * 64 - from;
	ck_assert_uint_eq(bytes, 64 + 16 + 512 + 48);
	for (at = 0; at <= bytes; at += 64) {
		bool whole = at == bytes;

		/* All lines up to here. */
		memcpy(next, image_before, watched_bytes);
		memcpy(next + from, image_after + from, at);
		ck_assert_mem_eq(replayed_homes(&survivor),
				 whole ? after : before, HOMES_BYTES);
		if (whole)
			break;
		/* All lines but this one. The last one is nothing but zeros,
		 * which were there before. */
		memcpy(next, image_after, watched_bytes);
		memcpy(next + from + at, image_before + from + at, 64);
		if (memcmp(next + from + at, image_after + from + at, 64) != 0)
			ck_assert_mem_eq(replayed_homes(&survivor), before,
					 HOMES_BYTES);
	}
	free(image_after);
	free(image_before);
}
END_TEST

START_TEST(an_anchor_may_be_cut_at_any_byte)
{
	unsigned char *next = survivor.device[0]->base;
	size_t anchor = fix.sb.journal_start * BLOCK_BYTES;
	unsigned int i;
	size_t at;

	image_before = malloc(watched_bytes);
	image_after = malloc(watched_bytes);
	for (i = 0; i < 20; i++)
		ck_assert_int_eq(journal_fixture_fill(&fix, i % 7, i), 0);
	memcpy(after, journal_fixture_home(&fix, 0), HOMES_BYTES);
	pause_set_hook(keep_images);
	ck_assert_int_eq(journal_checkpoint(fix.journal), 0);
	ck_assert_int_ne(
		memcmp(image_before + anchor, image_after + anchor, 64), 0);
	for (at = 0; at <= 64; at++) {
		memcpy(next, image_before, watched_bytes);
		memcpy(next + anchor, image_after + anchor, at);
		ck_assert_mem_eq(replayed_homes(&survivor), after, HOMES_BYTES);
		memcpy(next, image_before, watched_bytes);
		memcpy(next + anchor + at, image_after + anchor + at, 64 - at);
		ck_assert_mem_eq(replayed_homes(&survivor), after, HOMES_BYTES);
	}
	free(image_after);
	free(image_before);
}
END_TEST

/* ------------------------------------------------------------ everywhere */

/* Edit some homes, and some fresh blocks so that the ring goes round fast. */
static void random_commit(void)
{
	struct txn *txn = txn_begin(fix.journal);
	unsigned int edits = 1 + random() % 12;
	unsigned int blocks = random() % 4 ? 0 : random() % FRESH_BLOCKS;

	memcpy(after, before, HOMES_BYTES);
	while (edits--) {
		unsigned int home = random() % HOMES;
		uint64_t *words = txn_edit(
			txn, journal_fixture_addr(&fix, home), HOME_BYTES);
		unsigned int stores = 1 + random() % 30;

		while (stores--)
			words[random() % (HOME_BYTES / 8)] = random();
		memcpy(after + (size_t)home * HOME_BYTES, words, HOME_BYTES);
	}
	while (blocks--) {
		uint64_t block = fix.free_block + random() % FRESH_BLOCKS;

		memset(txn_edit_new(txn, addr_make(0, block * BLOCK_BYTES),
				    BLOCK_BYTES),
		       random(), BLOCK_BYTES);
	}
	ck_assert_int_eq(txn_commit(txn), 0);
	memcpy(before, after, HOMES_BYTES);
}

/* Home stores are many and much alike: one in so many. */
static unsigned int cached_one_in;

static bool is_due(enum power_loss_event event)
{
	return event != POWER_LOSS_CACHED || random() % cached_one_in == 0;
}

static void random_image(const struct device *device, void *image)
{
	static const struct {
		unsigned int kept;
		unsigned int unit_bytes;
	} luck[] = {
		{ 0, 8 },    { 256, 8 },   { 128, 8 },	  { 128, 64 },
		{ 240, 64 }, { 128, 512 }, { 128, 4096 }, { 200, 16384 },
	};
	unsigned int i = random() % (sizeof(luck) / sizeof(*luck));

	power_loss_image(device, image, luck[i].kept, luck[i].unit_bytes);
}

static void lose_power(struct device *device, enum power_loss_event event)
{
	unsigned int times = event == POWER_LOSS_CACHED ? 1 : 5;

	if (!is_due(event))
		return;
	while (times--) {
		random_image(device, survivor.device[0]->base);
		check_homes(&survivor);
	}
}

START_TEST(power_may_go_at_any_store_and_any_fence)
{
	unsigned int i;

	cached_one_in = 30;
	power_loss_watch(fix.members.device[0], watched_bytes, lose_power);
	for (i = 0; i < 160 / SCALE; i++)
		random_commit();
	power_loss_unwatch(fix.members.device[0]);
	ck_assert_uint_gt(crashes, 1500 / SCALE);
}
END_TEST

/* The image of a crash at one of the next events, and what homes may be. */
static unsigned char *crash_image;
static unsigned char crash_before[HOMES_BYTES], crash_after[HOMES_BYTES];
static unsigned int crash_in;

static void crash_once(struct device *device, enum power_loss_event event)
{
	if (!is_due(event) || crash_in == 0 || --crash_in > 0)
		return;
	random_image(device, crash_image);
	memcpy(crash_before, before, HOMES_BYTES);
	memcpy(crash_after, after, HOMES_BYTES);
}

static void mount_after_crash(unsigned int generations)
{
	struct device *device = fix.members.device[0];
	struct journal_replay_report report;

	journal_close(fix.journal);
	fix.journal = NULL;
	memcpy(device->base, crash_image, watched_bytes);
	memcpy(before, crash_before, HOMES_BYTES);
	memcpy(after, crash_after, HOMES_BYTES);
	power_loss_watch(device, watched_bytes, lose_power);
	check_homes(&fix.members);
	memcpy(before, journal_fixture_home(&fix, 0), HOMES_BYTES);
	memcpy(after, before, HOMES_BYTES);
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report), 0);
	/* fsck opens with the same generation, a mount with the next. */
	fix.sb.generation += generations;
	ck_assert_int_eq(journal_open(&fix.journal, &fix.members, &fix.sb,
				      report.next_sequence, fix.allocs),
			 0);
	power_loss_unwatch(device);
}

START_TEST(a_mount_after_a_power_loss_goes_on_from_there)
{
	struct device *device = fix.members.device[0];
	unsigned int round;

	cached_one_in = 20;
	crash_image = malloc(watched_bytes);
	for (round = 0; round < 40 / SCALE; round++) {
		power_loss_watch(device, watched_bytes, crash_once);
		crash_in = 1 + random() % 60;
		while (crash_in > 0)
			random_commit();
		power_loss_unwatch(device);
		mount_after_crash(round % 2);
	}
	free(crash_image);
}
END_TEST

/* During the replay that follows a killed daemon. */
static void lose_power_in_replay(struct device *device,
				 enum power_loss_event event)
{
	(void)event;
	if (random() % 8 != 0)
		return;
	random_image(device, second_survivor.device[0]->base);
	check_homes(&second_survivor);
}

static void die(struct device *device, enum power_loss_event event)
{
	if (!is_due(event))
		return;
	power_loss_inherit(device, survivor.device[0], lose_power_in_replay);
	check_homes(&survivor);
	power_loss_unwatch(survivor.device[0]);
}

START_TEST(power_may_go_in_the_replay_after_a_daemon_that_died)
{
	unsigned int i;

	cached_one_in = 100;
	power_loss_watch(fix.members.device[0], watched_bytes, die);
	for (i = 0; i < 50 / SCALE; i++)
		random_commit();
	power_loss_unwatch(fix.members.device[0]);
	ck_assert_uint_gt(crashes, 400 / SCALE);
}
END_TEST

/* The recorder hears the same at each; what the device does differs. */
static void setup_page(void)
{
	setenv("PMEM2_FORCE_GRANULARITY", "PAGE", 1);
	setup();
	ck_assert_int_eq(fix.members.device[0]->granularity, DEVICE_PAGE);
}

static void setup_cache_line(void)
{
	setenv("PMEM2_FORCE_GRANULARITY", "CACHE_LINE", 1);
	setup();
	ck_assert_int_eq(fix.members.device[0]->granularity, DEVICE_CACHE_LINE);
}

static void setup_byte(void)
{
	setenv("PMEM2_FORCE_GRANULARITY", "BYTE", 1);
	setup();
	ck_assert_int_eq(fix.members.device[0]->granularity, DEVICE_BYTE);
}

static TCase *power_loss(const char *name, SFun setup_it)
{
	TCase *tests = tcase_create(name);

	tcase_add_checked_fixture(tests, setup_it, teardown);
	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, a_record_counts_only_when_its_last_line_is_there);
	tcase_add_test(tests, an_anchor_may_be_cut_at_any_byte);
	tcase_add_test(tests, power_may_go_at_any_store_and_any_fence);
	tcase_add_test(tests, a_mount_after_a_power_loss_goes_on_from_there);
	tcase_add_test(tests,
		       power_may_go_in_the_replay_after_a_daemon_that_died);
	return tests;
}

int main(void)
{
	Suite *suite = suite_create("journal_crash");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, power_loss("page", setup_page));
	suite_add_tcase(suite, power_loss("cache line", setup_cache_line));
	suite_add_tcase(suite, power_loss("byte", setup_byte));
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
