#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The arrows of ARCHITECTURE.md: who may include whom. TAP.
set -u
cd "${srcdir:-.}" || exit 1

# folder: the folders it may include from, itself aside
declare -A may=(
	[util]="" [trace]=""
	[device]="util trace"
	[dax]="util trace"
	[media]="util trace"
	[alloc]="util trace media device"
	[journal]="util trace media device alloc"
	[tree]="util trace media device journal"
	[core]="util trace media device alloc journal tree dax"
	[fuse]="util trace core dax media"
	[wire]=""
	[direct]="util trace core dax media wire"
	[control]="util trace core dax media"
	[daemon]="util trace core dax media device fuse direct control"
	[client]="util wire"
)

folders=()
for folder in fs/*/; do folders+=("$(basename "$folder")"); done
echo "1..${#folders[@]}"
n=0 status=0
for folder in "${folders[@]}"; do
	n=$((n + 1)) wrong=
	if [ -z "${may[$folder]+known}" ]; then
		wrong="  folder fs/$folder has no place in tests/layers.sh"
	else
		for seen in $(grep -hoE '^#include "[a-z_]+/' "fs/$folder"/*.[ch] 2>/dev/null |
			sed 's/.*"//; s|/||' | sort -u); do
			[ "$seen" = "$folder" ] || [ "$seen" = udax ] && continue
			case " ${may[$folder]} " in
			*" $seen "*) ;;
			*) wrong+="  $(grep -lE "^#include \"$seen/" "fs/$folder"/*.[ch] | tr '\n' ' ')includes $seen/"$'\n' ;;
			esac
		done
	fi
	if [ -z "$wrong" ]; then
		echo "ok $n - fs/$folder includes only what lies below it"
	else
		echo "not ok $n - fs/$folder includes only what lies below it"
		printf '%s' "$wrong" | sed 's/^/#/'
		status=1
	fi
done
exit $status
