#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# lint.sh SOURCE BUILD: everything a machine can check without running it.
set -uo pipefail
source_dir=$(cd "$1" && pwd) build_dir=$(cd "$2" && pwd)
cd "$source_dir" || exit 1
failed=0

part() {
	local name=$1 log
	shift
	log=$(mktemp)
	if "$@" >"$log" 2>&1; then
		echo "lint: $name: clean"
	else
		cat "$log"
		echo "lint: $name: FAILED"
		failed=1
	fi
	rm -f "$log"
}

mapfile -t sources < <(git ls-files '*.c' 2>/dev/null || find fs tools tests -name '*.c')
mapfile -t headers < <(git ls-files '*.h' 2>/dev/null || find fs include tools tests -name '*.h')
mapfile -t shells < <(git ls-files '*.sh' quickstart .ci/run 2>/dev/null)
# Of the files for one machine each, this one's.
mapfile -t checked < <(printf '%s\n' "${sources[@]}" | grep -E '^(fs|tools)/' |
	grep -vE "_arch_(x86_64|arm64)\.c$" ; ls fs/*/*_arch_"$(uname -m)".c 2>/dev/null)

# The flags the build uses, for clang.
flags_of_build() {
	make -s --no-print-directory -C "$build_dir" print-flags |
		tr ' ' '\n' | grep -E '^-(I|D|std)'
}

# From the build folder, to which the flags are relative. xargs appends the
# files, so the flags go through a file of their own.
tidy() {
	local flags status=0
	flags=$(mktemp)
	# PKGLIBDIR is one program's own, and a string
	{ flags_of_build; echo '-I. -DHAVE_CONFIG_H -DPKGLIBDIR="/"'; } >"$flags"
	(cd "$build_dir" && printf "$source_dir/%s\\0" "${checked[@]}" |
		xargs -0 -P "$(nproc)" -n 3 sh -c '
			flags=$(cat "$1"); shift
			clang-tidy --quiet "$@" -- $flags 2>/dev/null' sh "$flags") || status=1
	rm -f "$flags"
	return $status
}

whole_lines() {
	! grep -nE '[[:space:]]+$' "${sources[@]}" "${headers[@]}" "${shells[@]}"
}

part "clang-format" clang-format --dry-run -Werror "${sources[@]}" "${headers[@]}"
part "white space" whole_lines
part "cppcheck" cppcheck --quiet --enable=warning,portability --inline-suppr \
	--error-exitcode=1 --suppress=missingInclude --suppress=unknownMacro \
	-j "$(nproc)" -I fs -I include --std=c11 "${checked[@]}"
part "clang-tidy" tidy
part "shellcheck" shellcheck -x -S warning -e SC1091 "${shells[@]}"
exit "$failed"
