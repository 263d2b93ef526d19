/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * steps.h -- how many instructions something takes, counted one by one
 *
 * What grows with the size of something is to be seen without a clock: the
 * counted process is a child that is single-stepped (ptrace) wherever it says
 * so. A system call counts as one instruction. A step takes microseconds, so a
 * count ends at a limit.
 */
#ifndef UDAX_TESTS_STEPS_H
#define UDAX_TESTS_STEPS_H

#include <stdint.h>

/* First thing in main(), or nothing is counted: starts the program anew with a
 * libc that copies with plain instructions, for each byte of a "rep movsb" is a
 * step. */
void steps_main(char **argv);

/* fn in a child of its own, which ends by returning or failing: its exit
 * status, 1000 + signal if it was killed. */
int steps_in_child(void (*fn)(void));

/* In that child, one thread: from here ... to there. */
void steps_begin(void);
uint64_t steps_end(void); /* at most STEPS_MAX, which means: or more */

#define STEPS_MAX 200000

#endif
