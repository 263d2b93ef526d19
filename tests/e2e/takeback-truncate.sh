#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A file is cut, punched and overwritten while clients map it that do not hear:
# only what is concerned is taken from them, the rest of the mapping goes on.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/lease_functions.sh"
requires_fuse
requires fallocate
plan 19

page_is() { [ "$(od -An -v -tu1 -j"$1" -N1 "$mnt/file" | tr -d ' ')" = "$2" ]; }

two_devices
ok "a file on the second device" file_on_b file 262144
ok "a deaf client maps it" lessee deaf "$mnt/file" deaf
ok "a client of the library, too" lessee stopped "$mnt/file" library
is "the library's stores" "$(say stopped 'store 200000 11')" ok
kill -STOP "${pid[stopped]}"
is "the deaf one's" "$(say deaf 'store 65536 22')" ok

started=$SECONDS
ok "the end is cut off" timeout 30 truncate -s 131072 "$mnt/file"
ok "within the deadlines" [ $((SECONDS - started)) -le 9 ]
is "the deaf one has lost the end" "$(say deaf 'load 131072')" "SIGBUS BUS_ADRERR right"
is "to the last page" "$(say deaf 'load 262143')" "SIGBUS BUS_ADRERR right"
is "and nothing else" "$(say deaf 'store 131071 33')" ok
ok "its store is the file's" page_is 131071 33
is "the other one is still stopped" "$(state_letter "${pid[stopped]}")" T
kill -CONT "${pid[stopped]}"
is "continued, it finds the end gone" "$(say stopped 'load 200000')" "SIGBUS BUS_ADRERR right"
is "and shares the rest" "$(say stopped 'load 65536')" 22

ok "a hole is punched" timeout 30 fallocate -p -o 65536 -l 4096 "$mnt/file"
is "the deaf one has lost that page" "$(say deaf 'load 65536')" "SIGBUS BUS_ADRERR right"
is "not its neighbour" "$(say deaf 'store 69632 44')" ok
is "the library's reads zeros, and fetched it again by itself" "$(say stopped 'load 65536')$(say stopped 'load 69632')" 044
lessee_end deaf
lessee_end stopped
ok "unmounts, and both pass the full check" eval 'udax_umount && device_clean a b'
