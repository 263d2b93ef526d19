/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree/tree.h"

#include "fake_txn.h"
#include "journal/journal.h"
#include "media/inode.h"
#include "media/name.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 4096
#define KEYS_MAX 6000
#define OWNER 77
#define ROOT_BLOCK 1 /* the root lives here, in a block of its own */

/* A tree on a fake journal, and beside it a sorted array of what it holds. */
static struct fake fake;
static struct tree_env env;
static enum tree_kind kind;
static unsigned root_bytes;
static int64_t node_blocks;
static unsigned model_count;
static struct {
	uint64_t key;
	unsigned version; /* which of the key's many values */
} model[KEYS_MAX];

static uint64_t root_addr(void)
{
	return addr_make(0, ROOT_BLOCK * BLOCK_BYTES);
}

static node_media *home_root(void)
{
	return device_at(&fake.device, addr_offset(root_addr()));
}

static void setup(enum tree_kind of_kind, unsigned of_root_bytes)
{
	kind = of_kind;
	root_bytes = of_root_bytes;
	node_blocks = 0;
	model_count = 0;
	fake_init(&fake, BLOCKS);
	fake.used[ROOT_BLOCK] = 1;
	must(tree_env_init(&env, &fake.members, 0) == 0);
	memset(home_root(), 0, BLOCK_BYTES);
	node_init(home_root(), root_bytes, 0, kind);
}

static void teardown(void)
{
	tree_env_fini(&env);
	fake_fini(&fake);
}

static struct tree reader(void)
{
	return (struct tree){ .env = &env,
			      .owner = OWNER,
			      .kind = kind,
			      .root = home_root(),
			      .root_capacity_bytes = root_bytes };
}

static struct tree writer(void)
{
	struct tree tree = reader();

	tree.txn = fake_begin(&fake);
	tree.root = txn_edit_sealed(tree.txn, root_addr(), root_bytes, false,
				    NULL);
	return tree;
}

static void commit(struct tree *tree)
{
	node_blocks += tree->blocks_delta;
	must(txn_commit(tree->txn) == 0);
}

/* The value number `version` of a key: always the same bytes. */
static unsigned make_value(uint64_t key, unsigned version, char *value)
{
	uint32_t random = (uint32_t)(key * 2654435761u) ^ version * 40503u;
	extent_media *extent = (void *)value;
	dirent_media *dirent = (void *)value;
	xattr_media *xattr = (void *)value;
	uint64_t addr = addr_make(random % 3, (1 + random % 999) * BLOCK_BYTES);
	unsigned i;

	switch (kind) {
	case TREE_EXTENTS:
		*extent = (extent_media){ addr, 1, random >> 8 & 1 };
		return sizeof(*extent);
	case TREE_ENTRIES:
		dirent->ino = random + 1ul;
		dirent->type = DT_REG;
		dirent->name_length = 1 + random % 255;
		for (i = 0; i < dirent->name_length; i++)
			dirent->name[i] = 'a' + (random >> i % 24) % 26;
		return sizeof(*dirent) + dirent->name_length;
	case TREE_XATTRS:
		xattr->addr = random & 1 ? addr : ADDR_NONE;
		xattr->value_crc = random;
		xattr->name_length = 1 + random % 255;
		xattr->value_length = 1 + random % XATTR_INLINE_MAX;
		i = xattr->addr ? 0 : xattr->value_length;
		memset(xattr->bytes, 'a' + random % 26, xattr->name_length + i);
		return sizeof(*xattr) + xattr->name_length + i;
	}
	return 0;
}

/* ------------------------------------------------------------------- model */

static unsigned model_bound(uint64_t key)
{
	unsigned low = 0, high = model_count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (model[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool model_has(uint64_t key)
{
	unsigned at = model_bound(key);

	return at < model_count && model[at].key == key;
}

static void model_insert(uint64_t key, unsigned version)
{
	unsigned at = model_bound(key);

	must(model_count < KEYS_MAX);
	memmove(&model[at + 1], &model[at],
		(model_count - at) * sizeof(model[0]));
	model_count++;
	model[at].key = key;
	model[at].version = version;
}

static void model_delete(uint64_t key)
{
	unsigned at = model_bound(key);

	model_count--;
	memmove(&model[at], &model[at + 1],
		(model_count - at) * sizeof(model[0]));
}

/* The cursor stands on the model's element. */
static void expect_at(const struct tree_cursor *cursor, unsigned at)
{
	char value[TREE_VALUE_MAX];
	unsigned length = make_value(model[at].key, model[at].version, value);

	must(cursor->key == model[at].key);
	must(cursor->length_bytes == length);
	must(memcmp(cursor->value, value, length) == 0);
}

static void expect_seeks(const struct tree *tree, uint64_t key)
{
	unsigned at = model_bound(key);
	struct tree_cursor cursor;
	int err = tree_seek(tree, key, &cursor);

	must(err == (at < model_count ? 0 : -ENOENT));
	if (err == 0)
		expect_at(&cursor, at);
	if (at == model_count || model[at].key > key)
		at--;
	err = tree_seek_floor(tree, key, &cursor);
	must(err == (at != -1u ? 0 : -ENOENT));
	if (err == 0)
		expect_at(&cursor, at);
}

static int see_block(uint64_t addr, void *arg)
{
	unsigned char *seen = arg;

	must(fake.used[addr_block(addr)] == 1);
	must(seen[addr_block(addr)] == 0);
	seen[addr_block(addr)] = 1;
	seen[0]++;
	return 0;
}

static void expect_blocks(const struct tree *tree)
{
	unsigned char seen[BLOCKS] = { 0 };
	uint64_t walked = 0, i;

	must(tree_walk_blocks(tree, see_block, seen) == 0);
	for (i = 1; i < BLOCKS; i++)
		walked += seen[i];
	must(walked == fake.used_blocks);
	must(walked == node_blocks);
}

/* All of it, as a mount that has seen nothing yet would read it. */
static void expect_model(void)
{
	struct tree tree = reader();
	struct tree_cursor cursor;
	unsigned at = 0;
	int err;

	tree_env_fini(&env);
	must(tree_env_init(&env, &fake.members, 0) == 0);
	must(node_check(tree.root, root_bytes, kind) == 0);
	expect_blocks(&tree);
	err = tree_seek(&tree, 0, &cursor);
	while (err == 0) {
		must(at < model_count);
		expect_at(&cursor, at++);
		err = tree_next(&cursor);
	}
	must(err == -ENOENT);
	must(tree_next(&cursor) == -ENOENT);
	must(at == model_count);
}

/* ----------------------------------------------------------- random changes */

static void insert(struct tree *tree, uint64_t key)
{
	char value[TREE_VALUE_MAX];
	unsigned version = rand();
	unsigned length = make_value(key, version, value);
	int err = tree_insert(tree, key, value, length);

	must(err == (model_has(key) ? -EEXIST : 0));
	if (err == 0)
		model_insert(key, version);
}

static void replace(struct tree *tree, uint64_t key)
{
	char value[TREE_VALUE_MAX];
	unsigned version = rand();
	unsigned length = make_value(key, version, value);
	int err = tree_replace(tree, key, value, length);

	must(err == (model_has(key) ? 0 : -ENOENT));
	if (err == 0)
		model[model_bound(key)].version = version;
}

static void delete (struct tree *tree, uint64_t key)
{
	int err = tree_delete(tree, key);

	must(err == (model_has(key) ? 0 : -ENOENT));
	if (err == 0)
		model_delete(key);
}

/* A key that is there, or one that hardly is. */
static uint64_t some_key(void)
{
	if (model_count > 0 && rand() % 2)
		return model[rand() % model_count].key;
	return NAME_KEY_FIRST + rand() % 60000;
}

/* The tree tends to `target` keys. */
static void change(struct tree *tree, unsigned target, uint64_t *sequential)
{
	unsigned want = model_count < target ? 55 : 25;
	unsigned dice = rand() % 100;

	if (dice < want)
		insert(tree, sequential ? (*sequential)++ : some_key());
	else if (dice < 80)
		delete (tree, some_key());
	else if (dice < 92)
		replace(tree, some_key());
	else
		expect_seeks(tree, some_key());
}

static const struct {
	enum tree_kind kind;
	unsigned root_bytes;
	bool sequential;
} shapes[] = {
	{ TREE_EXTENTS, INODE_AREA_BYTES, false },
	{ TREE_EXTENTS, INODE_AREA_BYTES, true },
	{ TREE_ENTRIES, INODE_AREA_BYTES, false },
	{ TREE_ENTRIES, INODE_AREA_BYTES, true },
	{ TREE_XATTRS, NODE_BLOCK_BYTES, false },
	{ TREE_XATTRS, 80, false },
	{ TREE_EXTENTS, 80, false },
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

START_TEST(random_changes_agree_with_a_sorted_array)
{
	static const unsigned targets[] = { 2000, 20, 300, 0 };
	uint64_t sequential = 100000;
	int i;

	srand(_i + 1);
	setup(shapes[_i].kind, shapes[_i].root_bytes);
	for (i = 0; i < 16000;) {
		struct tree tree = writer();
		int batch = 1 + rand() % 4;

		for (; batch-- > 0; i++)
			change(&tree, targets[i / 4000 % 4],
			       shapes[_i].sequential ? &sequential : NULL);
		if (rand() % 8 == 0)
			expect_seeks(&tree, some_key());
		commit(&tree);
		if (rand() % 500 == 0)
			expect_model();
	}
	expect_model();
	teardown();
}
END_TEST

START_TEST(aborted_changes_leave_no_trace)
{
	static unsigned char before[BLOCK_BYTES];
	unsigned i;

	srand(1);
	setup(shapes[_i].kind, shapes[_i].root_bytes);
	for (i = 0; i < 600; i++) {
		struct tree tree = writer();
		unsigned count = model_count, j;
		static typeof(model[0]) saved[KEYS_MAX];

		memcpy(saved, model, sizeof(saved));
		memcpy(before, home_root(), BLOCK_BYTES);
		for (j = 0; j < 8; j++)
			change(&tree, 400, NULL);
		if (rand() % 2) {
			commit(&tree);
			continue;
		}
		txn_abort(tree.txn);
		memcpy(model, saved, sizeof(saved));
		model_count = count;
		ck_assert_mem_eq(before, home_root(), BLOCK_BYTES);
		if (i % 20 == 0)
			expect_model();
	}
	expect_model();
	teardown();
}
END_TEST

START_TEST(no_space_for_a_split_changes_nothing)
{
	unsigned refused = 0, i;

	srand(2);
	setup(shapes[_i].kind, shapes[_i].root_bytes);
	fake.spare_blocks = 0;
	for (i = 0; i < 3000; i++) {
		struct tree tree = writer();
		char value[TREE_VALUE_MAX];
		uint64_t key = NAME_KEY_FIRST + i * 7919 % 60000;
		unsigned version = rand();
		unsigned length = make_value(key, version, value);
		int err = model_has(key)
				  ? tree_replace(&tree, key, value, length)
				  : tree_insert(&tree, key, value, length);

		if (err == 0) {
			if (model_has(key))
				model_delete(key);
			model_insert(key, version);
			commit(&tree);
			continue;
		}
		ck_assert_int_eq(err, -ENOSPC);
		ck_assert_int_eq(tree.blocks_delta, 0);
		expect_seeks(&tree, key);
		if (refused++ % 2)
			txn_abort(tree.txn);
		else
			commit(&tree);
		if (refused % 16 == 0)
			expect_model();
		/* sometimes one block, where two may be needed */
		fake.spare_blocks += rand() % 3;
	}
	ck_assert_uint_gt(refused, 10);
	expect_model();
	teardown();
}
END_TEST

/* ------------------------------------------------------------------- shapes */

static void fill(unsigned count, uint64_t first, int64_t step)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		struct tree tree = writer();

		insert(&tree, first + i * step);
		commit(&tree);
	}
}

START_TEST(growth_at_the_end_fills_nodes)
{
	const unsigned per_leaf = (NODE_BLOCK_BYTES - sizeof(node_media)) /
				  NODE_ENTRY_BYTES(sizeof(extent_media));

	setup(TREE_EXTENTS, INODE_AREA_BYTES);
	fill(5000, 0, 10);
	expect_model();
	ck_assert_uint_le(fake.used_blocks, 5000 / per_leaf + 4);
	teardown();
}
END_TEST

START_TEST(growth_at_the_front_splits_in_the_middle)
{
	setup(TREE_EXTENTS, INODE_AREA_BYTES);
	fill(5000, 500000, -10);
	expect_model();
	ck_assert_uint_le(fake.used_blocks, 5000 / 70 + 4);
	teardown();
}
END_TEST

static void empty_it(int order)
{
	while (model_count > 0) {
		struct tree tree = writer();
		unsigned at = order == 0   ? 0
			      : order == 1 ? model_count - 1
					   : rand() % model_count;

		delete (&tree, model[at].key);
		/* one copy a level at most, and here the root's */
		ck_assert_uint_le(fake_copies(tree.txn), 2);
		commit(&tree);
	}
}

START_TEST(an_emptied_tree_is_a_root_again)
{
	srand(3);
	setup(kind = _i / 3 ? TREE_ENTRIES : TREE_EXTENTS, INODE_AREA_BYTES);
	fill(3000, 1000, 10);
	ck_assert_uint_gt(home_root()->level, 0);
	empty_it(_i % 3);
	expect_model();
	ck_assert_uint_eq(home_root()->level, 0);
	ck_assert_uint_eq(home_root()->count, 0);
	ck_assert_uint_eq(fake.used_blocks, 0);
	fill(1000, 1000, 3);
	expect_model();
	teardown();
}
END_TEST

START_TEST(a_truncated_tree_goes_back_into_the_root)
{
	setup(TREE_EXTENTS, INODE_AREA_BYTES);
	fill(4000, 0, 10);
	ck_assert_uint_ge(home_root()->level, 2);
	while (model_count > 4) {
		struct tree tree = writer();

		delete (&tree, model[model_count - 1].key);
		commit(&tree);
	}
	ck_assert_uint_eq(home_root()->level, 0);
	ck_assert_uint_eq(fake.used_blocks, 0);
	expect_model();
	teardown();
}
END_TEST

START_TEST(one_insert_edits_two_nodes_a_level_at_most)
{
	unsigned i;

	srand(4);
	setup(TREE_XATTRS, INODE_AREA_BYTES);
	for (i = 0; i < 3000; i++) {
		struct tree tree = writer();
		unsigned levels = tree.root->level + 1u;

		insert(&tree, 1000 + i * 7919 % 60000);
		ck_assert_uint_le(fake_copies(tree.txn), 2 * levels + 1);
		commit(&tree);
	}
	teardown();
}
END_TEST

START_TEST(a_cursors_value_may_be_given_back)
{
	struct tree_cursor cursor;
	struct tree tree;
	unsigned i;

	setup(TREE_ENTRIES, INODE_AREA_BYTES);
	fill(300, 1000, 7);
	tree = writer();
	for (i = 0; i < 300; i += 3) {
		ck_assert_int_eq(tree_seek(&tree, model[i].key, &cursor), 0);
		ck_assert_int_eq(tree_replace(&tree, model[i].key, cursor.value,
					      cursor.length_bytes),
				 0);
		ck_assert_int_eq(tree_seek(&tree, model[i].key, &cursor), 0);
		ck_assert_int_eq(tree_insert(&tree, model[i].key + 1,
					     cursor.value, cursor.length_bytes),
				 0);
		ck_assert_int_eq(tree_delete(&tree, model[i].key + 1), 0);
	}
	commit(&tree);
	expect_model();
	teardown();
}
END_TEST

START_TEST(values_of_another_kind_are_refused)
{
	extent_media extent = { BLOCK_BYTES, 0, 0 };
	static const char large[NODE_BLOCK_BYTES];
	struct tree tree;

	setup(TREE_EXTENTS, INODE_AREA_BYTES);
	tree = writer();
	ck_assert_int_eq(tree_insert(&tree, 5, &extent, sizeof(extent)),
			 -EINVAL);
	ck_assert_int_eq(tree_insert(&tree, 5, &extent, 8), -EINVAL);
	ck_assert_int_eq(tree_insert(&tree, 5, large, sizeof(large)), -EINVAL);
	extent.blocks = 1;
	ck_assert_int_eq(tree_insert(&tree, 5, &extent, sizeof(extent)), 0);
	extent.blocks = 0;
	ck_assert_int_eq(tree_replace(&tree, 5, &extent, sizeof(extent)),
			 -EINVAL);
	txn_abort(tree.txn);
	teardown();
}
END_TEST

/* ------------------------------------------------------------------- damage */

static char *block_of_child(unsigned slot)
{
	unsigned length;
	uint64_t addr;

	memcpy(&addr, node_value(home_root(), slot, &length), sizeof(addr));
	return device_at(&fake.device, addr_offset(addr));
}

/* Every reading call; those that end must, the rest say -EUCLEAN. */
static void read_all(const struct tree *tree)
{
	struct tree_cursor cursor;
	unsigned steps = 0, i;
	int err;

	err = tree_seek(tree, 0, &cursor);
	while (err == 0) {
		must(steps++ < 100000);
		err = tree_next(&cursor);
	}
	must(err == -ENOENT || err == -EUCLEAN);
	for (i = 0; i < 3; i++) {
		err = tree_seek(tree, some_key(), &cursor);
		must(err == 0 || err == -ENOENT || err == -EUCLEAN);
		err = tree_seek_floor(tree, some_key(), &cursor);
		must(err == 0 || err == -ENOENT || err == -EUCLEAN);
	}
}

static void change_all(struct tree *tree)
{
	char value[TREE_VALUE_MAX];
	unsigned i;

	for (i = 0; i < 4; i++) {
		uint64_t key = some_key();
		unsigned length = make_value(key, rand(), value);
		int err;

		switch (rand() % 3) {
		case 0:
			err = tree_insert(tree, key, value, length);
			break;
		case 1:
			err = tree_replace(tree, key, value, length);
			break;
		default:
			err = tree_delete(tree, key);
		}
		if (err == -EUCLEAN)
			return;
		must(err == 0 || err == -ENOENT || err == -EEXIST);
	}
}

static int count_block(uint64_t addr, void *arg)
{
	unsigned *count = arg;

	must(*count < BLOCKS);
	(*count)++;
	return 0;
}

static void expect_damage(void)
{
	struct tree tree = reader();
	unsigned count = 0;

	ck_assert_int_eq(tree_walk_blocks(&tree, count_block, &count),
			 -EUCLEAN);
}

static void forget_seen(void)
{
	tree_env_fini(&env);
	ck_assert_int_eq(tree_env_init(&env, &fake.members, 0), 0);
}

START_TEST(a_node_is_checked_when_first_seen)
{
	struct tree tree;
	unsigned count = 0;
	char *block;

	setup(TREE_EXTENTS, INODE_AREA_BYTES);
	fill(400, 0, 10);
	block = block_of_child(0);
	block[BLOCK_BYTES - 1] ^= 1;
	forget_seen();
	expect_damage();
	block[BLOCK_BYTES - 1] ^= 1;
	tree = reader();
	ck_assert_int_eq(tree_walk_blocks(&tree, count_block, &count), 0);
	ck_assert_uint_eq(count, fake.used_blocks);
	teardown();
}
END_TEST

static void swap_owner(char *block)
{
	((node_block_media *)block)->owner++;
}

static void swap_self(char *block)
{
	((node_block_media *)block)->self += BLOCK_BYTES;
}

static void swap_level(char *block)
{
	node_of_block(block)->level++;
}

static void swap_kind(char *block)
{
	node_of_block(block)->kind = TREE_ENTRIES;
}

static void empty_node(char *block)
{
	node_block_init(block, OWNER, ((node_block_media *)block)->self, 0,
			TREE_EXTENTS);
}

static void low_key(char *block)
{
	node_rekey(node_of_block(block), 0, 1);
}

static void high_key(char *block)
{
	node_media *node = node_of_block(block);

	node_rekey(node, node->count - 1, 1u << 30);
}

START_TEST(a_node_in_the_wrong_place_is_refused)
{
	static void (*const damage[])(char *) = {
		swap_owner, swap_self, swap_level, swap_kind,
		empty_node, low_key,   high_key,
	};
	static char saved[BLOCK_BYTES];
	char *block;
	unsigned i;

	setup(TREE_EXTENTS, INODE_AREA_BYTES);
	fill(600, 0, 10);
	block = block_of_child(1);
	memcpy(saved, block, BLOCK_BYTES);
	for (i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		forget_seen();
		damage[i](block);
		node_block_seal(block);
		expect_damage();
		memcpy(block, saved, BLOCK_BYTES);
	}
	expect_model();
	teardown();
}
END_TEST

START_TEST(a_child_off_the_device_or_twice_is_refused)
{
	static const uint64_t wrong[] = {
		(uint64_t)BLOCKS * BLOCK_BYTES,
		UINT64_C(1) << ADDR_DEVICE_SHIFT | BLOCK_BYTES,
		BLOCK_BYTES,
		BLOCK_BYTES + 1,
		0,
	};
	static char saved[BLOCK_BYTES];
	unsigned i, length;
	uint64_t addr;
	int err;

	setup(TREE_EXTENTS, INODE_AREA_BYTES);
	fill(600, 0, 10);
	memcpy(saved, home_root(), root_bytes);
	memcpy(&addr, node_value(home_root(), 0, &length), sizeof(addr));
	for (i = 0; i <= sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (i > 0)
			addr = wrong[i - 1];
		err = node_replace(home_root(), root_bytes, 1, &addr,
				   sizeof(addr));
		ck_assert_int_eq(err, 0);
		expect_damage();
		memcpy(home_root(), saved, root_bytes);
	}
	expect_model();
	teardown();
}
END_TEST

START_TEST(extents_that_overlap_across_leaves_are_refused)
{
	struct tree tree;
	struct tree_cursor cursor;
	extent_media extent;
	node_media *leaf;
	int err;

	setup(TREE_EXTENTS, INODE_AREA_BYTES);
	fill(600, 0, 10);
	leaf = node_of_block(block_of_child(0));
	extent = (extent_media){ BLOCK_BYTES, 11, 0 };
	err = node_replace(leaf, NODE_BLOCK_BYTES, leaf->count - 1, &extent,
			   sizeof(extent));
	ck_assert_int_eq(err, 0);
	node_block_seal(block_of_child(0));
	forget_seen();
	tree = reader();
	err = tree_seek(&tree, 0, &cursor);
	while (err == 0)
		err = tree_next(&cursor);
	ck_assert_int_eq(err, -EUCLEAN);
	teardown();
}
END_TEST

/*
 * Bytes of nodes change under the tree: before it saw them, with a good
 * checksum or a bad one; and after, as when another file shares the block.
 */
START_TEST(no_damage_is_ever_followed)
{
	unsigned char *saved = malloc(BLOCKS * BLOCK_BYTES);
	unsigned i, blocks;

	srand(5);
	setup(shapes[_i].kind, shapes[_i].root_bytes);
	fill(500, 1000, 37);
	blocks = fake.used_blocks + ROOT_BLOCK + 1;
	memcpy(saved, fake.device.base, blocks * BLOCK_BYTES);
	for (i = 0; i < 1500; i++) {
		unsigned at = ROOT_BLOCK + 1 + rand() % (blocks - 2);
		char *block = (char *)fake.device.base + at * BLOCK_BYTES;
		unsigned times = 1 + rand() % 6;
		struct tree tree;

		if (i % 3 != 0)
			forget_seen();
		while (times-- > 0)
			block[32 + rand() % (rand() % 4 ? 160 : 4064)] =
				rand() % 4 ? rand() : 0xff;
		if (i % 3 != 2)
			node_block_seal(block);
		tree = reader();
		read_all(&tree);
		tree = writer();
		change_all(&tree);
		read_all(&tree);
		txn_abort(tree.txn);
		memcpy(block, saved + at * BLOCK_BYTES, BLOCK_BYTES);
	}
	forget_seen();
	expect_model();
	free(saved);
	teardown();
}
END_TEST

static void add_damage_tests(TCase *rules)
{
	tcase_add_test(rules, a_node_is_checked_when_first_seen);
	tcase_add_test(rules, a_node_in_the_wrong_place_is_refused);
	tcase_add_test(rules, a_child_off_the_device_or_twice_is_refused);
	tcase_add_test(rules, extents_that_overlap_across_leaves_are_refused);
	tcase_add_loop_test(rules, no_damage_is_ever_followed, 0, SHAPES);
}

int main(void)
{
	Suite *suite = suite_create("tree");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(rules, 60);
	tcase_add_loop_test(rules, random_changes_agree_with_a_sorted_array, 0,
			    SHAPES);
	tcase_add_loop_test(rules, aborted_changes_leave_no_trace, 0, SHAPES);
	tcase_add_loop_test(rules, no_space_for_a_split_changes_nothing, 0,
			    SHAPES);
	tcase_add_test(rules, growth_at_the_end_fills_nodes);
	tcase_add_test(rules, growth_at_the_front_splits_in_the_middle);
	tcase_add_loop_test(rules, an_emptied_tree_is_a_root_again, 0, 6);
	tcase_add_test(rules, a_truncated_tree_goes_back_into_the_root);
	tcase_add_test(rules, one_insert_edits_two_nodes_a_level_at_most);
	tcase_add_test(rules, a_cursors_value_may_be_given_back);
	tcase_add_test(rules, values_of_another_kind_are_refused);
	add_damage_tests(rules);
	suite_add_tcase(suite, rules);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
