/* SPDX-License-Identifier: BSD-3-Clause */
/* findings.h -- private to report.c and report_summary.c: what was found */
#ifndef UDAX_FSCK_FINDINGS_H
#define UDAX_FSCK_FINDINGS_H

#include "fsck.h"

#include <stdbool.h>
#include <stdint.h>

#define MESSAGE_BYTES 512

struct finding {
	const char *kind; /* NULL: a note */
	uint64_t ino;
	bool has_ino;
	bool fixed;
	uint16_t mend; /* of an inode's problem */
	enum mend_class class;
	char *path;   /* of the inode, or NULL */
	char *device; /* path, or NULL */
	char *message;
};

struct findings {
	struct finding *finding;
	unsigned count;
	unsigned room;
	unsigned told; /* of them, to the user */
	uint64_t not_kept;
	uint64_t left; /* for good */
	uint64_t fixed;
	/* This round's, by class; names: the part that MEND_NAMES mends. */
	uint64_t safe, by_yes, hopeless, names;
	bool corrected;
	bool operational;
	bool progress_shown;
	int64_t progress_next_ms;
};

#endif
