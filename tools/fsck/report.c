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

void report_fini(struct fsck *fsck)
{
	struct findings *all = fsck->findings;
	unsigned i;

	for (i = 0; i < all->count; i++) {
		free(all->finding[i].device);
		free(all->finding[i].message);
	}
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

static void say(struct fsck *fsck, const char *subject, const char *message,
		const char *end)
{
	if (fsck->options.json)
		return;
	progress_end(fsck);
	if (subject[0] != '\0')
		printf("%s: %s%s\n", subject, message, end);
	else
		printf("%s%s\n", message, end);
}

static void keep(struct fsck *fsck, const struct finding *what,
		 const char *subject, const char *message)
{
	struct findings *all = fsck->findings;
	struct finding *finding = finding_new(all);

	if (what->kind != NULL && what->fixed)
		all->problems_fixed++;
	else if (what->kind != NULL)
		all->problems_left++;
	if (finding == NULL) {
		all->not_kept++;
		free(what->device);
		return;
	}
	*finding = *what;
	finding->message = strdup(message);
	say(fsck, subject, message, what->fixed ? " (fixed)" : "");
}

void problem_inode(struct fsck *fsck, const char *kind, uint64_t ino,
		   const char *format, ...)
{
	char message[MESSAGE_BYTES], subject[64 + PATH_TEXT_BYTES];
	char path[PATH_TEXT_BYTES];
	struct finding what = { .kind = kind, .ino = ino, .has_ino = true };
	va_list args;

	if (fsck->resolving)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	path_of_inode(fsck, ino, path);
	snprintf(subject, sizeof(subject), "inode %ju (%s)", (uintmax_t)ino,
		 path);
	keep(fsck, &what, subject, message);
}

void problem_device(struct fsck *fsck, const char *kind, const char *device,
		    bool fixed, const char *format, ...)
{
	struct finding what = { .kind = kind, .fixed = fixed };
	char message[MESSAGE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	what.device = strdup(device);
	keep(fsck, &what, device, message);
}

void note(struct fsck *fsck, const char *format, ...)
{
	struct finding what = { .kind = NULL };
	char message[MESSAGE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	keep(fsck, &what, "", message);
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
	keep(fsck, &what, "", message);
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

uint64_t problems_left(const struct fsck *fsck)
{
	return fsck->findings->problems_left;
}

int report_exit(const struct fsck *fsck)
{
	const struct findings *all = fsck->findings;
	int status = EXIT_CLEAN;

	if (all->problems_fixed > 0 || all->corrected)
		status |= EXIT_CORRECTED;
	if (all->problems_left > 0)
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
