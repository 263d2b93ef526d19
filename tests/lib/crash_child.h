/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crash_child.h -- a child that is gone in the middle of a call
 *
 * What it has stored to the devices is there. Add crash_child_make and
 * crash_child_remove as a checked fixture: they are device_fixture's as well.
 */
#ifndef UDAX_TESTS_CRASH_CHILD_H
#define UDAX_TESTS_CRASH_CHILD_H

/* What it leaves for its parent. */
struct crash_child {
	unsigned done; /* calls that have returned: for it to count */
	unsigned stores;
	unsigned drains;
};

extern struct crash_child *crash_child;

void crash_child_make(void);
void crash_child_remove(void);

/* fn in a child that ends by itself or by a crash of its own making. */
void crash_child_run(void (*fn)(void *), void *arg);

/* In the child: stores and drains count from here on. After so many stores
 * it is gone; 0: never. */
void crash_child_watch(unsigned stores);

/* Of a device in the fixture's directory. */
void crash_child_copy(const char *from, const char *to);

#endif
