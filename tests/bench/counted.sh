#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# counted.sh KVER...		count again, and compare with tests/bench/bench.json; TAP
# counted.sh --baseline KVER...	count anew what tests/bench/bench.json has of these
#
# The counts repeat to the digit with one kernel package and one compiler, which the baseline
# names: then 2 % more, if it is 2 instructions or more, is worse. With others it says so, and
# compares all the same, with 15 %: what a kernel's update may change in KVM's own part. Then
# it is time for --baseline.
set -uo pipefail
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
baseline=''
[ "${1-}" != --baseline ] || { baseline=1; shift; }
[ $# -gt 0 ] || die "usage: tests/bench/counted.sh [--baseline] KVER..."
kept=${FZ_BENCH_BASELINE:-$here/bench.json}
dir=$FZ_OUTDIR/bench/counted
mkdir -p "$dir"

# about KVER: what the counts depend on, besides our own code.
about()
{
	local kernel deb

	kernel=$("$FZ_TOP/scripts/kernels" fetch "$1") || return
	deb=$(basename -- "$(find "$kernel/debs" -name 'linux-image-*.deb' | head -n 1)" .deb)
	echo "$deb, $("${CC:-gcc}" --version | head -n 1), emulated"
}

# count KVER: the figures, each with what it was counted on, as $dir/KVER.json.
count()
{
	local on

	on=$(about "$1") && FZ_BENCH_JSON=$dir/$1.new "$here/run" "$1" >"$dir/$1.log" 2>&1 || {
		tail -n 20 -- "$dir/$1.log" | sed 's/^/# /'
		return 1
	}
	python3 - "$dir/$1.new" "$dir/$1.json" "$on" <<'PY'
import json, sys
figures = [dict(f, on=sys.argv[3]) for f in json.load(open(sys.argv[1]))]
json.dump(figures, open(sys.argv[2], "w"), indent=1)
PY
}

# Of the baseline, what is of kernel KVER, as $dir/KVER.old; its "on".
old()
{
	python3 - "$kept" "$dir/$1.old" "amd-$1/" <<'PY'
import json, sys
old = [f for f in json.load(open(sys.argv[1])) if f["name"].startswith(sys.argv[3])]
json.dump(old, open(sys.argv[2], "w"))
print(*sorted({f["on"] for f in old}), sep="; ")
PY
}

if [ -n "$baseline" ]; then
	files=()
	for k; do
		count "$k" || die "no figures from $k"
		files+=("$dir/$k.json")
	done
	python3 - "$kept" "${files[@]}" >"$kept.tmp" <<'PY' || die "cannot write $kept"
import json, os, sys
new = sum((json.load(open(f)) for f in sys.argv[2:]), [])
names = {f["name"] for f in new}
old = json.load(open(sys.argv[1])) if os.path.exists(sys.argv[1]) else []
print(json.dumps(sorted([f for f in old if f["name"] not in names] + new, key=lambda f: f["name"]),
                 indent=1))
PY
	mv -- "$kept.tmp" "$kept"
	echo "$kept is of this build: $(about "$1")"
	exit
fi

n=0 failed=0
for k; do
	n=$((n + 1)) percent=2
	if ! count "$k" || ! was=$(old "$k"); then
		echo "not ok $n - $k: counted"
		failed=1
		continue
	fi
	is=$(about "$k")
	if [ "$was" != "$is" ]; then
		percent=15
		echo "# THE BASELINE WAS COUNTED ON: $was"
		echo "# THIS IS: $is"
		echo "# so $percent % are allowed instead of 2, until 'make bench-baseline'"
	fi
	"$FZ_TOP/scripts/bench-compare" --percent $percent --least 2 "$dir/$k.old" "$dir/$k.json" \
		>"$dir/$k.compared" 2>&1
	case $? in
	0) echo "ok $n - $k: no count is over $percent % above the baseline's" ;;
	*) echo "not ok $n - $k: no count is over $percent % above the baseline's"; failed=1 ;;
	esac
	sed 's/^/# /' "$dir/$k.compared"
done
echo "1..$n"
exit $failed
