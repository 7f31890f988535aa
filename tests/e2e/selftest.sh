#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# selftest.sh KVER CPU [SMP [unload|silent|fuzz SECONDS [SEED]|NAME]] - the selftests in an emulated host; TAP
#
# FZ_SELFTESTS names cases, FZ_ROUNDS how often the longer ones repeat; the results of such a run
# are kept under NAME; FZ_APPEND is more for the host's command line.
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"

[ $# -ge 2 ] || die "usage: tests/e2e/selftest.sh KVER amd|intel [SMP [unload|silent|fuzz SECONDS [SEED]|NAME]]"
dir=$FZ_OUTDIR/check/${4:-selftest}-$1-$2
case $1 in
debug-*) dir+=-${3:-1} ;;
esac
selftest=$FZ_OUTDIR/tests/selftest
rm -rf -- "$dir"
mkdir -p "$dir" || exit 1

command="${FZ_ROUNDS:+FZ_ROUNDS=$FZ_ROUNDS }'$selftest' ${FZ_SELFTESTS-}"
if [ "${4-}" = unload ] || [ "${4-}" = silent ]; then
	command="'$FZ_TOP/tests/selftests/unload.sh' '$selftest' '$FZ_OUTDIR/build/'\$(uname -r)/fitzroy.ko '$("$FZ_TOP/scripts/kernels" fetch "$1")' $4"
fi

if [ "${4-}" = fuzz ]; then
	command="'$FZ_TOP/tests/selftests/fuzz_dev.sh' '$FZ_OUTDIR/tests/fuzz_dev' '$FZ_OUTDIR/build/'\$(uname -r)/fitzroy.ko $5 ${6-}"
fi

# Not in the bed's own directory, which is a disk of its own in the host.
bed=$dir/bed
cat >"$dir/script" <<SH
#!/bin/bash
# What khugepaged collapses is unmapped, and so captured again, at any time: not where it is counted.
echo 0 >/sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none
$command
rc=\$?
echo "# \$(dmesg | grep -m 1 'fitzroy: loaded')"
exit \$rc
SH
chmod 755 "$dir/script"
# A disk to swap to, and one that the selftests serve themselves.
args=(--host-module zram --host-module nbd --host-file "$selftest") timeout=1200
append="nbd.nbds_max=1 ${FZ_APPEND-}"
[ "$2" != intel ] || timeout=${FZ_TIMEOUT:-2400}
[ -z "${FZ_ROUNDS-}" ] || timeout=1800
# A kernel that checks itself is slower by far; on two CPUs it preempts wherever it can.
case $1:${3:-1} in
# There a vCPU that is preempted in a fault holds its page for long: that is no I/O.
debug-*:1) timeout=1800 args+=(--module-arg held_ms=2000) ;;
debug-*) timeout=1800 append+=' preempt=full' args+=(--module-arg held_ms=2000) ;;
esac
[ "${4-}" != fuzz ] || timeout=$((timeout + 2 * $5))
# QEMU 7.2 with a thread per CPU can run a stale int3 where the host has just patched its
# own code, and then the host dies, or hangs where KVM's APIC keys are patched. That is no verdict
# on what is tested: a host that ends with either signature is started again, and that is said.
emulator_fault()
{
	grep -q -e 'Oops: int3' -e 'RIP: .*__apic_accept_irq' "$bed/host.log"
}

for try in 1 2 3; do
	"$FZ_TOP/scripts/nested" --out "$bed" --cpu "$2" --host-kernel "$1" --host-smp "${3:-1}" \
		--timeout $timeout --host-script "$dir/script" --module-arg ring_kib=1024 --module-arg verify_ms=50 \
		--host-append "$append" "${args[@]}" >"$dir/nested.log" 2>&1
	rc=$?
	if [ $rc = 0 ] || ! emulator_fault; then
		break
	fi
	echo "# $2 $1: the emulator failed (try $try): $(grep -m 1 -e int3 -e __apic "$bed/host.log")"
done

# Test by test, with one more for the kernel's log; the plan counts it.
plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$bed/script.log" 2>/dev/null)
ran=$(grep -cE '^(not )?ok ' "$bed/script.log" 2>/dev/null)
[ -n "$plan" ] || plan=${ran:-0}
sed -E "s/^((not )?ok [0-9]+ - )/\1$2 $1: /; /^1\.\.[0-9]+$/d" "$bed/script.log" 2>/dev/null
echo "1..$((plan + 2))"
if [ "$ran" = "$plan" ] && [ "$plan" != 0 ] && grep -q '^1\.\.' "$bed/script.log"; then
	echo "ok $((plan + 1)) - $2 $1: the selftests ran to their end"
else
	echo "not ok $((plan + 1)) - $2 $1: the selftests did not run to their end ($ran)"
	tail -n 5 "$bed/script.log" "$dir/nested.log" 2>/dev/null | sed 's/^/# /'
	rc=1
fi
# nested exits as the selftests do, and has lines of its own for the kernel's log.
if ! grep -q '^nested: ' "$dir/nested.log" && { [ "$rc" = 0 ] || grep -q '^not ok ' "$bed/script.log"; }; then
	echo "ok $((plan + 2)) - $2 $1: no splat in the host's log"
else
	echo "not ok $((plan + 2)) - $2 $1: scripts/nested exited $rc"
	sed 's/^/# /' "$dir/nested.log"
	tail -n 20 "$bed/host.log" 2>/dev/null | tr -d '\r' | sed 's/^/# /'
fi
[ "$rc" = 0 ]
