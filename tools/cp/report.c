/* SPDX-License-Identifier: BSD-3-Clause */
/* report.c -- progress in raw counts, and the last word */
#include "cp.h"

#include "util/clock.h"
#include "util/log.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SHOW_NS (100 * NS_PER_MS)

/* done / total: on a terminal one line that changes, else one line a time. */
void report_progress(struct cp *cp, bool last)
{
	int64_t now_ns;
	uint64_t done;
	bool terminal;

	if (!cp->options.progress || (last && !cp->shown))
		return;
	now_ns = clock_monotonic_ns();
	if (!last && cp->shown && now_ns - cp->shown_ns < SHOW_NS)
		return;
	done = cp->done + (last ? 0 : cp->moved - cp->moved_done);
	terminal = isatty(STDERR_FILENO);
	fprintf(stderr, "%s%" PRIu64 " / %" PRIu64 "%s", terminal ? "\r" : "",
		done, cp->size, terminal && !last ? "" : "\n");
	cp->shown = true;
	cp->shown_ns = now_ns;
}

void report_stopped(struct cp *cp)
{
	if (cp->has_saved)
		log_error("copy %s: %s: %" PRIu64 " of %" PRIu64
			  " bytes are done; go on with: udax-cp --resume %s %s",
			  cp->source.path, cp->why, cp->done, cp->size,
			  cp->source.path, cp->destination.path);
	else
		log_error("copy %s: %s: %" PRIu64 " of %" PRIu64
			  " bytes are done; begin again%s%s",
			  cp->source.path, cp->why, cp->done, cp->size,
			  cp->saved_err ? ": that could not be noted: " : "",
			  cp->saved_err ? strerror(-cp->saved_err) : "");
}

static void add(struct json_object *to, const char *key,
		struct json_object *value)
{
	json_object_object_add(to, key, value);
}

int report_done(const struct cp *cp, bool complete)
{
	struct json_object *all = json_object_new_object();
	int64_t elapsed_us = (clock_monotonic_ns() - cp->started_ns) /
			     NS_PER_US;
	int err = 0;

	if (!all)
		return -ENOMEM;
	add(all, "version", json_object_new_int(1));
	add(all, "source", json_object_new_string(cp->source.path));
	add(all, "destination", json_object_new_string(cp->destination.path));
	add(all, "complete", json_object_new_boolean(complete));
	add(all, "size_bytes", json_object_new_uint64(cp->size));
	add(all, "done_bytes", json_object_new_uint64(cp->done));
	add(all, "resumed_bytes", json_object_new_uint64(cp->resumed));
	add(all, "copied_bytes", json_object_new_uint64(cp->moved));
	add(all, "depth", json_object_new_uint64(cp->options.depth));
	add(all, "block_bytes",
	    json_object_new_uint64(cp->options.block_bytes));
	add(all, "elapsed_us", json_object_new_int64(elapsed_us));
	if (puts(json_object_to_json_string_ext(
		    all, JSON_C_TO_STRING_PLAIN |
				 JSON_C_TO_STRING_NOSLASHESCAPE)) < 0 ||
	    fflush(stdout) != 0) {
		log_error("report: cannot be written");
		err = -EIO;
	}
	json_object_put(all);
	return err;
}
