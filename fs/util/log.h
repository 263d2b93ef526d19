/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log.h -- the one log sink
 *
 * A program sends its lines to stderr until log_to_syslog() is called (the
 * daemon does, when it leaves its terminal). One call, one line: operation,
 * object, reason. An error is logged once, where it is handled; nothing is
 * logged on the data path (trace/trace.h is for that).
 *
 * Locking: none to hold; a line is written by one write(2).
 */
#ifndef UDAX_UTIL_LOG_H
#define UDAX_UTIL_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* Prefix of every line on stderr: "NAME: ". */
void log_set_program(const char *name);
void log_set_level(enum log_level most);
void log_to_syslog(void);

void log_line(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * For what a damaged filesystem can be made to say again and again: LOG_BURST
 * lines of one place in the source, then LOG_BURST more a minute at most.
 */
#define LOG_BURST 5
struct log_limit {
	_Atomic int64_t until_ns;
	_Atomic unsigned count;
};
bool log_limit_pass(struct log_limit *limit);
#define log_error_limited(...)                                                 \
	do {                                                                   \
		static struct log_limit limit_;                                \
		if (log_limit_pass(&limit_))                                   \
			log_error(__VA_ARGS__);                                \
	} while (0)

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
