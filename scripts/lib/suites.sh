# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# suites.sh - packages of Debian releases that this machine does not run; source common.sh first
#
# A second apt configuration, below $FZ_CACHE/apt: the mirrors are those of the machine's own apt,
# lists and downloads are apart from the machine's, and nothing is ever installed by it.

FZ_SUITES=${FZ_SUITES:-bookworm bookworm-updates bookworm-security trixie trixie-updates trixie-security trixie-backports}
suites_dir=$FZ_CACHE/apt
suites_apt=(-o "Dir::Etc::sourcelist=$suites_dir/sources.list" -o Dir::Etc::sourceparts=-
	-o "Dir::State::lists=$suites_dir/lists" -o "Dir::Cache=$suites_dir/cache"
	-o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin
	-o Dir::State::status=/dev/null -o APT::Sandbox::User=root -o APT::Architectures=amd64)

# apt_cache own|other ARG...: apt-cache on the machine's lists, or on the other releases'.
apt_cache()
{
	local view=$1

	shift
	if [ "$view" = own ]; then
		apt-cache "$@"
	elif [ -e "$suites_dir/sources.list" ]; then
		apt-cache "${suites_apt[@]}" "$@"
	fi
}

# suites_sources: a line for each of $FZ_SUITES that is not the machine's own.
suites_sources()
{
	local uri suite main='' security='' own=' ' key=/usr/share/keyrings/debian-archive-keyring.gpg

	[ -e "$key" ] || die "no keys of other Debian releases: apt-get install debian-archive-keyring"
	# shellcheck disable=SC2016 # apt expands these
	while IFS='|' read -r uri suite _; do
		own+="$suite "
		case $suite in
		*-security) : "${security:=$uri}" ;;
		*) : "${main:=$uri}" ;;
		esac
	done < <(apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(ORIGIN)' 'Created-By: Packages' |
		grep '|Debian$' | sort -u)
	[ -n "$main" ] || die "the machine's apt knows no Debian mirror, and so none for other releases"
	for suite in $FZ_SUITES; do
		case $own in
		*" $suite "*) continue ;;
		esac
		case $suite in
		*-security) uri=$security ;;
		*) uri=$main ;;
		esac
		[ -z "$uri" ] || printf 'deb [signed-by=%s] %s %s main\n' "$key" "$uri" "$suite"
	done
}

# suites_refresh: fetch the lists of the other releases.
suites_refresh()
{
	local log=$suites_dir/log

	mkdir -p "$suites_dir/lists/partial" "$suites_dir/cache/archives/partial"
	suites_sources >"$suites_dir/sources.new"
	quietly "$log" apt-get "${suites_apt[@]}" -o "Dir::Etc::sourcelist=$suites_dir/sources.new" -qq update ||
		die "cannot fetch the lists of other Debian releases: see $log"
	mv -- "$suites_dir/sources.new" "$suites_dir/sources.list"
	rm -f -- "$log"
}

# suites_ready: as that, if they are not there. One run fetches, others wait.
suites_ready()
{
	[ ! -e "$suites_dir/sources.list" ] || return 0
	mkdir -p "$suites_dir"
	(
		flock 9
		[ -e "$suites_dir/sources.list" ] || suites_refresh
	) 9>"$suites_dir/.lock" || exit 2
}

# suites_download own|other DIR PACKAGE...: the packages' files, into DIR.
suites_download()
{
	local view=$1 dir=$2 refresh=(apt-get -qq update)
	local -a apt=(apt-get -qq -o APT::Sandbox::User=root)

	shift 2
	[ "$view" = own ] || apt=(apt-get -qq "${suites_apt[@]}") refresh=(suites_refresh)
	mkdir -p "$dir"
	(
		cd "$dir" || exit 1
		quietly .log "${apt[@]}" download "$@" || {
			[ "$(id -u)" != 0 ] || "${refresh[@]}" >/dev/null 2>&1 || true
			quietly .log "${apt[@]}" download "$@"
		}
		rm -f .log
	)
}

# suites_unpack DEBS ROOT: unpack all packages of a folder.
suites_unpack()
{
	local deb p

	for deb in "$1"/*.deb; do
		dpkg-deb -x "$deb" "$2" &
	done
	for p in $(jobs -p); do
		wait "$p" || return 1
	done
}

# at_home ROOT FINAL FILE...: have FILEs, ELF programs, run with ROOT's C library, once ROOT is FINAL.
at_home()
{
	local final=$2 f ld

	ld=$(cd "$1" && find . -name 'ld-linux-x86-64.so.2' -print -quit)
	[ -n "$ld" ] || die "no C library among the packages of $1"
	shift 2
	for f; do
		[ "$(od -An -tx1 -N 4 -- "$f" | tr -d ' ')" = 7f454c46 ] || continue
		readelf -lW -- "$f" 2>/dev/null | grep -q INTERP || continue
		patchelf --set-interpreter "$final/${ld#./}" --force-rpath \
			--set-rpath "$final/usr/lib/x86_64-linux-gnu:$final/lib/x86_64-linux-gnu" "$f" ||
			die "patchelf fails on $f"
	done
}

# borrow NAME FILL PACKAGE...: print $FZ_CACHE/NAME, which `FILL ROOT DIR` has filled from what the packages
# of another release hold; their C library is in DIR/lib already.
borrow()
{
	local name=$1 fill=$2 dir tmp view=other

	shift 2
	mkdir -p "$FZ_CACHE"
	dir=$(realpath -- "$FZ_CACHE")/$name
	if [ ! -e "$dir/.complete" ]; then
		suites_ready
		(
			flock 9
			[ ! -e "$dir/.complete" ] || exit 0
			tmp=$FZ_CACHE/.$name.tmp
			rm -rf -- "$tmp"
			# The machine's own release may be the one that has it.
			apt_cache other show "$1" >/dev/null 2>&1 || view=own
			suites_download $view "$tmp/debs" "$@" libc6 libgcc-s1 libstdc++6 || die "apt cannot download $*"
			suites_unpack "$tmp/debs" "$tmp/root" || die "a package does not unpack: $tmp/debs"
			mkdir -p "$tmp/lib"
			cp -L -- "$tmp"/root/usr/lib/x86_64-linux-gnu/{ld-linux-x86-64.so.2,lib{c,m}.so.6,libgcc_s.so.1,libstdc++.so.6} \
				"$tmp/lib/" && "$fill" "$tmp/root" "$tmp" || die "$1 is not what it was"
			rm -rf -- "${tmp:?}/debs" "${tmp:?}/root"
			touch "$tmp/.complete"
			rm -rf -- "$dir"
			mv -T -- "$tmp" "$dir"
		) 9>"$FZ_CACHE/.$name.lock" || exit 2
	fi
	printf '%s\n' "$dir"
}

# starter FILE LINE...: a script that does LINEs, with the lib beside it in d.
starter()
{
	local file=$1

	shift
	# shellcheck disable=SC2016 # it is for then
	printf '%s\n' '#!/bin/sh' 'd=${0%/*}/lib' "$@" >"$file"
	chmod 755 "$file"
}

fill_upx()
{
	cp -L -- "$1/usr/bin/upx-ucl" "$2/lib/upx" || return 1
	# shellcheck disable=SC2016 # it is for then
	starter "$2/upx" 'exec "$d/ld-linux-x86-64.so.2" --library-path "$d" "$d/upx" "$@"'
}

# upx_dir: print a folder with the program upx: the machine's own, else that of another release, with
# the C library that it needs beside it.
upx_dir()
{
	local own

	own=$(command -v upx) && { dirname -- "$own"; return; }
	borrow upx fill_upx upx-ucl
}

# Its windows, which nobody opens, take the libraries that the machine's own Bochs takes.
fill_bochs()
{
	cp -L -- "$1/usr/bin/bochs-bin" "$2/lib/bochs" || return 1
	cp -L -- "$1"/usr/lib/x86_64-linux-gnu/bochs/plugins/*.so "$2/lib/" || return 1
	cp -L -- "$1/usr/share/bochs/BIOS-bochs-latest" "$1/usr/share/vgabios/vgabios.bin" "$2/" || return 1
	# shellcheck disable=SC2016 # it is for then
	starter "$2/bochs" 'export LTDL_LIBRARY_PATH="$d"' \
		'exec "$d/ld-linux-x86-64.so.2" --library-path "$d:/usr/lib/x86_64-linux-gnu" "$d/bochs" "$@"'
}

# bochs_dir: print a folder with Bochs 3 and its BIOSes. Debian 12's is 2.7, on which newer kernels die early.
bochs_dir()
{
	borrow bochs-3 fill_bochs bochs bochsbios vgabios
}

# toolchain CC: print the folder that holds the program CC (x86_64-linux-gnu-gcc-14, say) of another
# release, its C library and libelf, unpacked if need be.
toolchain()
{
	local version=${1##*-} dir tmp
	local -a names

	# Programs name their C library by its real place.
	mkdir -p "$FZ_CACHE/toolchain"
	dir=$(realpath -- "$FZ_CACHE")/toolchain/$1

	if [ ! -e "$dir/.complete" ]; then
		need patchelf patchelf
		need readelf binutils
		suites_ready
		(
			flock 9
			[ ! -e "$dir/.complete" ] || exit 0
			tmp=$FZ_CACHE/toolchain/.$1.tmp
			rm -rf -- "$tmp"
			mapfile -t names < <(apt_cache other pkgnames | grep -xE \
				"(gcc|cpp)-$version(-x86-64-linux-gnu)?|libgcc-$version-dev|libc6|libgcc-s1|libgmp10|libisl23|libmpc3|libmpfr6|libstdc\\+\\+6|libzstd1|zlib1g|libelf1(t64)?|libssl3(t64)?")
			case " ${names[*]} " in
			*" gcc-$version "*) ;;
			*) die "apt offers no gcc-$version: the kernel needs it" ;;
			esac
			suites_download other "$tmp/debs" "${names[@]}" || die "apt cannot download ${names[*]}"
			suites_unpack "$tmp/debs" "$tmp" || die "a package does not unpack: $tmp/debs"
			rm -rf -- "${tmp:?}/debs" "${tmp:?}/usr/share"
			[ -e "$tmp/usr/bin/$1" ] || die "gcc-$version holds no $1"
			find "$tmp/usr/bin" "$tmp/usr/libexec" "$tmp/usr/lib/gcc" -type f -perm /111 -print0 |
				while IFS= read -r -d '' f; do at_home "$tmp" "$dir" "$f"; done
			touch "$tmp/.complete"
			rm -rf -- "$dir"
			mv -T -- "$tmp" "$dir"
		) 9>"$FZ_CACHE/toolchain/.lock" || exit 2
	fi
	printf '%s\n' "$dir"
}
