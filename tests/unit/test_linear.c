/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is done to all of a file or folder goes through it once: for each of its
 * extents or names it takes a bounded number of looks at nodes of trees, steps
 * of walks through them, bytes stored to the device and fences.
 *
 * LINEAR_SIZE in the environment: how many there are.
 */
#include "lib/device_fixture.h"
#include "lib/file_fixture.h"
#include "lib/share_fixture.h"

#include "core/lease.h"
#include "device/device.h"
#include "util/clock.h"

#include <check.h>
#include <linux/falloc.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SIZE 2000 /* what is counted is counted elsewhere */
#else
#define SIZE 10000
#endif
#define FILE_MODE (S_IFREG | 0644)
#define KEEP FALLOC_FL_KEEP_SIZE
#define BLOCK UINT64_C(4096)
#define DEVICE_BYTES ((UINT64_C(512) << 20) + size * 10 * BLOCK)
#define NAMES_A_STEP 50

/* For each of them. A look-up is a node a level, an insertion is six look-ups;
 * who goes through 10^4 extents for each of them takes thousands of steps. */
#define NODES_MOST 64
#define KEYS_MOST 8
#define BYTES_MOST 8192
#define FENCES_MOST 4

static unsigned size = SIZE;
static struct inode *folder;
static struct lease_client client;
static struct lease_grant lease;
static unsigned char block[4096];
static uint64_t stored_bytes, nodes_seen, keys_seen;

/* Linked in place of it (--wrap): every look at a node begins so. */
int __wrap_node_header_check(const node_media *node, unsigned capacity_bytes,
			     enum tree_kind kind);
int __real_node_header_check(const node_media *node, unsigned capacity_bytes,
			     enum tree_kind kind);

int __wrap_node_header_check(const node_media *node, unsigned capacity_bytes,
			     enum tree_kind kind)
{
	nodes_seen++;
	return __real_node_header_check(node, capacity_bytes, kind);
}

/* Every step of a walk. */
int __wrap_tree_next(struct tree_cursor *cursor);
int __real_tree_next(struct tree_cursor *cursor);

int __wrap_tree_next(struct tree_cursor *cursor)
{
	keys_seen++;
	return __real_tree_next(cursor);
}

static void on_store(struct device *device, const void *to, size_t length_bytes,
		     bool cached)
{
	stored_bytes += length_bytes;
}

static void set_up(void)
{
	static const struct device_recorder recorder = { .stored = on_store };

	fixture_make();
	core_format_sparse((off_t)DEVICE_BYTES);
	core_mount(1);
	device_set_recorder(&recorder);
}

/* ------------------------------------------------------------------- names */

static const char *name_of(unsigned i)
{
	static char name[32];

	snprintf(name, sizeof(name), "name-%06u", i);
	return name;
}

static void make_names(void)
{
	folder = core_new(core.root, "folder", S_IFDIR | 0755);
	for (unsigned i = 0; i < size; i++)
		core_make(folder, name_of(i), FILE_MODE);
}

struct list {
	uint64_t cookie;
	unsigned count;
	unsigned left;
};

static int list_one(const char *name, size_t name_length, uint64_t ino,
		    unsigned type, uint64_t cookie, void *arg)
{
	struct list *list = arg;

	if (list->left == 0)
		return 1;
	list->left--;
	list->count++;
	list->cookie = cookie;
	return 0;
}

static void list_names(void)
{
	struct list list = { .left = 0 };

	while (list.left == 0) {
		list.left = NAMES_A_STEP;
		ck_assert_int_eq(request_begin(&core.request, "readdir",
					       folder->ino, 1, false),
				 0);
		ck_assert_int_eq(dir_read(&core.request, folder, list.cookie,
					  list_one, &list),
				 0);
		request_end(&core.request);
	}
	ck_assert_uint_ge(list.count, size);
}

static void remove_names(void)
{
	for (unsigned i = 0; i < size; i++)
		ck_assert_int_eq(core_unlink(folder, name_of(i)), 0);
	core_forget(folder);
	ck_assert_int_eq(core_rmdir(core.root, "folder"), 0);
}

/* ----------------------------------------------------------------- extents */

/* Every other block, all of it new: as many extents. */
static void write_blocks(const char *name)
{
	fixture_open_file(name, true);
	for (unsigned i = 0; i < size; i++)
		ck_assert_int_eq(
			fixture_write(block, BLOCK, (off_t)(2 * i * BLOCK)),
			BLOCK);
	ck_assert_uint_eq(fixture_map().extents, size);
}

static void write_first(void)
{
	write_blocks("first");
}

static void seek_all(void)
{
	off_t at = 0;

	for (unsigned i = 0; i < size; i++) {
		at = fixture_seek(at, SEEK_DATA);
		ck_assert_int_eq(at, (off_t)(2 * i * BLOCK));
		at = fixture_seek(at, SEEK_HOLE);
	}
}

static void copy_to(const char *name)
{
	struct inode *twin = core_new(core.root, name, FILE_MODE);
	uint64_t bytes = fixture.file->media->size, at = 0;

	while (at < bytes) {
		ssize_t done = share_copy(fixture.file, at, twin, at,
					  bytes - at);

		ck_assert_int_gt(done, 0);
		at += (uint64_t)done;
	}
	core_forget(twin);
}

static void copy_once(void)
{
	copy_to("truncated");
}

static void copy_twice(void)
{
	copy_to("removed");
}

static void truncate_shared(void)
{
	struct inode *twin = core_get(core.root, "truncated");
	struct stat attr = { .st_size = 0 };

	ck_assert_int_eq(core_setattr(twin, &attr, ATTR_SIZE), 0);
	core_forget(twin);
}

static void remove_shared(void)
{
	ck_assert_int_eq(core_unlink(core.root, "removed"), 0);
}

static void fallocate_all(int mode)
{
	ck_assert_int_eq(fixture_fallocate(mode, 0, (off_t)(2 * size * BLOCK)),
			 0);
}

static void punch_all(void)
{
	fallocate_all(FALLOC_FL_PUNCH_HOLE | KEEP);
	ck_assert_uint_eq(fixture_map().extents, 0);
	fixture_close_file();
}

static void write_second(void)
{
	write_blocks("second");
}

static void allocate_all(void)
{
	fallocate_all(KEEP);
	ck_assert_uint_gt(fixture_map().unwritten, 0);
}

static void zero_all(void)
{
	fallocate_all(FALLOC_FL_ZERO_RANGE | KEEP);
	fixture_close_file();
}

/* -------------------------------------------------------------------- leases
 */

static void write_third(void)
{
	write_blocks("third");
}

/* Where little but single blocks is free few extents go on. */
static void write_scattered(void)
{
	unsigned holes = size + size / 4;   /* the map's nodes need some, too */
	uint64_t rest = core_free_blocks(); /* but for the reserve */

	fixture_close_file();
	fixture_open_file("the rest", true);
	while (fixture_fallocate(0, 0, (off_t)(rest * BLOCK)))
		rest -= 16;
	for (unsigned i = 0; i < holes; i++)
		ck_assert_int_eq(fixture_fallocate(FALLOC_FL_PUNCH_HOLE | KEEP,
						   (off_t)(2 * i * BLOCK),
						   BLOCK),
				 0);
	fixture_close_file();
	fixture_open_file("scattered", true);
	for (unsigned i = 0; i < size; i++)
		ck_assert_int_eq(
			fixture_write(block, BLOCK, (off_t)(i * BLOCK)), BLOCK);
	ck_assert_uint_gt(fixture_map().extents, size / 4);
}

/* What does not fit into its answer is not looked at. */
static void grant_first(void)
{
	const struct lease_want want = { .npages = size, .writable = true };

	ck_assert_int_eq(lease_grant(&core.request, &client, fixture.file,
				     &want, &lease),
			 0);
	ck_assert_uint_le(lease.run_count, LEASE_RUNS_MAX);
	ck_assert_uint_le(keys_seen, 2 * LEASE_RUNS_MAX + 2);
}

/* As a client does that wants all of it: again and again, from where the last
 * answer ends. Holes get blocks. */
static void grant_all(void)
{
	uint64_t npages = 2 * size - 1, at = 0;

	while (at < npages) {
		const struct lease_want want = { .first = at,
						 .npages = npages - at,
						 .writable = true };

		ck_assert_int_eq(lease_grant(&core.request, &client,
					     fixture.file, &want, &lease),
				 0);
		at = lease.last + 1;
	}
}

static void end_leases(void)
{
	struct lease_gone gone;

	lease_client_gone(core.fs, &client, LEASE_NO_DEVICE, &gone);
	ck_assert_uint_gt(gone.entries, 0);
}

static void sync_all(void)
{
	ck_assert_int_eq(request_begin(&core.request, "fsync",
				       fixture.file->ino, 1, false),
			 0);
	ck_assert_int_eq(file_fsync(&core.request, fixture.file), 0);
	request_end(&core.request);
}

/* In this order. */
static const struct operation {
	const char *name;
	void (*run)(void);
} operations[] = {
	{ "create", make_names },
	{ "readdir", list_names },
	{ "unlink, then rmdir", remove_names },
	{ "write", write_first },
	{ "seek", seek_all },
	{ "copy_file_range", copy_once },
	{ "copy_file_range again", copy_twice },
	{ "truncate, shared", truncate_shared },
	{ "unlink, shared", remove_shared },
	{ "punch", punch_all },
	{ "write", write_second },
	{ "allocate", allocate_all },
	{ "zero range", zero_all },
	{ "write", write_third },
	{ "lease", grant_all },
	{ "fsync, leased", sync_all },
	{ "end of leases", end_leases },
	{ "fsync after leases", sync_all },
	{ "write, scattered", write_scattered },
	{ "first lease", grant_first },
	{ "its end", end_leases },
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static void count(const struct operation *operation)
{
	uint64_t fences = device_fences();
	int64_t start_ns = clock_monotonic_ns();

	stored_bytes = nodes_seen = keys_seen = 0;
	operation->run();
	fences = device_fences() - fences;
	printf("%-24s nodes %6.2f, keys %5.2f, bytes %7.1f, fences %6.4f, "
	       "%5.2f us\n",
	       operation->name, (double)nodes_seen / size,
	       (double)keys_seen / size, (double)stored_bytes / size,
	       (double)fences / size,
	       (double)(clock_monotonic_ns() - start_ns) / 1e3 / size);
	fflush(stdout);
	ck_assert_msg(nodes_seen <= NODES_MOST * size &&
			      keys_seen <= KEYS_MOST * size &&
			      stored_bytes <= BYTES_MOST * size &&
			      fences <= FENCES_MOST * size,
		      "%s", operation->name);
}

START_TEST(what_takes_all_goes_through_it_once)
{
	if (getenv("LINEAR_SIZE"))
		size = (unsigned)atoi(getenv("LINEAR_SIZE"));
	set_up();
	for (unsigned i = 0; i < OPERATIONS; i++)
		count(&operations[i]);
	fixture_close_file();
	core_unmount();
	core_fsck(1);
	fixture_remove();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("linear");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(rules, 300);
	tcase_add_test(rules, what_takes_all_goes_through_it_once);
	suite_add_tcase(suite, rules);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
