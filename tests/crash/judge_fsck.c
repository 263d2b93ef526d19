/* SPDX-License-Identifier: BSD-3-Clause */
/* judge_fsck.c -- what fsck says of a state */
#include "crash/judge.h"

#include "fsck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int caught = -1; /* what fsck says */
static int output = STDOUT_FILENO;

void judge_open(void)
{
	if (caught >= 0)
		return;
	fflush(stdout);
	output = dup(STDOUT_FILENO);
	caught = memfd_create("fsck", MFD_CLOEXEC);
	if (output < 0 || caught < 0 || dup2(caught, STDOUT_FILENO) < 0)
		abort();
}

int judge_output(void)
{
	return output;
}

static size_t what_fsck_says(char *text, size_t text_bytes)
{
	ssize_t length;

	fflush(stdout);
	length = pread(caught, text, text_bytes - 1, 0);
	text[length > 0 ? length : 0] = '\0';
	if (ftruncate(caught, 0) != 0 || lseek(caught, 0, SEEK_SET) != 0)
		abort();
	return length > 0 ? (size_t)length : 0;
}

/* Nothing but that one superblock is damaged and the other one holds. */
static bool is_superblock_alone(char *text)
{
	char *line;

	while ((line = strsep(&text, "\n")))
		if (line[0] && !strstr(line, "the other one holds") &&
		    !strstr(line, ": clean, ") &&
		    !strstr(line, "superblocks ") &&
		    !strstr(line, "not cleanly unmounted") &&
		    !strstr(line, "problem") && !strstr(line, "was left out") &&
		    !strstr(line, "the next mount frees"))
			return false;
	return true;
}

bool judge_fsck(struct judge *judge, const char *when, bool superblocks)
{
	const struct fsck_options options = { .mode = MODE_CHECK,
					      .progress_fd = -1 };
	const char *path[CRASH_DEVICES];
	char text[VERDICT_BYTES - 64];
	unsigned count = judge_paths(judge, path);
	int status = fsck_run(&options, path, count);
	char *line;

	what_fsck_says(text, sizeof(text));
	if (status == EXIT_CLEAN)
		return true;
	snprintf(judge->verdict, sizeof(judge->verdict), "fsck %s: %d: %s",
		 when, status, text);
	for (line = judge->verdict; *line; line++)
		if (*line == '\n')
			*line = '|';
	return status == EXIT_LEFT && superblocks && is_superblock_alone(text);
}
