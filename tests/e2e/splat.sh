#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# splat.sh - what scripts/lib/splat.awk, and so every run in the test bed, takes for a splat; TAP
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf -- "$tmp"' EXIT
n=0 failed=0

# check NAME LINES NOTED COMMAND...: of the log that it prints so many lines are said, so many races noted.
check()
{
	local said noted

	: >"$tmp/notes"
	said=$("${@:4}" | awk -v host="${host-1}" -v notes="$tmp/notes" -f "$FZ_TOP/scripts/lib/splat.awk" | wc -l)
	noted=$(grep -c 'BUG: KCSAN' "$tmp/notes")
	n=$((n + 1))
	if [ "$said:$noted" = "$2:$3" ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1: $said printed, $noted noted"
		failed=1
	fi
}

# race A B WHO: as KCSAN reports it, with WHO on the first stack
race()
{
	cat <<-LOG
	[    3.0] bed: begin
	[    9.1] ==================================================================
	[    9.1] BUG: KCSAN: data-race in $1 / $2
	[    9.1]
	[    9.1] write to 0xffff981c80143910 of 8 bytes by task 140 on cpu 0:
	[    9.1]  ${2% \[*}+0x3c/0x100 [kvm]
	[    9.1]  $3+0xfa/0x120
	[    9.1]  __x64_sys_ioctl+0xc5/0xf0
	[    9.1]
	[    9.1] read to 0xffff981c80143910 of 8 bytes by task 141 on cpu 0:
	[    9.1]  ${1% \[*}+0x57/0xc40 [kvm]
	[    9.1] ==================================================================
	[    9.2] kvm_amd: something else
	LOG
}

while IFS= read -r line; do
	check "$line" 1 0 printf "[ 3.0] bed: begin\n[ 4.0] %s\r\n" "$line"
done <<'LINES'
WARNING: CPU: 0 PID: 86 at kernel/cpu.c:1 f+0x1/0x2
WARNING: possible circular locking dependency detected
WARNING: suspicious RCU usage
BUG: KASAN: slab-use-after-free in fz_vm_find+0x1/0x2 [fitzroy]
BUG: sleeping function called from invalid context at kernel/locking/mutex.c:1
BUG: unable to handle page fault for address: ffff8880
UBSAN: array-index-out-of-bounds in kmod/fault.c:1:2
Oops: int3: 0000 [#1] PREEMPT SMP
general protection fault, probably for non-canonical address 0xdead
Kernel panic - not syncing: corrupted stack end detected inside scheduler
INFO: task fitzroy:86 blocked for more than 120 seconds.
INFO: trying to register non-static key.
rcu: INFO: rcu_preempt self-detected stall on CPU
BUG: scheduling while atomic: fitzroy/86/0x00000002
BUG kmalloc-512 (Tainted: G           O      ): Right Redzone overwritten
pagealloc: memory corruption
invalid opcode: 0000 [#1] PREEMPT SMP PTI
LINES
check "what was before the run does not count" 0 0 printf '[ 2.0] WARNING: before\n[ 3.0] bed: begin\n[ 4.0] fitzroy: loaded\n'
check "dmesg's copy counts from there, too" 1 0 \
	printf '[ 3.0] bed: begin\n-%s dmesg\n[ 2.0] WARNING: before\n[ 3.0] bed: begin\n[ 4.0] BUG: x\n' --
host=0 check "a guest's log counts from its beginning" 1 0 printf '[ 2.0] WARNING: x\n'
check "a race of the kernel's own is noted" 0 1 race 'kvm_arch_vcpu_put [kvm]' 'vcpu_run [kvm]' vcpu_load
check "one with the module on a stack counts" 1 0 race 'kvm_arch_vcpu_put [kvm]' 'vcpu_run [kvm]' 'on_faultin [fitzroy]'
check "so does one within it" 1 0 race 'fz_ring_free [fitzroy]' 'fz_ring_commit [fitzroy]' 'fz_log [fitzroy]'
check "but not the one that KVM means to have" 0 1 \
	race 'kvm_faultin_pfn [kvm]' 'kvm_mmu_invalidate_end [kvm]' 'fz_mmu_zap [fitzroy]'
check "as any other does" 1 0 \
	race 'kvm_faultin_pfn [kvm]' 'kvm_mmu_invalidate_range_add [kvm]' 'fz_mmu_zap [fitzroy]'
echo "1..$n"
exit $failed
