#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# unload.sh SELFTEST MODULE KVMDIR [silent] - load and unload under guests that run, and refuse to
# load where the module cannot see; TAP. KVMDIR has the host's KVM modules. Runs in the host.
# With silent: refuse to load for each hook that does not fire, and nothing else.
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

# asked LINES SIGNAL: send SIGNAL to the guest, wait for its line number LINES, and show it.
asked()
{
	kill -"$2" "$guest"
	for _ in $(seq 200); do
		[ "$(wc -l </tmp/spin.out)" -lt "$1" ] || break
		sleep 0.1
	done
	said=$(sed -n "$1p" /tmp/spin.out)
	echo "# $said"
}

module=$2
rmmod fitzroy
ok $? "unloaded"
if [ "${4-}" = silent ]; then
	# Each hook on a function of a network that nobody uses: it never fires.
	[ -e /sys/kernel/tracing/available_filter_functions ] || mount -t tracefs tracefs /sys/kernel/tracing
	cut -d' ' -f1 /sys/kernel/tracing/available_filter_functions >/tmp/functions
	for hook in kvm_arch_destroy_vm sev_mem_enc_ioctl make_spte kvm_unmap_gfn_range __kvm_write_guest_page \
		kvm_arch_flush_shadow_memslot kvm_arch_commit_memory_region kvm_mmu_hugepage_adjust \
		kvm_faultin_pfn ptep_set_access_flags kvm_arch_post_init_vm; do
		# One that this kernel, or this vendor, has under another name, or not at all.
		grep -q "$hook" "$module" && grep -qx "$hook" /tmp/functions || continue
		idle=$(awk -v n=${#hook} 'length == n && /^(tcp|udp|xfrm|ipv6|inet6|nf|arp)_/ { print; exit }' /tmp/functions)
		# Without the entries that it proves the guest goes no further.
		case $hook in
		make_spte) says="entries are not as expected: .* after 0 calls" ;;
		*) says="the hook on $idle does not fire" ;;
		esac
		refused "$hook is silent" "$hook" "$idle" "$says"
	done
	[ "$n" -gt 27 ]
	ok $? "most hooks have these names"
	insmod "$module" ring_kib=64
	ok $? "loaded, as it was built"
	echo "1..$n"
	exit
fi
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
# A guest that was there before: its X and its huge pages go while it is watched, and come back.
"$1" --spin 600 >/tmp/spin.out &
guest=$!
sleep 1
asked 1 USR1
before=$said
[ "${before##* }" = 0 ]
ok $? "before: rewriting and calling code takes no fault"
insmod "$module" ring_kib=64 attach_new=1
ok $? "loaded while it runs"
asked 2 USR1
[ "$said" = "$before" ]
ok $? "which alone changes nothing"
asked 3 USR2
[ "$said" = attached ]
ok $? "attached"
asked 4 USR1
huge=${said#* }
[ "${huge%% *}" -lt "$(echo "$before" | cut -d' ' -f2)" ] && [ "${said##* }" -ge 398 ]
ok $? "watched: fewer huge pages, and faults"
rmmod fitzroy
ok $? "unloaded"
asked 5 USR1
[ "$said" = "$before" ]
ok $? "X and huge pages are back"
kill $guest
wait $guest

# The vendor module's layout was checked at load: it stays while we are there.
vendor=kvm_amd
[ -d /sys/module/kvm_amd ] || vendor=kvm_intel
ko=$3/$(echo $vendor | tr _ -).ko
insmod "$module" ring_kib=64
! rmmod $vendor 2>/tmp/rmmod.err
ok $? "$vendor stays while the module is loaded: $(tr '\n' ' ' </tmp/rmmod.err)"
rmmod fitzroy && rmmod $vendor
ok $? "without it, it goes"
dmesg -C
! insmod "$module" ring_kib=64 2>/dev/null
ok $? "no $vendor: not loaded"
dmesg | grep -q "fitzroy: not loaded: cannot open /dev/kvm"
ok $? "$(dmesg | sed -n 's/.*fitzroy: not loaded: //p' | head -n 1)"
# off PARAMETER: loaded so, KVM would show less than there is.
off()
{
	insmod "$ko" "$1=0"
	dmesg -C
	! insmod "$module" ring_kib=64 2>/dev/null
	ok $? "$1=0: not loaded"
	dmesg | grep -q "fitzroy: not loaded: .*$1"
	ok $? "$(dmesg | sed -n 's/.*fitzroy: not loaded: //p' | head -n 1)"
	rmmod $vendor
}
if [ $vendor = kvm_amd ]; then
	off npt
else
	off ept
	off unrestricted_guest
fi
insmod "$ko" && insmod "$module" ring_kib=64 attach_new=1
ok $? "loaded again, with a new $vendor"
"$1" --spin 2
ok $? "whose guests run, watched"
rmmod fitzroy
ok $? "unloaded"
[ -e /dev/fitzroy ]
ok $((! $?)) "the device is gone"
echo "1..$n"
