/* SPDX-License-Identifier: BSD-3-Clause */
#include "crash/judge.h"

#include "core/fs.h"
#include "core/request.h"
#include "crash/compare.h"

#include <stdio.h>
#include <stdlib.h>

unsigned judge_paths(const struct judge *judge, const char *out[CRASH_DEVICES])
{
	unsigned i;

	for (i = 0; i < judge->images->devices; i++)
		out[i] = judge->images->image[i].path;
	return i;
}

static bool is_legal(struct judge *judge, struct fs *fs,
		     struct request *request)
{
	char text[256];
	size_t length = 0;
	unsigned i;

	for (i = 0; i < judge->legal_count; i++) {
		if (compare_tree(fs, request, &judge->legal[i], text,
				 sizeof(text)))
			return true;
		if (length < sizeof(judge->verdict))
			length += (size_t)snprintf(
				judge->verdict + length,
				sizeof(judge->verdict) - length, "%s%s",
				i ? "; or " : "", text);
	}
	return false;
}

static bool look(struct judge *judge)
{
	const struct fs_options options = { .dax = DAX_ALWAYS };
	char *path[CRASH_DEVICES];
	unsigned count = judge_paths(judge, (const char **)path);
	struct request request;
	struct fs *fs;
	char why[256];
	bool legal;
	int err;

	err = fs_mount(&fs, path, count, &options, why, sizeof(why));
	if (err) {
		snprintf(judge->verdict, sizeof(judge->verdict), "mount: %s",
			 why);
		return false;
	}
	if (request_thread_init(fs, &request) != 0)
		abort();
	legal = is_legal(judge, fs, &request);
	request_thread_fini(&request);
	fs_unmount(fs);
	return legal;
}

static void touched(void *arg, unsigned device, uint64_t offset, size_t length)
{
	image_touch(arg, device, offset, length);
}

bool judge_state(struct judge *judge)
{
	judge->verdict[0] = '\0';
	record_listen(touched, judge->images);
	return (!judge->fsck_first ||
		judge_fsck(judge, "before", judge->superblocks)) &&
	       look(judge) && judge_fsck(judge, "after", false);
}
