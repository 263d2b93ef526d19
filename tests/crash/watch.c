/* SPDX-License-Identifier: BSD-3-Clause */
#include "crash/watch.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char what[256];
static int output = -1;

static void too_late(int number)
{
	(void)number;
	if (write(output, what, strlen(what)) < 0)
		_exit(2);
	_exit(1);
}

void watch_begin(int fd, const char *format, ...)
{
	size_t length;
	va_list arguments;

	alarm(0);
	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	length = strlen(what);
	snprintf(what + length, sizeof(what) - length, ": stands still\n");
	output = fd;
	signal(SIGALRM, too_late);
	watch_beat();
}

void watch_beat(void)
{
	alarm(WATCH_S);
}
