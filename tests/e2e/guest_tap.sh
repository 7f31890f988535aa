# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# guest_tap.sh - TAP of the whole-guest tests
#
# The caller has sourced common.sh and set: dir kver cpu. It reads n and bad at its end.
# shellcheck disable=SC2154,SC2034
n=0 bad=0

ok()	# ok NAME COMMAND...: one test
{
	local name="$cpu $kver: $1"

	shift
	n=$((n + 1))
	if "$@" >"$dir/.said" 2>&1; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		head -n 20 "$dir/.said" | sed 's/^/# /'
		bad=1
	fi
}

bail()
{
	n=$((n + 1))
	echo "not ok $n - $cpu $kver: $1"
	echo "1..$n"
	exit 1
}
