/* SPDX-License-Identifier: BSD-3-Clause */
/* size.h -- byte counts as people write and read them: 64M, 2G */
#ifndef UDAX_UTIL_SIZE_H
#define UDAX_UTIL_SIZE_H

#include <stddef.h>
#include <stdint.h>

#define SIZE_TEXT_BYTES 24

/*
 * A decimal number, then nothing or one of K, M, G, T (powers of 1024, either
 * case). -EINVAL not that, -ERANGE beyond INT64_MAX.
 */
int size_parse(const char *text, uint64_t *bytes)
	__attribute__((warn_unused_result));

/* "64M", or with one decimal, cut, not rounded: "1.5G"; bytes below 1024. */
const char *size_text(uint64_t bytes, char text[SIZE_TEXT_BYTES]);

#endif
