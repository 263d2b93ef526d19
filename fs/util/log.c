/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/log.h"

#include "util/clock.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024
#define LIMIT_NS (60 * NS_PER_S)

static const char *program = "udaxfs";
static enum log_level shown = LOG_LEVEL_INFO;
static _Atomic bool use_syslog;

void log_set_program(const char *name)
{
	program = name;
}

void log_set_level(enum log_level most)
{
	shown = most;
}

void log_to_syslog(void)
{
	openlog(program, LOG_PID, LOG_DAEMON);
	use_syslog = true;
}

static int syslog_priority(enum log_level level)
{
	static const int priority[] = { LOG_ERR, LOG_WARNING, LOG_INFO,
					LOG_DEBUG };

	return priority[level];
}

static void write_stderr(const char *format, va_list args)
{
	char line[LINE_MAX_BYTES];
	size_t room = sizeof(line) - 1; /* for the newline */
	size_t used = (size_t)snprintf(line, room, "%s: ", program);
	int more;

	if (used > room)
		used = room;
	more = vsnprintf(line + used, room - used + 1, format, args);
	if (more > 0)
		used += (size_t)more < room - used ? (size_t)more : room - used;
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, used) < 0)
		return; /* nowhere left to say so */
}

bool log_limit_pass(struct log_limit *limit)
{
	int64_t now = clock_monotonic_ns();

	if (now >= atomic_load(&limit->until_ns)) {
		atomic_store(&limit->until_ns, now + LIMIT_NS);
		atomic_store(&limit->count, 0);
	}
	return atomic_fetch_add(&limit->count, 1) < LOG_BURST;
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list args;

	if (level > shown)
		return;
	va_start(args, format);
	if (use_syslog)
		vsyslog(syslog_priority(level), format, args);
	else
		write_stderr(format, args);
	va_end(args);
}
