/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pause.h -- named points where a test may stop a thread
 *
 * A unit test installs a hook and decides, by the point's name, what the
 * thread that reaches it shall wait for. Without a hook a point costs one
 * relaxed load; none stands on the read or write path.
 */
#ifndef UDAX_TRACE_PAUSE_H
#define UDAX_TRACE_PAUSE_H

typedef void pause_hook_fn(const char *point);

/* NULL removes it. The hook runs in the thread that reached the point. */
void pause_set_hook(pause_hook_fn *hook);

void pause_point(const char *point);

#endif
