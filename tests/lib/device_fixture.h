/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device_fixture.h -- scratch emulated devices for unit tests (Check)
 *
 * Add fixture_make and fixture_remove as a checked fixture: every test then
 * has a directory of its own, on tmpfs where there is one, and all that is in
 * it goes with the test.
 */
#ifndef UDAX_TESTS_DEVICE_FIXTURE_H
#define UDAX_TESTS_DEVICE_FIXTURE_H

#include "device/device.h"

#define FIXTURE_BYTES DEVICE_BYTES_MIN

void fixture_make(void);
void fixture_remove(void);

/* Valid until eight more were asked for. */
const char *fixture_path(const char *name);

/* Reason of the last failure. */
extern char fixture_why[DEVICE_WHY_BYTES];

void fixture_create(const char *name);
struct device *fixture_open(const char *name, struct device_options options);
struct device *fixture_create_and_open(const char *name);

/* The error of an open that must fail, and must say why. */
int fixture_open_error(const char *path);

/* Exit status of fn in a child, or 1000 + the signal that ended it. */
int fixture_in_child(int (*fn)(void));

#endif
