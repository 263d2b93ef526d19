/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include "findings.h"
#include "fsck.h"
#include "path.h"
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_FIRST_MS 1000
#define PROGRESS_EVERY_MS 200

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int report_init(struct fsck *fsck)
{
	fsck->findings = calloc(1, sizeof(*fsck->findings));
	if (fsck->findings == NULL)
		return -ENOMEM;
	fsck->findings->progress_next_ms = now_ms() + PROGRESS_FIRST_MS;
	return 0;
}

static void finding_fini(struct finding *finding)
{
	free(finding->path);
	free(finding->device);
	free(finding->message);
}

void report_fini(struct fsck *fsck)
{
	struct findings *all = fsck->findings;
	unsigned i;

	for (i = 0; i < all->count; i++)
		finding_fini(&all->finding[i]);
	free(all->finding);
	free(all);
}

/* Room for one more, or NULL: then it is only counted. */
static struct finding *finding_new(struct findings *all)
{
	struct finding *more;
	unsigned room;

	if (all->count == FINDINGS_MAX)
		return NULL;
	if (all->count == all->room) {
		room = all->room ? all->room * 2 : 16;
		more = realloc(all->finding, room * sizeof(*more));
		if (more == NULL)
			return NULL;
		all->finding = more;
		all->room = room;
	}
	more = &all->finding[all->count++];
	*more = (struct finding){ .kind = NULL };
	return more;
}

static void say(struct fsck *fsck, const struct finding *what)
{
	const char *end = what->fixed ? " (fixed)" : "";

	if (fsck->options.json)
		return;
	progress_end(fsck);
	if (what->has_ino)
		printf("inode %ju (%s): %s%s\n", (uintmax_t)what->ino,
		       what->path ? what->path : "?", what->message, end);
	else if (what->device)
		printf("%s: %s%s\n", what->device, what->message, end);
	else
		printf("%s\n", what->message);
}

static void say_new(struct fsck *fsck)
{
	struct findings *all = fsck->findings;

	while (all->told < all->count) {
		const struct finding *what = &all->finding[all->told++];

		if (what->message)
			say(fsck, what);
	}
}

static void count(struct findings *all, const struct finding *what)
{
	switch (what->class) {
	case MENDED_NOT:
		all->hopeless++;
		break;
	case MENDED_ALREADY:
		all->fixed++;
		break;
	case MENDED_SAFELY:
		all->safe++;
		break;
	case MENDED_BY_YES:
		all->by_yes++;
		break;
	}
	if (what->mend && !(what->mend & ~MEND_NAMES))
		all->names++;
}

/* Takes what's path and device. */
static void keep(struct fsck *fsck, struct finding *what, const char *message)
{
	struct findings *all = fsck->findings;
	struct finding *finding = finding_new(all);

	if (what->kind != NULL) {
		count(all, what);
		what->fixed = what->class == MENDED_ALREADY;
	}
	if (finding == NULL) {
		all->not_kept++;
		finding_fini(what);
		return;
	}
	*finding = *what;
	finding->message = strdup(message);
	if (!may_write(fsck))
		say_new(fsck);
}

void problem_inode(struct fsck *fsck, const char *kind, uint64_t ino,
		   unsigned mend, const char *format, ...)
{
	char message[MESSAGE_BYTES], path[PATH_TEXT_BYTES];
	struct finding what = { .kind = kind, .ino = ino, .has_ino = true };
	va_list args;

	if (fsck->look != LOOK_CLAIM)
		return;
	fsck_mend(fsck, ino, mend);
	what.mend = (uint16_t)mend;
	if (mend & MEND_YES)
		what.class = MENDED_BY_YES;
	else
		what.class = mend ? MENDED_SAFELY : MENDED_NOT;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	path_of_inode(fsck, ino, path);
	what.path = strdup(path);
	keep(fsck, &what, message);
}

void problem_device(struct fsck *fsck, const char *kind, const char *device,
		    enum mend_class class, const char *format, ...)
{
	struct finding what = { .kind = kind, .class = class };
	char message[MESSAGE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	what.device = strdup(device);
	keep(fsck, &what, message);
}

void note(struct fsck *fsck, const char *format, ...)
{
	struct finding what = { .kind = NULL };
	char message[MESSAGE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	keep(fsck, &what, message);
}

void corrected(struct fsck *fsck, const char *format, ...)
{
	struct finding what = { .kind = NULL };
	char message[MESSAGE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	fsck->findings->corrected = true;
	keep(fsck, &what, message);
}

void operational(struct fsck *fsck, const char *format, ...)
{
	char message[MESSAGE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	fsck->findings->operational = true;
	progress_end(fsck);
	(void)fflush(stdout);
	log_error("%s", message);
}

void report_settle(struct fsck *fsck)
{
	struct findings *all = fsck->findings;

	all->left += all->hopeless;
	all->hopeless = 0;
	say_new(fsck);
}

bool report_sound(const struct fsck *fsck)
{
	const struct findings *all = fsck->findings;

	return all->safe + all->by_yes + all->hopeless == 0;
}

bool report_mendable(struct fsck *fsck)
{
	const struct findings *all = fsck->findings;

	if (!may_write(fsck))
		return false;
	if (fsck->options.mode == MODE_PREEN && all->by_yes + all->hopeless > 0)
		return false;
	return all->safe + all->by_yes + fsck->work > 0;
}

/* The next round sees to it: a step for names, which was not done, and what
 * cannot be mended. */
static bool found_again(const struct finding *what, enum round_end end)
{
	if (what->kind == NULL)
		return false;
	if (what->class == MENDED_NOT)
		return true;
	return end == ROUND_MENDED_TOP && what->mend &&
	       !(what->mend & ~MEND_NAMES);
}

void report_no_room(struct fsck *fsck, uint64_t ino)
{
	struct findings *all = fsck->findings;
	unsigned i;

	for (i = all->told; i < all->count; i++) {
		struct finding *what = &all->finding[i];

		if (!what->has_ino || what->ino != ino ||
		    !(what->mend & ~MEND_NAMES))
			continue;
		if (what->class == MENDED_BY_YES)
			all->by_yes--;
		else
			all->safe--;
		what->class = MENDED_NOT;
		all->hopeless++;
	}
	note(fsck, "inode %ju: no room to mend it", (uintmax_t)ino);
}

static void end_kept(struct findings *all, enum round_end end)
{
	unsigned i, to = all->told;

	for (i = all->told; i < all->count; i++) {
		struct finding *what = &all->finding[i];

		if (end != ROUND_LEFT && found_again(what, end)) {
			finding_fini(what);
			continue;
		}
		if (what->kind && end != ROUND_LEFT)
			what->fixed = true;
		all->finding[to++] = *what;
	}
	all->count = to;
}

void report_round(struct fsck *fsck, enum round_end end)
{
	struct findings *all = fsck->findings;

	end_kept(all, end);
	say_new(fsck);
	if (end == ROUND_LEFT) {
		all->left += all->safe + all->by_yes + all->hopeless;
	} else {
		all->fixed += all->safe + all->by_yes;
		if (end == ROUND_MENDED_TOP)
			all->fixed -= all->names;
	}
	all->safe = all->by_yes = all->hopeless = all->names = 0;
}

int report_exit(const struct fsck *fsck)
{
	const struct findings *all = fsck->findings;
	int status = EXIT_CLEAN;

	if (all->fixed > 0 || all->corrected)
		status |= EXIT_CORRECTED;
	if (all->left > 0)
		status |= EXIT_LEFT;
	if (all->operational)
		status |= EXIT_OPERATIONAL;
	return status;
}

void progress(struct fsck *fsck, unsigned pass, const char *what, uint64_t done,
	      uint64_t total)
{
	struct findings *all = fsck->findings;
	int64_t now = now_ms();

	if (now < all->progress_next_ms)
		return;
	all->progress_next_ms = now + PROGRESS_EVERY_MS;
	if (fsck->options.progress_fd >= 0) {
		dprintf(fsck->options.progress_fd, "%u %ju %ju %s\n", pass,
			(uintmax_t)done, (uintmax_t)total, what);
	} else if (!fsck->options.json && isatty(STDERR_FILENO)) {
		fprintf(stderr, "\r%s: %ju of %ju", what, (uintmax_t)done,
			(uintmax_t)total);
		all->progress_shown = true;
	}
}

void progress_end(struct fsck *fsck)
{
	if (fsck->findings->progress_shown)
		fputs("\r\033[K", stderr);
	fsck->findings->progress_shown = false;
}
