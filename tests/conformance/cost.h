/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cost.h -- what work costs where there is much, and where there is little
 *
 * Counted is the processor time of the filesystem's daemons (CONFORM_DAEMONS,
 * their pids), or without one this process's own in the kernel. Both works are
 * done by turns, so that whatever else the machine does slows them alike: no
 * cost is compared with one of another time, and none with a figure.
 */
#ifndef UDAX_CONFORMANCE_COST_H
#define UDAX_CONFORMANCE_COST_H

#include <stdbool.h>

/* Piece i of some work; false: it failed. */
typedef bool cost_fn(long i);

/* count pieces (a multiple of 50) of each; in the median turn `much` costs no
 * more than twice what `little` does. Without `little` it is only said. */
bool cost_compare(const char *what, long count, cost_fn *much, cost_fn *little);

/* A number from the environment. */
long cost_setting(const char *name, long otherwise);

#endif
