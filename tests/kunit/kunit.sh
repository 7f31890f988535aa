#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# kunit.sh um|x86_64 - the KUnit tests in a kernel built for them; TAP
#
# um is a kernel that runs as a process; x86_64 one with KASAN, that QEMU boots. The
# source is Debian's package linux-source-6.12, unpacked in part below $FZ_CACHE/kunit,
# or the tree FZ_KUNIT_TREE, which is not changed. The kernel's own KTAP is left in
# $FZ_OUTDIR/kunit/ARCH/test.log, what kunit.py says in ARCH.log.
set -uo pipefail
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"

series=6.12
store=$FZ_CACHE/kunit
out=$FZ_OUTDIR/kunit
arch=${1-}
config=$here/.kunitconfig
args=(--jobs="$(nproc)" --timeout=600 --kunitconfig="$here/small.config")
# How many suites there are; each file has one.
suites=("$here"/*_kunit.c)
case $arch in
um)
	mapfile -t suites < <(printf '%s\n' "${suites[@]}" | grep -vE '/(hooks|mmu|prove)_kunit.c$')
	;;
x86_64) args+=(--arch=x86_64 --kunitconfig="$here/x86_64.config") ;;
*) die "usage: tests/kunit/kunit.sh um|x86_64" ;;
esac

# bail MESSAGE: no kernel, no tests.
bail()
{
	printf 'not ok 1 - kunit %s: %s\n1..1\n' "$arch" "$*"
	exit 1
}

# unpack DIR: of the source what UML and x86_64 are built from.
unpack()
{
	local deb debs=$FZ_CACHE/debug-kernels/debs

	deb=$(find "$debs" -name "linux-source-${series}_${version}_all.deb" -print -quit 2>/dev/null)
	if [ -z "$deb" ]; then
		mkdir -p "$debs"
		(cd "$debs" && quietly "$store/log" apt-get -qq -o APT::Sandbox::User=root download "linux-source-$series=$version") ||
			return 1
		deb=$(find "$debs" -name "linux-source-${series}_*_all.deb" -newer "$store/.lock" -print -quit)
	fi
	note "unpacking linux-source-$series $version"
	rm -rf -- "$1"
	mkdir -p "$1" &&
		dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/linux-source-$series.tar.xz" | xz -dc -T0 |
		tar -x -C "$1" --strip-components=1 --wildcards \
			--exclude='*/arch/[a-t]*/*.[chS]' --exclude='*/arch/xtensa/*.[chS]' --exclude='*.dts*' \
			--exclude='*/tools/testing/selftests' --exclude='*/tools/perf' --exclude='*/Documentation/*.rst' --exclude='*/Documentation/*.yaml' \
			--exclude='*/Documentation/*.txt' --exclude='*/sound/*.[ch]' --exclude='*/drivers/gpu/*.[ch]' \
			--exclude='*/drivers/net/*/*.[ch]' --exclude='*/drivers/media/*.[ch]' \
			--exclude='*/drivers/staging/*.[ch]' --exclude='*/drivers/infiniband/*.[ch]' &&
		touch "$1/.complete"
}

# tree: a copy of the source for the overlay, by links where the cache is on the same disk.
tree()
{
	local from=${FZ_KUNIT_TREE-} version

	if [ -z "$from" ]; then
		version=$(apt-cache show --no-all-versions "linux-source-$series" 2>/dev/null | sed -n 's/^Version: //p')
		[ -n "$version" ] || version=$(find "$store" -maxdepth 2 -name .complete -printf '%h\n' 2>/dev/null |
			sed "s,.*/linux-source-${series}_,," | sort -V | tail -n 1)
		[ -n "$version" ] || bail "apt offers no linux-source-$series: apt-get update"
		from=$store/linux-source-${series}_$version
		mkdir -p "$store"
		(
			flock 9
			[ -e "$from/.complete" ] || unpack "$from"
		) 9>"$store/.lock" || bail "no source of Linux $version"
	fi
	if [ "$(cat "$out/linux.from" 2>/dev/null)" != "$from" ]; then
		rm -rf -- "$out"
		mkdir -p "$out"
		cp -al -- "$(realpath -- "$from")" "$out/linux" 2>/dev/null || {
			rm -rf -- "$out/linux"
			cp -a -- "$from" "$out/linux"
		} || bail "cannot copy $from"
		printf '%s\n' "$from" >"$out/linux.from"
	fi
	"$FZ_TOP/scripts/overlay" "$out/linux" || bail "scripts/overlay failed"
}

"$FZ_TOP/scripts/deps" kunit || bail "packages are missing"
mkdir -p "$out"
exec 8>"$out/../.kunit.lock"
flock 8
tree
build=$out/$arch
mkdir -p "$build"
rm -f -- "$build/test.log"
(
	cd "$out/linux" || exit
	# Names for the kernel, as kunit.py wants them; a config of ours goes first.
	./tools/testing/kunit/kunit.py run --build_dir="$build" --kunitconfig="$config" "${args[@]}"
) >"$out/$arch.log" 2>&1 8>&-
rc=$?
[ -s "$build/test.log" ] || {
	tail -n 30 "$out/$arch.log" | sed 's/^/# /'
	bail "kunit.py exited $rc: see $out/$arch.log"
}
tr -d '\r' <"$build/test.log" | awk -v arch="$arch" -v rc="$rc" -v want="${#suites[@]}" -f "$here/tap.awk"
