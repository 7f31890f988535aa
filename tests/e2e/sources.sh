#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# sources.sh - "fitzroy db add" of rpm and Alpine packages, archives, images
#
# The files are this machine's own programs; packages and images are made by the
# formats' own tools where Debian has them, else by tests/e2e/mksource.py.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
out=${FZ_OUTDIR:-$top/out}
fitzroy=$out/bin/fitzroy
make=$top/tests/e2e/mksource.py
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
db=$tmp/var/known.db
n=0
failed=0

ok() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		failed=1
		echo "not ok $n - $2"
		sed 's/^/# /' "$tmp/out" "$tmp/err" | head -20
	fi
}

run() {
	"$fitzroy" db "$@" >"$tmp/out" 2>"$tmp/err"
	code=$?
}

# add NAME: adds what follows to a new database; the list is in $tmp/list
add() {
	rm -rf "${tmp:?}/var"
	run add --db "$db" "$@"
	"$fitzroy" db list --json --db "$db" 2>/dev/null >"$tmp/list"
}

# listed PATH PACKAGE SOURCE VERSION SOURCE_VERSION ARCH FILE: exactly one such record
listed() {
	python3 - "$tmp/list" "$@" <<'PY'
import hashlib, json, sys
path, package, source, version, sversion, arch, file = sys.argv[2:]
sha = hashlib.sha256(open(file, "rb").read()).hexdigest()
want = (path, package, source, version, sversion, arch, sha)
got = [json.loads(l) for l in open(sys.argv[1])]
got = [tuple(f[k] for k in ("path", "package", "source", "version", "source_version", "arch",
                            "sha256")) for f in got]
if got.count(want) != 1:
    print("wanted", want)
    for g in got:
        print("listed", g)
    sys.exit(1)
PY
}

files() {
	wc -l <"$tmp/list"
}

if ! [ -x "$fitzroy" ]; then
	echo "Bail out! no $fitzroy"
	exit 1
fi

# --------------------------------------------------------------- rpm packages
cp /bin/ls /bin/cat /bin/true "$tmp"
mkdir -p "$tmp/rpm"
cat >"$tmp/rpm/a.spec" <<EOF
Name: prog-utils
Epoch: 2
Version: 1.5~rc1
Release: 3.fc99
Summary: x
License: GPL
%description
x
%package extra
Summary: x
%description extra
x
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/share/x
cp $tmp/ls %{buildroot}/usr/bin/ls
ln %{buildroot}/usr/bin/ls %{buildroot}/usr/bin/zls
ln -s ls %{buildroot}/usr/bin/sls
cp $tmp/cat %{buildroot}/usr/bin/cat
echo text >%{buildroot}/usr/share/x/text
%files
/usr/bin/ls
/usr/bin/zls
/usr/bin/sls
/usr/share/x/text
%files extra
/usr/bin/cat
EOF
build_rpm() {
	rpmbuild -bb --quiet --define "_topdir $tmp/rpm/$1" --define "_binary_payload $1" \
		--define "__os_install_post %{nil}" --define "debug_package %{nil}" \
		"$tmp/rpm/a.spec" >"$tmp/out" 2>"$tmp/err"
}
for payload in w6.gzdio w6.xzdio w3.zstdio w6.bzdio w.ufdio; do
	build_rpm "$payload"
	rpm=$(echo "$tmp/rpm/$payload"/RPMS/*/prog-utils-1*.rpm)
	add "$rpm"
	[ $code = 0 ] && [ "$(files)" = 1 ] && grep -q " 1 packages; 0 skipped, 1 other" "$tmp/out" &&
		listed /usr/bin/ls prog-utils prog-utils "2:1.5~rc1-3.fc99" "2:1.5~rc1-3.fc99" \
			x86_64 /bin/ls >"$tmp/err"
	ok $? "an .rpm of rpmbuild, $payload"
done
rpm=$(echo "$tmp"/rpm/w6.xzdio/RPMS/*/prog-utils-extra*.rpm)
add "$rpm"
listed /usr/bin/cat prog-utils-extra prog-utils "2:1.5~rc1-3.fc99" "2:1.5~rc1-3.fc99" x86_64 /bin/cat >"$tmp/err"
ok $? "a subpackage names its source"
cp "$db" "$tmp/before"
run add --db "$db" "$rpm"
[ $code = 0 ] && cmp -s "$db" "$tmp/before"
ok $? "adding it again changes nothing"
size=$(stat -c %s "$rpm")
bad=0
# The signatures before it leave room that nothing covers.
for at in 5000 $((size / 2)) $((size - 2)); do
	{ head -c $at "$rpm"; printf 'x'; tail -c +$((at + 2)) "$rpm"; } >"$tmp/bad.rpm"
	head -c $((at / 10)) "$rpm" >"$tmp/cut2.rpm"
	head -c $at "$rpm" >"$tmp/cut.rpm"
	for f in bad cut cut2; do
		add "$tmp/$f.rpm"
		[ $code = 2 ] && [ ! -s "$tmp/list" ] && [ "$(wc -l <"$tmp/err")" = 1 ] || bad=1
	done
done
ok $bad "changed in one byte or cut, it is refused"

# ------------------------------------------------------------ Alpine packages
"$make" apk "$tmp/a.apk" usr/bin/ls=/bin/ls lib/cat=/bin/cat etc/x=/etc/passwd
add "$tmp/a.apk"
[ $code = 0 ] && [ "$(files)" = 2 ] && grep -q " 1 packages; 0 skipped, 1 other" "$tmp/out" &&
	listed /usr/bin/ls prog-libs prog 1.2.3-r4 1.2.3-r4 x86_64 /bin/ls >"$tmp/err" &&
	listed /lib/cat prog-libs prog 1.2.3-r4 1.2.3-r4 x86_64 /bin/cat >"$tmp/err"
ok $? "an .apk"
size=$(stat -c %s "$tmp/a.apk")
bad=0
for at in 600 $((size / 2)) $((size - 4)); do
	{ head -c $at "$tmp/a.apk"; printf 'x'; tail -c +$((at + 2)) "$tmp/a.apk"; } >"$tmp/bad.apk"
	head -c $at "$tmp/a.apk" >"$tmp/cut.apk"
	for f in bad cut; do
		add "$tmp/$f.apk"
		[ $code = 2 ] && [ ! -s "$tmp/list" ] && [ "$(wc -l <"$tmp/err")" = 1 ] || bad=1
	done
done
ok $bad "changed in one byte or cut, it is refused"
"$make" apk "$tmp/swap.apk" usr/bin/ls=/bin/ls --datahash "$(printf '%064d' 0)"
add "$tmp/swap.apk"
[ $code = 2 ] && grep -q datahash "$tmp/err"
ok $? "with other files than its .PKGINFO says, too"

echo "1..$n"
exit $failed
