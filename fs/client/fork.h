/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork.h -- a child has none of this: no descriptors, no mappings, no threads
 *
 * The mappings are not inherited (MADV_DONTFORK), so their locks on the devices
 * stay the parent's. The child begins afresh with its first call.
 */
#ifndef UDAX_CLIENT_FORK_H
#define UDAX_CLIENT_FORK_H

/* pthread_atfork(3), once. */
int fork_prepare_once(void) __attribute__((warn_unused_result));

#endif
