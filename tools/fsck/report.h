/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * report.h -- what a check found, told once: a line as it is found, and all of
 * it in the JSON object at the end
 *
 * A problem is something that is wrong on the media; a note is legal but worth
 * knowing; an operational error is that this program could not do its work.
 * Lines go to standard output, operational errors to standard error. With
 * --json only the object goes to standard output.
 */
#ifndef UDAX_FSCK_REPORT_H
#define UDAX_FSCK_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#define FINDINGS_MAX 1000

struct fsck;

int report_init(struct fsck *fsck) __attribute__((warn_unused_result));
void report_fini(struct fsck *fsck);

/* kind: one word, the same for all problems of a sort; see fsck.udaxfs(8). */
void problem_inode(struct fsck *fsck, const char *kind, uint64_t ino,
		   const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* device: its path; fixed: it has been mended already. */
void problem_device(struct fsck *fsck, const char *kind, const char *device,
		    bool fixed, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void note(struct fsck *fsck, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The media was changed for the better though nothing was wrong (replay). */
void corrected(struct fsck *fsck, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void operational(struct fsck *fsck, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

uint64_t problems_left(const struct fsck *fsck);
int report_exit(const struct fsck *fsck);

/* Raw counts while something takes long: to a terminal, or to -C's fd. */
void progress(struct fsck *fsck, unsigned pass, const char *what, uint64_t done,
	      uint64_t total);
void progress_end(struct fsck *fsck);

/* report_summary.c: the last lines, or the JSON object. The exit status. */
int report_summary(struct fsck *fsck);

#endif
