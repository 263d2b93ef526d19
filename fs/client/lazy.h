/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lazy.h -- holes: memory that is not there until it is touched
 *
 * With userfaultfd a hole is anonymous memory registered for missing pages: who
 * touches it sleeps, the udax-fault thread hears of it, device memory is mapped
 * over the hole, and the sleeper is woken to try again. One descriptor serves
 * the process; it is had from userfaultfd(2), /dev/userfaultfd, the daemon
 * (which hands out the latter), or for faults from user mode only, whichever
 * works; then system calls on holes fail with EFAULT.
 *
 * A hole is put over mapped memory by one mremap(2) of a registered area, so
 * that no store can get between the old memory and the trap. The kernel keeps
 * the registration over an mremap only for those who ask for its events, and
 * lets the caller wait until the event was read. Therefore the udax-fault
 * thread never waits for client.lock without reading on (lazy_lock()), and
 * nothing but the lock is held around lazy_put_hole().
 *
 * Without userfaultfd a hole is not accessible (PROT_NONE).
 * UDAX_USERFAULTFD=off in the environment: as if there were none; =user: for
 * faults from user mode only.
 *
 * Locking: client.lock, lazy_wake() aside.
 */
#ifndef UDAX_CLIENT_LAZY_H
#define UDAX_CLIENT_LAZY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* /dev/userfaultfd as the daemon gave it: taken before anything is started. */
void lazy_offer(int device_fd);
void lazy_start_locked(void);
bool lazy_available(void);

/* Holes: over what is there, whatever it is. */
int lazy_put_hole(uintptr_t addr, size_t length, int prot)
	__attribute__((warn_unused_result));
/* ... over anonymous memory that nobody knows of yet. */
int lazy_make_hole(uintptr_t addr, size_t length)
	__attribute__((warn_unused_result));
/* Not accessible, not registered. */
int lazy_put_nothing(uintptr_t addr, size_t length)
	__attribute__((warn_unused_result));
/* SIGBUS, for everybody, at the exact address. */
int lazy_put_poison(uintptr_t addr, size_t length, int prot)
	__attribute__((warn_unused_result));

/* Who waits there tries again. */
void lazy_wake(uintptr_t addr, size_t length);

/* The udax-fault thread: a touch to be answered, whenever one comes. */
uintptr_t lazy_next_fault(void);
/* client_lock(), reading on. */
void lazy_lock(void);

#endif
