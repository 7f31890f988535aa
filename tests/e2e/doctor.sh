#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# doctor.sh - scripts/doctor on trees that are made up around a stock kernel's files; TAP
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"

doctor=$FZ_TOP/scripts/doctor
real=$("$FZ_TOP/scripts/kernels" fetch 6.12) || exit 1
kver=$(basename -- "$real")
tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT
n=0

# host: a root that is in order, with links to the kernel's files.
host()
{
	rm -rf -- "$tmp/root"
	mkdir -p "$tmp/root"/{boot,dev,lib/modules,proc/sys/kernel,sys/kernel/security} \
		"$tmp/root/sys/module"/{kvm/notes,kvm_amd/parameters,module/parameters} \
		"$tmp/root/sys/firmware/efi/efivars"
	mkdir -p "$tmp/root/lib/modules/$kver/kernel/arch/x86"
	ln -s "$real/lib/modules/$kver/kernel/arch/x86/kvm" "$tmp/root/lib/modules/$kver/kernel/arch/x86/kvm"
	ln -s "$real/build" "$tmp/root/lib/modules/$kver/build"
	cp "$real/config" "$tmp/root/boot/config-$kver"
	cd "$tmp/root" || exit 1
	echo "$kver" >proc/sys/kernel/osrelease
	echo 1 >proc/sys/kernel/ftrace_enabled
	echo 'flags		: fpu svm npt' >proc/cpuinfo
	echo Y >sys/module/kvm_amd/parameters/npt
	echo '[none] integrity confidentiality' >sys/kernel/security/lockdown
	: >dev/kvm
	# An ELF note: a header of 16 bytes, and the id.
	{
		head -c 16 /dev/zero
		readelf -n "$real/kvm.ko" | sed -n 's/.*Build ID: //p' | python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))'
	} >sys/module/kvm/notes/.note.gnu.build-id
}

# expect STATUS PATTERN WHAT [ARG...]: what the doctor says.
expect()
{
	local status=$1 pattern=$2 what=$3 rc=0

	shift 3
	[ $# -gt 0 ] || set -- --root "$tmp/root"
	n=$((n + 1))
	"$doctor" "$@" >"$tmp/out" 2>&1 || rc=$?
	if [ "$rc" = "$status" ] && grep -qE -- "$pattern" "$tmp/out"; then
		echo "ok $n - $what"
	else
		echo "not ok $n - $what (exit $rc)"
		sed 's/^/# /' "$tmp/out"
	fi
}

host
expect 0 '^Nothing is in the way' "a host that is in order"
expect 0 '^ok .*every function that FitzRoy hooks' "its KVM is known"
host; sed -i 's/^# CONFIG_PREEMPT_RT is.*/CONFIG_PREEMPT_RT=y/' "boot/config-$kver"
expect 1 '^no .*real-time' "PREEMPT_RT"
host; sed -i 's/^CONFIG_DYNAMIC_FTRACE_WITH_REGS=y//; s/^CONFIG_KPROBES=y//' "boot/config-$kver"
expect 1 '^no .*without.* CONFIG_DYNAMIC_FTRACE_WITH_REGS CONFIG_KPROBES$' "no ftrace, no kprobes"
host; sed -i 's/^CONFIG_KVM=m/CONFIG_KVM=y/' "boot/config-$kver"
expect 1 '^no .*built into' "KVM is built in"
host; echo 'flags : fpu' >proc/cpuinfo
expect 1 '^no .*neither SVM nor VMX' "no virtualisation"
host; echo 0 >sys/module/kvm_amd/parameters/npt
expect 1 '^no .*npt=0' "npt=0"
host; mv sys/module/kvm_amd sys/module/kvm_intel; echo 'flags : vmx' >proc/cpuinfo; echo N >sys/module/kvm_intel/parameters/ept
expect 1 '^no .*ept=0' "ept=0"
echo Y >sys/module/kvm_intel/parameters/ept; echo N >sys/module/kvm_intel/parameters/unrestricted_guest
expect 1 '^no .*unrestricted_guest=0' "unrestricted_guest=0"
host; rm -r sys/module/kvm_amd
expect 1 '^no .*kvm_amd is not loaded' "KVM is not loaded"
host; head -c 36 /dev/zero >sys/module/kvm/notes/.note.gnu.build-id
expect 1 '^no .*not the one on disk' "another kvm runs"
host; echo 0 >proc/sys/kernel/ftrace_enabled
expect 1 '^no .*ftrace is off' "ftrace is off"
host; rm "lib/modules/$kver/build"; expect 1 '^no .*linux-headers' "no headers"
host; echo 'none [integrity] confidentiality' >sys/kernel/security/lockdown
expect 0 '^note .*locked down.*sign' "lockdown"
host; printf '\6\0\0\0\1' >sys/firmware/efi/efivars/SecureBoot-8be4df61
expect 0 '^note .*Secure Boot' "Secure Boot"
host; echo Y >sys/module/module/parameters/sig_enforce
expect 0 '^note .*enforces module signatures' "signatures"
host; echo Y >sys/module/kvm_amd/parameters/sev
expect 0 '^note .*encrypted VMs' "encrypted VMs"
# A KVM without one of the functions: its name in the symbol table is another.
host; rm "lib/modules/$kver/kernel/arch/x86/kvm"; mkdir "lib/modules/$kver/kernel/arch/x86/kvm"
sed 's/kvm_mmu_hugepage_adjust/kvm_mmu_hugepage_adjusT/g' "$real/kvm.ko" >"lib/modules/$kver/kernel/arch/x86/kvm/kvm.ko"
cp "$real/kvm-amd.ko" "lib/modules/$kver/kernel/arch/x86/kvm/"
expect 1 '^no .*not one that FitzRoy knows.*kvm_mmu_hugepage_adjust' "a hook is missing"
# One with a copy of a function that some callers use.
sed 's/kvm_mmu_slot_gfn_write_protect/make_spte.constprop.0\x00        /g' "$real/kvm.ko" >"lib/modules/$kver/kernel/arch/x86/kvm/kvm.ko"
expect 1 '^no .*make_spte.constprop' "a hook that some callers would not pass"
# Others whose structures, names or code changed: each is refused, and says what is missing.
changed() # SED: of kvm.ko, each to the same length
{
	LC_ALL=C sed "$1" "$real/kvm.ko" >"lib/modules/$kver/kernel/arch/x86/kvm/kvm.ko"
}
changed 's/shadowed_translation/shadowed_translatioN/g'
expect 1 '^no .*no member shadowed_translation' "a member of a structure is gone"
changed 's/\([\x48\x49][\xb8-\xbf]\x00\x00\x00\x00\x00\x00\x40\)\x01/\1\x02/g'
expect 1 '^no .*mark_spte_for_access_track .*FZ_SPTE_SAVED is not known' "a bit of its entries moved"
changed 's/make_huge_page_split_spte/make_huge_page_split_SPTE/g'
expect 1 '^no .*make_small_spte make_huge_page_split_spte' "the split of huge entries is by an unknown function"
changed 's/kvm_tdp_mmu_zap_collapsible_sptes/kvm_tdp_mmu_zap_collapsible_SPTES/g'
expect 1 '^no .*how do its huge pages come back' "huge pages come back by an unknown function"
cd "$tmp" || exit 1
expect 0 '^Nothing' "a folder of scripts/kernels" --kernel "$real"
expect 2 'no kernel 9.9' "a kernel that is not there" --root "$tmp/root" --kernel 9.9.9-amd64
expect 2 '^usage|usage:' "wrong usage" --what
echo "1..$n"
