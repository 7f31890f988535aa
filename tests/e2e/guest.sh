#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# guest.sh KVER CPU - a whole guest, with and without the monitor; TAP
#
# On amd the demo's Debian guest with its own account of its pages, on intel the
# test bed's small one. Results stay in $FZ_OUTDIR/check/guest-KVER-CPU.
# shellcheck disable=SC2317 # ok calls the functions by name
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"

[ $# = 2 ] || die "usage: tests/e2e/guest.sh KVER amd|intel"
kver=$1 cpu=$2
top=$FZ_TOP
fitzroy=$FZ_OUTDIR/bin/fitzroy
dir=$FZ_OUTDIR/check/guest-$kver-$cpu
# shellcheck source=tests/e2e/command_tap.sh
. "$here/command_tap.sh"
title="$cpu $kver: "

# json FILE EXPRESSION: in python, with the file as j.
json()
{
	python3 - "$dir/$1" "$2" <<-'PY'
	import json, sys
	j = json.load(open(sys.argv[1]))
	if not eval("(" + sys.argv[2] + ")"):
	    sys.exit(f"{sys.argv[1]}: not so: {sys.argv[2]}")
	PY
}

# What the guest printed, without its kernel's lines, which carry times.
output()
{
	tr -d '\r' <"$1/guest.log" | grep -v '^\[ *[0-9]'
}

same_output()
{
	[ "$(output "$dir/run" | wc -l)" -ge 5 ] && diff <(output "$dir/run") <(output "$dir/bare")
}

rm -rf -- "$dir"
mkdir -p "$dir" || bail "cannot create $dir"
if [ "$cpu" = amd ]; then
	{
		guest=$("$here/demo-guest/build" "$kver") && kernel=$("$top/scripts/kernels" fetch "$kver")
	} 2>"$dir/build.log" || bail "the guest was not built: $(tail -n 1 "$dir/build.log")"
	truncate -s 32M "$dir/truth.img" "$dir/bare-truth.img"
	timeout=1200
	args=(--guest-kernel "$kernel/vmlinuz" --guest-initrd "$guest/initrd-$(basename -- "$kernel")"
		--guest-disk "$guest/disk.img"
		--guest-append "console=ttyS0 quiet panic=-1 demo.truth")
	# The initramfs runs this machine's busybox.
	known=("$guest/debs" "$(command -v busybox)" "$kernel"/debs/linux-image-*.deb)
	openssl genpkey -algorithm ed25519 -out "$dir/key" 2>"$dir/key.log" && chmod 600 "$dir/key" &&
		openssl pkey -in "$dir/key" -pubout -out "$dir/key.pub" || bail "no key: $(tail -n 1 "$dir/key.log")"
	run=(--guest-out "$dir/truth.img" --record-arg --key --record-arg "$dir/key") sealed=(--pubkey "$dir/key.pub") bare=(--guest-out "$dir/bare-truth.img")
else
	timeout=2400 args=() run=() bare=() sealed=()
	known=("$(command -v busybox)")
fi

# Each run keeps one processor busy. Bochs is the slower, the more so with a monitor.
"$top/scripts/nested" --out "$dir/bare" --cpu "$cpu" --host-kernel "$kver" --no-monitor \
	--timeout $timeout "${args[@]}" "${bare[@]}" >"$dir/bare.log" 2>&1 &
pid=$!
trap 'kill "$pid" 2>/dev/null' EXIT
trap 'exit 2' INT TERM HUP
"$top/scripts/nested" --out "$dir/run" --cpu "$cpu" --host-kernel "$kver" --no-report --module-arg verify_ms=200 \
	--timeout $timeout "${args[@]}" "${run[@]}" >"$dir/run.log" 2>&1
rc=$?
wait "$pid"
bare_rc=$?
trap - EXIT
"$fitzroy" db add --db "$dir/known.db" "${known[@]}" >"$dir/db.log" 2>&1 ||
	bail "no database: $(tail -n 1 "$dir/db.log")"

in_log() { [ "$1" = 0 ] || { cat "$2"; false; }; }
ok "the monitored guest ends by itself, no splat, audit clean" in_log $rc "$dir/run.log"
ok "the unmonitored guest ends by itself, no splat" in_log $bare_rc "$dir/bare.log"
[ -s "$dir/run/events.fz" ] || bail "there is no log"
ok "both print the same" same_output
ok "both end the same way" [ "$(sed 's/.*"guest_end": //; s/,.*//' "$dir/run/timing.json")" = \
	"$(sed 's/.*"guest_end": //; s/,.*//' "$dir/bare/timing.json")" ]

ok "grants = execs + reexecs + mixed + lost" json run/status.json \
	'all(c["grants"] == c["execs"] + c["reexecs"] + c["mixed"] + c["lost_execs"] > 0
		for c in [j["total"]] + [v["counters"] for v in j["vms"]])'
ok "one VM, nothing lost, no internal error" json run/status.json \
	'len(j["vms"]) == 1 and all(j["total"][k] == 0 for k in ("lost", "lost_execs", "errors"))'
ok "no violation in any audit" json run/audit.json \
	'j["violations"] == 0 and j["vms"] and all(v["violations"] == 0 and v["exec"] > 0 for v in j["vms"])'
ok "none in the counters either" json run/status.json 'j["total"]["violations"] == 0'
ok "executed frames were compared, and none had changed unseen" json run/status.json \
	'j["total"]["verified"] > 0 and j["total"]["drifts"] == 0'
ok "the log is whole, unbroken and sealed" "$fitzroy" verify "$dir/run/events.fz" "${sealed[@]}"

"$fitzroy" report "$dir/run/events.fz" --db "$dir/known.db" --format json >"$dir/report.json" 2>"$dir/report.err"
"$fitzroy" report "$dir/run/events.fz" --db "$dir/known.db" --format frames >"$dir/frames.json" 2>>"$dir/report.err"
"$fitzroy" report "$dir/run/events.fz" --db "$dir/known.db" >"$dir/report.txt" 2>>"$dir/report.err"
again()
{
	TZ=Asia/Kolkata LC_ALL=de_DE.UTF-8 "$fitzroy" report "$dir/run/events.fz" --db "$dir/known.db" --format json |
		cmp - "$dir/report.json" &&
		TZ=America/Lima "$fitzroy" report "$dir/run/events.fz" --db "$dir/known.db" | cmp - "$dir/report.txt"
}
ok "the same reports again, elsewhere, to the byte" again
ok "three reports, no complaint" [ ! -s "$dir/report.err" -a -s "$dir/report.txt" ]
ok "the report says that the log is complete" json report.json \
	'j["schema"] == 1 and j["log"]["complete"] is True and j["log"]["lost"] == 0 and j["log"]["gaps"] == []'
ok "the report has as many events as the log" json report.json \
	'sum(j["vms"][0]["events"].values()) == j["log"]["events"] > 0'
ok "the log has as many executions as the module granted" python3 -c '
import json, sys
e = json.load(open(sys.argv[1]))["vms"][0]["events"]
c = json.load(open(sys.argv[2]))["vms"][0]["counters"]
if (e["exec"], e["reexec"], e["mixed"]) != (c["execs"], c["reexecs"], c["mixed"]):
    sys.exit(f"log {e}, module {c}")' "$dir/report.json" "$dir/run/status.json"
ok "no finding: a guest that boots stays mixed nowhere" json report.json \
	'all(v["findings"] == [] and v["mixed"]["windows"] == v["events"]["mixed"] for v in j["vms"])'
ok "coverage adds up" json report.json \
	'all(v["coverage"]["frames"] == sum(v["coverage"][k] for k in ("identified", "ambiguous", "unknown"))
		== sum(1 for _ in open("'"$dir"'/frames.json")) for v in j["vms"])'
ok "the report has every promised key" json report.json '
	all(k in v for v in j["vms"] for k in ("id", "name", "pid", "coverage", "programs", "unknown")) and
	all(k in v["coverage"] for v in j["vms"]
		for k in ("frames", "identified", "ambiguous", "unknown", "mixed", "drift")) and
	all(k in p for v in j["vms"] for p in v["programs"] for k in ("path", "package", "source", "version",
		"build_id", "pages_seen", "pages_total", "first_seen", "last_seen", "address_spaces",
		"verdict", "findings")) and
	all(p["verdict"] in ("known", "vulnerable", "malicious", "ambiguous", "modified")
		for v in j["vms"] for p in v["programs"]) and
	all(k in u for v in j["vms"] for u in v["unknown"]
		for k in ("address_space", "frames", "first_seen", "rip", "reason"))'

if [ "$cpu" = intel ]; then
	ok "busybox is seen" json report.json \
		'any(p["path"].endswith("/busybox") and p["verdict"] == "known" and p["pages_seen"] > 20
			for p in j["vms"][0]["programs"])'
	echo "1..$n"
	exit $bad
fi

cp -- "$guest/patched.json" "$dir/"
"$fitzroy" db list --db "$dir/known.db" >"$dir/files.txt"
# shellcheck disable=SC2016 # sh expands it
ok "the guest's own account can be compared" sh -c '"$@" >"$0" 2>&3' "$dir/compare.json" \
	"$here/compare.py" --truth "$dir/truth.img" --frames "$dir/frames.json" --files "$dir/files.txt" \
	--root "$guest/root" --kernel "linux-image-$(basename -- "$kernel")" --early "$(command -v busybox)" 3>"$dir/compare.txt"
sed 's/^/# /' "$dir/compare.json" "$dir/compare.txt"
[ -s "$dir/compare.json" ] || bail "nothing to compare"
ok "no frame is identified wrongly" json compare.json 'j["wrong"] == 0 and j.get("other_modes_wrong", 0) == 0'
ok "99 % of the frames of the kernel and its modules are identified: $(
	sed 's/.*"kernel": \([0-9]*\), "kernel_identified": \([0-9]*\).*/\2 of \1/' "$dir/compare.json")" \
	json compare.json 'j["kernel"] > 3000 and j["kernel_identified"] >= 0.99 * j["kernel"]'
ok "99.5 % of the frames of known files are identified: $(
	sed 's/.*"in_database": \([0-9]*\), "identified": \([0-9]*\).*/\2 of \1/' "$dir/compare.json")" \
	json compare.json 'j["in_database"] > 3000 and j["identified"] >= 0.995 * j["in_database"]'
# In the deep suite 100,000 of them; there half come before the log, where a first value is believed.
# Half of a call, over the end of a page, may be any function's.
"$FZ_OUTDIR/tests/e2e/near_kernel" "$dir/run/events.fz" "$dir/known.db" "${FZ_DEEP:+3}1" >"$dir/near.json"
ok "a page of the kernel with one byte changed is not: $(cat "$dir/near.json")" json near.json \
	'j["near"] > 3000 and j["near_known"] <= 1 and j["near_ambiguous"] == j["not_kept"] == 0 and j["before_known"] <= 2 and
		j["known"] > 0.99 * j["frames"]'
# A guest whose libraries are not in the database is accused of nothing that it is not with them.
# Of these curl alone has libcurl, so its pages run first there; others' may have run elsewhere.
cp -- "$dir/known.db" "$dir/fewer.db"
"$fitzroy" db remove --db "$dir/fewer.db" libc6 libssl3 libcurl4 libselinux1 libtinfo6 >>"$dir/db.log" 2>&1 ||
	bail "nothing removed: $(tail -n 1 "$dir/db.log")"
"$fitzroy" report "$dir/run/events.fz" --db "$dir/fewer.db" --format json >"$dir/fewer.json" 2>>"$dir/report.err"
ok "libraries that are not in the database are unknown code, and no finding" json fewer.json '
	all(v["findings"] == [] for v in j["vms"]) and
	[p["package"] for p in j["vms"][0]["programs"] if p["verdict"] == "modified"] == ["coreutils"] and
	any(u["kind"] == "within" and u["origin"] == "/usr/bin/curl" and u["frames"] > 50
		for u in j["vms"][0]["unknown"])'
rm -f -- "$dir/fewer.db"
ok "few frames are not in the account" json compare.json \
	'j["not_in_account"] <= 0.01 * j["user"] and j["before_account"] <= 0.05 * j["user"]'
ok "packages and versions are the guest's" python3 -c '
import json, sys
have = {tuple(line.split()[:2]) for line in open(sys.argv[2])}
seen = {(p["package"], p["version"]) for p in json.load(open(sys.argv[1]))["vms"][0]["programs"]
        if p["package"] and p["package"] != "busybox-static" and
           not p["package"].startswith("linux-image-")}
if len(seen) < 30 or not seen <= have:
    sys.exit(f"{len(seen)} packages; not installed: {sorted(seen - have)}")' \
	"$dir/report.json" "$guest/packages.txt"
for program in bash coreutils:sort grep python3.11-minimal:python3.11 perl-base:perl openssl nginx curl \
	gcc-12:x86_64-linux-gnu-gcc-12 libssl3:libssl.so.3 libc6:libc.so.6 tar sed mawk findutils:find dpkg; do
	ok "$program ran" json report.json \
		"any(p['package'] == '${program%:*}' and p['path'].rsplit('/')[-1] == '${program#*:}' and
			p['verdict'] == 'known' and p['version'] for p in j['vms'][0]['programs'])"
done
ok "the program compiled in the guest is unknown" python3 -c '
import json, sys
gfns = {int(w[2], 16) for w in (l.split(" ", 7) for l in open(sys.argv[2], "rb").read()
        .split(b"\0", 1)[0].decode().splitlines()) if w[0] == "P" and w[7] == "/root/hello"}
frames = [f for f in map(json.loads, open(sys.argv[1])) if f["cpl"] == 3 and int(f["gfn"], 16) in gfns]
if not any(f["verdict"] == "unknown" for f in frames) or any(f["path"] == "/root/hello" for f in frames):
    sys.exit(f"{gfns} {frames}")
if any("hello" in p["path"] for p in json.load(open(sys.argv[3]))["vms"][0]["programs"]):
    sys.exit("there is a program hello in the report")' "$dir/frames.json" "$dir/truth.img" "$dir/report.json"
ok "the changed ls is modified, with the page named" python3 -c '
import json, sys
want = json.load(open(sys.argv[2]))["page"]
mod = [f for f in map(json.loads, open(sys.argv[1])) if f["verdict"] == "modified"]
if [f["page"] for f in mod] != [want] or "/bin/ls" not in [c["path"] for c in mod[0]["candidates"]]:
    sys.exit(f"page {want}, but: {mod}")' "$dir/frames.json" "$dir/patched.json"
ok "and the report says so of a program" json report.json \
	'[p for p in j["vms"][0]["programs"] if p["verdict"] == "modified" and p["package"] == "coreutils"
		and p["findings"]]'
echo "1..$n"
exit $bad
