#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# refuse.sh KVER - on an emulated host with a real-time kernel the module does not load: the doctor
# says so before, insmod's error and the kernel's log then; TAP
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
# shellcheck source=scripts/lib/bed.sh
. "$FZ_TOP/scripts/lib/bed.sh"

[ $# -ge 1 ] || die "usage: tests/e2e/refuse.sh KVER"
kernel=$1
dir=$FZ_OUTDIR/check/refuse-$1
rm -rf -- "$dir"
mkdir -p "$dir" || exit 1
find_kernel "$1"
grep -qx CONFIG_PREEMPT_RT=y "$MODROOT/config" || die "$KVER is no real-time kernel"
ko=$FZ_OUTDIR/build/$KVER/fitzroy.ko
# shellcheck source=tests/e2e/command_tap.sh
. "$here/command_tap.sh"
title="$kernel: " shown=("$dir/bed/script.log")

"$FZ_TOP/scripts/doctor" --kernel "$MODROOT" >"$dir/doctor" 2>&1
ok "the doctor exits 1" test $? = 1
ok "for that it is a real-time kernel, and for nothing else" \
	sh -c '[ "$(grep -c "^no " "$1")" = 1 ] && grep "^no .*a real-time kernel" "$1"' sh "$dir/doctor"
ok "the module builds" make -s -C "$FZ_TOP" modules OUT="$FZ_OUTDIR" KVER="$KVER" KDIR="$KDIR"

cat >"$dir/script" <<SH
#!/bin/bash
dmesg -C
busybox insmod '$ko' 2>&1
echo "insmod: \$?"
# Busybox tries both of insmod's system calls.
dmesg | grep -o 'fitzroy: not loaded: .*' | uniq
[ ! -e /dev/fitzroy ] && ! grep '^fitzroy ' /proc/modules && echo 'nothing is left'
SH
chmod 755 "$dir/script"
"$FZ_TOP/scripts/nested" --out "$dir/bed" --host-kernel "$1" --no-monitor --timeout 600 --host-script "$dir/script" \
	--host-file "$ko" >"$dir/nested.log" 2>&1
rc=$?
got=$dir/bed/script.log
ok "insmod says that it is not supported" grep -q "^insmod: can't insert .*: Operation not supported" "$got"
ok "its status is EOPNOTSUPP" grep -qx 'insmod: 95' "$got"
ok "the log has one reason" test "$(grep -c '^fitzroy: not loaded: ' "$got")" = 1
ok "which is this" grep -q '^fitzroy: not loaded: real-time kernels are not supported' "$got"
ok "nothing of it is left" grep -qx 'nothing is left' "$got"
ok "no splat in the host's log" test "$rc" = 0
[ "$rc" = 0 ] || sed 's/^/# /' "$dir/nested.log"
echo "1..$n"
exit $bad
