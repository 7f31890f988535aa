# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# command_tap.sh - a script's tests in TAP, each a command that succeeds; to be sourced
#
# The caller sets dir, where what a command says is put; title, if every name is to begin with
# it; and shown, the files that tell more when a test fails. It reads n and bad at its end.
# shellcheck disable=SC2154,SC2034
n=0 bad=0 title='' shown=()

ok()	# ok NAME COMMAND...: one test
{
	local name=$title$1 f

	shift
	n=$((n + 1))
	if "$@" >"$dir/.said" 2>&1; then
		echo "ok $n - $name"
		return
	fi
	bad=1
	echo "not ok $n - $name"
	for f in "$dir/.said" "${shown[@]}"; do
		[ ! -e "$f" ] || head -n 20 "$f" | sed 's/^/# /'
	done
}

bail()
{
	n=$((n + 1))
	echo "not ok $n - $title$1"
	echo "1..$n"
	exit 1
}
