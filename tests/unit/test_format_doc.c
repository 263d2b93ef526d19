/* SPDX-License-Identifier: BSD-3-Clause */
/* doc/FORMAT.md against the structures: each field in a row of its table. */
#include "media/freemap.h"
#include "media/inode.h"
#include "media/node.h"
#include "media/record.h"
#include "media/superblock.h"

#include <check.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct field {
	const char *name;
	size_t offset;
	size_t bytes;
};

struct structure {
	const char *name;
	size_t bytes;
	const struct field *fields;
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define F(field)                                                               \
	{                                                                      \
#field, offsetof(THIS, field), sizeof(((THIS *)0)->field)      \
	}
#define END                                                                    \
	{                                                                      \
		NULL, 0, 0                                                     \
	}

#define THIS superblock_media
static const struct field superblock_fields[] = {
	F(magic),
	F(crc),
	F(version),
	F(compat),
	F(incompat),
	F(ro_compat),
	F(fs_uuid),
	F(device_uuid),
	F(label),
	F(device_index),
	F(device_count),
	F(metadata_device),
	F(metadata_mirror),
	F(block_bytes),
	F(flags),
	F(sequence),
	F(generation),
	F(lineage),
	F(size_blocks),
	F(created_ns),
	F(hash_seed),
	F(journal_start),
	F(journal_blocks),
	F(freemap_start),
	F(freemap_blocks),
	F(inode_root),
	F(inodes_used),
	F(journal_sequence),
	F(reserved),
	F(roll),
	F(tail),
	END,
};
#undef THIS
#define THIS roll_entry_media
static const struct field roll_fields[] = {
	F(uuid), F(size_blocks), F(generation), F(state), F(pad), END,
};
#undef THIS
#define THIS anchor_media
static const struct field anchor_fields[] = {
	F(magic),      F(crc),	   F(sequence), F(ring_offset),
	F(generation), F(lineage), F(pad),	END,
};
#undef THIS
#define THIS record_media
static const struct field record_fields[] = {
	F(magic),    F(crc),	    F(length_bytes), F(kind), F(items),
	F(sequence), F(generation), F(lineage),	     F(pad),  END,
};
#undef THIS
#define THIS record_item_media
static const struct field item_fields[] = {
	F(addr),
	F(length_bytes),
	F(pad),
	END,
};
#undef THIS
#define THIS freemap_media
static const struct field freemap_fields[] = {
	F(magic),	F(crc),	       F(bitmap_crc), F(pad),	   F(blocks),
	F(free_blocks), F(generation), F(lineage),    F(reserved), END,
};
#undef THIS
#define THIS inode_media
static const struct field inode_fields[] = {
	F(crc),	       F(magic),	 F(format),
	F(pad0),       F(ino),		 F(generation),
	F(mode),       F(uid),		 F(gid),
	F(nlink),      F(rdev),		 F(size),
	F(blocks),     F(atime_s),	 F(mtime_s),
	F(ctime_s),    F(btime_s),	 F(atime_ns),
	F(mtime_ns),   F(ctime_ns),	 F(btime_ns),
	F(parent_ino), F(parent_key),	 F(flags),
	F(xflags),     F(pending_start), F(pending_end),
	F(xattr_root), F(home_device),	 F(pad1),
	F(pad2),       F(pad3),		 F(area),
	END,
};
#undef THIS
#define THIS node_block_media
static const struct field node_block_fields[] = {
	F(crc), F(magic), F(owner), F(self), F(pad), END,
};
#undef THIS
#define THIS node_media
static const struct field node_fields[] = {
	F(magic),      F(level),     F(kind), F(count),
	F(heap_start), F(heap_used), F(pad),  END,
};
#undef THIS
#define THIS node_slot_media
static const struct field slot_fields[] = {
	F(key),
	F(offset),
	F(length),
	END,
};
#undef THIS
#define THIS extent_media
static const struct field extent_fields[] = {
	F(addr),
	F(blocks),
	F(flags),
	END,
};
#undef THIS
#define THIS dirent_media
static const struct field dirent_fields[] = {
	F(ino),
	F(type),
	F(name_length),
	END,
};
#undef THIS
#define THIS shared_media
static const struct field shared_fields[] = {
	F(blocks),
	F(owners),
	END,
};
#undef THIS
#define THIS xattr_media
static const struct field xattr_fields[] = {
	F(addr), F(value_length), F(value_crc), F(name_length), END,
};
#undef THIS

static const struct structure structures[] = {
	{ "superblock_media", sizeof(superblock_media), superblock_fields },
	{ "roll_entry_media", sizeof(roll_entry_media), roll_fields },
	{ "anchor_media", sizeof(anchor_media), anchor_fields },
	{ "record_media", sizeof(record_media), record_fields },
	{ "record_item_media", sizeof(record_item_media), item_fields },
	{ "freemap_media", sizeof(freemap_media), freemap_fields },
	{ "inode_media", sizeof(inode_media), inode_fields },
	{ "node_block_media", sizeof(node_block_media), node_block_fields },
	{ "node_media", sizeof(node_media), node_fields },
	{ "node_slot_media", sizeof(node_slot_media), slot_fields },
	{ "extent_media", sizeof(extent_media), extent_fields },
	{ "dirent_media", sizeof(dirent_media), dirent_fields },
	{ "shared_media", sizeof(shared_media), shared_fields },
	{ "xattr_media", sizeof(xattr_media), xattr_fields },
};

static char document[1 << 18];

static void read_document(void)
{
	const char *top = getenv("srcdir");
	char path[4096];
	FILE *file;
	size_t length;

	snprintf(path, sizeof(path), "%s/doc/FORMAT.md", top ? top : ".");
	file = fopen(path, "r");
	ck_assert_msg(file != NULL, "%s cannot be read", path);
	length = fread(document, 1, sizeof(document) - 1, file);
	fclose(file);
	document[length] = '\0';
}

START_TEST(fields_fill_the_structure_without_a_gap)
{
	const struct structure *structure = &structures[_i];
	const struct field *field;
	size_t end = 0;

	for (field = structure->fields; field->name; field++) {
		ck_assert_msg(field->offset == end, "%s.%s", structure->name,
			      field->name);
		end += field->bytes;
	}
	ck_assert_msg(end == structure->bytes, "%s", structure->name);
}
END_TEST

START_TEST(each_field_has_its_row_in_the_document)
{
	const struct structure *structure = &structures[_i];
	const struct field *field;
	char text[128], *section, *end, saved;

	read_document();
	snprintf(text, sizeof(text), "(`%s`, %zu bytes)", structure->name,
		 structure->bytes);
	section = strstr(document, text);
	ck_assert_msg(section != NULL, "no section with %s", text);
	end = strstr(section, "\n#");
	end = end ? end : section + strlen(section);
	saved = *end;
	*end = '\0';
	for (field = structure->fields; field->name; field++) {
		snprintf(text, sizeof(text), "\n| %zu | %zu | `%s` |",
			 field->offset, field->bytes, field->name);
		ck_assert_msg(strstr(section, text) != NULL, "%s: no row%s",
			      structure->name, text);
	}
	*end = saved;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("format_doc");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(rules, fields_fill_the_structure_without_a_gap, 0,
			    COUNT(structures));
	tcase_add_loop_test(rules, each_field_has_its_row_in_the_document, 0,
			    COUNT(structures));
	suite_add_tcase(suite, rules);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
