/* SPDX-License-Identifier: BSD-3-Clause */
/* zap_fixture.h -- start a victim (zap_victim.h), zap it, see what it says */
#ifndef UDAX_TESTS_LIB_ZAP_FIXTURE_H
#define UDAX_TESTS_LIB_ZAP_FIXTURE_H

#include "direct/zap.h"
#include "lib/zap_victim.h"

#include <stdbool.h>

/* Where the program is: set by main from argv[0]. */
void victim_program(const char *argv0);

struct victim {
	/* Before the start, if any. */
	unsigned long clone_flags;
	const char *path; /* of the device; else a memfd */
	pid_t pid;
	int device;
	struct zap_file file;
	struct victim_page *page;
};

/* Runs, and has mapped the device. It dies with the test. */
void victim_start(struct victim *victim, const char *mode);

/* All of the file, within 5 s; `ranges` may be set before. */
int victim_zap(struct victim *victim, struct zap_report *report);
struct zap_target victim_target(const struct victim *victim);

/* What it says of its pages; it maps the device anew afterwards. */
void victim_ask(struct victim *victim);
unsigned int victim_pages_gone(const struct victim *victim);

/* Its letter in /proc/PID/stat. */
char victim_state(const struct victim *victim);
long victim_tracer(const struct victim *victim);

/* Told to quit, or left alone: its wait status. */
int victim_status(struct victim *victim);
/* Quits, and must have seen nothing wrong. */
void victim_end(struct victim *victim);

/* Becomes true within 10 s. */
#define ck_wait(condition)                                                     \
	do {                                                                   \
		int tries_ = 0;                                                \
		while (!(condition)) {                                         \
			ck_assert_msg(tries_++ < 10000, #condition);           \
			usleep(1000);                                          \
		}                                                              \
	} while (0)

#endif
