#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# check.sh: explore the models in every order of steps; then each mistake that
# they know of has to be found. TAP.
set -u
cd "$(dirname "$0")" || exit 1
models=$PWD
cc=${CC:-gcc}

skip() { echo "1..0 # SKIP $*"; exit 77; }
command -v spin >/dev/null || skip "needs spin"
command -v "${cc%% *}" >/dev/null || skip "needs $cc"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

# explore N MODEL CLAIM|- LIMIT [-D...]: prints errors, states, seconds.
explore() {
	local dir=$work/$1 model=$2 claim=$3 how=(-DSAFETY -DNOCLAIM) pan=() fast=-O1
	shift 3
	if [ "$claim" != - ]; then
		set -- -DNEED_NOT "$@"
		how=(-DNFAIR=3)
		pan=(-a -f -N "$claim")
	fi
	case "$*" in *MUTANT*) fast=-O0 ;; esac # found before it is compiled
	mkdir "$dir" && cd "$dir" || return
	spin -a "$@" "$models/$model.pml" >spin.log 2>&1 &&
		$cc -w $fast "${how[@]}" -DMEMLIM=1024 -o pan pan.c >cc.log 2>&1 &&
		timeout 120 ./pan -m100000 "${pan[@]}" >pan.log 2>&1
	awk '/errors: / { errors = $NF }
		/ states, stored/ { states = $1 }
		/max search depth too small|out of memory|aborting/ { bad = 1 }
		END { print (errors == "" || bad) ? "none" : errors, states + 0 }' \
		pan.log 2>/dev/null || echo none 0
}

# What is explored, two at a time: sentence | model | claim | options
right=(
	'a counter, two users, a kill that may be cancelled|reference|-|-DGETTERS=2'
	'a counter, three users|reference|-|-DGETTERS=3 -DROUNDS=1'
	'one hostile client, two removals|lifecycle|-|-DHOSTILE -DREMOVALS=2'
	'two clients, one of them hostile|lifecycle|-|-DHOSTILE -DCLIENTS=2 -DREQUESTS=1'
	'a file cut twice under a lease, and a removal|lifecycle|-|-DTRUNCATES=2'
	'a file cut under one page of two|lifecycle|-|-DPAGES=2 -DTRUNCATES=1 -DREQUESTS=1'
	'a hostile client while a file is cut|lifecycle|-|-DHOSTILE -DTRUNCATES=1'
	'removal ends when pins do|lifecycle|removal_ends|-DHOSTILE'
	'a break ends when pins do|lifecycle|break_ends|-DCLIENTS=2 -DTRUNCATES=1 -DREQUESTS=0 -DUNINTERRUPTED -DUNCANCELLED -DREMOVALS=0'
)
wrong=(
	'no section from look to publication|reference|-|NO_SECTION'
	'the folio is counted before the device|reference|-|COUNT_FIRST'
	'who loses the race keeps its reference|reference|-|LOSER_KEEPS'
	'the sum without a grace period|reference|-|NO_GRACE'
	'the bias goes before the sum comes|reference|-|BIAS_BEFORE_SUM'
	'resurrected by an addition|reference|-|RESURRECT_ADDS'
	'the verdict is looked at, not taken|reference|-|VERDICT_LOOKED_AT'
	'an entry is published outside the section|lifecycle|-|NO_SECTION -DHOSTILE'
	'a client is believed without the lock|lifecycle|-|NO_PROOF -DHOSTILE'
	'nobody asks for descriptors, once only pins are left|lifecycle|-|COUNTER_ALONE -DHOSTILE'
	'a request under way is overlooked|lifecycle|-|UNDER_WAY -DHOSTILE'
	'a pin is not refused|lifecycle|-|PIN_UNCHECKED'
	'pinned pages are zapped, too|lifecycle|-|ZAPS_PINNED'
	'cancel and release decide for themselves|lifecycle|-|VERDICT_LOOKED_AT'
	'blocks are freed before the client has answered|lifecycle|-|FREES_BEFORE_ACK -DTRUNCATES=1'
	'a client answers while its MAP is under way|lifecycle|-|ANSWERS_EARLY -DTRUNCATES=1'
	'a zap that found nothing is believed|lifecycle|-|ZAP_OF_NOTHING -DTRUNCATES=1'
	'an interrupted break stays in force|lifecycle|-|BREAK_STAYS -DTRUNCATES=1'
	'nothing is taken back after an unpin|lifecycle|removal_ends|UNPIN_FORGOTTEN -DHOSTILE'
	'new leases while a break waits|lifecycle|break_ends|GRANTS_IN_A_BREAK -DTRUNCATES=1 -DREQUESTS=0 -DUNINTERRUPTED -DUNCANCELLED -DREMOVALS=0'
	'the break is looked for too early|lifecycle|break_ends|BREAK_ASKED_EARLY -DCLIENTS=2 -DTRUNCATES=1 -DREQUESTS=0 -DUNINTERRUPTED -DUNCANCELLED -DREMOVALS=0'
)

# run_all 0|1: every other row.
rows=("${right[@]}")
for row in "${wrong[@]}"; do
	rows+=("${row%|*}|-DMUTANT_${row##*|}")
done
run_all() {
	local i model claim options

	for ((i = $1; i < ${#rows[@]}; i += 2)); do
		IFS='|' read -r _ model claim options <<<"${rows[i]}"
		# shellcheck disable=SC2086
		(explore "$i" "$model" "$claim" $options) >"$work/$i.result"
	done
}

echo "1..${#rows[@]}"
run_all 0 &
run_all 1
wait
status=0 total=0
for ((i = 0; i < ${#rows[@]}; i++)); do
	read -r errors states <"$work/$i.result"
	total=$((total + states))
	if ((i < ${#right[@]})); then
		says="${rows[i]%%|*}: $states states, nothing wrong"
		[ "$errors" = 0 ]
	else
		says="found: ${rows[i]%%|*} (${states} states)"
		[ "$errors" != none ] && [ "$errors" -gt 0 ]
	fi && echo "ok $((i + 1)) - $says" && continue
	echo "not ok $((i + 1)) - $says"
	echo "# ${rows[i]}: errors $errors"
	sed 's/^/# /' "$work/$i"/{spin,cc,pan}.log 2>/dev/null | head -40
	status=1
done
echo "# $total states in all"
exit $status
