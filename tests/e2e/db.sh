#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# db.sh - "fitzroy db" on real packages, held against dpkg and Python; bad input
#
# FITZROY names the tool (default: out/bin/fitzroy). Needs apt's network.
set -u
export LC_ALL=C
top=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/e2e/tap.sh
. "$top/tests/e2e/tap.sh"
fitzroy=${FITZROY:-$top/out/bin/fitzroy}
packages="libc6 bash coreutils grep perl-base openssl libssl3 python3.11-minimal
	libpython3.11-stdlib cpp-12"

tmp=$(mktemp -d /tmp/fz-db-XXXXXX) || exit 1
chmod 755 "$tmp"
trap 'rm -rf "$tmp"' EXIT
db=$tmp/var/known.db

# run ARGUMENT...: "fitzroy db ARGUMENT..." into $tmp/out, $tmp/err, $code
run() {
	timeout 120 "$fitzroy" db "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	code=$?
}

# bad CODE REGEX NAME ARGUMENT...: it ends with CODE, and says why in one line
bad() {
	local want=$1 regex=$2 name=$3
	shift 3
	run "$@"
	[ "$code" = "$want" ] && [ "$(wc -l <"$tmp/err")" = 1 ] && [ ! -s "$tmp/out" ] &&
		grep -Eq "^fitzroy: .*($regex)" "$tmp/err"
	ok $? "$name"
}

# The list without the ids, which tell the order of adding.
listing() {
	"$fitzroy" db list --json --db "$1" | sed 's/^{"id":[0-9]*,//' | sort
}

if ! [ -x "$fitzroy" ]; then
	echo "Bail out! no $fitzroy"
	exit 1
fi

# ------------------------------------------------------------------- usage
bad 2 "add, remove, merge, info, list, check or cve" "no verb"
bad 2 "no such thing as 'frobnicate'" "a verb that does not exist" frobnicate
bad 2 "needs a path" "add without a path" add --db "$db"
bad 2 "unexpected argument" "info with an argument" info --db "$db" x
bad 2 "unknown option" "an unknown option" info --bogus
bad 2 "needs a value" "--db without a value" info --db
bad 2 "has no --json" "add --json" add --json --db "$db" x
bad 2 "no database at .*db add" "info without a database" info --db "$db"
bad 2 "no database at" "check without a database" check --db "$db"
test ! -e "$tmp/var"
ok $? "none of these made anything"

# ----------------------------------------------------------- real packages
mkdir "$tmp/debs"
# shellcheck disable=SC2086
(cd "$tmp/debs" && apt-get -q download $packages) >"$tmp/out" 2>"$tmp/err"
set -- "$tmp"/debs/*.deb
# shellcheck disable=SC2086
[ $# = "$(echo $packages | wc -w)" ]
ok $? "apt downloads $# packages"

run add --db "$db" "$@"
[ $code = 0 ] && [ ! -s "$tmp/err" ] &&
	grep -Eqx "added [0-9]+ files, [0-9]+ pages from $# packages; [0-9]+ skipped, [0-9]+ other, 0 known before" "$tmp/out"
ok $? "they are added: $(cat "$tmp/out")"
run check --db "$db"
[ $code = 0 ]
ok $? "check: $(cat "$tmp/out")"
[ "$(ls -A "$tmp/var")" = known.db ]
ok $? "one file, and none beside it"
run info --db "$db" --json
python3 - "$tmp/out" "$db" $# <<'PY' >"$tmp/err" 2>&1
import json, os, sys
i = json.load(open(sys.argv[1]))
assert i["bytes"] == os.path.getsize(sys.argv[2]) and i["schema"] == 4, i
assert i["packages"] == int(sys.argv[3]) and i["bytes_per_page"] < 66, i
assert len(open(sys.argv[1]).read().splitlines()) == 1
for by in "kinds", "architectures":
    assert sum(k["files"] for k in i[by].values()) == i["files"], i
    assert sum(k["pages"] for k in i[by].values()) == i["pages"], i
assert i["kinds"]["elf"]["files"] and i["architectures"]["amd64"]["runs"], i
PY
ok $? "info --json agrees with the file, and a page takes less than 66 bytes, in small files"

# Each ELF file of each package, by dpkg-deb and a parser of a few lines.
cat >"$tmp/oracle.py" <<'PY'
import hashlib, json, os, struct, subprocess, sys

def pages(d):
    if d[:4] != b"\x7fELF" or d[5] != 1:
        return 0
    if d[4] == 2:
        phoff, = struct.unpack_from("<Q", d, 32)
        size, num = struct.unpack_from("<HH", d, 54)
    else:
        phoff, = struct.unpack_from("<I", d, 28)
        size, num = struct.unpack_from("<HH", d, 42)
    if struct.unpack_from("<H", d, 16)[0] not in (2, 3):
        return 0
    seen = set()
    for i in range(num):
        p = phoff + i * size
        if d[4] == 2:
            t, flags, off, _, _, filesz = struct.unpack_from("<IIQQQQ", d, p)
        else:
            t, off, _, _, filesz, _, flags = struct.unpack_from("<IIIIIII", d, p)
        if t == 1 and flags & 1:
            seen.update(range(off // 4096, (off + filesz + 4095) // 4096))
    return len(seen)

want = set()
for deb in sys.argv[3:]:
    root = os.path.join(sys.argv[2], os.path.basename(deb))
    subprocess.check_call(["dpkg-deb", "-x", deb, root])
    field = lambda f: subprocess.check_output(["dpkg-deb", "-f", deb, f], text=True).strip()
    name, version, source = field("Package"), field("Version"), field("Source").split(" ")[0]
    inodes = set()
    for top, dirs, names in os.walk(root):
        dirs.sort()
        for f in sorted(names):
            path = os.path.join(top, f)
            st = os.lstat(path)
            if not os.path.isfile(path) or os.path.islink(path) or st.st_ino in inodes:
                continue
            inodes.add(st.st_ino)
            d = open(path, "rb").read()
            n = pages(d)
            if n:
                want.add((path[len(root):], hashlib.sha256(d).hexdigest(), n, name, version,
                          source or name))
got = [json.loads(l) for l in open(sys.argv[1])]
got = set((f["path"], f["sha256"], f["pages"], f["package"], f["version"], f["source"])
          for f in got)
print("%d files wanted, %d listed" % (len(want), len(got)))
for w in sorted(want ^ got)[:4]:
    print("only %s: %s" % ("wanted" if w in want else "listed", w))
sys.exit(want != got or len(want) < 100)
PY
run list --db "$db" --json
mv "$tmp/out" "$tmp/list"
mkdir "$tmp/x"
python3 "$tmp/oracle.py" "$tmp/list" "$tmp/x" "$@" >"$tmp/out" 2>&1
ok $? "all files with their pages, as dpkg-deb and Python find them: $(head -1 "$tmp/out")"

run list --db "$db" bash
grep -Eq "^/bin/bash	bash	[^	]+	amd64	[0-9a-f]{40}	[0-9]+$" "$tmp/out"
ok $? "list by package"
run list --db "$db" '*/libc.so.6'
[ $code = 0 ] && [ "$(wc -l <"$tmp/out")" = 1 ]
ok $? "list by path"

# ------------------------------------------------------------- adding again
cp "$db" "$tmp/before"
run add --db "$db" "$@"
[ $code = 0 ] && grep -q "^added 0 files, 0 pages from 0 packages" "$tmp/out" &&
	cmp -s "$db" "$tmp/before"
ok $? "adding them again changes nothing"

taskset -c "$(taskset -pc $$ | sed 's/.*[ ,-]//')" "$fitzroy" db add --db "$tmp/one.db" "$@" >"$tmp/out" 2>"$tmp/err"
cmp -s "$tmp/one.db" "$db"
ok $? "one processor makes the same bytes as all"

# ---------------------------------------------------------- removing, merging
cp "$db" "$tmp/less.db"
run remove --db "$tmp/less.db" bash '*/libc.so.6'
[ $code = 0 ] && [ "$(cut -d' ' -f1 "$tmp/out")" = removed ] && [ ! -s "$tmp/err" ] &&
	"$fitzroy" db check --db "$tmp/less.db" >"$tmp/out" 2>"$tmp/err" &&
	[ "$(listing "$tmp/less.db")" = "$(listing "$db" | grep -v -e '"package":"bash"' -e '/libc.so.6"')" ]
ok $? "remove a package, and a file by its path; all else is sound and there"
cp "$tmp/less.db" "$tmp/less.before"
bad 2 "matches 'nonsense'" "remove what is not there" remove --db "$tmp/less.db" nonsense bash
cmp -s "$tmp/less.db" "$tmp/less.before"
ok $? "then nothing is removed"
run add --db "$tmp/less.db" "$@"
[ $code = 0 ] && [ "$(listing "$tmp/less.db")" = "$(listing "$db")" ] &&
	"$fitzroy" db check --db "$tmp/less.db" >"$tmp/out" 2>"$tmp/err"
ok $? "what was removed can be added again"
"$fitzroy" db add --db "$tmp/half1.db" "$1" "$2" "$3" >"$tmp/out" 2>&1
"$fitzroy" db add --db "$tmp/half2.db" "$3" "$4" "$5" "$6" "$7" "$8" "$9" "${10}" >"$tmp/out" 2>&1
run merge --db "$tmp/half1.db" "$tmp/half2.db"
[ $code = 0 ] && [ "$(listing "$tmp/half1.db")" = "$(listing "$db")" ] &&
	"$fitzroy" db check --db "$tmp/half1.db" >"$tmp/out" 2>"$tmp/err"
ok $? "merging two that overlap gives the same"
cp "$tmp/half1.db" "$tmp/half.before"
run merge --db "$tmp/half1.db" "$tmp/half2.db" "$db"
[ $code = 0 ] && cmp -s "$tmp/half1.db" "$tmp/half.before" &&
	grep -q "^added 0 files, 0 pages from 0 packages" "$tmp/out"
ok $? "merging them again changes nothing"
bad 2 "there is no database" "merge of a database that is not there" merge --db "$tmp/half1.db" "$tmp/nowhere.db"

run add --db "$tmp/dir.db" "$tmp/debs/"
[ $code = 0 ] && [ "$(listing "$tmp/dir.db")" = "$(listing "$db")" ]
ok $? "a directory of packages gives the same"

for deb; do
	run add --db "$tmp/each.db" "$deb"
done
[ "$(listing "$tmp/each.db")" = "$(listing "$db")" ] && "$fitzroy" db check --db "$tmp/each.db" >"$tmp/out"
ok $? "so do $# commands, one a package"

# An installed root as dpkg leaves it, with a merged /usr.
root=$tmp/root
info=$root/var/lib/dpkg/info
mkdir -p "$info" "$root/usr/bin" "$root/usr/lib" "$root/usr/lib64"
ln -s usr/bin "$root/bin"
ln -s usr/lib "$root/lib"
ln -s usr/lib64 "$root/lib64"
for deb; do
	name=$(dpkg-deb -f "$deb" Package)
	dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root"
	dpkg-deb --fsys-tarfile "$deb" | tar -t | sed 's/^\.//; s,/$,,; s/^$/\/./' >"$info/$name:amd64.list"
	dpkg-deb --info "$deb" md5sums >"$info/$name:amd64.md5sums" 2>/dev/null
	{ dpkg-deb -f "$deb" | sed '1a Status: install ok installed'; echo; } >>"$root/var/lib/dpkg/status"
done
run add --db "$tmp/root.db" "$root"
[ $code = 0 ] && [ "$(listing "$tmp/root.db")" = "$(listing "$db")" ]
ok $? "so does an installed root: packages, and paths before the merge of /usr"

printf '\1' | dd of="$root/bin/bash" bs=1 seek=300000 conv=notrunc 2>/dev/null
rm "$tmp/root.db"
run add --db "$tmp/root.db" "$root"
[ $code = 0 ] && grep -q "bash: it differs from what its package installed" "$tmp/err" &&
	[ "$("$fitzroy" db list --db "$tmp/root.db" '/*bin/bash' | cut -f1,2)" = "/usr/bin/bash	-" ]
ok $? "a changed file in it has no package"

# ---------------------------------------------------------------- bad input
unchanged() {
	cmp -s "$db" "$tmp/before" && [ "$(ls -A "$tmp/var")" = known.db ]
}

bash=$(ls "$tmp"/debs/bash_*.deb)
size=$(stat -c %s "$bash")
head -c $((size / 2)) "$bash" >"$tmp/half.deb"
bad 2 "half.deb: .*(cut short|damaged)" "a .deb cut in half" add --db "$db" "$tmp/half.deb"
{ head -c $((size / 2)) "$bash"; printf 'xxxx'; tail -c +$((size / 2 + 5)) "$bash"; } >"$tmp/flip.deb"
bad 2 "flip.deb: .*damaged" "a .deb with four bytes changed" add --db "$db" "$tmp/flip.deb"
printf '!<arch>\nhello, I am no archive. What a pity, and what a long line this is' >"$tmp/no.deb"
bad 2 "no.deb: it is no package" "a .deb that is none" add --db "$db" "$tmp/no.deb"
printf '!<arch>\ndebian-binary   what follows is rubbish, in fact it is much too short' >"$tmp/no2.deb"
bad 2 "no2.deb: " "a .deb that only begins as one" add --db "$db" "$tmp/no2.deb"
: >"$tmp/empty"
bad 2 "no package, archive, disk image, program" "an empty file" add --db "$db" "$tmp/empty"
bad 2 "no package, archive, disk image, program" "a text" add --db "$db" /etc/passwd
bad 2 "no file or directory" "a device" add --db "$db" /dev/zero
bad 2 "No such file" "a path that is not there" add --db "$db" "$tmp/nowhere"
mkfifo "$tmp/fifo"
bad 2 "no file or directory" "a FIFO that nobody writes to" add --db "$db" "$tmp/fifo"
# A text segment that is said to be much larger than the file, a cut file.
mkdir "$tmp/lies"
python3 - "$tmp/x"/bash_*/bin/bash "$tmp/lies/bash" <<'PY'
import struct, sys
d = bytearray(open(sys.argv[1], "rb").read())
phoff, = struct.unpack_from("<Q", d, 32)
for i in range(struct.unpack_from("<H", d, 56)[0]):
    p = phoff + 56 * i
    if struct.unpack_from("<II", d, p) == (1, 5):
        struct.pack_into("<Q", d, p + 32, 2**64 - 4096)
        struct.pack_into("<Q", d, p + 40, 2**64 - 4096)
open(sys.argv[2], "wb").write(d)
PY
bad 2 "lies/bash: a segment .* past the end" "an ELF file with lying headers" add --db "$db" "$tmp/lies/bash"
head -c 100000 "$tmp"/x/bash_*/bin/bash >"$tmp/lies/cut"
bad 2 "lies/cut: .* past the end" "an ELF file that is cut" add --db "$db" "$tmp/lies/cut"
unchanged
ok $? "after all that, the database is as it was"

run add --db "$db" "$tmp/lies"
[ $code = 0 ] && grep -q "^added 0 files.* 2 skipped" "$tmp/out" && [ "$(wc -l <"$tmp/err")" = 2 ] &&
	grep -q "lies/bash: skipped: a segment" "$tmp/err" && unchanged
ok $? "in a tree, such files are skipped, each with a line"

cp "$tmp"/x/grep_*/bin/grep "$tmp/one"
cp "$db" "$tmp/two.db"
run add --db "$tmp/two.db" "$tmp/half.deb" "$tmp/one" "$tmp/no.deb"
[ $code = 2 ] && [ "$(wc -l <"$tmp/err")" = 2 ] && grep -q "^added 1 files" "$tmp/out" &&
	[ "$("$fitzroy" db list --db "$tmp/two.db" "$tmp/one" | cut -f1,2)" = "$tmp/one	-" ]
ok $? "a good argument among bad ones is added, the exit code is 2"

mkdir "$tmp/mixed"
cp "$tmp/one" "$tmp/mixed/a"
cp "$tmp/half.deb" "$tmp/mixed/b"
cp "$db" "$tmp/three.db"
run add --db "$tmp/three.db" "$tmp/mixed"
[ $code = 2 ] && [ "$(wc -l <"$tmp/err")" = 1 ] && cmp -s "$tmp/three.db" "$db"
ok $? "of a directory with a bad package, nothing is added"

# ----------------------------------------------------------- bad databases
for cut in 1 4096 10000 $(($(stat -c %s "$db") / 2)) $(($(stat -c %s "$db") - 1)); do
	head -c "$cut" "$db" >"$tmp/cut.db"
	bad 2 "cut.db is (cut short|not a database)" "info of a database cut to $cut bytes" info --db "$tmp/cut.db"
done
bad 1 "cut.db is cut short" "check calls it a finding" check --db "$tmp/cut.db"
bad 2 "cut.db is cut short" "nothing is added to it" add --db "$tmp/cut.db" "$bash"
{ head -c 50000 "$db"; printf 'xxxx'; tail -c +50005 "$db"; } >"$tmp/flip.db"
bad 1 "flip.db is damaged" "check of a database with four bytes changed" check --db "$tmp/flip.db"
bad 2 "flip.db is damaged" "list of it" list --db "$tmp/flip.db"
bad 2 "passwd is not a database" "info of another file" info --db /etc/passwd
bad 2 "passwd is not a database" "add to another file" add --db /etc/passwd "$bash"
bad 2 "not a database" "check of another file" check --db /bin/ls
cp "$db" "$tmp/open.db"
chmod 666 "$tmp/open.db"
bad 2 "anyone may write" "a database that anyone may write" info --db "$tmp/open.db"
bad 2 "Not a directory" "a database below a file" add --db /etc/passwd/x.db "$bash"

# ------------------------------------------------------ others, interruption
flock "$tmp/var" true
exec 9<"$tmp/var"
flock 9
bad 2 "another process" "add while another process adds" add --db "$db" "$tmp/one"
run info --db "$db"
[ $code = 0 ]
ok $? "a reader need not wait"
exec 9<&-

for signal in INT TERM KILL; do
	"$fitzroy" db add --db "$tmp/fresh/known.db" "$tmp/one" >"$tmp/out" 2>&1
	cp "$tmp/fresh/known.db" "$tmp/fresh.before"
	# Not in the background of a shell that ignores SIGINT for it: env restores it.
	env --default-signal=INT "$fitzroy" db add --db "$tmp/fresh/known.db" "$@" >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	sleep 0.3
	kill -$signal $pid
	wait $pid 2>/dev/null
	code=$?
	case $signal in
	KILL)	[ $code = 137 ] ;;
	*)	[ $code = 2 ] && [ "$(wc -l <"$tmp/err")" = 1 ] && grep -q "interrupted; .* is as it was" "$tmp/err" ;;
	esac && cmp -s "$tmp/fresh/known.db" "$tmp/fresh.before" && [ "$(ls -A "$tmp/fresh")" = known.db ]
	ok $? "SIG$signal in the middle leaves the database as it was"
done

echo "1..$n"
exit $failed
