#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# pressure.sh KVER CPU [SECONDS [WORKERS]] - a guest whose page cache refills executed frames; TAP
#
# The guest runs more programs than its memory holds, no two pages of which are alike, so
# frames that ran are filled with other programs by virtio-blk and run again. By the guest's
# own record of which page ran in which frame when, nothing ran unseen and nothing was
# captured late. Results stay in $FZ_OUTDIR/check/pressure-KVER-CPU.
# shellcheck disable=SC2317 # ok calls the functions by name
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"

[ $# -ge 2 ] || die "usage: tests/e2e/pressure.sh KVER amd|intel [SECONDS [WORKERS]]"
kver=$1 cpu=$2 seconds=${3:-60} workers=${4:-2}
dir=$FZ_OUTDIR/check/pressure-$kver-$cpu
# shellcheck source=tests/e2e/pressure/lib.sh
. "$here/pressure/lib.sh"

rm -rf -- "$dir"
mkdir -p "$dir" || bail "cannot create $dir"
{ guest && image 600; } >"$dir/build.log" 2>&1 || bail "the guest was not built: $(tail -n 1 "$dir/build.log")"
timeout=$((seconds * 3 + 300))
[ "$cpu" = amd ] || timeout=$((seconds * 20 + 1200))
drive 0 cache=writeback
run disk "$seconds" 10 "disk:vda:${ranges[0]}" --guest-mem 128 --guest-smp "$workers" \
	--timeout $timeout
judge disk
ok "frames were refilled: $(figure disk.json 'j["transitions"]') times, seen as CHANGED" json disk.json \
	"j['transitions'] > 10 * $seconds and j['events']['changed'] > j['transitions'] / 2"
echo "1..$n"
exit $bad
