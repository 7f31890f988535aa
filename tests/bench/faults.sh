#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# faults.sh KVER - counted cost of a guest's faults on a stock host; lines as in tests/bench/run
set -euo pipefail
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
[ $# = 1 ] || die "usage: tests/bench/faults.sh KVER"
dir=$FZ_OUTDIR/bench/faults-$1
rm -rf -- "$dir"
mkdir -p "$dir"
faults=$FZ_OUTDIR/tests/bench/faults
# The sweep that compares frames with their captures runs by the clock: not a fault's cost.
cat >"$dir/script" <<SH
#!/bin/bash
for i in 1 2; do
	insmod "$FZ_OUTDIR/build/\$(uname -r)/fitzroy.ko" ring_kib=16384 verify_ms=0 audit_ms=0 2>/dev/null
	for mode in other watched; do
		"$faults" \$mode | sed "s/^/\$i \$mode /"
		[ "\${PIPESTATUS[0]}" = 0 ] || exit 1
	done
	rmmod fitzroy || exit 1
	"$faults" bare | sed "s/^/\$i bare /"
	[ "\${PIPESTATUS[0]}" = 0 ] || exit 1
done
SH
chmod 755 "$dir/script"
"$FZ_TOP/scripts/nested" --out "$dir/bed" --cpu amd --host-kernel "$1" --icount --timeout 1500 \
	--host-script "$dir/script" --module-arg ring_kib=16384 --module-arg verify_ms=0 \
	--module-arg audit_ms=0 >"$dir/nested.log" 2>&1 || {
	cat "$dir/nested.log" "$dir/bed/script.log" >&2 || true
	die "no figures from $1"
}
awk -v k="$1" -f "$here/faults.awk" "$dir/bed/script.log"
