/* SPDX-License-Identifier: BSD-3-Clause */
#include "findings.h"
#include "fsck.h"
#include "report.h"
#include "util/log.h"
#include "util/size.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

static void add_number(struct json_object *to, const char *key, uint64_t number)
{
	json_object_object_add(to, key, json_object_new_uint64(number));
}

static void add_bool(struct json_object *to, const char *key, bool value)
{
	json_object_object_add(to, key, json_object_new_boolean(value));
}

static void add_text(struct json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key,
			       text ? json_object_new_string(text) : NULL);
}

static struct json_object *uuid_json(const uint8_t uuid[16])
{
	char text[UUID_STR_LEN];

	uuid_unparse_lower(uuid, text);
	return json_object_new_string(text);
}

static struct json_object *problem_json(const struct finding *finding)
{
	struct json_object *out = json_object_new_object();

	add_text(out, "kind", finding->kind);
	json_object_object_add(
		out, "inode",
		finding->has_ino ? json_object_new_uint64(finding->ino) : NULL);
	add_text(out, "path", finding->path);
	add_text(out, "device", finding->device);
	add_text(out, "message", finding->message);
	add_bool(out, "fixed", finding->fixed);
	return out;
}

static void add_findings(const struct fsck *fsck, struct json_object *out)
{
	const struct findings *all = fsck->findings;
	struct json_object *problems = json_object_new_array();
	struct json_object *notes = json_object_new_array();
	unsigned i;

	for (i = 0; i < all->count; i++) {
		const struct finding *finding = &all->finding[i];

		if (finding->kind)
			json_object_array_add(problems, problem_json(finding));
		else if (finding->message)
			json_object_array_add(notes, json_object_new_string(
							     finding->message));
	}
	json_object_object_add(out, "problems", problems);
	add_number(out, "problems_left", all->left);
	add_number(out, "problems_fixed", all->fixed);
	add_number(out, "findings_not_listed", all->not_kept);
	json_object_object_add(out, "notes", notes);
}

static void add_missing(const struct fsck *fsck, struct json_object *out)
{
	struct json_object *missing = json_object_new_array();
	unsigned i;

	for (i = 0; fsck->sb && i < fsck->device_count; i++) {
		struct json_object *one;

		if (fsck->sb->roll[i].state == 0 || is_member(fsck, i))
			continue;
		one = json_object_new_object();
		add_number(one, "index", i);
		add_bool(one, "left_out",
			 fsck->sb->roll[i].state == ROLL_REMOVED);
		json_object_object_add(one, "uuid",
				       uuid_json(fsck->sb->roll[i].uuid));
		json_object_array_add(missing, one);
	}
	json_object_object_add(out, "missing", missing);
}

static void print_json(const struct fsck *fsck)
{
	const struct fsck_counts *counts = &fsck->counts;
	struct json_object *out = json_object_new_object();
	int status = report_exit(fsck);

	add_number(out, "version", 1);
	add_bool(out, "clean", !(status & (EXIT_LEFT | EXIT_OPERATIONAL)));
	add_number(out, "exit", (uint64_t)status);
	json_object_object_add(out, "uuid",
			       fsck->sb ? uuid_json(fsck->sb->fs_uuid) : NULL);
	add_bool(out, "unmounted_cleanly", fsck->clean);
	add_bool(out, "checked", fsck->checked);
	add_number(out, "journal_records", fsck->replay.records);
	add_number(out, "files", counts->files);
	add_number(out, "directories", counts->directories);
	add_number(out, "symlinks", counts->symlinks);
	add_number(out, "others", counts->others);
	add_number(out, "entries", counts->entries);
	add_number(out, "extents", counts->extents);
	add_number(out, "xattrs", counts->xattrs);
	add_number(out, "orphans", counts->orphans);
	add_number(out, "pending", counts->pending);
	add_number(out, "used_bytes", counts->blocks_used << BLOCK_SHIFT);
	add_number(out, "size_bytes", counts->blocks_total << BLOCK_SHIFT);
	add_missing(fsck, out);
	add_findings(fsck, out);
	puts(json_object_to_json_string_ext(
		out, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(out);
}

static void print_counts(const struct fsck *fsck)
{
	const struct fsck_counts *counts = &fsck->counts;
	char used[SIZE_TEXT_BYTES], total[SIZE_TEXT_BYTES];

	printf("%ju files, %ju directories, %ju symlinks, %ju others\n",
	       (uintmax_t)counts->files, (uintmax_t)counts->directories,
	       (uintmax_t)counts->symlinks, (uintmax_t)counts->others);
	printf("%ju entries, %ju extents, %ju attributes, %ju orphans, "
	       "%ju pending\n",
	       (uintmax_t)counts->entries, (uintmax_t)counts->extents,
	       (uintmax_t)counts->xattrs, (uintmax_t)counts->orphans,
	       (uintmax_t)counts->pending);
	printf("%s of %s used (%ju of %ju blocks)\n",
	       size_text(counts->blocks_used << BLOCK_SHIFT, used),
	       size_text(counts->blocks_total << BLOCK_SHIFT, total),
	       (uintmax_t)counts->blocks_used, (uintmax_t)counts->blocks_total);
}

static void print_verdict(const struct fsck *fsck)
{
	const struct findings *all = fsck->findings;
	char uuid[UUID_STR_LEN];

	if (all->not_kept > 0)
		printf("%ju more findings are not listed\n",
		       (uintmax_t)all->not_kept);
	if (!fsck->sb)
		return;
	uuid_unparse_lower(fsck->sb->fs_uuid, uuid);
	if (all->left > 0)
		printf("%s: %ju problems left, %ju fixed\n", uuid,
		       (uintmax_t)all->left, (uintmax_t)all->fixed);
	else if (all->operational)
		printf("%s: could not be checked in full\n", uuid);
	else if (!fsck->checked)
		printf("%s: marked clean, not checked further\n", uuid);
	else if (all->fixed > 0)
		printf("%s: %ju problems fixed, none left\n", uuid,
		       (uintmax_t)all->fixed);
	else
		printf("%s: %s, %ju files, %ju directories\n", uuid,
		       fsck->missing + fsck->removed ? "what is here is clean"
						     : "clean",
		       (uintmax_t)fsck->counts.files,
		       (uintmax_t)fsck->counts.directories);
}

int report_summary(struct fsck *fsck)
{
	progress_end(fsck);
	if (fsck->options.json) {
		print_json(fsck);
	} else {
		if (fsck->options.verbose && fsck->checked)
			print_counts(fsck);
		print_verdict(fsck);
	}
	if (fflush(stdout) == 0 && !ferror(stdout))
		return report_exit(fsck);
	log_error("standard output: %s", strerror(errno));
	return report_exit(fsck) | EXIT_OPERATIONAL;
}
