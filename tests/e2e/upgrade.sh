#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# upgrade.sh KVER CPU - a guest that upgrades a package while its old version runs; TAP
#
# The guest installs version 1 of a daemon with dpkg, runs it, upgrades to version 2, runs
# that once, makes the old one go on, and only then restarts it. The report names both, the
# old one as vulnerable, and when each ran. Results stay in $FZ_OUTDIR/check/upgrade-KVER-CPU.
# shellcheck disable=SC2317 # ok calls the functions by name
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"

[ $# = 2 ] || die "usage: tests/e2e/upgrade.sh KVER amd|intel"
kver=$1 cpu=$2
fitzroy=$FZ_OUTDIR/bin/fitzroy
dir=$FZ_OUTDIR/check/upgrade-$kver-$cpu
root=$dir/root
# shellcheck source=tests/e2e/command_tap.sh
. "$here/command_tap.sh"
title="$cpu $kver: "

# deb REVISION NUMBER: the daemon, each page of whose code is unlike any other.
deb()
{
	local tree=$dir/fzd-$2

	mkdir -p "$tree/DEBIAN" "$tree/usr/sbin" &&
		python3 "$here/upgrade/pages.py" "$2" >"$dir/pages-$2.S" &&
		gcc -O2 -Wall -Wextra -Werror -DVERSION="$2" -o "$tree/usr/sbin/fzd" "$here/upgrade/fzd.c" "$dir/pages-$2.S" &&
		printf '%s\n' 'Package: fzd' "Version: 1.0-1~deb12u$2" 'Architecture: amd64' 'Maintainer: nobody <root@localhost>' \
			'Description: a daemon that is upgraded while it runs' >"$tree/DEBIAN/control" &&
		dpkg-deb -Znone --root-owner-group -b "$tree" "$dir/fzd-$2.deb"
}

# The guest's root: busybox, and dpkg with what it needs, from this machine.
guest()
{
	local f lib

	mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root"/{debs,proc,dev,run,tmp,etc} \
		"$root"/var/lib/dpkg/{info,updates,triggers} &&
		ln -s usr/bin "$root/bin" && ln -s usr/sbin "$root/sbin" && ln -s usr/lib "$root/lib" &&
		ln -s usr/lib64 "$root/lib64" && : >"$root/var/lib/dpkg/status" && : >"$root/var/lib/dpkg/available" || return
	cp -L "$(command -v busybox)" "$root/usr/bin/busybox" || return
	files=("$(command -v busybox)")
	for f in dpkg dpkg-deb dpkg-split tar; do
		f=$(readlink -f -- "$(command -v "$f")")
		for lib in "$f" $(ldd "$f" | grep -o '/[^ ]*'); do
			mkdir -p "$root/$(dirname -- "$lib")" && cp -L -- "$lib" "$root/$lib" || return
			files+=("$(readlink -f -- "$lib")")
		done
	done
	for f in sh rm diff start-stop-daemon ldconfig; do
		ln -s busybox "$root/usr/bin/$f"
	done
	cp "$dir"/fzd-?.deb "$root/debs/" && cp "$here/upgrade/init" "$root/init" && chmod 755 "$root/init" &&
		(cd "$root" && find . -print0 | cpio -0 -o -H newc -R 0:0 --quiet | gzip -1) >"$dir/initrd"
}

rm -rf -- "$dir"
mkdir -p "$dir" || bail "cannot create $dir"
{ deb 1 1 && deb 2 2 && guest; } >"$dir/build.log" 2>&1 || bail "the guest was not built: $(tail -n 1 "$dir/build.log")"
kernel=$("$FZ_TOP/scripts/kernels" fetch "$kver" 2>>"$dir/build.log") || bail "no kernel $kver"
"$fitzroy" db add --db "$dir/known.db" "$dir"/fzd-?.deb "${files[@]}" >"$dir/db.log" 2>&1 || bail "no database"
cat >"$dir/tracker.json" <<'JSON'
{"fzd": {"CVE-2026-0001": {"scope": "remote", "releases": {"bookworm": {"status": "resolved", "repositories":
 {"bookworm": "1.0-1~deb12u2"}, "fixed_version": "1.0-1~deb12u2", "urgency": "high"}}}}}
JSON
"$fitzroy" db cve --db "$dir/known.db" "$dir/tracker.json" >>"$dir/db.log" 2>&1 || bail "no labels"

"$FZ_TOP/scripts/nested" --out "$dir/run" --cpu "$cpu" --host-kernel "$kver" --no-report --timeout 400 \
	--guest-kernel "$kernel/vmlinuz" --guest-initrd "$dir/initrd" \
	--guest-append 'console=ttyS0 quiet panic=-1 mitigations=off' >"$dir/run.log" 2>&1
rc=$?
said() { [ "$rc" = 0 ] || { cat "$dir/run.log"; tail -n 5 "$dir/run/guest.log"; false; }; }
ok "the guest ends by itself, no splat, audit clean" said
[ -s "$dir/run/events.fz" ] || bail "there is no log"
tr -d '\r' <"$dir/run/guest.log" | sed -n 's/.*upgrade: //p' >"$dir/said"
printf '%s\n' 'installed 1.0-1~deb12u1' '1 0' '1 1' 'installed 1.0-1~deb12u2' 'once 2 0' 'still 1 2' 'restarted 2 0' '2 1' \
	end >"$dir/expected"
ok "it upgraded while the old version ran, then restarted it" diff "$dir/said" "$dir/expected"
"$fitzroy" report "$dir/run/events.fz" --db "$dir/known.db" --format json >"$dir/report.json" 2>"$dir/report.err"
"$fitzroy" report "$dir/run/events.fz" --db "$dir/known.db" >"$dir/report.txt" 2>>"$dir/report.err"

# judge EXPRESSION: in python; old and new are the daemon's programs, v is the VM.
judge()
{
	python3 - "$dir/report.json" "$1" <<-'PY'
	import json, sys
	v, = json.load(open(sys.argv[1]))["vms"]
	fzd = {p["version"]: p for p in v["programs"] if p["package"] == "fzd" and p["verdict"] != "ambiguous"}
	old, new = fzd.get("1.0-1~deb12u1"), fzd.get("1.0-1~deb12u2")
	brief = lambda p: p and {k: p[k] for k in ("path", "verdict", "pages_seen", "first_seen", "last_seen", "labels")}
	if not eval("(" + sys.argv[2] + ")"):
	    sys.exit("not so: %s\n%s\n%s" % (sys.argv[2], brief(old), brief(new)))
	PY
}
ok "both versions are reported, by the same path" judge 'len(fzd) == 2 and old["path"] == new["path"] == "/usr/sbin/fzd"'
ok "the old one is vulnerable, with the fix named" judge \
	'old["verdict"] == "vulnerable" and [(l["kind"], l["id"], l["fixed"], l["release"], l["source"]) for l in old["labels"]] ==
		[("vulnerable", "CVE-2026-0001", "1.0-1~deb12u2", "bookworm", "tracker.json")]'
ok "the new one is not" judge 'new["verdict"] == "known" and new["labels"] == []'
ok "the old one was seen before the new one, and still after it was installed" judge \
	'old["first_seen"] < new["first_seen"] < old["last_seen"]'
ok "once it is restarted, only the new one is seen" judge 'old["last_seen"] < new["last_seen"]'
ok "nothing is modified, and one program is vulnerable" judge \
	'v["labelled"] == {"malicious": 0, "vulnerable": 1} and all(p["verdict"] != "modified" for p in v["programs"])'
# The vDSO is a page that the kernel gives to all; it is in no file here.
ok "no false unknown: in user mode one frame at most, the vDSO" judge \
	'sum(u["frames"] for u in v["unknown"] if u["reason"].startswith("user mode")) <= 1'
ok "the text report says it" grep -q 'fzd 1.0-1~deb12u1 is vulnerable: CVE-2026-0001 (fixed in 1.0-1~deb12u2)' "$dir/report.txt"
grep -h -A 1 'is vulnerable' "$dir/report.txt" | sed 's/^/# /'
echo "1..$n"
exit $bad
