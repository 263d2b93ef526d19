/* SPDX-License-Identifier: BSD-3-Clause */
#include "trace/pause.h"

#include <stdatomic.h>
#include <stddef.h>

static _Atomic(pause_hook_fn *) hook_now;

void pause_set_hook(pause_hook_fn *hook)
{
	atomic_store_explicit(&hook_now, hook, memory_order_release);
}

void pause_point(const char *point)
{
	pause_hook_fn *hook = atomic_load_explicit(&hook_now,
						   memory_order_acquire);

	if (hook)
		hook(point);
}
