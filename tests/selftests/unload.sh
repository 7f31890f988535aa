#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# unload.sh SELFTEST MODULE - load and unload under guests that run; TAP. Runs in the host.
n=0

ok() # STATUS NAME
{
	n=$((n + 1))
	[ "$1" = 0 ] || printf 'not '
	echo "ok $n - $2"
}

rmmod fitzroy
ok $? "unloaded"
for round in 1 2 3; do
	insmod "$2" ring_kib=64 attach_new=1
	ok $? "round $round: loaded, to watch new VMs"
	"$1" --spin 5 &
	sleep 2
	rmmod fitzroy
	ok $? "round $round: unloaded under a watched guest"
	insmod "$2" ring_kib=64
	ok $? "round $round: loaded under a guest"
	rmmod fitzroy
	ok $? "round $round: and unloaded"
	wait $!
	ok $? "round $round: the guest ran on, and right"
done
[ -e /dev/fitzroy ]
ok $((! $?)) "the device is gone"
echo "1..$n"
