#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""uefi.py REPORT CHANGED FIRMWARE GRUB SYSTEMD-BOOT VMLINUZ - what uefi.sh wants to see; TAP"""

import json
import sys

report, changed = (json.load(open(f)) for f in sys.argv[1:3])
firmware, grub, boot, vmlinuz = sys.argv[3:]
count = 3		# uefi.sh's
failed = False


def ok(good, name):
    global count, failed
    count += 1
    failed |= not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}")


def programs(r, verdict):
    return {p['path']: p for v in r['vms'] for p in v['programs']
            if p['verdict'] == verdict and p['path']}


known = programs(report, 'known')
drivers = {p.split(': ')[1] for p in known if p.startswith(firmware + ': ')}
want = {'SECFV', 'PEIFV', 'PeiCore', 'DxeIpl', 'DxeCore', 'BdsDxe', 'CpuDxe', 'PartitionDxe', 'Fat',
        'VirtioBlkDxe', 'RuntimeDxe'}
ok(want <= drivers, f"{len(drivers)} of the firmware's programs, missing: {sorted(want - drivers)}")
ok(boot in known and known[boot]['pages_seen'] >= 15, 'systemd-boot')
ok(grub in known and known[grub]['pages_seen'] >= 8, "GRUB, though all its pages were relocated")
ok(vmlinuz in known, "Linux's EFI stub")
others = [p for p in known if not p.startswith((firmware + ': ', vmlinuz + ': ')) and
          p not in (grub, boot, vmlinuz)]
ok(not others, f'nothing else is known {others}')
ok(not programs(report, 'modified'), f"nothing is modified {list(programs(report, 'modified'))}")
bad = programs(changed, 'modified')
ok(len(bad) == 1 and not [p for p in programs(changed, 'known') if p == boot],
   'with a byte of its code changed, systemd-boot is modified')
finding = [f for p in bad.values() for f in p['findings']]
ok(len(finding) == 1 and finding[0].get('differing_bytes') == 1, 'and that byte is named')
print(f'1..{count}')
sys.exit(failed)
