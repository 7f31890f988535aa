#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# fuzz.sh [SECONDS [NAME...]] - the fuzzers on their corpus, and with SECONDS each for as long; TAP
#
# make -C tests/fuzz O=out/check/fuzz builds them. What one finds is in out/check/fuzz/found/NAME;
# fuzz.sh merge NAME... adds what was found new and small to the corpus in the tree.
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
dir=$FZ_OUTDIR/check/fuzz
export ASAN_OPTIONS=detect_leaks=1:quarantine_size_mb=16:allocator_may_return_null=1
# A log has snapshots; a package that is not compressed, blocks.
declare -A max=([log]=16384 [package]=9216 [source]=32768 [kernel]=49152)
n=0 failed=0

run() # NAME SECONDS ARGS...
{
	local name=$1 seconds=$2

	shift 2
	mkdir -p "$dir/found/$name" "$dir/new/$name"
	timeout -k 5 $((seconds + 120)) "$dir/fuzz-$name" -max_len="${max[$name]:-4096}" -timeout=30 \
		-rss_limit_mb=3000 -print_final_stats=1 -artifact_prefix="$dir/found/$name/" "$@" \
		>"$dir/$name.log" 2>&1
}

# What the last run of NAME said, in short.
figures()
{
	sed -nE 's/^#[0-9]+[[:space:]]+(DONE|INITED|RELOAD|pulse) +cov: ([0-9]+) ft: ([0-9]+) corp: ([0-9]+).*/\2 edges, \3 features, corpus \4/p' "$dir/$1.log" |
		tail -n 1
	sed -n 's/^stat::number_of_executed_units: \([0-9]*\)/\1 runs/p' "$dir/$1.log"
}

cases()
{
	if [ $# -gt 0 ]; then
		printf '%s\n' "$@"
	else
		basename -s .c -- "$here"/*.c
	fi
}

if [ "${1-}" = merge ]; then
	shift
	for name in $(cases "$@"); do
		rm -rf -- "$dir/merged" && mkdir -p "$dir/merged"
		run "$name" 600 -merge=1 -use_counters=0 "$dir/merged" "$here/corpus/$name" "$dir/new/$name" || exit
		# The smallest that are worth it: a few KiB of each. Those with a name of their own stay.
		find "$here/corpus/$name" -type f -regextype egrep -regex '.*/[0-9a-f]{40}' -delete
		size=0
		while read -r bytes f; do
			size=$((size + bytes))
			[ "$size" -le "${FZ_CORPUS:-24576}" ] || break
			cp -- "$f" "$here/corpus/$name/"
		done < <(find "$dir/merged" -type f -printf '%s %p\n' | sort -n)
		echo "$name: $(find "$here/corpus/$name" -type f | wc -l) of $(find "$dir/merged" -type f | wc -l)"
	done
	exit
fi

seconds=${1-0}
[ $# = 0 ] || shift
for name in $(cases "$@"); do
	args=(-runs=0 "$here/corpus/$name")
	[ "$seconds" = 0 ] || args=(-max_total_time="$seconds" "$dir/new/$name" "$here/corpus/$name")
	n=$((n + 1))
	if run "$name" "$seconds" "${args[@]}" && [ -n "$(ls -A "$here/corpus/$name" 2>/dev/null)" ]; then
		echo "ok $n - $name: $(figures "$name" | paste -sd , -)"
	else
		echo "not ok $n - $name: see out/check/fuzz/found/$name"
		grep -E -A 12 'ERROR|must hold|runtime error' "$dir/$name.log" | head -n 30 | sed 's/^/# /'
		failed=1
	fi
done
echo "1..$n"
exit "$failed"
