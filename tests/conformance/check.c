/* SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"

#include "cost.h"
#include "tree.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define EXIT_SKIP 77

static bool case_failed;
static unsigned int lines; /* of TAP */

static const char *name_of(int number)
{
	const char *name = strerrorname_np(number);

	return name ? name : "no error";
}

static bool report(bool good)
{
	if (!good)
		case_failed = true;
	return good;
}

bool check_fails(const char *file, int line, const char *what, int number,
		 intptr_t result)
{
	int got = result == -1 ? errno : 0;

	if (got != number)
		printf("# %s:%d: %s: %s, expected %s\n", file, line, what,
		       got ? name_of(got) : "succeeds", name_of(number));
	return report(got == number);
}

intptr_t check_works(const char *file, int line, const char *what,
		     intptr_t result)
{
	if (result == -1)
		printf("# %s:%d: %s: %s\n", file, line, what, name_of(errno));
	report(result != -1);
	return result;
}

bool check_is(const char *file, int line, const char *what, intmax_t got,
	      intmax_t expected)
{
	if (got != expected)
		printf("# %s:%d: %s: %jd (%#jo), expected %jd (%#jo)\n", file,
		       line, what, got, (uintmax_t)got, expected,
		       (uintmax_t)expected);
	return report(got == expected);
}

bool check_holds(const char *file, int line, const char *what, bool holds)
{
	if (!holds)
		printf("# %s:%d: does not hold: %s\n", file, line, what);
	return report(holds);
}

void check_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

void check_skip(const char *why)
{
	printf("# skipped: %s\n", why);
	exit(EXIT_SKIP);
}

void check_child_exit(void)
{
	exit(case_failed);
}

void check_wait(pid_t child)
{
	int status = -1;

	if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
		printf("# a child: status %#x\n", (unsigned int)status);
		case_failed = true;
	}
}

/* What the case before has filled may still be on its way back: behind FUSE
 * the room of a removed file is free a moment later. */
static int make_room(const char *dir)
{
	int result;

	for (int tries = 0; tries < 500; tries++) {
		result = mkdir(dir, 0755);
		if (result == 0 || errno != ENOSPC)
			break;
		usleep(10000);
	}
	return result;
}

/* dir NULL: here. */
static void run_in(const struct check_case *a_case, const char *dir)
{
	umask(0);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	alarm((unsigned int)cost_setting("CONFORM_DEADLINE_S", 60));
	if (dir && (make_room(dir) != 0 || chdir(dir) != 0)) {
		printf("# %s: %s\n", dir, name_of(errno));
		exit(1);
	}
	case_failed = false;
	a_case->run();
	exit(case_failed);
}

/* 0, EXIT_SKIP, or anything else: failed. */
static int run_case(const struct check_case *a_case, bool in_place)
{
	char dir[64];
	int status;
	pid_t child;

	snprintf(dir, sizeof(dir), "case-%ld", (long)getpid());
	fflush(stdout);
	child = fork();
	if (child == 0)
		run_in(a_case, in_place ? NULL : dir);
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 1;
	if (WIFSIGNALED(status))
		printf("# ended by %s\n", sigabbrev_np(WTERMSIG(status)));
	if (!in_place && tree_remove(AT_FDCWD, dir) != 0) {
		printf("# cannot remove %s: %s\n", dir, name_of(errno));
		status = 1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* The reason why this case may fail here, cut out of the list; or NULL. */
static char *difference(const char *list, const char *family, const char *name)
{
	char id[256];
	size_t length;
	const char *at;

	length = (size_t)snprintf(id, sizeof(id), "\n%s/%s ", family, name);
	at = list ? strstr(list, id) : NULL;
	if (!at)
		return NULL;
	at += length;
	at += strspn(at, " ");
	return strndup(at, strcspn(at, "\n"));
}

/* A case that is listed must fail: the list is not to outlive its reasons. */
static bool say(int status, const struct family *family, const char *name,
		const char *reason)
{
	bool good = reason ? status != 0 : status == 0;
	const char *directive = "";

	if (status == EXIT_SKIP) {
		good = true;
		directive = " # SKIP";
		reason = NULL;
	}
	printf("%s %u - %s/%s%s", good ? "ok" : "not ok", ++lines, family->name,
	       name, directive);
	if (reason && good)
		printf(" (differs: %s)", reason);
	else if (reason)
		printf(" (is listed as different, and is not)");
	printf("\n");
	return good;
}

int family_run(const struct family *family, const char *differences)
{
	const struct check_case *a_case;
	int failed = 0;

	for (a_case = family->cases; a_case->name; a_case++) {
		char *reason = difference(differences, family->name,
					  a_case->name);
		int status = run_case(a_case, family->in_place);

		if (!say(status, family, a_case->name, reason))
			failed++;
		free(reason);
	}
	return failed;
}
