#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# compare.sh - scripts/bench-compare on made figures; TAP
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
compare=$here/../../scripts/bench-compare
tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT
n=0

# figures FILE "NAME VALUE UNIT"...
figures()
{
	local file=$tmp/$1 f name value unit sep=''

	shift
	for f; do
		read -r name value unit <<<"$f"
		printf '%s{"name": "%s", "value": %s, "unit": "%s", "base": null, "note": ""}\n' \
			"$sep" "$name" "$value" "$unit"
		sep=,
	done | { echo '['; cat; echo ']'; } >"$file"
}

# is STATUS PATTERN NAME ARG...: the status, and a line of the output that matches
is()
{
	local want=$1 pattern=$2 name=$3 rc

	shift 3
	"$compare" "$@" >"$tmp/out" 2>&1
	rc=$?
	n=$((n + 1))
	if [ $rc = "$want" ] && grep -qE -- "$pattern" "$tmp/out"; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name (exit $rc)"
		sed 's/^/# /' "$tmp/out"
	fi
}

figures old 'a 1000 instructions' 'r 500 records/s' 'z 0 instructions'
figures small 'a 1019.9 instructions' 'r 491 records/s' 'z 0 instructions'
figures cost 'a 1021 instructions' 'r 500 records/s' 'z 0 instructions'
figures rate 'a 1000 instructions' 'r 489 records/s' 'z 0 instructions'
figures better 'a 10 instructions' 'r 5000 records/s' 'z -1 instructions'
figures some 'a 1000 instructions' 'r 500 records/s' 'z 0.1 instructions'
figures gone 'a 1000 instructions' 'r 500 records/s'
figures unit 'a 1000 ns' 'r 500 records/s' 'z 0 instructions'
figures new 'a 1000 instructions' 'r 500 records/s' 'z 0 instructions' 'b 7 s'
figures less 'a -100 instructions'
figures more 'a -90 instructions'
figures twice 'a 1 s' 'a 1 s'
figures none
echo '[{"name": "a", "value": NaN, "unit": "s"}]' >"$tmp/nan"
echo '{' >"$tmp/broken"

cd "$tmp" || exit 1
is 0 '^0 of 3' "the same" old old
is 0 '^0 of 3' "worse by less than 2 %" old small
is 1 '^WORSE a .*2\.1 % worse' "a cost that rose" old cost
is 1 '^WORSE r .*2\.2 % worse' "a rate that fell" old rate
is 0 '^0 of 3' "what is allowed" --percent 3 old rate
is 1 '^WORSE a ' "less is allowed" --percent 1 old small
is 0 '^0 of 3' "better is not worse" old better
is 1 '^WORSE z ' "nothing that became something" old some
is 1 '^WORSE z .*gone' "a figure that is gone" old gone
is 1 '^WORSE a .*gone' "a figure in another unit" old unit
is 0 '^      b .*new' "a new figure" old new
is 1 '^WORSE a .*10\.0 % worse' "a negative cost that rose" less more
is 0 '^0 of 3' "less than counts" --least 22 old cost
is 1 '^WORSE a ' "as much as counts" --least 21 old cost
is 0 '^0 of 3' "next to nothing that was nothing" --least 1 old some
is 0 '^0 of 2' "one unit only" --unit instructions old rate
is 2 'no figures in' "a unit that there is not" --unit kg old rate
is 2 'twice' "a figure twice" old twice
is 2 'no figures' "no figures" none old
is 2 'no number' "no number" old nan
is 2 'broken' "no JSON" old broken
is 2 'absent' "no file" old absent
echo "1..$n"
