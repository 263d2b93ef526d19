/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an operation takes must not grow with what it is done to: a folder of a
 * hundred thousand names, a file of as many extents, a filesystem of as many
 * inodes. Counted are nodes of trees looked at, bytes stored to the device and
 * fences; with GROWTH_STEPS in the environment instructions, too, which takes
 * minutes.
 */
#include "lib/device_fixture.h"
#include "lib/file_fixture.h"
#include "lib/steps.h"

#include "core/lease.h"
#include "device/device.h"

#include <check.h>
#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SMALL 100
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LARGE 10000 /* what is counted is counted elsewhere */
#else
#define LARGE 100000
#endif
#define REPEATS 3
#define DEVICE_BYTES (UINT64_C(1) << 30)
#define FILE_MODE (S_IFREG | 0644)
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define BLOCK ((off_t)4096)
#define NAMES_A_STEP 50

/* A tree of 10^5 has one level more than one of 10^2, or two; the longest
 * operation goes down eight times. */
#define NODES_MORE 16
#define BYTES_MORE 8192 /* a node that is split */
#define FENCES_MORE 1
/* Anything that goes through 10^5 of something takes more. */
#define STEPS_MOST 100000

struct cost {
	uint64_t steps;
	uint64_t nodes;
	uint64_t bytes;
	uint64_t fences;
};

/* ------------------------------------------------------------- what is big */

static unsigned size; /* SMALL or LARGE */
static struct inode *folder, *other;
static struct lease_client client;
static struct lease_grant lease;
static unsigned char block[4096];
static uint64_t stored_bytes, nodes_seen;

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

static const char *name_of(const char *kind, unsigned number)
{
	static char names[2][32];
	static unsigned next;
	char *name = names[next++ % 2];

	snprintf(name, sizeof(names[0]), "%s-%06u", kind, number);
	return name;
}

/* An old name, anywhere. */
static const char *old_name(unsigned i)
{
	return name_of("name", (size / 7 * (i + 1)) % size);
}

static void make_folder(void)
{
	unsigned i;

	folder = core_new(core.root, "folder", S_IFDIR | 0755);
	other = core_new(core.root, "other", S_IFDIR | 0755);
	for (i = 0; i < size; i++)
		core_make(folder, name_of("name", i), FILE_MODE);
	/* A node is checked when it is met for the first time. */
	for (i = 0; i < size; i++)
		core_forget(core_get(folder, name_of("name", i)));
}

/* Every other block: as many extents, as many holes on the device. */
static void make_file(void)
{
	unsigned i;

	fixture_open_file("file", true);
	ck_assert_int_eq(fixture_fallocate(0, 0, 2 * size * BLOCK), 0);
	for (i = 0; i < size; i++)
		ck_assert_int_eq(
			fixture_fallocate(PUNCH, (2 * i + 1) * BLOCK, BLOCK),
			0);
	ck_assert_uint_eq(fixture_map().extents, size);
	for (i = 0; i < 2 * size; i++)
		fixture_read(block, 1, i * BLOCK);
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
	core_format_sparse(DEVICE_BYTES);
	core_mount(1);
	make_folder();
	make_file();
	device_set_recorder(&recorder);
}

/* -------------------------------------------------------------- operations */

static off_t middle(unsigned i)
{
	return (off_t)(size / 2 + i) * 2 * BLOCK;
}

static void create(unsigned i)
{
	core_make(folder, name_of("new", i), FILE_MODE);
}

static void create_undo(unsigned i)
{
	ck_assert_int_eq(core_unlink(folder, name_of("new", i)), 0);
}

/* The lowest free slot is taken first; then one is looked for. */
static void leave_a_low_slot(unsigned i)
{
	ck_assert_int_eq(core_unlink(folder, name_of("name", i)), 0);
	core_make(folder, name_of("name", i), FILE_MODE);
}

static void make_directory(unsigned i)
{
	core_make(folder, name_of("new", i), S_IFDIR | 0755);
}

static void remove_directory(unsigned i)
{
	ck_assert_int_eq(core_rmdir(folder, name_of("new", i)), 0);
}

static void look_up(unsigned i)
{
	core_forget(core_get(folder, old_name(i)));
}

static void look_up_nothing(unsigned i)
{
	ck_assert(!core_exists(folder, name_of("nothing", i)));
}

static void stat_folder(unsigned i)
{
	core_stat(folder);
}

static int list_one(const char *name, size_t name_length, uint64_t ino,
		    unsigned type, uint64_t cookie, void *arg)
{
	unsigned *count = arg;

	return ++*count > NAMES_A_STEP;
}

static void read_folder(unsigned i)
{
	uint64_t half = UINT64_C(1) << 61;
	unsigned count = 0;

	ck_assert_int_eq(
		request_begin(&core.request, "readdir", folder->ino, 1, false),
		0);
	ck_assert_int_eq(
		dir_read(&core.request, folder, half + i, list_one, &count), 0);
	request_end(&core.request);
	ck_assert_uint_gt(count, 20);
}

static void rename_inside(unsigned i)
{
	ck_assert_int_eq(core_rename(folder, name_of("name", i), folder,
				     name_of("new", i), 0),
			 0);
}

static void rename_inside_undo(unsigned i)
{
	ck_assert_int_eq(core_rename(folder, name_of("new", i), folder,
				     name_of("name", i), 0),
			 0);
}

static void rename_away(unsigned i)
{
	ck_assert_int_eq(core_rename(folder, name_of("name", i), other,
				     name_of("new", i), 0),
			 0);
}

static void rename_away_undo(unsigned i)
{
	ck_assert_int_eq(core_rename(other, name_of("new", i), folder,
				     name_of("name", i), 0),
			 0);
}

static void link_file(unsigned i)
{
	ck_assert_int_eq(core_link(fixture.file, folder, name_of("new", i)), 0);
}

static void ask_statfs(unsigned i)
{
	core_free_blocks();
}

static void stat_file(unsigned i)
{
	core_stat(fixture.file);
}

static void read_block(unsigned i)
{
	ck_assert_int_eq(fixture_read(block, BLOCK, middle(i)), BLOCK);
}

static void overwrite_block(unsigned i)
{
	ck_assert_int_eq(fixture_write(block, BLOCK, middle(i)), BLOCK);
}

static void write_hole(unsigned i)
{
	ck_assert_int_eq(fixture_write(block, BLOCK, middle(i) + BLOCK), BLOCK);
}

static void punch_block(unsigned i)
{
	ck_assert_int_eq(fixture_fallocate(PUNCH, middle(i) + BLOCK, BLOCK), 0);
}

static void allocate_block(unsigned i)
{
	ck_assert_int_eq(fixture_fallocate(0, middle(i) + BLOCK, BLOCK), 0);
}

static void append_block(unsigned i)
{
	ck_assert_int_eq(fixture_write(block, BLOCK, FILE_APPEND), BLOCK);
}

static void cut_block(unsigned i)
{
	uint64_t bytes = fixture.file->media->size;

	ck_assert_int_eq(fixture_truncate(bytes - BLOCK), 0);
}

static void seek_hole(unsigned i)
{
	ck_assert_int_eq(fixture_seek(middle(i), SEEK_HOLE), middle(i) + BLOCK);
}

static void fill_page(unsigned i)
{
	ck_assert_int_eq(fixture_fill(block, BLOCK, middle(i)), BLOCK);
}

static void open_again(unsigned i)
{
	ck_assert_int_eq(inode_open(core.fs, fixture.file, true), 0);
}

static void close_again(unsigned i)
{
	inode_close(core.fs, fixture.file, true);
}

static void sync_file(unsigned i)
{
	ck_assert_int_eq(request_begin(&core.request, "fsync",
				       fixture.file->ino, 1, false),
			 0);
	ck_assert_int_eq(file_fsync(&core.request, fixture.file), 0);
	request_end(&core.request);
}

static void lease_pages(uint64_t first, uint64_t npages)
{
	const struct lease_want want = { .first = first, .npages = npages };

	ck_assert_int_eq(lease_grant(&core.request, &client, fixture.file,
				     &want, &lease),
			 0);
	ck_assert_uint_eq(lease.last, first + npages - 1);
}

static void grant_page(unsigned i)
{
	lease_pages((uint64_t)middle(i) / BLOCK, 1);
}

static void return_page(unsigned i)
{
	ck_assert_int_ge(lease_return(core.fs, &client, lease.id, lease.first,
				      lease.last),
			 0);
}

/* Entries that are not the kernel's: leases of all that is far behind. */
static void lease_much(unsigned i)
{
	uint64_t page = 2 * LARGE;

	ck_assert_int_eq(fixture_truncate((2 * LARGE + size) * BLOCK), 0);
	for (; page < 2 * LARGE + size; page += 2)
		lease_pages(page, 1);
}

static void last_close(unsigned i)
{
	inode_close(core.fs, fixture.file, true);
}

static void first_open(unsigned i)
{
	ck_assert_int_eq(inode_open(core.fs, fixture.file, true), 0);
}

static void end_client(unsigned i)
{
	struct lease_gone gone;

	lease_client_gone(core.fs, &client, LEASE_NO_DEVICE, &gone);
}

static void unmount(unsigned i)
{
	core_unmount();
}

typedef void operation_fn(unsigned i);

/* How often; OF_DEVICE: once, and the device's size says how many instructions
 * it takes, for its map is saved. */
enum times { OFTEN, ONCE, OF_DEVICE };

/* In this order; prepare and undo do not count, NULL: nothing. */
static const struct operation {
	const char *name;
	operation_fn *prepare, *run, *undo;
	enum times times;
} operations[] = {
	{ "create", NULL, create, NULL, OFTEN },
	{ "unlink, and free", NULL, create_undo, NULL, OFTEN },
	{ "create in another slot", leave_a_low_slot, create, create_undo,
	  OFTEN },
	{ "mkdir", NULL, make_directory, NULL, OFTEN },
	{ "rmdir", NULL, remove_directory, NULL, OFTEN },
	{ "lookup", NULL, look_up, NULL, OFTEN },
	{ "lookup of nothing", NULL, look_up_nothing, NULL, OFTEN },
	{ "stat", NULL, stat_folder, NULL, OFTEN },
	{ "readdir, 50 names", NULL, read_folder, NULL, OFTEN },
	{ "rename", NULL, rename_inside, rename_inside_undo, OFTEN },
	{ "rename to a folder", NULL, rename_away, rename_away_undo, OFTEN },
	{ "link", NULL, link_file, create_undo, OFTEN },
	{ "statfs", NULL, ask_statfs, NULL, OFTEN },
	{ "stat of a file", NULL, stat_file, NULL, OFTEN },
	{ "read", NULL, read_block, NULL, OFTEN },
	{ "overwrite", overwrite_block, overwrite_block, NULL, OFTEN },
	{ "write into a hole", NULL, write_hole, NULL, OFTEN },
	{ "punch a block", NULL, punch_block, NULL, OFTEN },
	{ "allocate a block", NULL, allocate_block, punch_block, OFTEN },
	{ "append", NULL, append_block, NULL, OFTEN },
	{ "truncate by a block", NULL, cut_block, NULL, OFTEN },
	{ "seek", NULL, seek_hole, NULL, OFTEN },
	{ "fill a page", NULL, fill_page, NULL, OFTEN },
	{ "open", NULL, open_again, NULL, OFTEN },
	{ "close", NULL, close_again, NULL, OFTEN },
	{ "fsync", NULL, sync_file, NULL, OFTEN },
	{ "lease of a page", NULL, grant_page, NULL, OFTEN },
	{ "end of a lease", grant_page, return_page, NULL, OFTEN },
	{ "last close", lease_much, last_close, first_open, ONCE },
	{ "unmount", end_client, unmount, NULL, OF_DEVICE },
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* ---------------------------------------------------------------- counting */

static struct cost *costs; /* shared: SMALL's, then LARGE's */

static struct cost cost_of(const struct operation *operation, unsigned i)
{
	uint64_t fences, bytes, nodes;
	struct cost cost;

	if (operation->prepare)
		operation->prepare(i);
	fences = device_fences();
	bytes = stored_bytes;
	nodes = nodes_seen;
	steps_begin();
	operation->run(i);
	cost.steps = steps_end();
	cost.fences = device_fences() - fences;
	cost.bytes = stored_bytes - bytes;
	cost.nodes = nodes_seen - nodes;
	if (operation->undo)
		operation->undo(i);
	return cost;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The least of each: now and then a node is split, or the log is full. */
static void count(const struct operation *operation, struct cost *out)
{
	unsigned i;

	*out = cost_of(operation, 0);
	for (i = 1; i < REPEATS && operation->times == OFTEN; i++) {
		struct cost cost = cost_of(operation, i);

		out->steps = least(out->steps, cost.steps);
		out->nodes = least(out->nodes, cost.nodes);
		out->bytes = least(out->bytes, cost.bytes);
		out->fences = least(out->fences, cost.fences);
	}
}

static void count_all(void)
{
	struct cost *out = costs + (size == LARGE ? OPERATIONS : 0);
	unsigned i;

	set_up();
	for (i = 0; i < OPERATIONS; i++)
		count(&operations[i], &out[i]);
	fixture_remove();
}

static void show(const char *name, const struct cost *small,
		 const struct cost *large)
{
	printf("%-24s nodes %3llu %3llu, bytes %6llu %6llu, fences %2llu %2llu",
	       name, (unsigned long long)small->nodes,
	       (unsigned long long)large->nodes,
	       (unsigned long long)small->bytes,
	       (unsigned long long)large->bytes,
	       (unsigned long long)small->fences,
	       (unsigned long long)large->fences);
	if (large->steps)
		printf(", instructions %6llu %6llu",
		       (unsigned long long)small->steps,
		       (unsigned long long)large->steps);
	printf("\n");
}

static bool grows(const struct operation *operation, const struct cost *small,
		  const struct cost *large)
{
	return large->nodes > small->nodes + NODES_MORE ||
	       large->bytes > small->bytes + BYTES_MORE ||
	       large->fences > small->fences + FENCES_MORE ||
	       (large->steps > STEPS_MOST && operation->times != OF_DEVICE);
}

START_TEST(no_operation_grows_with_its_folder_or_file)
{
	unsigned i;

	costs = mmap(NULL, 2 * OPERATIONS * sizeof(*costs),
		     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(costs, MAP_FAILED);
	for (size = SMALL; size <= LARGE; size *= LARGE / SMALL)
		ck_assert_int_eq(steps_in_child(count_all), 0);
	for (i = 0; i < OPERATIONS; i++)
		show(operations[i].name, &costs[i], &costs[OPERATIONS + i]);
	fflush(stdout);
	for (i = 0; i < OPERATIONS; i++)
		ck_assert_msg(!grows(&operations[i], &costs[i],
				     &costs[OPERATIONS + i]),
			      "%s", operations[i].name);
}
END_TEST

int main(int argc, char **argv)
{
	bool steps = getenv("GROWTH_STEPS") != NULL;
	Suite *suite = suite_create("growth");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (steps)
		steps_main(argv);
	tcase_set_timeout(rules, steps ? 1200 : 60);
	tcase_add_test(rules, no_operation_grows_with_its_folder_or_file);
	suite_add_tcase(suite, rules);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
