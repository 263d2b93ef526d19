#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# sample.sh: a few thousand of the states that a crash may leave. TAP.
# The rest of them: make crash-campaign; doc/CRASH.md.
set -u
campaign=tests/crash/crash_campaign
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

# judged NAME OPTION...: every state is one that may be, and there are enough.
judged() {
	local name=$1
	shift
	n=$((n + 1))
	if timeout 300 "$campaign" --quiet --jobs=2 "$@" >"$work/said" 2>&1; then
		echo "ok $n - $name: $(tail -1 "$work/said")"
	else
		sed 's/^/# /' "$work/said"
		timeout 300 "$campaign" --jobs=2 "$@" 2>&1 | sed 's/^/# /'
		echo "not ok $n - $name"
	fi
}

echo 1..3
n=0
judged "each operation" --dense=1 --again=150 --granularity=cache_line
judged "by chance, pages" --script=random --seeds=2 --dense=3 --again=100 \
	--granularity=page
judged "by chance, several threads" --script=threads --seeds=2 --dense=3 \
	--again=100 --granularity=byte
