#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# attack.sh KVER - attacks in a real guest, each found, none mistaken; TAP
#
# The guest runs each attack behind its clean twin and keeps its own account of what ran in
# which frame (attack/); judge.py holds the report against it. Results stay in
# $FZ_OUTDIR/check/attack-KVER. With FZ_RECORDED=DIR of an earlier run no guest is run.
# shellcheck disable=SC2317 # ok calls the functions by name
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"

[ $# = 1 ] || die "usage: tests/e2e/attack.sh KVER"
kver=$1 cpu=amd
dir=$FZ_OUTDIR/check/attack-$kver
fitzroy=$FZ_OUTDIR/bin/fitzroy
# shellcheck source=tests/e2e/command_tap.sh
. "$here/command_tap.sh"
# shellcheck source=scripts/lib/suites.sh
. "$FZ_TOP/scripts/lib/suites.sh"
title="$cpu $kver: "

nothing_lost()
{
	python3 - "$run/status.json" <<-'PY'
	import json, sys
	t = json.load(open(sys.argv[1]))["total"]
	bad = {k: t[k] for k in ("lost", "lost_execs", "errors", "violations", "drifts") if t[k]}
	if bad or t["grants"] != t["execs"] + t["reexecs"] + t["mixed"] + t["lost_execs"]:
	    sys.exit(f"{t}")
	PY
}

mkdir -p "$dir" || bail "cannot create $dir"
run=${FZ_RECORDED:-$dir/run}
if [ -z "${FZ_RECORDED-}" ]; then
	rm -rf -- "$dir"
	mkdir -p "$run"
	"$here/attack/build" "$kver" "$run" >"$dir/build.log" 2>&1 || bail "the guest was not built: $(tail -n 1 "$dir/build.log")"
	{ read -r kernel; read -r disk; } <"$run/paths"
	truncate -s 8M "$run/truth.img"
	"$here/../../scripts/nested" --out "$run" --cpu "$cpu" --host-kernel "$kver" --no-report --timeout 600 \
		--guest-kernel "$kernel" --guest-initrd "$run/initrd" --guest-disk "$disk" --guest-out "$run/truth.img" \
		--guest-append "console=ttyS0 quiet panic=-1 mitigations=off attack.suite" >"$dir/run.log" 2>&1
	rc=$?
	in_log() { [ "$rc" = 0 ] || { cat "$dir/run.log"; false; }; }
	ok "the guest ends by itself, no splat, audit clean" in_log
	[ -s "$run/events.fz" ] || bail "there is no log"
	ok "nothing lost" nothing_lost
fi
# upx, where the user that it runs as can read it.
upx=$(upx_dir) || bail "there is no upx"
tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT
{ cp -rL -- "$upx" "$tmp/upx" && chmod -R a+rX "$tmp"; } || bail "upx is not copied"
# The guest's packages and kernel, the initramfs' busybox, and of the suite's own what is no attack.
{ read -r kernel; read -r _; read -r debs; } <"$run/paths"
root=$(dirname -- "$debs")/root
PATH=$tmp/upx:$PATH "$fitzroy" db add --db "$dir/known.db" "$debs" "$(command -v busybox)" "$run/own" "$kernel" >"$dir/db.log" 2>&1 ||
	bail "no database: $(tail -n 1 "$dir/db.log")"
ok "the log is whole" "$fitzroy" verify "$run/events.fz"
for format in json frames text; do
	"$fitzroy" report "$run/events.fz" --db "$dir/known.db" --format $format >"$dir/report.$format" 2>>"$dir/report.err"
done
"$here/attack/judge.py" --truth "$run/truth.img" --frames "$dir/report.frames" --report "$dir/report.json" \
	--root "$root" --packed "$run/upx-good" >"$dir/judged" 2>&1 || bail "not judged: $(tail -n 1 "$dir/judged")"
while IFS= read -r line; do
	case $line in
	'ok '*)
		n=$((n + 1))
		echo "ok $n - $cpu $kver: ${line#ok }"
		;;
	'not ok '*)
		n=$((n + 1)) bad=1
		line=${line#not ok }
		echo "not ok $n - $cpu $kver: ${line%%: *}"
		echo "# ${line#*: }"
		;;
	*) echo "$line" ;;
	esac
done <"$dir/judged"
echo "1..$n"
exit $bad
