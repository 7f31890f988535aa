#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# kinds.sh KVER - memory and devices of kinds that can't be watched in full, in an emulated host
# that has them: 1 GiB pages, hugetlb tables that processes share, DAX, device memory, a device with
# DMA passed through by VFIO; TAP
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"

[ $# -ge 1 ] || die "usage: tests/e2e/kinds.sh KVER"
dir=$FZ_OUTDIR/check/kinds-$1
rm -rf -- "$dir"
mkdir -p "$dir" || exit 1

cat >"$dir/script" <<SH
#!/bin/bash
# Runs in the host.
mkdir -p /tmp/dax
mke2fs -q -t ext4 -b 4096 /dev/pmem0 && mount -t ext4 -o dax /dev/pmem0 /tmp/dax || exit 2
edu=\$(grep -l 0x11e8 /sys/bus/pci/devices/*/device)
edu=\$(basename "\$(dirname "\$edu")")
echo vfio-pci >/sys/bus/pci/devices/\$edu/driver_override
echo "\$edu" >/sys/bus/pci/drivers_probe
# The emulated IOMMU does not remap interrupts, and this device has none.
echo Y >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts
group=\$(basename "\$(readlink /sys/bus/pci/devices/\$edu/iommu_group)")
bar=\$(grep -l 0x1110 /sys/bus/pci/devices/*/device)
export FZ_DAX=/tmp/dax/guest FZ_VFIO_GROUP=/dev/vfio/\$group FZ_VFIO_DEVICE=\$edu
export FZ_BAR=\$(dirname "\$bar")/resource2
'$FZ_OUTDIR/tests/selftest' gigantic shared-table dax device vfio
SH
chmod 755 "$dir/script"
# The persistent memory is a piece of RAM; the IOMMU must come before what it translates.
"$FZ_TOP/scripts/nested" --out "$dir/bed" --host-kernel "$1" --host-mem 4096 --timeout 600 \
	--host-script "$dir/script" --module-arg ring_kib=1024 --module-arg verify_ms=50 \
	--host-append 'hugepagesz=1G hugepages=1 memmap=160M!1G intel_iommu=on iommu.passthrough=0' \
	--host-arg -device --host-arg intel-iommu,intremap=off --host-arg -device --host-arg edu \
	--host-arg -object --host-arg memory-backend-ram,id=bar,size=64M,share=on \
	--host-arg -device --host-arg ivshmem-plain,memdev=bar \
	--host-module nd_e820 --host-module nd_pmem --host-module ext4 \
	--host-module vfio_iommu_type1 --host-module vfio-pci >"$dir/nested.log" 2>&1
rc=$?
plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$dir/bed/script.log" 2>/dev/null)
ran=$(grep -cE '^(not )?ok ' "$dir/bed/script.log" 2>/dev/null)
[ -n "$plan" ] || plan=${ran:-0}
sed -E "s/^((not )?ok [0-9]+ - )/\1$1: /; /^1\.\.[0-9]+$/d" "$dir/bed/script.log" 2>/dev/null
echo "1..$((plan + 1))"
if [ $rc = 0 ] && [ "$ran" = "$plan" ] && [ "$plan" != 0 ]; then
	echo "ok $((plan + 1)) - $1: all ran, no splat in the host's log"
else
	echo "not ok $((plan + 1)) - $1: scripts/nested exited $rc, $ran of $plan tests ran"
	sed 's/^/# /' "$dir/nested.log"
	tail -n 20 "$dir/bed/host.log" 2>/dev/null | tr -d '\r' | sed 's/^/# /'
fi
[ $rc = 0 ]
