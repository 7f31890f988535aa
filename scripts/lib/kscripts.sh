# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# kscripts.sh - the kernel's own checkers (checkpatch.pl, coccinelle); source common.sh first

FZ_KSCRIPTS_SERIES=${FZ_KSCRIPTS_SERIES:-6.12}

# kscripts: print the folder that holds scripts/, unpacked from linux-source if need be.
kscripts()
{
	local dir=$FZ_CACHE/kscripts-$FZ_KSCRIPTS_SERIES tmp deb top=linux-source-$FZ_KSCRIPTS_SERIES

	if [ ! -e "$dir/.complete" ]; then
		need xz xz-utils
		mkdir -p "$FZ_CACHE"
		(
			flock 9
			[ ! -e "$dir/.complete" ] || exit 0
			tmp=$dir.tmp
			rm -rf -- "$tmp"
			mkdir -p "$tmp"
			# scripts/debug-kernel may have it.
			deb=$(find "$FZ_CACHE/debug-kernels/debs" -name "${top}_*.deb" -print -quit 2>/dev/null) || true
			if [ -z "$deb" ]; then
				(cd "$tmp" && quietly .log apt-get -qq -o APT::Sandbox::User=root download "$top") ||
					die "apt cannot download $top: apt-get update"
				deb=$(find "$tmp" -name "${top}_*.deb" -print -quit)
			fi
			dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/$top.tar.xz" | xz -dc |
				tar -x -C "$tmp" --strip-components=1 --wildcards "$top/scripts/checkpatch.pl" \
					"$top/scripts/spelling.txt" "$top/scripts/const_structs.checkpatch" \
					"$top/scripts/coccinelle" || die "$deb has no scripts"
			# Where checkpatch looks for names that are the kernel's.
			mkdir -p "$tmp/include"
			rm -f -- "$tmp"/*.deb "$tmp/.log"
			touch "$tmp/.complete"
			rm -rf -- "$dir"
			mv -T -- "$tmp" "$dir"
		) 9>"$dir.lock" || exit 2
	fi
	printf '%s\n' "$dir"
}
