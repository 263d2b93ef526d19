/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree_model.h"

#include "journal/journal.h"
#include "media/inode.h"
#include "media/name.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct model model;

const struct shape shapes[SHAPES] = {
	{ TREE_EXTENTS, INODE_AREA_BYTES, false },
	{ TREE_EXTENTS, INODE_AREA_BYTES, true },
	{ TREE_ENTRIES, INODE_AREA_BYTES, false },
	{ TREE_ENTRIES, INODE_AREA_BYTES, true },
	{ TREE_XATTRS, NODE_BLOCK_BYTES, false },
	{ TREE_XATTRS, 80, false },
	{ TREE_EXTENTS, 80, false },
};

static uint64_t root_addr(void)
{
	return addr_make(0, MODEL_ROOT_BLOCK * BLOCK_BYTES);
}

node_media *model_root(void)
{
	return device_at(&model.fake.device, addr_offset(root_addr()));
}

void model_setup(enum tree_kind of_kind, unsigned of_root_bytes)
{
	model.kind = of_kind;
	model.root_bytes = of_root_bytes;
	model.node_blocks = 0;
	model.count = 0;
	fake_init(&model.fake, MODEL_BLOCKS);
	model.fake.used[MODEL_ROOT_BLOCK] = 1;
	must(tree_env_init(&model.env, &model.fake.members, 0) == 0);
	memset(model_root(), 0, BLOCK_BYTES);
	node_init(model_root(), model.root_bytes, 0, model.kind);
}

void model_teardown(void)
{
	tree_env_fini(&model.env);
	fake_fini(&model.fake);
}

struct tree model_reader(void)
{
	return (struct tree){ .env = &model.env,
			      .owner = MODEL_OWNER,
			      .kind = model.kind,
			      .root = model_root(),
			      .root_capacity_bytes = model.root_bytes };
}

struct tree model_writer(void)
{
	struct tree tree = model_reader();

	tree.txn = fake_begin(&model.fake);
	tree.root = txn_edit_sealed(tree.txn, root_addr(), model.root_bytes,
				    false, NULL);
	return tree;
}

void model_commit(struct tree *tree)
{
	model.node_blocks += tree->blocks_delta;
	must(txn_commit(tree->txn) == 0);
}

unsigned model_value(uint64_t key, unsigned version, char *value)
{
	uint32_t random = (uint32_t)(key * 2654435761u) ^ version * 40503u;
	extent_media *extent = (void *)value;
	dirent_media *dirent = (void *)value;
	shared_media *shared = (void *)value;
	xattr_media *xattr = (void *)value;
	uint64_t addr = addr_make(random % 3, (1 + random % 999) * BLOCK_BYTES);
	unsigned i;

	switch (model.kind) {
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
	case TREE_SHARED:
		*shared = (shared_media){ 1, 2 + random % 9 };
		return sizeof(*shared);
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
	unsigned low = 0, high = model.count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (model.at[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool model_has(uint64_t key)
{
	unsigned at = model_bound(key);

	return at < model.count && model.at[at].key == key;
}

static void note_insert(uint64_t key, unsigned version)
{
	unsigned at = model_bound(key);

	must(model.count < MODEL_KEYS_MAX);
	memmove(&model.at[at + 1], &model.at[at],
		(model.count - at) * sizeof(model.at[0]));
	model.count++;
	model.at[at].key = key;
	model.at[at].version = version;
}

static void note_delete(uint64_t key)
{
	unsigned at = model_bound(key);

	model.count--;
	memmove(&model.at[at], &model.at[at + 1],
		(model.count - at) * sizeof(model.at[0]));
}

/* The cursor stands on the model's element. */
static void expect_at(const struct tree_cursor *cursor, unsigned at)
{
	char value[TREE_VALUE_MAX];
	unsigned length = model_value(model.at[at].key, model.at[at].version,
				      value);

	must(cursor->key == model.at[at].key);
	must(cursor->length_bytes == length);
	must(memcmp(cursor->value, value, length) == 0);
}

void model_expect_seeks(const struct tree *tree, uint64_t key)
{
	unsigned at = model_bound(key);
	struct tree_cursor cursor;
	int err = tree_seek(tree, key, &cursor);

	must(err == (at < model.count ? 0 : -ENOENT));
	if (err == 0)
		expect_at(&cursor, at);
	if (at == model.count || model.at[at].key > key)
		at--;
	err = tree_seek_floor(tree, key, &cursor);
	must(err == (at != -1u ? 0 : -ENOENT));
	if (err == 0)
		expect_at(&cursor, at);
}

static int see_block(uint64_t addr, void *arg)
{
	unsigned char *seen = arg;

	must(model.fake.used[addr_block(addr)] == 1);
	must(seen[addr_block(addr)] == 0);
	seen[addr_block(addr)] = 1;
	seen[0]++;
	return 0;
}

static void expect_blocks(const struct tree *tree)
{
	unsigned char seen[MODEL_BLOCKS] = { 0 };
	uint64_t walked = 0, i;

	must(tree_walk_blocks(tree, see_block, seen) == 0);
	for (i = 1; i < MODEL_BLOCKS; i++)
		walked += seen[i];
	must(walked == model.fake.used_blocks);
	must(walked == model.node_blocks);
}

void model_forget_seen(void)
{
	tree_env_fini(&model.env);
	must(tree_env_init(&model.env, &model.fake.members, 0) == 0);
}

void model_expect(void)
{
	struct tree tree = model_reader();
	struct tree_cursor cursor;
	unsigned at = 0;
	int err;

	model_forget_seen();
	must(node_check(tree.root, model.root_bytes, model.kind) == 0);
	expect_blocks(&tree);
	err = tree_seek(&tree, 0, &cursor);
	while (err == 0) {
		must(at < model.count);
		expect_at(&cursor, at++);
		err = tree_next(&cursor);
	}
	must(err == -ENOENT);
	must(tree_next(&cursor) == -ENOENT);
	must(at == model.count);
}

/* ----------------------------------------------------------- random changes */

void model_insert(struct tree *tree, uint64_t key)
{
	char value[TREE_VALUE_MAX];
	unsigned version = rand();
	unsigned length = model_value(key, version, value);
	int err = tree_insert(tree, key, value, length);

	must(err == (model_has(key) ? -EEXIST : 0));
	if (err == 0)
		note_insert(key, version);
}

void model_replace(struct tree *tree, uint64_t key)
{
	char value[TREE_VALUE_MAX];
	unsigned version = rand();
	unsigned length = model_value(key, version, value);
	int err = tree_replace(tree, key, value, length);

	must(err == (model_has(key) ? 0 : -ENOENT));
	if (err == 0)
		model.at[model_bound(key)].version = version;
}

void model_delete(struct tree *tree, uint64_t key)
{
	int err = tree_delete(tree, key);

	must(err == (model_has(key) ? 0 : -ENOENT));
	if (err == 0)
		note_delete(key);
}

int model_put(struct tree *tree, uint64_t key)
{
	char value[TREE_VALUE_MAX];
	unsigned version = rand();
	unsigned length = model_value(key, version, value);
	int err;

	if (model_has(key)) {
		err = tree_replace(tree, key, value, length);
		if (err == 0)
			model.at[model_bound(key)].version = version;
	} else {
		err = tree_insert(tree, key, value, length);
		if (err == 0)
			note_insert(key, version);
	}
	return err;
}

uint64_t model_some_key(void)
{
	if (model.count > 0 && rand() % 2)
		return model.at[rand() % model.count].key;
	return NAME_KEY_FIRST + rand() % 60000;
}

void model_change(struct tree *tree, unsigned target, uint64_t *sequential)
{
	unsigned want = model.count < target ? 55 : 25;
	unsigned dice = rand() % 100;

	if (dice < want)
		model_insert(tree,
			     sequential ? (*sequential)++ : model_some_key());
	else if (dice < 80)
		model_delete(tree, model_some_key());
	else if (dice < 92)
		model_replace(tree, model_some_key());
	else
		model_expect_seeks(tree, model_some_key());
}

void model_fill(unsigned count, uint64_t first, int64_t step)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		struct tree tree = model_writer();

		model_insert(&tree, first + i * step);
		model_commit(&tree);
	}
}
