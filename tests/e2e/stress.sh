#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# stress.sh KVER CPU SMP FLIPS [ARG...] - the stress test in an emulated host; TAP
#
# ARGs are those of the stress program; PARAM=VALUE ones are the host kernel's. FZ_KEEP
# names the directory of the results below out/check.
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"

[ $# -ge 4 ] || die "usage: tests/e2e/stress.sh KVER amd|intel SMP FLIPS [PARAM=VALUE...] [ARG...]"
kver=$1 cpu=$2 smp=$3 flips=$4
shift 4
append=() args=()
for a; do
	case $a in
	--*) args+=("$a") ;;
	*=*) append+=("$a") ;;
	*) args+=("$a") ;;
	esac
done
dir=$FZ_OUTDIR/check/${FZ_KEEP:-stress-$kver-$cpu}
stress=$FZ_OUTDIR/tests/stress
rm -rf -- "$dir"
mkdir -p "$dir" || exit 1
bed=$dir/bed

# No case has I/O in flight: who holds a page is a vCPU, or ksmd, and may be preempted for long on
# a busy machine (held_ms). The case that swaps has a disk for it.
truncate -s 256M "$dir/swap"
cat >"$dir/script" <<SH
#!/bin/bash
if [ -b /dev/vda ]; then
	busybox mkswap /dev/vda >/dev/null && busybox swapon /dev/vda || echo '# no swap'
fi
'$stress' --flips $flips ${args[*]}
rc=\$?
echo "# \$(dmesg | grep -m 1 'fitzroy: loaded')"
exit \$rc
SH
chmod 755 "$dir/script"
nested=(--out "$bed" --cpu "$cpu" --host-kernel "$kver" --host-smp "$smp" --host-script "$dir/script"
	--host-append "${append[*]}")
if [ "$cpu" = intel ]; then
	nested+=(--host-file "$stress" --module-arg ring_kib=8192 --module-arg held_ms=2000)
else
	nested+=(--guest-out "$dir/swap" --module-arg ring_kib=32768 --module-arg held_ms=2000)
fi
# As in selftest.sh: not a verdict on what is tested. A host may also hang of it, from where it
# patched its code: it gets a first time and a second, and all the time in the end.
timeout=${FZ_TIMEOUT:-1200}
for try in 1 2 3; do
	[ -n "${FZ_TIMEOUT-}" ] || [ $try = 3 ] || [ "$smp" = 1 ] || timeout=300
	"$FZ_TOP/scripts/nested" "${nested[@]}" --timeout "$timeout" >"$dir/nested.log" 2>&1
	rc=$?
	if [ $rc = 0 ] || ! { grep -q -e 'Oops: int3' -e 'RIP: .*__apic_accept_irq' "$bed/host.log" ||
		{ [ "$timeout" = 300 ] && grep -q 'not done after' "$dir/nested.log"; }; }; then
		break
	fi
	echo "# $cpu $kver: the emulator failed (try $try)"
	timeout=1200
done
rm -f -- "$dir/swap"

what="$cpu $kver${append[*]+ ${append[*]}}"
plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$bed/script.log" 2>/dev/null)
ran=$(grep -cE '^(not )?ok ' "$bed/script.log" 2>/dev/null)
[ -n "$plan" ] || plan=${ran:-0}
sed -E "s/^((not )?ok [0-9]+ - )/\1$what: /; /^1\.\.[0-9]+$/d" "$bed/script.log" 2>/dev/null
echo "1..$((plan + 2))"
if [ "$ran" = "$plan" ] && [ "$plan" != 0 ] && grep -q '^1\.\.' "$bed/script.log"; then
	echo "ok $((plan + 1)) - $what: the stress test ran to its end"
else
	echo "not ok $((plan + 1)) - $what: the stress test did not run to its end ($ran)"
	tail -n 5 "$bed/script.log" "$dir/nested.log" 2>/dev/null | sed 's/^/# /'
	rc=1
fi
if ! grep -q '^nested: ' "$dir/nested.log" && { [ "$rc" = 0 ] || grep -q '^not ok ' "$bed/script.log"; }; then
	echo "ok $((plan + 2)) - $what: no splat in the host's log"
else
	echo "not ok $((plan + 2)) - $what: scripts/nested exited $rc"
	sed 's/^/# /' "$dir/nested.log"
	tail -n 20 "$bed/host.log" 2>/dev/null | tr -d '\r' | sed 's/^/# /'
fi
[ "$rc" = 0 ]
