/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * proc_status.h -- what /proc says of a process, or of a thread by its number
 *
 * Sound only as long as it cannot end: while a request of its is under way.
 */
#ifndef UDAX_UTIL_PROC_STATUS_H
#define UDAX_UTIL_PROC_STATUS_H

#include <stdbool.h>
#include <sys/types.h>

/* What stands behind "KEY:" in /proc/PID/status; the caller frees it. NULL:
 * there is no such process, or no such line. */
char *proc_status(pid_t pid, const char *key);
/* Its process's; 0: not known. */
pid_t proc_thread_group(pid_t thread);
/* The effective one (CAP_*), in our own user namespace: root of another one
 * has all of them, there. Whoever cannot be asked has none. */
bool proc_is_capable(pid_t pid, unsigned capability);

#endif
