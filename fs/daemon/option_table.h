/* SPDX-License-Identifier: BSD-3-Clause */
/* option_table.h -- one option of -o; private to options.c */
#ifndef UDAX_DAEMON_OPTION_TABLE_H
#define UDAX_DAEMON_OPTION_TABLE_H

struct daemon_options;

/* "name" or "name=value"; one that is not known is -EINVAL, after a line. */
int option_parse(struct daemon_options *options, const char *whole)
	__attribute__((warn_unused_result));
/* One more device. */
int option_device(struct daemon_options *options, const char *path)
	__attribute__((warn_unused_result));

#endif
