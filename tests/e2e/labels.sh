#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# labels.sh - "fitzroy db cve" on excerpts of real data, and what reports say then; against dpkg
#
# FITZROY names the tool (default: out/bin/fitzroy). Uses apt's lists for versions.
set -u
export LC_ALL=C
top=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/e2e/tap.sh
. "$top/tests/e2e/tap.sh"
fitzroy=${FITZROY:-$top/out/bin/fitzroy}
helpers=$(dirname "$fitzroy")/../tests/e2e
data=$top/tests/e2e/labels

tmp=$(mktemp -d /tmp/fz-labels-XXXXXX) || exit 1
chmod 755 "$tmp"
trap 'rm -rf "$tmp"' EXIT
db=$tmp/known.db

run()	# run ARGUMENT...: "fitzroy db cve ARGUMENT..."
{
	timeout 120 "$fitzroy" db cve --db "$db" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	code=$?
}

bad()	# bad CODE REGEX NAME ARGUMENT...
{
	local want=$1 regex=$2 name=$3
	shift 3
	run "$@"
	[ "$code" = "$want" ] && [ "$(wc -l <"$tmp/err")" = 1 ] && grep -Eq "^fitzroy: .*($regex)" "$tmp/err"
	ok $? "$name"
}

# ------------------------------------------------------- versions, against dpkg
# Neighbours among all versions of a package, and versions of any two.
apt-cache dumpavail 2>/dev/null | awk '/^Version:/ { print $2 }' >"$tmp/all"
dpkg-query -W -f '${Version}\n${source:Version}\n' >>"$tmp/all"
sort -uV "$tmp/all" >"$tmp/sorted"
total=$(wc -l <"$tmp/sorted")
awk -v n="$total" 'BEGIN { srand(7); step = n > 3000 ? n / 1500 : 1; next_at = 2 }
	NR > 1 && NR >= next_at { print last, $1; next_at += step } { last = $1 }' "$tmp/sorted" >"$tmp/pairs"
shuf -n 1200 --random-source=<(yes) "$tmp/sorted" | paste - - | tr '\t' ' ' >>"$tmp/pairs"
"$helpers/vercmp" deb <"$tmp/pairs" >"$tmp/ours"
while read -r a b; do
	if dpkg --compare-versions "$a" lt "$b"; then
		echo -1
	elif dpkg --compare-versions "$a" eq "$b"; then
		echo 0
	else
		echo 1
	fi
done <"$tmp/pairs" >"$tmp/theirs" 2>"$tmp/err"
paste -d' ' "$tmp/pairs" "$tmp/ours" "$tmp/theirs" | awk '$3 != $4' >"$tmp/out"
pairs=$(wc -l <"$tmp/theirs")
[ "$pairs" -ge 2000 ] && [ ! -s "$tmp/out" ] && [ "$(sort -u "$tmp/ours" | wc -l)" -ge 2 ]
ok $? "$pairs pairs of real versions ($total in all) are ordered as dpkg orders them"

# ------------------------------------------------------------------------ usage
bad 2 "cve needs files" "no file"
bad 2 "No such file" "a file that is not there" "$tmp/nowhere"
bad 2 "there are no labels at" "info without any" info
bad 2 "there are no labels at" "check without any" check
bad 2 "has no source 'x'" "remove without any" remove x
bad 2 "good or malicious" "--as something else" --as nice "$data/tracker.json"
bad 2 "no advisory" "a text" /etc/passwd
bad 2 "no advisory" "a program" /bin/true
bad 2 "not a file" "a device" /dev/zero
[ ! -e "$tmp/labels.db" ] && [ ! -e "$tmp/labels.db.new" ]
ok $? "none of these made anything"

# ---------------------------------------------------------------------- sources
run "$data/tracker.json" "$data/osv"
[ $code = 0 ] && grep -q '^tracker.json: Debian security tracker, 11 advisories; .* 0 skipped' "$tmp/out" &&
	grep -q '^osv: OSV, 5 advisories; 1 withdrawn, 1 of no known distribution, 0 skipped' "$tmp/out"
ok $? "the tracker's JSON, a directory of OSV documents"
cp "$tmp/labels.db" "$tmp/before"
run "$data/tracker.json" "$data/osv"
[ $code = 0 ] && cmp -s "$tmp/labels.db" "$tmp/before" && [ "$(grep -c 'as it was' "$tmp/out")" = 2 ]
ok $? "again: nothing changes"
run info
grep -q '^tracker.json: Debian security tracker of 20' "$tmp/out" && run check && grep -q 'is sound: 2[0-9] advisories' "$tmp/out"
ok $? "info and check: $(cat "$tmp/out")"

python3 - "$data" "$tmp" <<'PY'
import bz2, json, lzma, os, sqlite3, sys, zipfile
data, tmp = sys.argv[1:]
names = sorted(os.listdir(data + "/osv"))
with zipfile.ZipFile(tmp + "/all.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for n in names:
        z.write(data + "/osv/" + n, n)
with lzma.open(tmp + "/tracker.json.xz", "w") as f:
    f.write(open(data + "/tracker.json", "rb").read())
with bz2.open(tmp + "/array.json.bz2", "wt") as f:
    json.dump([json.load(open(data + "/osv/" + n)) for n in names], f)
# NSRL's RDSv3: its tables are views of others.
db = sqlite3.connect(tmp + "/RDS.db")
db.executescript("""
CREATE TABLE METADATA (sha256 VARCHAR, sha1 VARCHAR, md5 VARCHAR, file_name VARCHAR, file_size INTEGER, package_id INTEGER);
CREATE TABLE PACKAGE_OBJECT (package_id INTEGER, name VARCHAR, version VARCHAR, application_type VARCHAR, language VARCHAR,
  operating_system_id INTEGER, manufacturer_id INTEGER);
CREATE TABLE MFG (manufacturer_id INTEGER, name VARCHAR);
CREATE TABLE OS (operating_system_id INTEGER, name VARCHAR, version VARCHAR, manufacturer_id INTEGER);
CREATE VIEW FILE AS SELECT sha256, sha1, md5, file_name, file_size, package_id FROM METADATA;
CREATE VIEW PKG AS SELECT package_id, name, version, operating_system_id, manufacturer_id, language, application_type
  FROM PACKAGE_OBJECT;
INSERT INTO PACKAGE_OBJECT VALUES (1, 'Debian', '12.0', 'Operating System', 'English', 1, 1),
  (2, 'Evil Kit', '1.0', 'Hacker Tool', 'English', 1, 1);
""")
import hashlib
for path, package in (("/bin/true", 1), ("/bin/false", 2), ("/bin/false", 1)):
    h = hashlib.sha256(open(path, "rb").read()).hexdigest().upper()
    db.execute("INSERT INTO METADATA VALUES (?, '', '', ?, 1, ?)", (h, path, package))
db.commit()
# Real ids, invented versions: as large as the tracker's own.
text = open(data + "/tracker.json").read()
one = json.loads(text)["glibc"]
with open(tmp + "/large.json", "w") as f:
    f.write('{"p0": ' + json.dumps(one))
    for i in range(1, 400):
        f.write(',\n"p%d": ' % i)
        json.dump({"CVE-2023-%d" % k: dict(one["CVE-2023-4911"], description="x" * 400) for k in range(100)}, f)
    f.write("}")
PY
for f in all.zip array.json.bz2; do
	run --labels "$tmp/other.db" --name osv "$tmp/$f"
	[ $code = 0 ] && grep -q '^osv: OSV, 5 advisories; 1 withdrawn, 1 of no' "$tmp/out"
	ok $? "OSV as $f"
done
run --labels "$tmp/other.db" --name t "$tmp/tracker.json.xz"
[ $code = 0 ] && grep -q '^t: Debian security tracker, 11 advisories' "$tmp/out"
ok $? "the tracker's JSON, compressed"
run "$tmp/RDS.db"
[ $code = 0 ] && grep -q '^RDS.db: NSRL, 3 hashes' "$tmp/out"
ok $? "a set of NSRL's"
python3 - "$fitzroy" "$tmp" <<'PY' >"$tmp/out" 2>&1
import os, resource, subprocess, sys
subprocess.check_call([sys.argv[1], "db", "cve", "--labels", sys.argv[2] + "/large.db", sys.argv[2] + "/large.json"],
                      stdout=subprocess.DEVNULL)
size = os.path.getsize(sys.argv[2] + "/large.json") >> 20
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
print("%d MiB of JSON, peak memory %d MiB" % (size, peak))
sys.exit(size < 30 or peak > 120)
PY
ok $? "$(cat "$tmp/out")"

# ---------------------------------------------------------------------- reports
# Three packages in versions of their own, of the programs of this machine.
deb()	# deb PACKAGE VERSION PROGRAM AS [SOURCE]
{
	local root=$tmp/deb-$1-$2

	mkdir -p "$root/DEBIAN" "$root/usr/bin"
	cp "$3" "$root/usr/bin/$4"
	printf 'Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: x\nDescription: x\n' "$1" "$2" >"$root/DEBIAN/control"
	[ -z "${5-}" ] || echo "Source: $5" >>"$root/DEBIAN/control"
	dpkg-deb -Znone -b "$root" "$tmp/$1_$2.deb" >/dev/null
}
deb openssl 3.0.11-1~deb12u2 /bin/grep openssl
deb curl 7.88.1-10+deb12u12 /bin/sed curl
deb libc-bin 2.36-9+deb12u1 /bin/cat getent glibc
deb dash 0.5.12-2 /bin/dash dash
"$fitzroy" db add --db "$db" "$tmp"/*.deb >"$tmp/out" 2>"$tmp/err"
ok $? "packages of certain versions: $(cat "$tmp/out")"

# mklog's pages: any executable ones that are no other file's.
python3 - "$tmp" >"$tmp/script" <<'PY'
import struct, sys
print("vm 1 web 4711")
base = 0x555555554000
for cr3, deb, name in ((0x1000, "openssl_3.0.11-1~deb12u2", "openssl"), (0x2000, "curl_7.88.1-10+deb12u12", "curl"),
                       (0x3000, "libc-bin_2.36-9+deb12u1", "getent"), (0x4000, "dash_0.5.12-2", "dash")):
    p, v = deb.split("_")
    path = "%s/deb-%s-%s/usr/bin/%s" % (sys.argv[1], p, v, name)
    d = open(path, "rb").read()
    phoff, = struct.unpack_from("<Q", d, 32)
    for i in range(struct.unpack_from("<H", d, 56)[0]):
        kind, flags, off, vaddr, _, size = struct.unpack_from("<IIQQQQ", d, phoff + 56 * i)
        if kind == 1 and flags & 1:
            for page in range(off // 4096 + 1, off // 4096 + 4):
                print("exec %x %x %s %d" % (cr3, base + page * 4096 + vaddr - off + 16, path, page))
print("died")
PY
"$helpers/mklog" "$tmp/log.fz" <"$tmp/script" 2>"$tmp/err"
ok $? "a log in which they run"
sha256sum "$tmp/deb-dash-0.5.12-2/usr/bin/dash" | sed 's/ .*/ malicious Evil.Shell/' >"$tmp/bad.txt"
run "$tmp/bad.txt"
"$fitzroy" report "$tmp/log.fz" --db "$db" --format json >"$tmp/report.json" 2>"$tmp/err"
cat >"$tmp/verdicts.py" <<'PY'
import json, sys
r = json.load(open(sys.argv[1]))
for p in r["vms"][0]["programs"]:
    print(p["package"], p["verdict"], ",".join("%s:%s:%s:%s" % (l["kind"], l["id"], l["fixed"], l["source"])
          for l in p["labels"] if l["kind"] in ("vulnerable", "malicious")) or "-" if "labels" in p else "no labels")
print(r["labels"] and [s["name"] for s in r["labels"]["sources"]], r["vms"][0].get("labelled"))
PY
python3 "$tmp/verdicts.py" "$tmp/report.json" >"$tmp/out" 2>>"$tmp/err"
cat >"$tmp/want" <<'TXT'
curl known -
dash malicious malicious:Evil.Shell:None:bad.txt
libc-bin vulnerable vulnerable:CVE-2023-4911:2.36-9+deb12u3:tracker.json,vulnerable:CVE-2023-6246:2.36-9+deb12u4:tracker.json
openssl vulnerable vulnerable:CVE-2023-5678:3.0.13-1~deb12u1:tracker.json,vulnerable:CVE-2024-0727:3.0.13-1~deb12u1:tracker.json,vulnerable:CVE-2024-6119:3.0.14-1~deb12u2:tracker.json
['RDS.db', 'bad.txt', 'osv', 'tracker.json'] {'malicious': 1, 'vulnerable': 2}
TXT
cmp -s "$tmp/out" "$tmp/want"
ok $? "the report: two vulnerable, one malicious, one fixed"
"$fitzroy" report "$tmp/log.fz" --db "$db" >"$tmp/out" 2>"$tmp/err"
grep -q 'libc-bin .* VULNERABLE  /usr/bin/getent' "$tmp/out" && grep -q 'dash .* MALICIOUS   /usr/bin/dash' "$tmp/out" &&
	grep -q 'glibc 2.36-9+deb12u1 is vulnerable: CVE-2023-4911 (fixed in 2.36-9+deb12u3), CVE-2023-6246' "$tmp/out" &&
	grep -q '/usr/bin/dash is malicious: Evil.Shell' "$tmp/out" && grep -q 'curl .* known ' "$tmp/out"
ok $? "and as text"
"$fitzroy" report "$tmp/log.fz" --db "$db" --labels "$tmp/large.db" --format json >"$tmp/report.json" &&
	python3 "$tmp/verdicts.py" "$tmp/report.json" >"$tmp/out" && ! grep -q vulnerable: "$tmp/out"
ok $? "--labels names others"
bad_report()
{
	"$fitzroy" report "$tmp/log.fz" --db "$db" "$@" >"$tmp/out" 2>"$tmp/err"
	[ $? = 2 ] && [ "$(wc -l <"$tmp/err")" = 1 ] && [ ! -s "$tmp/out" ]
	ok $? "refused: $*"
}
bad_report --labels "$tmp/nowhere.db"
bad_report --labels "$db"
bad_report --release woodworm
mv "$tmp/labels.db" "$tmp/away.db"
"$fitzroy" report "$tmp/log.fz" --db "$db" --format json >"$tmp/report.json" && python3 "$tmp/verdicts.py" "$tmp/report.json" >"$tmp/out" &&
	[ "$(cut -d' ' -f2- "$tmp/out" | sort -u | paste -sd,)" = "None,known no labels" ]
ok $? "without labels.db all are known, and the report says that none were asked"
mv "$tmp/away.db" "$tmp/labels.db"

# --------------------------------------------------------------------- releases
# One package in one version, without a mark. What it means is the release's, which the root's
# os-release says, or --release.
mkdir "$tmp/rel"
cat >"$tmp/rel/tracker.json" <<'JSON'
{"openssh": {
 "CVE-2026-0001": {"releases": {
  "bookworm": {"status": "resolved", "repositories": {"bookworm": "1:9.2p1-2+deb12u5"}, "fixed_version": "1:9.2p1-2+deb12u3", "urgency": "high"},
  "trixie": {"status": "resolved", "repositories": {"trixie": "1:10.0p1-7"}, "fixed_version": "1:9.2p1-1", "urgency": "high"}}},
 "CVE-2026-0002": {"releases": {
  "bookworm": {"status": "resolved", "repositories": {"bookworm": "1:9.2p1-2+deb12u5"}, "fixed_version": "1:9.2p1-2~deb12u1", "urgency": "high"},
  "trixie": {"status": "resolved", "repositories": {"trixie": "1:10.0p1-7"}, "fixed_version": "1:9.2p1-3", "urgency": "high"}}}}}
JSON
deb openssh 1:9.2p1-2 /bin/grep sshd
mv "$tmp/openssh_1:9.2p1-2.deb" "$tmp/sshd.deb"
for r in bookworm trixie; do
	mkdir -p "$tmp/rel/$r/usr/bin" "$tmp/rel/$r/usr/lib" "$tmp/rel/$r/etc" "$tmp/rel/$r/var/lib/dpkg/info"
	cp /bin/grep "$tmp/rel/$r/usr/bin/sshd"
	printf 'Package: openssh\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:9.2p1-2\n' >"$tmp/rel/$r/var/lib/dpkg/status"
	echo /usr/bin/sshd >"$tmp/rel/$r/var/lib/dpkg/info/openssh.list"
	printf 'ID=debian\nVERSION_ID="%s"\nVERSION_CODENAME=%s\n' "${r/bookworm/12}" $r | sed 's/"trixie"/"13"/' >"$tmp/rel/$r/usr/lib/os-release"
	ln -s ../usr/lib/os-release "$tmp/rel/$r/etc/os-release"
done
python3 - "$tmp" >"$tmp/rel/script" <<'PY'
import sys
# The same pages as openssl's above: they are those of /bin/grep.
for line in open(sys.argv[1] + "/script"):
    f = line.split()
    if f[0] != "exec" or f[1] == "1000":
        print(line.rstrip())
PY
"$helpers/mklog" "$tmp/rel/log.fz" <"$tmp/rel/script" 2>"$tmp/err"
# of NAME WANT ARGUMENT...: what a database made by "db add ARGUMENT..." says
of()
{
	local name=$1 want=$2
	shift 2
	rm -rf "$tmp/rel/db"
	while [ $# -gt 0 ]; do
		"$fitzroy" db add --db "$tmp/rel/db/known.db" $1 >"$tmp/out" 2>"$tmp/err"
		shift
	done
	"$fitzroy" db cve --db "$tmp/rel/db/known.db" "$tmp/rel/tracker.json" >"$tmp/out" 2>"$tmp/err" &&
		"$fitzroy" report "$tmp/rel/log.fz" --db "$tmp/rel/db/known.db" --format json >"$tmp/report.json" 2>>"$tmp/err"
	python3 - "$tmp/report.json" <<-'PY' >"$tmp/out" 2>>"$tmp/err"
		import json, sys
		p, = json.load(open(sys.argv[1]))["vms"][0]["programs"]
		print(p["verdict"], p["release"] or "-", ",".join("%s:%s" % (l["kind"], l["id"][-1]) for l in p["labels"]) or "-")
	PY
	[ "$(cat "$tmp/out")" = "$want" ]
	ok $? "$name: $(cat "$tmp/out")"
}
of "a package of no release" "known - possible:1,possible:2" "$tmp/sshd.deb"
of "--release bookworm" "vulnerable Debian:bookworm vulnerable:1" "--release bookworm $tmp/sshd.deb"
of "--release Debian:13" "vulnerable Debian:trixie vulnerable:2" "--release Debian:13 $tmp/sshd.deb"
of "an installed root of bookworm" "vulnerable Debian:bookworm vulnerable:1" "$tmp/rel/bookworm"
of "one of trixie" "vulnerable Debian:trixie vulnerable:2" "$tmp/rel/trixie"
of "what the root says goes before --release" "vulnerable Debian:trixie vulnerable:2" "--release bookworm $tmp/rel/trixie"
of "in both releases" "known Debian:bookworm,Debian:trixie possible:1,possible:2" "$tmp/rel/bookworm" "$tmp/rel/trixie"
of "a package that was added before, now of a release" "vulnerable Debian:bookworm vulnerable:1" "$tmp/sshd.deb" \
	"--release bookworm $tmp/sshd.deb"
"$fitzroy" db check --db "$tmp/rel/db/known.db" >"$tmp/out" 2>&1 &&
	"$fitzroy" db info --db "$tmp/rel/db/known.db" | grep -q '^releases  Debian:bookworm: 1 file,' &&
	"$fitzroy" db list --json --db "$tmp/rel/db/known.db" | grep -q '"release":"Debian:bookworm"'
ok $? "info and list say of which"
cp "$tmp/rel/db/known.db" "$tmp/rel/before"
"$fitzroy" db add --db "$tmp/rel/db/known.db" --release bookworm "$tmp/sshd.deb" >"$tmp/out" 2>&1 &&
	cmp -s "$tmp/rel/before" "$tmp/rel/db/known.db"
ok $? "again: nothing changes"
"$fitzroy" db add --db "$tmp/rel/db/known.db" --release woodworm "$tmp/sshd.deb" >"$tmp/out" 2>"$tmp/err"
[ $? = 2 ] && [ "$(wc -l <"$tmp/err")" = 1 ] && grep -q "no release is called 'woodworm'" "$tmp/err"
ok $? "a release that is none is refused"

# Live, on a device that is none: a VM that runs the pages of a file.
cat=$(readlink -f /bin/cat)
"$fitzroy" db add --db "$tmp/live/known.db" "$cat" >"$tmp/out" 2>&1 &&
	sha256sum "$cat" | "$fitzroy" db cve --db "$tmp/live/known.db" --as malicious --name feed /dev/stdin >"$tmp/out" 2>"$tmp/err"
bad=$?
sha256sum "$cat" >"$tmp/feed"
"$fitzroy" db cve --db "$tmp/live/known.db" --as malicious "$tmp/feed" >>"$tmp/out" 2>&1
FAKE_FILE=$cat LD_PRELOAD=$helpers/fakedev.so timeout -s INT 2 "$fitzroy" watch --db "$tmp/live/known.db" >"$tmp/out" 2>"$tmp/err"
[ $bad = 2 ] && grep -q "VM 1 *malicious *$cat: $cat\$" "$tmp/out"
ok $? "watch says it live; a list that comes by a pipe is refused"

# -------------------------------------------------------------- update, removal
cp "$db" "$tmp/known.before"
sed 's/3\.0\.13-1~deb12u1/3.0.10-1/' "$data/tracker.json" >"$tmp/tracker.json"
run "$tmp/tracker.json"
"$fitzroy" report "$tmp/log.fz" --db "$db" --format json >"$tmp/report.json"
python3 "$tmp/verdicts.py" "$tmp/report.json" >"$tmp/out"
grep -q '^openssl vulnerable vulnerable:CVE-2024-6119:3.0.14-1~deb12u2:tracker.json$' "$tmp/out" &&
	cmp -s "$db" "$tmp/known.before"
ok $? "newer data under the same name takes the place of the old; known.db is not touched"
run remove tracker.json bad.txt
"$fitzroy" report "$tmp/log.fz" --db "$db" --format json >"$tmp/report.json"
python3 "$tmp/verdicts.py" "$tmp/report.json" >"$tmp/out"
[ $code = 0 ] && ! grep -q 'malicious:\|vulnerable:' "$tmp/out"
ok $? "removed sources say nothing"
head -c 9000 "$tmp/before" >"$tmp/labels.db"
bad 1 "labels.db is cut short" "check of a cut one is a finding" check
bad 2 "labels.db is cut short" "nothing is imported into it" "$data/tracker.json"
cp "$tmp/before" "$tmp/labels.db"
exec 9<"$tmp"
flock 9
bad 2 "another process" "while another process writes" "$tmp/tracker.json"
exec 9<&-
head -c 3000 "$data/tracker.json" >"$tmp/cut.json"
bad 2 "cut.json: .*cut short" "a cut file is refused" "$tmp/cut.json"
cmp -s "$tmp/before" "$tmp/labels.db"
ok $? "and nothing of it is kept"

echo "1..$n"
exit $failed
