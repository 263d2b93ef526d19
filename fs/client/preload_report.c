/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preload_report.c -- which way things went, said at the end (udax-run -v)
 *
 * One line on stderr, of every process that touched a file of a udaxfs mount,
 * and of the one that udax-run began in any case. Not if stderr is another file
 * by then than it was at the start: that one is the program's.
 */
#include "client/preload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
	_Atomic uint64_t direct[REPORT_ITEMS];
	_Atomic uint64_t kernel[REPORT_ITEMS];
	bool wanted;
	bool first;
	bool said;
	dev_t dev;
	ino_t ino;
} account;

void report_direct(enum report_item item, uint64_t count)
{
	if (account.wanted)
		atomic_fetch_add_explicit(&account.direct[item], count,
					  memory_order_relaxed);
}

void report_kernel(enum report_item item, uint64_t count)
{
	if (account.wanted)
		atomic_fetch_add_explicit(&account.kernel[item], count,
					  memory_order_relaxed);
}

/* A child counts for itself. */
void report_reset(void)
{
	for (int i = 0; i < REPORT_ITEMS; i++) {
		atomic_store(&account.direct[i], 0);
		atomic_store(&account.kernel[i], 0);
	}
	account.first = false;
	account.said = false;
}

__attribute__((constructor)) static void begin(void)
{
	const char *verbose = getenv("UDAX_RUN_VERBOSE");
	int before = errno;
	struct stat at;

	if (verbose && fstat(STDERR_FILENO, &at) == 0) {
		account.wanted = true;
		account.first = strtol(verbose, NULL, 10) == getpid();
		account.dev = at.st_dev;
		account.ino = at.st_ino;
	}
	preload_lazy = getenv("UDAX_RUN_LAZY") != NULL;
	errno = before;
}

static bool anything(void)
{
	for (int i = 0; i < REPORT_ITEMS; i++)
		if (account.direct[i] || account.kernel[i])
			return true;
	return false;
}

__attribute__((destructor)) static void end(void)
{
	char line[400];
	struct stat at;
	int length;

	if (!account.wanted || !fd_own_process() || account.said ||
	    (!account.first && !anything()) || fstat(STDERR_FILENO, &at) ||
	    at.st_dev != account.dev || at.st_ino != account.ino)
		return;
	account.said = true;
	length = snprintf(
		line, sizeof(line),
		"udax-run: %s[%d]: mapped %" PRIu64 " directly, %" PRIu64
		" by the kernel; read %" PRIu64 " bytes directly, %" PRIu64
		" by the kernel; wrote %" PRIu64 " bytes directly, %" PRIu64
		" by the kernel\n",
		program_invocation_short_name, (int)getpid(),
		account.direct[REPORT_MAP], account.kernel[REPORT_MAP],
		account.direct[REPORT_READ], account.kernel[REPORT_READ],
		account.direct[REPORT_WRITE], account.kernel[REPORT_WRITE]);
	if (length > 0)
		(void)!syscall(SYS_write, STDERR_FILENO, line, (size_t)length);
}

/* The end of many programs, shells among them, and of children. */
PRELOAD_API void _exit(int status)
{
	end();
	for (;;)
		syscall(SYS_exit_group, status);
}

PRELOAD_API void _Exit(int status)
{
	_exit(status);
}
