#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# debug-guest.sh KERNEL [SMP] - a small guest on a host that checks itself (debug-kasan-6.12),
# with proof that its checks are on; TAP
# shellcheck disable=SC2317 # ok calls the functions by name
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"

[ $# -ge 1 ] || die "usage: tests/e2e/debug-guest.sh KERNEL [SMP]"
dir=$FZ_OUTDIR/check/guest-$1
config=$("$FZ_TOP/scripts/kernels" fetch "$1")/config || exit 1
rm -rf -- "$dir"
mkdir -p "$dir" || exit 1

# shellcheck source=tests/e2e/command_tap.sh
. "$here/command_tap.sh"
title="$1: "

ran()
{
	local try

	for try in 1 2 3; do
		"$FZ_TOP/scripts/nested" --out "$dir/bed" --host-kernel "$kernel" --host-smp "$smp" --timeout 1800 \
			--guest-smp 2 && return 0
		# QEMU 7.2's own fault, as in selftest.sh.
		grep -q -e 'Oops: int3' -e 'RIP: .*__apic_accept_irq' "$dir/bed/host.log" || return 1
		echo "the emulator failed (try $try)"
	done
	return 1
}

has() { grep -qE -- "$2" "$dir/bed/$1" || { grep -E -m 5 "${3-.}" "$dir/bed/$1"; false; }; }

# built OPTION: is it in the kernel?
built() { grep -qx "$1=y" "$config"; }

kernel=$1 smp=${2-1}
ok "the guest ends by itself, the audit is clean, nothing is reported" ran
ok "the guest did its work" has guest.log '^guest: done'
! built CONFIG_KASAN ||
	ok "KASAN is on" has host.log 'kasan: KernelAddressSanitizer initialized' kasan
! built CONFIG_PROVE_LOCKING || {
	ok "lockdep is on" has lockdep.log '^ debug_locks: *1$' debug_locks
	ok "it has seen the module's locks under KVM's" has lockdep.log '&region->lock' mmu_lock
}
! built CONFIG_DEBUG_KMEMLEAK || ok "kmemleak was asked" [ -e "$dir/bed/kmemleak.log" ]
! built CONFIG_KCSAN || {
	ok "KCSAN set watchpoints" has host.log 'setup_watchpoints: *[1-9][0-9]{3}' watchpoints
	[ ! -e "$dir/bed/races.log" ] ||
		echo "# races of the kernel's own: $(grep -c 'BUG: KCSAN' "$dir/bed/races.log"), see $dir/bed/races.log"
}
echo "1..$n"
exit $bad
