/* SPDX-License-Identifier: BSD-3-Clause */
/* findings.h -- private to report.c and report_summary.c: what was found */
#ifndef UDAX_FSCK_FINDINGS_H
#define UDAX_FSCK_FINDINGS_H

#include <stdbool.h>
#include <stdint.h>

#define MESSAGE_BYTES 512

struct finding {
	const char *kind; /* NULL: a note */
	uint64_t ino;
	bool has_ino;
	bool fixed;
	char *device; /* path, or NULL */
	char *message;
};

struct findings {
	struct finding *finding;
	unsigned count;
	unsigned room;
	uint64_t not_kept;
	uint64_t problems_left;
	uint64_t problems_fixed;
	bool corrected;
	bool operational;
	bool progress_shown;
	int64_t progress_next_ms;
};

#endif
