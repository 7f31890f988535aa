#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# uefi.sh [KVER] - a guest that boots by UEFI: OVMF, GRUB, systemd-boot, Linux's EFI stub; TAP
#
# From Debian's packages, unpacked. Every program that is said to have run must be one that the
# firmware image or the disk has; and with one byte of one driver's code changed in the
# database's copy, that driver must not be known.
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
# shellcheck source=tests/e2e/tap.sh
. "$here/tap.sh"
kver=${1:-6.1}
dir=${FZ_KEEP_DIR:-$FZ_OUTDIR/check/uefi-$kver}
tool=$FZ_OUTDIR/bin/fitzroy

mkdir -p "$dir/debs" "$dir/root"
(cd "$dir/debs" && apt-get -q download ovmf grub-efi-amd64-bin systemd-boot-efi) >"$dir/debs.log" 2>&1
for d in "$dir"/debs/*.deb; do
	dpkg -x "$d" "$dir/root" || { echo "Bail out! no packages: see $dir/debs.log"; exit 1; }
done
kdir=$("$FZ_TOP/scripts/kernels" fetch "$kver") || { echo "Bail out! no kernel $kver"; exit 1; }
vmlinuz=$(realpath -- "$kdir/vmlinuz") fw=$dir/root/usr/share/ovmf/OVMF.fd
grub=$dir/root/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi
boot=$dir/root/usr/lib/systemd/boot/efi/systemd-bootx64.efi
"$FZ_TOP/scripts/uefi-disk" "$dir/disk.img" "$grub" "$boot" "$vmlinuz" >"$dir/disk.log" 2>&1
ok $? "a disk"
rm -f "$dir/known.db"
"$tool" db add --db "$dir/known.db" "$fw" "$grub" "$boot" "$vmlinuz" >"$dir/db.log" 2>&1
ok $? "the database: $(tail -n 1 "$dir/db.log")"

# A timer interrupt that comes in the handler of the one before ends QEMU 7.2; by counted
# instructions none does.
"$FZ_TOP/scripts/nested" --out "$dir/run" --host-kernel "$kver" --icount --guest-firmware "$fw" \
	--guest-disk "$dir/disk.img" --guest-mem 512 --db "$dir/known.db" --timeout "${FZ_TIMEOUT:-900}" \
	>"$dir/run.log" 2>&1
ok $? "the guest booted and ended by itself $(tail -n 1 "$dir/run.log")"
"$tool" report "$dir/run/events.fz" --db "$dir/known.db" --format json >"$dir/report.json" 2>"$dir/report.err"

# A driver's code with one byte changed: as if it were another in memory.
python3 - "$fw" "$boot" "$dir" <<'EOF'
import sys
fw, boot, out = sys.argv[1:]
d = bytearray(open(boot, 'rb').read())
d[0x400 + 0x100] ^= 1		# in .text, page 5 of the image
open(out + '/changed.efi', 'wb').write(d)
EOF
rm -f "$dir/changed.db"
"$tool" db add --db "$dir/changed.db" "$dir/changed.efi" >>"$dir/db.log" 2>&1
"$tool" report "$dir/run/events.fz" --db "$dir/changed.db" --format json >"$dir/changed.json" 2>>"$dir/report.err"
python3 "$here/uefi.py" "$dir/report.json" "$dir/changed.json" "$fw" "$grub" "$boot" "$vmlinuz" || failed=1
exit "$failed"
