#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A C project of some size, this one, is configured, built and tested on the
# mount: out of tree, and the long form all of it from autoreconf on.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires make cc tar
[ -x "$srcdir/configure" ] || skip_all "needs configure"

unset MAKEFLAGS MAKELEVEL MFLAGS TESTS
if [ -n "${UDAX_LONG:-}" ]; then plan 11; else plan 7; fi

copy_tree() {
	local name paths=()
	for name in aclocal.m4 build-aux config.h.in configure configure.ac doc fs include LICENSE m4 \
		Makefile.am Makefile.in quickstart README.md tests tools; do
		[ ! -e "$srcdir/$name" ] || paths+=("$name")
	done
	tar -C "$srcdir" --exclude='*.o' --exclude='*.lo' --exclude=.libs --exclude=.deps -cf - "${paths[@]}" |
		tar -C "$mnt" --one-top-level=source -xf - && mkdir "$mnt/out"
}
make_() { timeout 900 make -s -j2 -C "$mnt/out" "$@" || { tail -30 "$mnt"/out/*/*/test*.log; return 1; } 2>/dev/null; }

UDAX_SIZE=1G
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
ok "a tree is copied" copy_tree
[ -z "${UDAX_LONG:-}" ] || ok "autoreconf" timeout 300 autoreconf -fi "$mnt/source"
ok "configured" eval '(cd "$mnt/out" && timeout 300 ../source/configure -q CFLAGS=-O0)'
ok "a test is built" make_ tests/unit/test_util
ok "and passes" timeout 100 "$mnt/out/tests/unit/test_util"
if [ -n "${UDAX_LONG:-}" ]; then
	ok "all is built" make_
	ok "its unit tests pass" make_ check TESTS="$(make -s -C "$mnt/out" list-tests SUITE=unit)"
	ok "and is installed" make_ install DESTDIR="$mnt/root"
fi
ok "nothing is left to make" eval '[ -z "$(make_ tests/unit/test_util)" ]'
ok "umount and check" eval 'udax_umount && device_clean pmem0'
