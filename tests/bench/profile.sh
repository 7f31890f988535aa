#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# profile.sh KVER [FIGURE] - what a fault's instructions are, by function; figures as in tests/bench/run
#
# FIGURE: one of faults.c; exec_first by default. All functions are in out/bench/profile-KVER/FIGURE.txt.
set -euo pipefail
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
[ $# = 1 ] || [ $# = 2 ] || die "usage: tests/bench/profile.sh KVER [FIGURE]"
dir=$FZ_OUTDIR/bench/profile-$1
rm -rf -- "$dir"
mkdir -p "$dir/bin"
need "${CC:-cc}" gcc
"${CC:-cc}" -O2 -std=gnu11 -Wall -Wextra -shared -fPIC -o "$dir/profile.so" "$here/profile.c"
cat >"$dir/bin/qemu-system-x86_64" <<SH
#!/bin/sh
exec $(command -v qemu-system-x86_64) "\$@" -plugin 'file=$dir/profile.so,out=$dir/counts'
SH
faults=$FZ_OUTDIR/tests/bench/faults
cat >"$dir/script" <<SH
#!/bin/bash
cat /proc/kallsyms >"\$FZ_OUT/kallsyms"
"$faults" other && "$faults" watched && rmmod fitzroy && "$faults" bare
SH
chmod 755 "$dir/script" "$dir/bin/qemu-system-x86_64"
PATH=$dir/bin:$PATH "$FZ_TOP/scripts/nested" --out "$dir/bed" --cpu amd --host-kernel "$1" --icount \
	--timeout 1500 --host-script "$dir/script" --module-arg ring_kib=16384 \
	--module-arg verify_ms=0 --module-arg audit_ms=0 >"$dir/nested.log" 2>&1 || {
	cat "$dir/nested.log" "$dir/bed/script.log" >&2 || true
	die "no profile of $1"
}
python3 "$here/profile.py" "$1" "$dir/counts" "$dir/bed/kallsyms" "$dir" "${2:-exec_first}"
