#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Damaged media: every input of the corpus, one run. TAP.
corpus=("${srcdir:-.}"/tests/fuzz/corpus-media/*)
echo 1..1
if said=$(timeout 120 tests/fuzz/fuzz_media "${corpus[@]}" 2>&1); then
	echo "ok 1 - ${#corpus[@]} sorts of damage"
else
	echo "not ok 1 - ${#corpus[@]} sorts of damage"
	printf '%s\n' "$said" | tail -30 | sed 's/^/# /'
	exit 1
fi
