/* SPDX-License-Identifier: BSD-3-Clause */
#include "chance.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTES 40
#define NOTE_BYTES 400

static struct chance *kept;
static bool all;
static char notes[NOTES][NOTE_BYTES];
static unsigned int noted; /* all of them */

static void too_late(int number)
{
	(void)number;
	fail("no answer in %u s", STEP_DEADLINE_S);
}

void chance_use(struct chance *where, bool say_all)
{
	kept = where;
	all = say_all;
	signal(SIGALRM, too_late);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

uint64_t chance(uint64_t n)
{
	uint64_t x = kept->state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (x ^ (x >> 31)) % n;
}

void note(const char *format, ...)
{
	char *line = notes[noted++ % NOTES];
	va_list args;
	int length;

	alarm(STEP_DEADLINE_S);
	length = snprintf(line, NOTE_BYTES, "%llu ",
			  (unsigned long long)++kept->step);
	va_start(args, format);
	vsnprintf(line + length, NOTE_BYTES - (size_t)length, format, args);
	va_end(args);
	if (all)
		puts(line);
}

void note_more(const char *format, ...)
{
	char *line = notes[(noted - 1) % NOTES];
	size_t length = strlen(line);
	va_list args;

	va_start(args, format);
	vsnprintf(line + length, NOTE_BYTES - length, format, args);
	va_end(args);
	if (all)
		puts(line + length);
}

void fail(const char *format, ...)
{
	unsigned int count = noted < NOTES ? noted : NOTES;
	va_list args;

	printf("seed %llu, step %llu: ", (unsigned long long)kept->seed,
	       (unsigned long long)kept->step);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\nthe last steps:\n");
	for (unsigned int i = noted - count; i != noted; i++)
		printf("  %s\n", notes[i % NOTES]);
	fflush(stdout);
	_exit(1);
}

void fail_errno(const char *what)
{
	fail("%s: %s", what, strerrorname_np(errno));
}
