#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# sources.sh - "fitzroy db add" of rpm and Alpine packages, archives, images
#
# The files are this machine's own programs; packages and images are made by the
# formats' own tools where Debian has them, else by tests/e2e/mksource.py.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/e2e/tap.sh
. "$top/tests/e2e/tap.sh"
out=${FZ_OUTDIR:-$top/out}
fitzroy=$out/bin/fitzroy
make=$top/tests/e2e/mksource.py
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
db=$tmp/var/known.db

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

rpm=$(echo "$tmp"/rpm/w.ufdio/RPMS/*/prog-utils-extra*.rpm)
at=$(($(stat -c %s "$rpm") / 2))
{ head -c $at "$rpm"; printf 'x'; tail -c +$((at + 2)) "$rpm"; } >"$tmp/bad.rpm"
add "$tmp/bad.rpm"
[ $code = 2 ] && [ ! -s "$tmp/list" ] && grep -q "payload has another digest" "$tmp/err"
ok $? "also where no compression has a checksum"

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


# ------------------------------------------------------------ installed roots
listing() {
	"$fitzroy" db list --json --db "$1" | sed 's/^{"id":[0-9]*,//' | sort
}

# same NAME: what was added last is what $want lists
same() {
	[ $code = 0 ] && listing "$db" >"$tmp/list" && cmp "$want" "$tmp/list" >>"$tmp/err" 2>&1
	ok $? "$1"
}

changed() { # FILE: it, with one byte of its text another
	cp /bin/date "$1"
	printf '\1' | dd of="$1" bs=1 seek=20000 conv=notrunc 2>/dev/null
}

root=$tmp/root
mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/usr/local/bin" "$root/etc"
ln -s usr/bin "$root/bin"
ln -s usr/lib "$root/lib"
cp /bin/ls /bin/cat "$root/usr/bin"
ln "$root/usr/bin/ls" "$root/usr/bin/zls"
ln -s ls "$root/usr/bin/sls"
cp /bin/true "$root/usr/local/bin/own"
changed "$root/usr/bin/date"
echo text >"$root/etc/text"
cp -a "$root" "$tmp/apkroot"
cp -a "$root" "$tmp/rpmroot"

d=$root/var/lib/dpkg
mkdir -p "$d/info"
printf 'Package: %s\nStatus: install ok installed\nVersion: 9.1-1\nArchitecture: amd64\n\n' \
	coreutils other >"$d/status"
printf '/.\n/bin\n/bin/ls\n/bin/zls\n/bin/date\n' >"$d/info/coreutils.list"
printf '%s  bin/ls\n%s  bin/date\n' "$(md5sum <"$root/bin/ls" | cut -c-32)" \
	"$(md5sum </bin/date | cut -c-32)" >"$d/info/coreutils.md5sums"
printf '/bin\n/bin/cat\n' >"$d/info/other:amd64.list"
add "$root"
[ $code = 0 ] && [ "$(files)" = 4 ] && grep -q "/usr/bin/date: it differs" "$tmp/err" &&
	listed /bin/ls coreutils coreutils 9.1-1 9.1-1 amd64 /bin/ls &&
	listed /bin/cat other other 9.1-1 9.1-1 amd64 /bin/cat &&
	listed /usr/bin/date "" "" "" "" amd64 "$root/usr/bin/date" &&
	listed /usr/local/bin/own "" "" "" "" amd64 /bin/true
ok $? "a root with dpkg: its packages; what it did not install or was changed has none"
want=$tmp/want.dpkg
listing "$db" >"$want"
for z in gzip xz zstd bzip2 cat; do
	tar -C "$root" -c . | $z >"$tmp/root.tar"
	add "$tmp/root.tar"
	same "the same from a tar, $z"
done
run add --db "$db" "$tmp/root.tar"
[ $code = 0 ] && grep -q "added 0 files, 0 pages from 0 packages.* 4 known" "$tmp/out"
ok $? "adding it again: known"
(cd "$root" && tar -c usr etc bin lib var) >"$tmp/late.tar"
add "$tmp/late.tar"
same "the same when dpkg's files come last"
head -c 100000 "$tmp/late.tar" >"$tmp/cut.tar"
add "$tmp/cut.tar"
[ $code = 2 ] && [ ! -s "$tmp/list" ] && grep -q "cut short or damaged" "$tmp/err"
ok $? "a tar that is cut"
xorriso -as mkisofs -quiet -R -o "$tmp/root.iso" "$root" >"$tmp/out" 2>&1
add "$tmp/root.iso"
same "the same from an ISO image"
mkdir -p "$tmp/cd/pool"
cp "$rpm" "$tmp/a.apk" "$tmp/cd/pool"
cp /bin/true "$tmp/cd"
xorriso -as mkisofs -quiet -R -o "$tmp/cd.iso" "$tmp/cd" >"$tmp/out" 2>&1
add "$tmp/cd.iso"
[ $code = 0 ] && [ "$(files)" = 4 ] && grep -q " 2 packages" "$tmp/out" &&
	listed /usr/bin/ls prog-libs prog 1.2.3-r4 1.2.3-r4 x86_64 /bin/ls
ok $? "packages in an ISO image"

# Alpine
python3 - "$tmp/apkroot" <<'PY'
import base64, hashlib, os, sys
root = sys.argv[1]
z = lambda f: "Q1" + base64.b64encode(hashlib.sha1(open(f, "rb").read()).digest()).decode()
os.makedirs(root + "/lib/apk/db")
with open(root + "/lib/apk/db/installed", "w") as f:
    f.write("C:Q1abc=\nP:core\nV:9.1-r0\nA:x86_64\nS:1\nT:x\no:core-src\nF:usr\nF:usr/bin\n"
            "R:ls\na:0:0:755\nZ:%s\nR:date\na:0:0:755\nZ:%s\nR:sls\n\nP:other\nV:1-r1\n"
            "A:x86_64\nF:usr/bin\nR:cat\nZ:%s\n\n"
            % (z("/bin/ls"), z("/bin/date"), z("/bin/cat")))
PY
add "$tmp/apkroot"
[ $code = 0 ] && [ "$(files)" = 4 ] && grep -q "/usr/bin/date: it differs" "$tmp/err" &&
	listed /usr/bin/ls core core-src 9.1-r0 9.1-r0 x86_64 /bin/ls &&
	listed /usr/bin/cat other other 1-r1 1-r1 x86_64 /bin/cat &&
	listed /usr/bin/date "" "" "" "" amd64 "$root/usr/bin/date"
ok $? "a root with apk"
want=$tmp/want.apk
listing "$db" >"$want"
tar -C "$tmp/apkroot" -cJf "$tmp/apkroot.tar" usr etc bin lib
add "$tmp/apkroot.tar"
same "the same from a tar"

# rpm: the database that rpm itself makes
rpm -i --justdb --nodeps --noscripts --dbpath "$tmp/rpmdb" "$tmp"/rpm/w6.xzdio/RPMS/*/*.rpm >"$tmp/out" 2>&1
for at in var/lib usr/lib/sysimage; do
	rm -rf "$tmp/rpmroot/var" "$tmp/rpmroot/usr/lib/sysimage"
	mkdir -p "$tmp/rpmroot/$at"
	cp -r "$tmp/rpmdb" "$tmp/rpmroot/$at/rpm"
	add "$tmp/rpmroot"
	[ $code = 0 ] && [ "$(files)" = 4 ] &&
		listed /usr/bin/ls prog-utils prog-utils "2:1.5~rc1-3.fc99" "2:1.5~rc1-3.fc99" x86_64 /bin/ls &&
		listed /usr/bin/cat prog-utils-extra prog-utils "2:1.5~rc1-3.fc99" "2:1.5~rc1-3.fc99" x86_64 /bin/cat &&
		listed /usr/local/bin/own "" "" "" "" amd64 /bin/true
	ok $? "a root with rpm in $at"
done
mkdir -p "$tmp/rpmroot/var/lib"
ln -s ../../usr/lib/sysimage/rpm "$tmp/rpmroot/var/lib/rpm"
want=$tmp/want.rpm
listing "$db" >"$want"
tar -C "$tmp/rpmroot" --zstd -cf "$tmp/rpmroot.tar" .
add "$tmp/rpmroot.tar"
same "the same from a tar"
changed "$tmp/rpmroot/usr/bin/cat"
add "$tmp/rpmroot"
[ $code = 0 ] && grep -q "/usr/bin/cat: it differs" "$tmp/err" &&
	listed /usr/bin/cat "" "" "" "" amd64 "$tmp/rpmroot/usr/bin/cat"
ok $? "what differs from rpm's digest has no package"

# --------------------------------------------------------- container images
# Layers: the root; then cat is deleted, ls replaced, a directory made opaque.
want=$tmp/want.oci
for form in oci ocitar docker; do
	"$make" $form "$tmp/$form" "$root"
	add "$tmp/$form"
	[ $form != oci ] || listing "$db" >"$want"
	[ $code = 0 ] && [ "$(files)" = 4 ] &&
		listed /usr/bin/ls "" "" "" "" amd64 /bin/true &&
		listed /bin/zls coreutils coreutils 9.1-1 9.1-1 amd64 /bin/ls &&
		listed /usr/local/bin/new "" "" "" "" amd64 /bin/cat
	ok $? "layers and whiteouts: $form"
	same "as the layout has them: $form"
done
blob=$(find "$tmp/oci/blobs" -size +100k | head -1)
printf 'x' | dd of="$blob" bs=1 seek=1000 conv=notrunc 2>/dev/null
add "$tmp/oci"
[ $code = 2 ] && grep -q "another digest" "$tmp/err" && [ ! -s "$tmp/list" ]
ok $? "a blob that is not what the manifest says"

# -------------------------------------------------------------- disk images
# On a disk: the partition table of tests/e2e/mksource.py, the file system in it.
want=$tmp/want.dpkg
truncate -s 24M "$tmp/fs"
mkfs.ext4 -q -F -d "$root" "$tmp/fs" >"$tmp/out" 2>&1
add "$tmp/fs"
same "the same from an ext4 file system"
for table in mbr logical gpt; do
	"$make" disk "$tmp/$table.raw" $table "$tmp/fs"
	add "$tmp/$table.raw"
	same "the same from a disk with partitions: $table"
done
grep -q "partition 1: its content is not known, not ext2, ext3 or ext4" "$tmp/err"
ok $? "another partition is named"
for option in "" "-c -o compression_type=zlib" "-c -o compression_type=zstd" "-o compat=0.10" \
	"-c -o cluster_size=4k" "-o cluster_size=2M"; do
	# shellcheck disable=SC2086
	qemu-img convert -O qcow2 $option "$tmp/gpt.raw" "$tmp/disk.qcow2" >"$tmp/out" 2>&1
	add "$tmp/disk.qcow2"
	same "the same from a qcow2 image $option"
done
run add --db "$db" "$tmp/disk.qcow2"
[ $code = 0 ] && grep -q "added 0 files, 0 pages from 0 packages.* 4 known" "$tmp/out"
ok $? "adding it again: known"
for features in "-t ext2" "-t ext3" "-O inline_data,metadata_csum" "-b 1024 -O ^extents,^64bit" "-b 4096 -O bigalloc"; do
	rm -f "$tmp/fs2"
	truncate -s 24M "$tmp/fs2"
	# shellcheck disable=SC2086
	mkfs.ext4 -q -F $features -d "$root" "$tmp/fs2" >"$tmp/out" 2>&1
	add "$tmp/fs2"
	same "the same from mkfs.ext4 $features"
done
refused() { # REGEX NAME FILE
	add "$3"
	[ $code = 2 ] && [ ! -s "$tmp/list" ] && [ "$(grep -vc "partition 1" "$tmp/err")" = 1 ] &&
		grep -Eq "$1" "$tmp/err"
	ok $? "$2"
}
qemu-img create -q -f qcow2 -F raw -b "$tmp/gpt.raw" "$tmp/over.qcow2"
refused "lies on another" "a qcow2 image over another" "$tmp/over.qcow2"
head -c 3000000 "$tmp/disk.qcow2" >"$tmp/cut.qcow2"
refused "cut short or damaged" "one that is cut" "$tmp/cut.qcow2"
head -c 6000000 "$tmp/fs" >"$tmp/cut.fs"
refused "cut short" "a file system that is cut" "$tmp/cut.fs"
cp "$tmp/fs" "$tmp/live"
debugfs -w -R "feature needs_recovery" "$tmp/live" >"$tmp/out" 2>&1
refused "was not unmounted" "a file system that was not unmounted" "$tmp/live"
truncate -s 1M "$tmp/empty"	# of the size of a BIOS
refused "no package, archive, disk image" "a file of zeros" "$tmp/empty"

echo "1..$n"
exit $failed
