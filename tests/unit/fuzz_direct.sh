#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The fuzz target's corpus and mutations of it, one run. TAP.
corpus=("${srcdir:-.}"/tests/fuzz/corpus-direct/*)
echo 1..1
if said=$(timeout 120 tests/fuzz/fuzz_direct -r 40 "${corpus[@]}" 2>&1); then
	echo "ok 1 - ${#corpus[@]} scripts and 40 mutations of each"
else
	echo "not ok 1 - ${#corpus[@]} scripts and 40 mutations of each"
	printf '%s\n' "$said" | tail -30 | sed 's/^/# /'
	exit 1
fi
