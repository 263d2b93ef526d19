#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# growth_steps.sh: test_growth with every instruction counted. TAP.
set -u
echo 1..1
if GROWTH_STEPS=1 tests/unit/test_growth >growth_steps.out 2>&1; then
	echo "ok 1 - no operation takes more instructions than there are names"
else
	echo "not ok 1 - an operation goes through all there is"
fi
sed 's/^/# /' growth_steps.out
rm -f growth_steps.out
