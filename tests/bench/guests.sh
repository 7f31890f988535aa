#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# guests.sh guests|huge|latency KVER - whole guests; lines as in tests/bench/run
#
# guests: counted, with and without the monitor; FZ_BENCH_RUNS="boot work" is half of it. huge: how much of a guest's memory stays
# mapped by 2 MiB, through FZ_BENCH_CHURN seconds (120) of churn. latency: from a first
# execution to the line of fitzroy watch; needs the database that make demo left, or
# FZ_BENCH_DB. Logs stay in out/bench/GROUP-KVER.
set -euo pipefail
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
[ $# = 2 ] || die "usage: tests/bench/guests.sh guests|huge|latency KVER"
group=$1 kver=$2
runs=${FZ_BENCH_RUNS:-boot work boot work}
dir=$FZ_OUTDIR/bench/$group-$kver
db=${FZ_BENCH_DB:-$FZ_OUTDIR/demo/known.db}
[ "$group" != latency ] || [ -r "$db" ] || die "no $db: make demo first"
mkdir -p "$dir"
"$here/guests/build" "$kver" "$dir/guest"

# in_host MODE OPTION... -- GUEST...: as guests/host says, into DIR/MODE
in_host()
{
	local mode=$1 try
	local -a options=()

	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	rm -rf -- "${dir:?}/$mode"
	mkdir -p "$dir/$mode"
	cat >"$dir/$mode.script" <<-SH
	#!/bin/bash
	export FZ_BENCH_DB="$db"
	exec "$here/guests/host" $mode "$dir/guest" "$FZ_OUTDIR/build/\$(uname -r)/fitzroy.ko" "$FZ_OUTDIR/bin/fitzroy" $*
	SH
	chmod 755 "$dir/$mode.script"
	# Counted, QEMU may hang a guest: "Facts to know" in Documentation/testing.rst.
	for try in 1 2 3; do
		"$FZ_TOP/scripts/nested" --out "$dir/$mode" --cpu amd --host-kernel "$kver" --timeout 1500 "${options[@]}" \
			--no-report --host-script "$dir/$mode.script" >"$dir/$mode.log" 2>&1 && return
		[[ " ${options[*]-} " == *" --icount "* ]] && grep -q 'not done after' "$dir/$mode.log" || break
		echo "bench: $kver, $mode: hung (try $try)" >&2
	done
	cat "$dir/$mode.log" "$dir/$mode/script.log" >&2 || true
	die "no figures from $kver, $mode"
}

case $group in
guests)
	# shellcheck disable=SC2086
	in_host bare --icount --host-append norandmaps -- $runs
	# shellcheck disable=SC2086
	in_host counted --icount --host-append norandmaps -- $runs
	python3 "$here/guests.py" "$kver" "$dir/bare/script.log" "$dir/counted/script.log"
	;;
huge)
	in_host bare -- "churn=${FZ_BENCH_CHURN:-120}"
	in_host watched -- "churn=${FZ_BENCH_CHURN:-120}"
	rm -f -- "$dir/none.db"
	# What ran where is all that is asked of it.
	"$FZ_OUTDIR/bin/fitzroy" db add --db "$dir/none.db" "$(command -v busybox)" >"$dir/db.log" 2>&1 ||
		die "no database: see $dir/db.log"
	"$FZ_OUTDIR/bin/fitzroy" report "$dir/watched/events.fz" --db "$dir/none.db" --format frames >"$dir/frames.json"
	python3 "$here/huge.py" "$kver" "$dir/bare/script.log" "$dir/watched/script.log" "$dir/frames.json"
	;;
latency)
	in_host watch -- work
	python3 "$here/latency.py" "$kver" "$dir/watch/watch"
	;;
*) die "no group $group" ;;
esac
