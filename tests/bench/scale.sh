#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scale.sh KVER - does a fault's cost grow; memory; refresh; lines as in tests/bench/run
set -euo pipefail
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
[ $# = 1 ] || die "usage: tests/bench/scale.sh KVER"
dir=$FZ_OUTDIR/bench/scale-$1
rm -rf -- "$dir"
mkdir -p "$dir"
scale=$FZ_OUTDIR/tests/bench/scale
# Above 20,000 frames a second the sweep of a whole second would be cut.
cat >"$dir/script" <<SH
#!/bin/bash
for mode in watched refresh; do
	"$scale" \$mode | sed "s/^/\$mode /"
	[ "\${PIPESTATUS[0]}" = 0 ] || exit 1
done
rmmod fitzroy || exit 1
"$scale" bare | sed "s/^/bare /"
exit "\${PIPESTATUS[0]}"
SH
chmod 755 "$dir/script"
"$FZ_TOP/scripts/nested" --out "$dir/bed" --cpu amd --host-kernel "$1" --icount --timeout 1500 \
	--host-script "$dir/script" --module-arg ring_kib=16384 --module-arg verify_ms=0 \
	--module-arg audit_ms=0 >"$dir/nested.log" 2>&1 || {
	cat "$dir/nested.log" "$dir/bed/script.log" >&2 || true
	die "no figures from $1"
}
awk -v k="$1" -f "$here/scale.awk" "$dir/bed/script.log"
