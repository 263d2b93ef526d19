#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# mutations.sh [NAME...]: each mistake that fs/trace/mutate.h knows of is
# switched on until a state shows it; fails if one survives.
set -u
campaign=tests/crash/crash_campaign
seconds=${SECONDS_MOST:-600}
survivors=0

[ $# -gt 0 ] || mapfile -t known < <("$campaign" --mutations)
[ $# -eq 0 ] || known=("$@")
for mutation in "${known[@]}"; do
	# Pages and bytes forgive what lines do not, and the other way round.
	if said=$("$campaign" --mutation="$mutation" --jobs=2 --dense=16 \
		--again=40 --seeds=1000 --seconds="$seconds" --json 2>/dev/null); then
		echo "$mutation: SURVIVES: ${said##*$'\n'}"
		survivors=$((survivors + 1))
	else
		states=$(sed -n 's/.*"states_judged":\([0-9]*\).*/\1/p' <<<"$said")
		how=$(grep -m1 '^crash_campaign' <<<"$said" | cut -c1-300)
		echo "$mutation: found after $states states: $how"
	fi
done
[ "$survivors" -eq 0 ]
