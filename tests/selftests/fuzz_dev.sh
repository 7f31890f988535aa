#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# fuzz_dev.sh FUZZ_DEV MODULE SECONDS [SEED] - fuzz the device, then unload and look at what is left;
# TAP. Runs in the host.
n=0 failed=0

ok() # STATUS NAME
{
	n=$((n + 1))
	[ "$1" = 0 ] || printf 'not '
	echo "ok $n - $2"
	[ "$1" = 0 ] || failed=1
}

# run SECONDS [SEED]: load, fuzz, unload; its tests are ours.
run()
{
	local log=/tmp/fuzz_dev.log rc

	insmod "$module" ring_kib=256 max_vms=20 || return
	"$fuzz" "$@" >$log 2>&1
	rc=$?
	grep -v '^1\.\.' $log | sed -E 's/^((not )?ok) [0-9]+/\1/' | while read -r line; do
		case $line in
		ok* | 'not ok'*) n=$((n + 1)); echo "${line%%-*}$n -${line#*-}" ;;
		*) echo "$line" ;;
		esac
	done
	n=$((n + $(grep -cE '^(not )?ok ' $log)))
	[ $rc = 0 ] || failed=1
	rmmod fitzroy
	ok $? "unloaded"
}

# What cannot be more after it than before, in KiB.
memory()
{
	for _ in 1 2 3; do
		sync
		echo 3 >/proc/sys/vm/drop_caches
		sleep 1
	done
	awk '/^(Percpu|SUnreclaim|VmallocUsed|PageTables|KernelStack):/ { sum += $2 } END { print sum }' /proc/meminfo
}

fuzz=$1 module=$2
shift 2
rmmod fitzroy || exit 2
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
# Once before, for what is allocated once and kept: caches, per-CPU chunks.
run 3 1 >/tmp/first.log
n=0
before=$(memory)
run "$@"
after=$(memory)
[ $((after - before)) -lt 1024 ]
ok $? "kernel memory: $before KiB before, $after KiB after"
[ ! -e /dev/fitzroy ] && [ ! -d /sys/module/fitzroy ]
ok $? "the device and the module are gone"
! grep -q fz_ /proc/vmallocinfo && ! grep -q . /sys/kernel/debug/tracing/enabled_functions
ok $? "no map and no hook of it is left"
[ -z "$(find /sys/kernel/debug/kvm -mindepth 1 -maxdepth 1 -type d 2>/dev/null)" ] &&
	[ "$(cat /sys/module/kvm_amd/refcnt /sys/module/kvm_intel/refcnt 2>/dev/null | sort -u)" = 0 ]
ok $? "no VM is left in KVM"
echo "1..$n"
exit $failed
