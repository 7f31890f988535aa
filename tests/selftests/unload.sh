#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# unload.sh SELFTEST MODULE - load and unload under guests that run, and refuse to load where
# the module cannot see; TAP. Runs in the host.
n=0

ok() # STATUS NAME
{
	n=$((n + 1))
	[ "$1" = 0 ] || printf 'not '
	echo "ok $n - $2"
}

# refused NAME FROM TO SAYS: the module with string FROM changed to TO, of the same length,
# does not load, says why, and leaves nothing behind.
refused()
{
	LC_ALL=C sed "s/$2/$3/g" "$module" >/tmp/changed.ko
	! cmp -s "$module" /tmp/changed.ko
	ok $? "$1: the module differs"
	dmesg -C
	! insmod /tmp/changed.ko ring_kib=64 2>/dev/null
	ok $? "$1: not loaded"
	dmesg | grep -q "fitzroy: not loaded: .*$4"
	ok $? "$1: $(dmesg | sed -n 's/.*fitzroy: not loaded: //p' | head -n 1)"
}

module=$2
rmmod fitzroy
ok $? "unloaded"
id=$(od -An -v -tx1 -j16 /sys/module/kvm/notes/.note.gnu.build-id | tr -d ' \n')
refused "another kvm.ko" "$id" "$(echo "$id" | tr 0-9a-f 1-9a-f0)" "build-id $id, this module was built for"
refused "no such hook" kvm_unmap_gfn_range kvm_unmap_gfn_rangX "cannot hook kvm_unmap_gfn_rangX"
refused "a silent hook" mark_page_dirty_in_slot kvm_apic_nmi_wd_deliver \
	"the hook on kvm_apic_nmi_wd_deliver does not fire"
for round in 1 2 3; do
	insmod "$module" ring_kib=64 attach_new=1
	ok $? "round $round: loaded, to watch new VMs"
	"$1" --spin 5 &
	sleep 2
	rmmod fitzroy
	ok $? "round $round: unloaded under a watched guest"
	insmod "$module" ring_kib=64
	ok $? "round $round: loaded under a guest"
	rmmod fitzroy
	ok $? "round $round: and unloaded"
	wait $!
	ok $? "round $round: the guest ran on, and right"
done
[ -e /dev/fitzroy ]
ok $((! $?)) "the device is gone"
echo "1..$n"
