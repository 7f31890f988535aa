#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# injected.sh KVER - in an emulated host: the audit against planted faults, with both of KVM's
# MMUs; loss and mixed frames with the smallest rings; what the report says of them; TAP
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
# shellcheck source=scripts/lib/bed.sh
. "$FZ_TOP/scripts/lib/bed.sh"
PATH=$PATH:/usr/sbin:/sbin

[ $# -ge 1 ] || die "usage: tests/e2e/injected.sh KVER"
dir=$FZ_OUTDIR/check/injected-$1
rm -rf -- "$dir"
mkdir -p "$dir" || exit 1
find_kernel "$1"
log=$dir/nested.log
if ! make -s -C "$FZ_TOP" modules INJECT=1 OUT="$FZ_OUTDIR" KVER="$KVER" KDIR="$KDIR" >"$log" 2>&1; then
	sed 's/^/# /' "$log"
	echo "not ok 1 - $1: the module with faults builds"
	echo 1..1
	exit 1
fi
own_goals=$(modinfo "$FZ_OUTDIR/build/$KVER/fitzroy.ko" | grep -c inject)

cat >"$dir/script" <<SH
#!/bin/bash
# Runs in the host. Each part prints TAP of its own.
selftest='$FZ_OUTDIR/tests/selftest' tool='$FZ_OUTDIR/bin/fitzroy' here='$dir/bed'
product='$FZ_OUTDIR/build/$KVER/fitzroy.ko' faulty='$FZ_OUTDIR/build/$KVER-inject/fitzroy.ko'
part() { echo "part \$1"; }
kvm() # PARAM...: the modules of KVM anew
{
	local path
	rmmod kvm_amd kvm
	modprobe -d '$MODROOT' -S '$KVER' --show-depends kvm-amd | sed -n 's/^insmod \([^ ]*\).*/\1/p' >/tmp/modules
	while read -r path; do
		case \$path in
		*/kvm.ko*) insmod "\$path" "\$@" ;;
		*) insmod "\$path" 2>/dev/null ;;
		esac
	done </tmp/modules
}
rmmod fitzroy
# A KVM that does not make entries as it is told: the module does not load, and says what it saw.
dmesg -C
if insmod "\$faulty" inject_entry=1; then
	echo 'entry it loads'
	rmmod fitzroy
else
	echo "entry \$(dmesg | grep -o 'fitzroy: not loaded: .*' | uniq | tr '\n' ';')"
fi
insmod "\$faulty" ring_kib=1024 || exit 1
part 'planted faults'
"\$selftest" audit-x audit-x-huge audit-w audit-zap audit-zap-huge encrypted
rmmod fitzroy
kvm tdp_mmu=0
part "planted faults, tdp_mmu=\$(cat /sys/module/kvm/parameters/tdp_mmu)"
insmod "\$faulty" ring_kib=1024 || exit 1
"\$selftest" audit-x audit-x-huge audit-w audit-zap audit-zap-huge once flip-1 self huge
rmmod fitzroy
kvm
part 'the smallest rings'
insmod "\$product" ring_kib=16 verify_ms=50 || exit 1
"\$selftest" loss-stopped loss-killed loss-slow loss-held loss-held-in-vain
part 'staying mixed'
"\$tool" record --all -o "\$here/self.fz" --timeout 300 >"\$here/record.out" &
sleep 1
"\$selftest" --self 4
kill -INT \$!
wait \$!
echo "record \$?"
dmesg | grep -i fitzroy | tail -n 20 | sed 's/^/# /'
SH
chmod 755 "$dir/script"
"$FZ_TOP/scripts/nested" --out "$dir/bed" --host-kernel "$1" --timeout 1200 --host-script "$dir/script" >"$log" 2>&1
rc=$?

# One plan for all parts.
awk -v k="$1" -v own_goals="$own_goals" -v rc="$rc" '
	function ok(good, what) { printf "%sok %d - %s: %s\n", good ? "" : "not ", ++n, k, what }
	function over() { if (part) ok(planned && planned == ran, part ": ran to its end") }
	/^part / { over(); part = substr($0, 6); ran = planned = 0; if (part == "staying mixed") part = ""; next }
	/^1\.\.[0-9]+$/ { planned = substr($0, 4); next }
	/^(not )?ok / {
		ran++
		good = $1 == "ok"
		sub(/^(not )?ok [0-9]+ - /, "")
		ok(good, part ": " $0)
		next
	}
	/^entry / {
		refused = /^entry fitzroy: not loaded: KVM.s page-table entries are not as expected: 0x[^;]*;$/
		print "# " $0
		next
	}
	/^record / { recorded = $2 == "0"; next }
	{ print "# " $0 }
	END {
		over()
		ok(refused, "entries that are not as told: not loaded, and the log has that one reason")
		ok(recorded, "a guest that stays mixed is recorded")
		ok(own_goals == "0", "the product has nothing to break itself with")
		ok(!rc, "no splat in the host")
		print n > "/dev/stderr"
	}' "$dir/bed/script.log" 2>"$dir/n"
n=$(cat "$dir/n")
[ "$rc" = 0 ] || sed 's/^/# /' "$log"

# What the report makes of the guest that wrote to its own page for four seconds.
true_elf=$(type -P true)
"$FZ_OUTDIR/bin/fitzroy" db add --db "$dir/known.db" "$true_elf" >"$dir/db.log" 2>&1
for format in json text; do
	"$FZ_OUTDIR/bin/fitzroy" report "$dir/bed/self.fz" --db "$dir/known.db" --format $format >"$dir/report.$format" 2>&1
done
check() # NAME COMMAND...
{
	local name=$1
	shift
	n=$((n + 1))
	if "$@"; then echo "ok $n - $name"; else echo "not ok $n - $name"; rc=1; fi
}
finding()
{
	python3 - "$dir/report.json" <<'PY'
import json, sys
vms = json.load(open(sys.argv[1]))["vms"]
f = [x for v in vms for x in v["findings"] if x["kind"] == "stays-mixed"]
m = [v["mixed"] for v in vms if v["mixed"]["frames"]]
ok = len(m) == 1 and m[0]["windows"] > 50 and m[0]["frames"] == 1 and m[0]["list"][0]["gfn"] == "0x800" and len(f) >= 1 and f[0]["gfn"] == "0x800" and f[0]["share"] > 0.1
if not ok:
    print("#", f, m)
sys.exit(not ok)
PY
}
check "$1: the report names it in JSON: frame, RIP, share" finding
check "$1: and in text" grep -q 'frame 0x800 .*writable while it ran' "$dir/report.text"
echo "1..$n"
[ "$rc" = 0 ]
