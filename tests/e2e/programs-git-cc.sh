#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# git clones and commits, make and the compiler build and run, on the mount.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires git make
cc=$(command -v cc gcc clang | head -1)
[ -n "$cc" ] || skip_all "needs a C compiler"
plan 16

unset MAKEFLAGS MAKELEVEL MFLAGS
export HOME=$work GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org

# A repository with some history, outside the mount.
origin=$work/origin
make_origin() {
	local i j
	git init -q "$origin" && cd "$origin" || return
	cat >Makefile <<-'MAKE'
		objects = main.o $(patsubst %.c,%.o,$(wildcard part*.c))
		program: $(objects) ; $(CC) -o $@ $(objects)
		$(objects): parts.h
		clean: ; rm -f program $(objects)
	MAKE
	{
		echo '#include <stdio.h>'
		echo '#include "parts.h"'
		echo 'int main(void) { int sum = 0;'
		for i in 1 2 3 4 5 6; do echo "sum += part$i($i);"; done
		echo 'printf("%d\n", sum); return 0; }'
	} >main.c
	for i in 1 2 3 4 5 6; do
		echo "int part$i(int x);" >>parts.h
		printf '#include "parts.h"\nint part%d(int x) { return x * %d; }\n' $i $i >part$i.c
	done
	git add . && git commit -qm first || return
	for i in 1 2 3 4 5; do
		for j in 1 2 3 4 5 6 7 8; do
			mkdir -p "docs/$j" && seq $((i * j)) $((i * j * 40)) >"docs/$j/$i.txt"
		done
		git add . && git commit -qm "commit $i" || return
	done
	git gc -q
}
ok "an origin is made" eval '(make_origin)'

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
ok "git clone" timeout 60 git clone -q --no-hardlinks "$origin" "$mnt/clone"
cd "$mnt/clone" || exit 1
ok "git fsck" timeout 30 git fsck --full --strict
is "nothing is changed" "$(git status --porcelain)" ""
commits() {
	echo more >>docs/1/1.txt && git mv docs/2/2.txt docs/moved &&
		git checkout -q -b topic && git commit -qam change &&
		git checkout -q - && git merge -q topic &&
		git gc -q --prune=now && git fsck --full --strict
}
ok "commits, branches, gc" commits
ok "make" timeout 60 make -s -j2 CC="$cc"
is "the program runs" "$(./program)" 91
is "make finds nothing to do" "$(make CC="$cc")" "make: 'program' is up to date."
ok "a copy takes its place" eval 'cp program p2 && mv p2 program && [ "$(./program)" = 91 ]'
cd "$build" || exit 1
ok "umount and check" eval 'udax_umount && device_clean pmem0'
ok "mounts again" udax_mount pmem0
ok "git fsck" timeout 30 git -C "$mnt/clone" fsck --full --strict
is "nothing is changed" "$(git -C "$mnt/clone" status --porcelain --untracked-files=no)" ""
ok "made anew, the program runs" eval 'make -s -C "$mnt/clone" clean && make -s -C "$mnt/clone" CC="$cc" &&
	[ "$("$mnt/clone/program")" = 91 ]'
ok "umount and check" eval 'udax_umount && device_clean pmem0'
