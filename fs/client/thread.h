/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * thread.h -- the library's threads
 *
 * udax: waits for the daemons' messages and for the time of what was put off.
 * udax-fault: waits for touches of holes; only where there is userfaultfd.
 * Both block all signals: the program's handlers run in its own threads.
 *
 * Locking: client.lock.
 */
#ifndef UDAX_CLIENT_THREAD_H
#define UDAX_CLIENT_THREAD_H

#include <stddef.h>
#include <stdint.h>

int thread_start_locked(void) __attribute__((warn_unused_result));
/* The second one, when the first hole is made. */
int thread_start_faults_locked(void) __attribute__((warn_unused_result));

/* Look again at what is wanted there, in so many milliseconds: threads that
 * wait in a hole try again; without userfaultfd it is asked for again. */
void thread_later_locked(uintptr_t addr, size_t length, unsigned int in_ms);

#endif
