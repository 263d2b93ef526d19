#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# mutations.sh [NAME...]: each mistake that fs/trace/mutate.h knows of is
# switched on until a state shows it; fails if one survives, or if what failed
# was not the judge of a state.
set -u
campaign=tests/crash/crash_campaign
seconds=${SECONDS_MOST:-100}
survivors=0

# Where each is met soonest; what is found nowhere there is looked for
# everywhere.
where() {
	case $1 in
	home-drain | overwrite-drain) echo --script=attributes --again=0 ;;
	free-early) echo --script=rivals --again=0 --dense=6 ;;
	pending-free) echo --script=reuse --again=0 ;;
	publish-first) echo --script=removal --again=0 ;;
	super-settle) echo --script=removal --again=4 ;;
	replay-*) echo --script=names --again=4 --granularity=cache_line ;;
	freemap-after | orphan-order) echo --script=names --again=10 ;;
	data-drain | pending-mark) echo --script=data --again=0 ;;
	chunk-*) echo --script=inode-file --again=0 ;;
	xattr-drain) echo --script=attributes --again=0 ;;
	lease-flush) echo --script=lease --again=0 ;;
	*) echo --script=names --again=40 ;;
	esac
}

# try NAME OPTION...: sets states and how.
try() {
	local said
	said=$("$campaign" --mutation="$1" --jobs=2 --dense=16 "${@:2}" \
		--json 2>&1) || true
	states=$(sed -n 's/.*"states_judged":\([0-9]*\).*/\1/p' <<<"$said")
	how=$(grep -m1 '^crash_campaign .*--state=' <<<"$said" | cut -c1-400)
	[ -n "$how" ]
}

[ $# -gt 0 ] || mapfile -t known < <("$campaign" --mutations)
[ $# -eq 0 ] || known=("$@")
[ "${#known[@]}" -gt 0 ] || { echo "none: configure with --enable-debug"; exit 1; }
for mutation in "${known[@]}"; do
	mapfile -d ' ' -t options < <(where "$mutation" | tr -d '\n')
	if try "$mutation" "${options[@]}" ||
		try "$mutation" --again=40 --seeds=1000 --seconds="$seconds"; then
		echo "$mutation: found after $states states: $how"
	else
		echo "$mutation: SURVIVES $states states"
		survivors=$((survivors + 1))
	fi
done
echo "${#known[@]} mistakes, $survivors not found, $SECONDS s"
[ "$survivors" -eq 0 ]
