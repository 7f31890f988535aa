# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# tap.sh - a script's tests in TAP; to be sourced
#
# What a test's command said is in $tmp/out and $tmp/err, and shown if the test fails.
n=0 failed=0

ok() # STATUS NAME: one test, passed if STATUS is 0
{
	local said

	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
		return
	fi
	echo "not ok $n - $2"
	failed=1
	for said in out err; do
		[ -s "${tmp-}/$said" ] && sed "s/^/# $said: /" "$tmp/$said" | head -n 20
	done
}
