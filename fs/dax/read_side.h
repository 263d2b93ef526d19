/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * read_side.h -- the read-side section that the references rest on
 *
 * liburcu, flavour bp: a thread registers itself at its first section, so no
 * caller can forget to. Inlined it costs what memb does (about 1 ns a section,
 * see bench_refs); called out of line either costs ten times that.
 * _LGPL_SOURCE only asks for those inline functions, which the library lets
 * any program use whatever its licence; sanitized builds go without, because
 * 0.13 aligns its own reader structure less than it declares, and so does the
 * static analyzer, which believes that it is NULL.
 *
 * Locking: a section may nest, may take a mutex that is held for a bounded time
 *          only, and must not wait for anything else. read_side_synchronize()
 *          waits for every section that was open when it was called: never call
 *          it inside one, nor with a lock that is taken inside one.
 *
 * ThreadSanitizer does not see into liburcu; it is told what the sections
 * order: all before a section's end happens before a later synchronize returns,
 * all before a synchronize happens before a section that begins later.
 */
#ifndef UDAX_DAX_READ_SIDE_H
#define UDAX_DAX_READ_SIDE_H

#if !defined(_LGPL_SOURCE) && !defined(__SANITIZE_ADDRESS__) &&                \
	!defined(__clang_analyzer__)
#define _LGPL_SOURCE
#endif
#include <urcu/urcu-bp.h>

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define READ_SIDE_ACQUIRE(address) __tsan_acquire(address)
#define READ_SIDE_RELEASE(address) __tsan_release(address)
#else
#define READ_SIDE_ACQUIRE(address) ((void)(address))
#define READ_SIDE_RELEASE(address) ((void)(address))
#endif

/* Addresses only: what the sanitizer hangs the two orders on. */
extern char read_side_ends, read_side_begins;

static inline void read_side_enter(void)
{
	urcu_bp_read_lock();
	READ_SIDE_ACQUIRE(&read_side_begins);
}

static inline void read_side_exit(void)
{
	READ_SIDE_RELEASE(&read_side_ends);
	urcu_bp_read_unlock();
}

/* Wait for a grace period. */
static inline void read_side_synchronize(void)
{
	READ_SIDE_RELEASE(&read_side_begins);
	urcu_bp_synchronize_rcu();
	READ_SIDE_ACQUIRE(&read_side_ends);
}

#endif
