/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check.h -- the cases of the conformance suite
 *
 * A family is a list of cases, a case a function whose name is a sentence.
 * Each runs in a process and in an empty directory of its own, as root, with
 * umask 0: what it does to its user, limits, signals and working directory
 * ends with it. What does not hold is said with its place, and the case goes
 * on. The directory is removed afterwards; one that cannot be fails the case.
 *
 * Errors: those of Linux. The suite passes on tmpfs and ext4, too, but for the
 * cases named in *.differences.
 */
#ifndef UDAX_CONFORMANCE_CHECK_H
#define UDAX_CONFORMANCE_CHECK_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

struct check_case {
	const char *name;
	void (*run)(void);
};

struct family {
	const char *name;
	const struct check_case *cases; /* ends with a NULL name */
	bool special;  /* wants a mount of its own: runs only when named */
	bool in_place; /* cases begin in the suite's own directory */
};

#define CASE(function)                                                         \
	{                                                                      \
#function, function                                            \
	}
#define CASES_END                                                              \
	{                                                                      \
		NULL, NULL                                                     \
	}

/* The call answers -1 and this errno. */
#define FAILS(number, call)                                                    \
	check_fails(__FILE__, __LINE__, #call, number, (intptr_t)(call))
/* The call answers anything but -1, which is handed on. */
#define WORKS(call) check_works(__FILE__, __LINE__, #call, (intptr_t)(call))
/* Two numbers are equal. */
#define IS(got, expected)                                                      \
	check_is(__FILE__, __LINE__, #got, (intmax_t)(got),                    \
		 (intmax_t)(expected))
#define HOLDS(condition)                                                       \
	check_holds(__FILE__, __LINE__, #condition, (condition))

bool check_fails(const char *file, int line, const char *what, int number,
		 intptr_t result);
intptr_t check_works(const char *file, int line, const char *what,
		     intptr_t result);
bool check_is(const char *file, int line, const char *what, intmax_t got,
	      intmax_t expected);
bool check_holds(const char *file, int line, const char *what, bool holds);
/* Another line beside what failed. */
void check_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends the case: what it needs is not there. */
void check_skip(const char *why) __attribute__((noreturn));
/* Ends a child that the case forked, with what has failed in it; and takes that
 * over in the parent. */
void check_child_exit(void) __attribute__((noreturn));
void check_wait(pid_t child);

/* Cases that run in the current directory; the number that failed. */
int family_run(const struct family *family, const char *differences);

#endif
