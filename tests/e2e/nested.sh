#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nested.sh KVER [NPT] - a watched guest that runs a guest of its own under its own KVM; TAP
#
# NPT=0: with shadow paging inside. The inner guest is the selftests' --spin: each of its
# rounds rewrites and calls two pages a hundred times, so the log must hold just as many.
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
# shellcheck source=scripts/lib/bed.sh
. "$FZ_TOP/scripts/lib/bed.sh"

[ $# -ge 1 ] || die "usage: tests/e2e/nested.sh KVER [NPT]"
npt=${2-1}
dir=$FZ_OUTDIR/check/nested-$1-npt$npt
rm -rf -- "$dir"
mkdir -p "$dir/guest" || exit 1
find_kernel "$1"

put_busybox "$dir/guest"
put_modules "$dir/guest/modules" kvm-amd
cp -- "$FZ_OUTDIR/tests/selftest" "$dir/guest/selftest"
cat >"$dir/guest/init" <<SH
#!/bin/busybox sh
bb=/bin/busybox
\$bb mkdir -p /proc /sys /dev
\$bb mount -t proc proc /proc
\$bb mount -t sysfs sysfs /sys
\$bb mount -t devtmpfs dev /dev
while read -r ko; do
	case \$ko in
	kvm-amd.ko) \$bb insmod /modules/\$ko npt=$npt ;;
	*) \$bb insmod /modules/\$ko ;;
	esac
done </modules/list
echo "npt=\$(\$bb cat /sys/module/kvm_amd/parameters/npt)"
/selftest --spin 10
echo "exit \$?"
\$bb poweroff -f
SH
chmod 755 "$dir/guest/init"
pack "$dir/guest" "$dir/initrd"

"$FZ_TOP/scripts/nested" --out "$dir/run" --host-kernel "$1" --guest-kernel "$VMLINUZ" --guest-smp 1 \
	--guest-initrd "$dir/initrd" --guest-append "console=ttyS0 panic=-1 quiet mitigations=off" \
	--no-report --timeout 1200 >"$dir/nested.log" 2>&1
rc=$?
tr -d '\r' <"$dir/run/guest.log" | grep -v '^\[' >"$dir/said"

python3 - "$dir" "$FZ_OUTDIR/tests/selftest" "$rc" "$1 npt=$npt" "$npt" <<'PY'
import json, re, struct, subprocess, sys

top, elf, rc, label, npt = sys.argv[1:]
EXEC, REEXEC, MIXED, LOST = 1, 2, 4, 5
PAGE_FOLLOWS, NESTED, GUEST = 1, 4, 1 << 8
n = bad = 0


def ok(cond, what):
    global n, bad
    n += 1
    bad += not cond
    print(("" if cond else "not ") + f"ok {n} - nested {label}: {what}")


def program(name):
    """A program of the inner guest: its page, as it lies in its memory."""
    at = {}
    for line in subprocess.check_output(["nm", elf], text=True).splitlines():
        value, _, symbol = line.split(maxsplit=2) if line[0] != " " else ("0", "", "")
        at[symbol] = int(value, 16)
    with open(elf, "rb") as f:
        data = f.read()
    for line in subprocess.check_output(["readelf", "-lW", elf], text=True).splitlines():
        m = re.match(r" *LOAD +0x(\w+) 0x(\w+) 0x\w+ 0x(\w+)", line)
        if m:
            off, virt, size = (int(x, 16) for x in m.groups())
            if virt <= at[name] < virt + size:
                begin = at[name] - virt + off
                return data[begin:begin + at[name + "_end"] - at[name]].ljust(4096, b"\0")
    raise SystemExit(f"{elf} has no {name}")


def records(name):
    """All records of a log, with their snapshots."""
    with open(name, "rb") as f:
        data = f.read()
    pos = struct.unpack_from("<I", data, 12)[0]
    while pos + 56 <= len(data):
        _, kind, size, count = struct.unpack_from("<IIII", data, pos)
        pos += 56
        at = pos
        for _ in range(count if kind == 1 else 0):
            length, rtype, flags = struct.unpack_from("<IHH", data, at)
            rip, = struct.unpack_from("<Q", data, at + 40)
            mode, = struct.unpack_from("<I", data, at + 72)
            yield rtype, flags, rip, mode, data[at + 128:at + 128 + 4096] \
                if flags & PAGE_FOLLOWS else None
            at += length
        pos += size


with open(top + "/said") as f:
    said = f.read()
rounds = int((re.search(r"# (\d+) rounds", said) or [0, 0])[1])
ok(rc == "0", "the guest ended by itself, no splat, audits clean")
ok(rounds > 0 and "exit 0" in said and f"npt={'YN'[npt == '0']}" in said,
   f"its guest ran, and right: {rounds} rounds")
driver = program("flip_page")
called = re.compile(rb"\xb8.{4}\xc3\0{4090}\Z", re.S)
nested = drivers = calls = wrong = lost = 0
for rtype, flags, rip, mode, page in records(top + "/run/events.fz"):
    lost += rtype == LOST
    if not flags & NESTED:
        wrong += rtype in (EXEC, REEXEC, MIXED) and bool(called.match(page or b""))
        continue
    nested += 1
    wrong += not mode & GUEST
    if rtype in (EXEC, REEXEC) and page:
        drivers += page == driver
        calls += bool(called.match(page))
        wrong += bool(called.match(page)) and not 0x800000 <= rip < 0x802000
ok(nested and not wrong, f"{nested} records are marked as the inner guest's, none wrongly")
ok(drivers >= 2, f"its program is in the log: {drivers} times")
ok(not lost and calls == 200 * rounds, f"each rewritten page that it ran is: {calls} of {200 * rounds}")
print(f"1..{n}")
if bad:
    print("# " + "\n# ".join(said.splitlines()[-10:]))
    with open(top + "/nested.log") as f:
        print("# " + "\n# ".join(f.read().splitlines()))
sys.exit(bool(bad))
PY
