# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# lease_functions.sh: clients of direct mappings (lease_client.c), by name.
# Sourced after functions.sh.
#
#   two_devices            a and b, formatted and mounted
#   file_on_b NAME BYTES   $mnt/NAME of random bytes, wholly on b
#   lessee NAME FILE library|deaf [RANGES]   starts; its pid in ${pid[NAME]}
#   say NAME LINE          one line of answer
#   lessee_end NAME        it quits, and is waited for
#   remove_b OPTION...     the whole JSON in $removed; with short limits
#   of_removed FIELD       of that JSON
#   on_b FIELD             of list-devices; holders_of_b: KIND:PID...
[ -n "${mnt:?}" ] && [ -n "${work:?}" ]
declare -A pid=() to_lessee=() from_lessee=()
limits=(--recall-ms=300 --zap-ms=1000 --kill-ms=1000)
removed=

two_devices() {
	udax_mkfs a b
	udax_mount "$@" a b
}

file_on_b() {
	local try
	for try in 1 2 3 4; do
		head -c "$2" /dev/urandom >"$mnt/$1.$try"
		udaxctl filemap "$mnt/$1.$try" --json | grep -o '"device":[0-9]*' |
			grep -qvx '"device":1' && continue
		mv "$mnt/$1.$try" "$mnt/$1"
		rm -f "$mnt/$1".?
		return
	done
	return 1
}

lessee() {
	local name=$1 line in out
	shift
	mkfifo "$work/$name.in" "$work/$name.out"
	lease_client "$@" <"$work/$name.in" >"$work/$name.out" 2>"$work/$name.err" &
	pid[$name]=$!
	exec {in}>"$work/$name.in" {out}<"$work/$name.out"
	to_lessee[$name]=$in from_lessee[$name]=$out
	read -r -t 20 line <&"$out" && [ "$line" = mapped ] ||
		{ diag "lessee $name: ${line:-no answer}" "$(cat "$work/$name.err")"; return 1; }
}

say() {
	local line
	printf '%s\n' "$2" >&"${to_lessee[$1]}"
	read -r -t 20 line <&"${from_lessee[$1]}" || line="no answer in 20 s"
	echo "$line"
}

lessee_end() {
	# Others may have inherited the pipe: it does not end by being closed.
	{ echo quit >&"${to_lessee[$1]}"; } 2>/dev/null
	eval "exec ${to_lessee[$1]}>&- ${from_lessee[$1]}<&-"
	rm -f "$work/$1.in" "$work/$1.out"
	wait "${pid[$1]}" 2>/dev/null
}

remove_b() {
	removed=$(timeout 60 udaxctl remove-device "$mnt" "$work/b" "${limits[@]}" --json "$@")
}

# One field of one flat object, or of the second of a list. (Python starts slowly.)
field() { grep -oE "\"$2\":(\"[^\"]*\"|[^,}]*)" <<<"$1" | sed -n "${3:-1}{s/^[^:]*://;s/\"//g;p}"; }
of_removed() { field "$removed" "$1"; }
on_b() { field "$(udaxctl list-devices "$mnt" --json)" "$1" 2; }
# KIND:PID of each, sorted, once
holders_of_b() {
	udaxctl list-holders "$mnt" "$work/b" --json | sed 's/},/},\n/g' |
		sed -nE 's/.*"kind":"([a-z_]+)".*"pid":([0-9a-z]+).*/\1:\2/p' | sort -u | paste -sd' '
}
maps_b() { grep -q " $work/b" "/proc/$1/maps"; }
state_letter() { sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status"; }
in_state() { [ "$(state_letter "$1")" = "$2" ]; }
