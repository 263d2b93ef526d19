/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * report.h -- what a check found, told once: as a line, and all of it in the
 * JSON object at the end
 *
 * A problem is something that is wrong on the media; a note is legal but worth
 * knowing; an operational error is that this program could not do its work.
 * Lines go to standard output, operational errors to standard error. With
 * --json only the object goes to standard output. A line is printed as its
 * problem is found; while mending, at the end of the round, which knows
 * whether it is fixed.
 */
#ifndef UDAX_FSCK_REPORT_H
#define UDAX_FSCK_REPORT_H

#include "fsck.h"

#include <stdbool.h>
#include <stdint.h>

#define FINDINGS_MAX 1000

int report_init(struct fsck *fsck) __attribute__((warn_unused_result));
void report_fini(struct fsck *fsck);

/*
 * kind: one word, the same for all problems of a sort; see fsck.udaxfs(8).
 * mend: MEND_*, noted at the inode; 0: nothing can be done.
 */
void problem_inode(struct fsck *fsck, const char *kind, uint64_t ino,
		   unsigned mend, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* device: its path. */
void problem_device(struct fsck *fsck, const char *kind, const char *device,
		    enum mend_class class, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void note(struct fsck *fsck, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The media was changed for the better though nothing was wrong (replay). */
void corrected(struct fsck *fsck, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void operational(struct fsck *fsck, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Before the first round: what nothing can mend is left for good. */
void report_settle(struct fsck *fsck);

/* What this round found and what has become of it. */
enum round_end {
	ROUND_LEFT,	 /* nothing was mended */
	ROUND_MENDED,	 /* all that can be */
	ROUND_MENDED_TOP /* but what MEND_NAMES does: found again if it is so */
};
void report_round(struct fsck *fsck, enum round_end end);
/* There was no room to mend this round's problems of an inode. */
void report_no_room(struct fsck *fsck, uint64_t ino);
/* Would mending be of use, and may this mode do it? */
bool report_mendable(struct fsck *fsck);
/* This round has found nothing so far. */
bool report_sound(const struct fsck *fsck);

int report_exit(const struct fsck *fsck);

/* Raw counts while something takes long: to a terminal, or to -C's fd. */
void progress(struct fsck *fsck, unsigned pass, const char *what, uint64_t done,
	      uint64_t total);
void progress_end(struct fsck *fsck);

/* report_summary.c: the last lines, or the JSON object. The exit status. */
int report_summary(struct fsck *fsck);

#endif
