#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# upx.sh - programs packed by UPX: what they unpack to is known by name; TAP
#
# Programs are packed with Debian's upx (of another release, where the machine's has none) and
# run here. What then lies in their memory is put into a log as a guest's, and must be
# identified, page by page, by the database made of the packed files. The upx that packages get
# to see is one that looks around: it must have no way out.
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
# shellcheck source=tests/e2e/tap.sh
. "$here/tap.sh"
# shellcheck source=scripts/lib/suites.sh
. "$FZ_TOP/scripts/lib/suites.sh"

tool=$FZ_OUTDIR/bin/fitzroy
tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT
chmod 755 "$tmp"

add() # PATH-OF-UPX DB FILE...
{
	local path=$1 db=$2

	shift 2
	PATH=$path "$tool" db add --db "$tmp/$db" "$@" >"$tmp/out" 2>"$tmp/err"
}

upx=$(upx_dir) || { echo "Bail out! there is no upx"; exit 1; }
# Where the user that upx runs as can read it.
cp -rL -- "$upx" "$tmp/upx" && chmod -R a+rX "$tmp/upx"
cat >"$tmp/hello.c" <<'C'
#include <stdio.h>
#include <unistd.h>
#define F(n) int f##n(int x) { return (x * n ^ (x + n)) / (n + 3) % (x * x + n); }
#define G(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7)
G(1) G(2) G(3) G(4) G(5) G(6) G(7) G(8) G(9) G(10) G(11) G(12) G(13) G(14) G(15) G(16)
int main(void)
{
	char c;

	puts("here");
	fflush(stdout);
	return read(0, &c, 1) < 0;
}
C
for kind in static static-pie pie; do
	gcc -O1 "-$kind" -o "$tmp/$kind" "$tmp/hello.c" && "$tmp/upx/upx" -qqq -o "$tmp/$kind.upx" "$tmp/$kind" >"$tmp/out" 2>"$tmp/err"
	ok $? "a program is packed: -$kind"
done

add /nowhere none.db "$tmp/static.upx"
[ $? = 0 ] && grep -q '^added 1 files' "$tmp/out" && grep -q 'packed by UPX: with upx installed' "$tmp/err"
ok $? "without upx the packed file is added, with a line that says what is missing"
add "$tmp/upx" known.db "$tmp"/{static,static-pie,pie}.upx
[ $? = 0 ] && grep -q '^added 6 files' "$tmp/out" && [ ! -s "$tmp/err" ]
ok $? "with upx what they unpack to is added, too"
add "$tmp/upx" known.db "$tmp"/{static,static-pie,pie}.upx
grep -q '^added 0 files' "$tmp/out" && "$tool" db check --db "$tmp/known.db" >"$tmp/out"
ok $? "again, nothing is new, and the database is sound"
"$tool" db info --db "$tmp/known.db" --json | grep -q '"unpacked":3'
ok $? "and info counts them"

for kind in static static-pie pie; do
	python3 "$here/upx.py" "$tmp/$kind.upx" "$tmp/$kind.pages" >"$tmp/script" 2>"$tmp/err" &&
		"$FZ_OUTDIR/tests/e2e/mklog" "$tmp/$kind.fz" <"$tmp/script" 2>>"$tmp/err"
	for db in known none; do
		"$tool" report "$tmp/$kind.fz" --db "$tmp/$db.db" --format json >"$tmp/$db.json" 2>>"$tmp/err"
	done
	python3 - "$tmp" "$kind" <<-'PY' >"$tmp/out" 2>>"$tmp/err"
		import json, sys
		tmp, kind = sys.argv[1:]
		v, = json.load(open(tmp + "/known.json"))["vms"]
		changed = [p for p in v["programs"] if p["verdict"] == "modified"]
		known = [p for p in v["programs"] if p["verdict"] == "known"]
		frames = v["coverage"]["frames"]
		assert frames == sum(1 for line in open(tmp + "/script") if line.startswith("exec")), v["coverage"]
		assert {p["path"] for p in v["programs"]} == {tmp + "/" + kind + ".upx"}, v["programs"]
		# The last line of the script is a page with a byte changed.
		assert len(changed) == 1 and len(changed[0]["findings"]) == 1, changed
		assert v["coverage"]["identified"] == frames - 1 and v["coverage"]["unknown"] == 1, v["coverage"]
		v, = json.load(open(tmp + "/none.json"))["vms"]
		assert not v["coverage"]["identified"] and not v["coverage"]["ambiguous"], v["coverage"]
	PY
	ok $? "-$kind: all that it unpacked is known by its name, a changed page is not, and without upx nothing"
done

# The upx that looks around. What it finds out is in the program that it "unpacks".
mkdir "$tmp/spy"
cat >"$tmp/spy/upx" <<E
#!/bin/bash
[ "\$(pwd)" != "$tmp" ] && [ "\$*" = "-qq -d -o out in" ] || exit 3
[ "$(id -u)" != 0 ] || [ "\$(id -u) \$(id -g) \$(id -G)" = "65534 65534 65534" ] || exit 4
(exec 9<>/dev/tcp/127.0.0.1/1) 2>&1 | grep -q 'not permitted' || exit 5
[ "\$(ulimit -v)" = 2097152 ] && [ "\$(ulimit -t)" = 60 ] && [ "\$(ulimit -c)" = 0 ] || exit 6
grep -q '^NoNewPrivs:.1' /proc/self/status || exit 7
[ "\$(ls /proc/self/fd | wc -l)" -le 5 ] || exit 8
kill -0 $$ 2>/dev/null && exit 9
[ -z "\${SECRET-}" ] || exit 10
cp $tmp/static out
E
chmod 755 "$tmp/spy/upx" "$tmp/static"
SECRET=1 add "$tmp/spy" spy.db "$tmp/static.upx"
grep -q '^added 2 files' "$tmp/out"
ok $? "upx runs as nobody, without sockets, within bounds, with no file and no variable of ours"
spy() # NAME LINE PATTERN
{
	printf '#!/bin/bash\n%s\n' "$2" >"$tmp/spy/upx"
	rm -f "$tmp/spy.db"
	add "$tmp/spy" spy.db "$tmp/static.upx"
	[ $? = 0 ] && grep -q '^added 1 files' "$tmp/out" && grep -q "$3" "$tmp/err"
	ok $? "$1"
}
spy "what upx does not unpack is said" 'exit 1' 'does not unpack it'
spy "an upx that takes too long is ended" 'ulimit -t 1; while :; do :; done' 'was ended'
spy "a link is not followed" 'ln -s /bin/true out' 'writes nothing'
spy "a fifo is not waited for" 'mkfifo out' 'writes nothing'
spy "what is no program is none" 'echo no program >out' 'no unpacked program'
spy "what is still packed is not unpacked again" 'cp in out' 'no unpacked program'
! ls -d "${TMPDIR:-/tmp}"/fitzroy-upx.?????? >"$tmp/out" 2>&1
ok $? "nothing is left behind"
echo "1..$n"
exit $failed
