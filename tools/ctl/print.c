/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/ctl/ctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* One column of a table: its heading, the key, how it is written. */
struct column {
	const char *heading;
	const char *key;
	enum { TEXT, NUMBER, SIZE } kind;
};

#define CELL_BYTES 512
#define COLUMNS_MAX 14

static void write_size(char *cell, int64_t bytes, bool human)
{
	static const char units[] = "BKMGTP";
	double size = (double)bytes;
	unsigned unit = 0;

	while (human && size >= 1024 && unit < 5) {
		size /= 1024;
		unit++;
	}
	if (!human || unit == 0)
		snprintf(cell, CELL_BYTES, "%" PRId64, bytes);
	else
		snprintf(cell, CELL_BYTES, "%.1f%c", size, units[unit]);
}

static void write_cell(char *cell, struct json_object *row,
		       const struct column *column, bool human)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(row, column->key, &value);
	if (!value)
		strcpy(cell, "-");
	else if (column->kind == SIZE)
		write_size(cell, json_object_get_int64(value), human);
	else
		snprintf(cell, CELL_BYTES, "%s", json_object_get_string(value));
}

/* One row, each cell as wide as its column; NULL row: the headings. */
static void print_row(struct json_object *row, const struct column *columns,
		      const size_t *width, bool human)
{
	char cell[CELL_BYTES];
	unsigned c;

	for (c = 0; columns[c].heading; c++) {
		int room = (int)width[c];

		if (row)
			write_cell(cell, row, &columns[c], human);
		else
			snprintf(cell, sizeof(cell), "%s", columns[c].heading);
		if (columns[c].kind == TEXT)
			room = columns[c + 1].heading ? -room : 0;
		printf("%*s%s", room, cell,
		       columns[c + 1].heading ? "  " : "\n");
	}
}

static void measure_row(struct json_object *row, const struct column *columns,
			size_t *width, bool human)
{
	char cell[CELL_BYTES];
	unsigned c;

	for (c = 0; columns[c].heading; c++) {
		write_cell(cell, row, &columns[c], human);
		if (strlen(cell) > width[c])
			width[c] = strlen(cell);
	}
}

static void print_table(struct json_object *rows, const struct column *columns,
			bool human)
{
	size_t count = json_object_array_length(rows), i;
	size_t width[COLUMNS_MAX] = { 0 };
	unsigned c;

	for (c = 0; columns[c].heading; c++)
		width[c] = strlen(columns[c].heading);
	for (i = 0; i < count; i++)
		measure_row(json_object_array_get_idx(rows, i), columns, width,
			    human);
	print_row(NULL, columns, width, human);
	for (i = 0; i < count; i++)
		print_row(json_object_array_get_idx(rows, i), columns, width,
			  human);
}

static struct json_object *array_of(struct json_object *answer, const char *key)
{
	struct json_object *array = NULL;

	json_object_object_get_ex(answer, key, &array);
	return array;
}

static const struct column mount_columns[] = {
	{ "MOUNT", "mount", TEXT },
	{ "PID", "pid", NUMBER },
	{ "DAX", "dax", TEXT },
	{ "DEVICES", "devices", NUMBER },
	{ "PGMAP", "pgmap", TEXT },
	{ "READ-ONLY", "read_only", TEXT },
	{ "SHUT-DOWN", "shut_down", TEXT },
	{ NULL, NULL, TEXT },
};

static const struct column device_columns[] = {
	{ "INDEX", "index", NUMBER },
	{ "DEVICE", "path", TEXT },
	{ "STATE", "state", TEXT },
	{ "SIZE", "size_bytes", SIZE },
	{ "FREE", "free_bytes", SIZE },
	{ "GRANULARITY", "granularity", TEXT },
	{ "REFERENCES", "references", NUMBER },
	{ "ENTRIES", "entries", NUMBER },
	{ "KERNEL", "kernel_mappings", NUMBER },
	{ "LEASES", "leases", NUMBER },
	{ "PINS", "pins", NUMBER },
	{ "REQUESTS", "requests", NUMBER },
	{ NULL, NULL, TEXT },
};

static const struct column holder_columns[] = {
	{ "KIND", "kind", TEXT },	{ "PID", "pid", NUMBER },
	{ "COMMAND", "command", TEXT }, { "DEVICE", "device", TEXT },
	{ "OFFSET", "offset", SIZE },	{ "LENGTH", "length", SIZE },
	{ "AGE-MS", "age_ms", NUMBER }, { "PATH", "path", TEXT },
	{ NULL, NULL, TEXT },
};

static const struct column entry_columns[] = {
	{ "OFFSET", "offset", SIZE },
	{ "LENGTH", "length", SIZE },
	{ "KIND", "kind", TEXT },
	{ "DEVICE", "device", NUMBER },
	{ "DEVICE-OFFSET", "device_offset", SIZE },
	{ "DIRTY", "dirty", TEXT },
	{ "MAPPED", "mapped", NUMBER },
	{ NULL, NULL, TEXT },
};

static const struct column extent_columns[] = {
	{ "OFFSET", "offset", SIZE },
	{ "LENGTH", "length", SIZE },
	{ "DEVICE", "device", NUMBER },
	{ "DEVICE-OFFSET", "device_offset", SIZE },
	{ "UNWRITTEN", "unwritten", TEXT },
	{ "SHARED", "shared", TEXT },
	{ NULL, NULL, TEXT },
};

static const struct column ledger_columns[] = {
	{ "DEVICE", "device", TEXT },
	{ "COUNTER", "counter", NUMBER },
	{ "LEDGER", "ledger", NUMBER },
	{ NULL, NULL, TEXT },
};

static void print_files(struct json_object *files, bool human)
{
	size_t i, count = json_object_array_length(files);

	for (i = 0; i < count; i++) {
		struct json_object *file = json_object_array_get_idx(files, i);
		struct json_object *path = NULL;

		json_object_object_get_ex(file, "path", &path);
		printf("%s\n", json_object_get_string(path));
		print_table(array_of(file, "entries"), entry_columns, human);
	}
	if (count == 0)
		puts("no entries");
}

static void print_report(struct json_object *answer)
{
	json_object_object_foreach(answer, key, value)
	{
		if (strcmp(key, "version") != 0)
			printf("%-24s %s\n", key,
			       value ? json_object_get_string(value) : "-");
	}
}

void print_answer(const struct options *options, struct json_object *answer)
{
	static const struct {
		const char *key;
		const struct column *columns;
		const char *none;
	} tables[] = {
		{ "mounts", mount_columns, "nothing mounted" },
		{ "holders", holder_columns, "no holders" },
		{ "extents", extent_columns, "no extents" },
		{ "devices", device_columns, "no devices" },
	};
	struct json_object *rows = array_of(answer, "files");
	unsigned i;

	if (rows) {
		print_files(rows, options->human);
		return;
	}
	if (strcmp(options->verb, "verify") == 0) {
		print_table(array_of(answer, "devices"), ledger_columns,
			    options->human);
		return;
	}
	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		rows = array_of(answer, tables[i].key);
		if (!rows)
			continue;
		if (json_object_array_length(rows) == 0)
			puts(tables[i].none);
		else
			print_table(rows, tables[i].columns, options->human);
		return;
	}
	print_report(answer);
}
