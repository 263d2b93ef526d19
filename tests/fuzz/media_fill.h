/* SPDX-License-Identifier: BSD-3-Clause */
/* media_fill.h -- some of everything that the format knows */
#ifndef UDAX_TESTS_FUZZ_MEDIA_FILL_H
#define UDAX_TESTS_FUZZ_MEDIA_FILL_H

struct base;

/* Mounted, filled, unmounted. */
void media_fill(struct base *base);
/*
 * Mounted again; work is left over: a range being freed, orphans, records of
 * the journal. keep() is called in the midst of it.
 */
void media_cut_short(struct base *base, void (*keep)(struct base *base));

#endif
