# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# bed.sh - parts of the test bed: kernels, initramfs, host disks; source common.sh first

# bzimage_version FILE: the release that a bzImage says it is.
bzimage_version()
{
	local off

	[ "$(od -An -tx4 -j 514 -N 4 --endian=little -- "$1" 2>/dev/null | tr -d ' ')" = 53726448 ] || return 1
	off=$(od -An -tu2 -j 526 -N 2 --endian=little -- "$1" | tr -d ' ')
	dd if="$1" bs=1 skip=$((off + 512)) count=128 2>/dev/null | tr '\0' ' ' | cut -d' ' -f1
}

# shellcheck disable=SC2034 # the callers read them
# find_kernel KVER|FILE: set KVER, VMLINUZ, MODROOT (holds lib/modules/KVER), KDIR.
find_kernel()
{
	local dir d

	if [ -f "$1" ]; then
		VMLINUZ=$(realpath -- "$1")
		KVER=$(bzimage_version "$VMLINUZ") || die "$1 is no x86 kernel image (bzImage)"
		dir=$(dirname -- "$VMLINUZ")
		MODROOT=
		for d in "$dir" "$dir/.." "$dir/../../.." /; do
			[ ! -d "$d/lib/modules/$KVER" ] || { MODROOT=$(realpath -- "$d"); break; }
		done
		[ -n "$MODROOT" ] || die "no lib/modules/$KVER beside $1"
		KDIR=$MODROOT/lib/modules/$KVER/build
		[ ! -d "$dir/build" ] || KDIR=$dir/build
	else
		dir=$("$FZ_TOP/scripts/kernels" fetch "$1") || exit 2
		KVER=$(basename -- "$dir")
		VMLINUZ=$dir/vmlinuz
		MODROOT=$dir
		KDIR=$dir/build
	fi
}

# put_modules DIR NAME...: modules and what they need, decompressed, in load order in DIR/list.
put_modules()
{
	local dir=$1 name f ko

	shift
	mkdir -p "$dir"
	: >"$dir/list"
	for name; do
		# A module that the kernel lacks is built in, or named by the boot that misses it.
		modprobe -d "$MODROOT" -S "$KVER" --show-depends "$name" 2>/dev/null || true
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$dir/paths"
	while read -r f; do
		ko=$(basename -- "$f")
		ko=${ko%.ko*}.ko
		case $f in
		*.xz) xz -dc -- "$f" >"$dir/$ko" ;;
		*.zst) zstd -dcq -- "$f" >"$dir/$ko" ;;
		*.gz) gzip -dc -- "$f" >"$dir/$ko" ;;
		*) cp -- "$f" "$dir/$ko" ;;
		esac
		printf '%s\n' "$ko" >>"$dir/list"
	done <"$dir/paths"
	rm -- "$dir/paths"
}

# put_busybox DIR: the static busybox and a /bin/sh.
put_busybox()
{
	local bb

	bb=$(command -v busybox) || die "busybox is missing: apt-get install busybox-static"
	mkdir -p "$1/bin"
	cp -L -- "$bb" "$1/bin/busybox"
	ln -sf busybox "$1/bin/sh"
	[ -z "$(elf_libs "$bb")" ] || die "busybox is not static: apt-get install busybox-static"
}

# pack DIR OUT: a cpio archive of DIR. The kernel takes it uncompressed.
pack()
{
	(cd "$1" && find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort |
		cpio --quiet -o -H newc -R 0:0) >"$2"
}

# host_initramfs DIR OUT MODULE...: the hypervisor host's; DIR/job and DIR/job.init exist.
host_initramfs()
{
	local dir=$1 out=$2

	shift 2
	put_busybox "$dir"
	put_modules "$dir/modules" "$@"
	install -m 755 "$FZ_TOP/scripts/lib/bed-init" "$dir/init"
	install -m 755 "$FZ_TOP/scripts/lib/bed-host" "$dir/host.sh"
	pack "$dir" "$out"
}

# default_guest OUT: a busybox initramfs that boots, does a little and powers off.
default_guest()
{
	local dir=$1.d

	put_busybox "$dir"
	install -m 755 "$FZ_TOP/scripts/lib/bed-guest-init" "$dir/init"
	pack "$dir" "$1"
	rm -rf -- "$dir"
}

# disk_format FILE: raw or qcow2, by its magic.
disk_format()
{
	if [ "$(od -An -tx1 -N 4 -- "$1" | tr -d ' ')" = 514649fb ]; then
		echo qcow2
	else
		echo raw
	fi
}

# put_host ROOT FILE...: FILEs at their paths, with the libraries that they load.
put_host()
{
	local root=$1 f
	local -a elves=()

	shift
	for f; do
		mkdir -p "$root$(dirname -- "$f")"
		cp -aL -- "$f" "$root$(dirname -- "$f")/"
		while IFS= read -r -d '' f; do
			[ "$(od -An -tx1 -N 4 -- "$f" | tr -d ' ')" != 7f454c46 ] || elves+=("$f")
		done < <(find "$f" -type f -perm /111 -print0)
	done
	[ "${#elves[@]}" -gt 0 ] || return 0
	for f in $(elf_libs "${elves[@]}"); do
		mkdir -p "$root$(dirname -- "$f")"
		[ -e "$root$f" ] || cp -L -- "$f" "$root$f"
	done
}

# disk_root DIR IMAGE FILE...: the minimal root of a host that has disks only.
disk_root()
{
	local root=$1 image=$2 f c
	local -a files=()

	shift 2
	mkdir -p "$root"/{bin,dev,proc,sys,run,tmp,root,etc}
	# Links as on a merged-/usr machine; copies land behind them.
	for f in bin sbin lib lib64; do
		[ ! -L "/$f" ] || { rm -rf -- "${root:?}/$f"; mkdir -p "$root/usr/$f"; ln -s "usr/$f" "$root/$f"; }
	done
	for c in bash cat cut date dmesg env grep head kill ls mkdir mkfifo mv rm sed sleep tail timeout touch tr wc cp sync stat nproc cmp sort uniq seq chmod dd id ln od printf tee uname; do
		f=$(type -P "$c") && files+=("$f")
	done
	files+=("$(command -v busybox)" "$@")
	put_host "$root" "${files[@]}"
	[ -e "$root/bin/sh" ] || ln -s bash "$root/bin/sh"
	echo 'root:x:0:0:root:/root:/bin/bash' >"$root/etc/passwd"
	c=$(($(du -sm -- "$root" | cut -f1) * 11 / 10 + 24))
	rm -f -- "$image"
	quietly "$image.log" mke2fs -q -F -t ext4 -O ^has_journal -E lazy_itable_init=1 -d "$root" "$image" "${c}M" ||
		die "cannot build the host's disk"
	rm -rf -- "$root"
}

# What QEMU reads at run time for a PC or microvm guest without devices of its own choice.
qemu_files()
{
	local f

	command -v qemu-system-x86_64
	for f in bios.bin bios-256k.bin bios-microvm.bin kvmvapic.bin linuxboot.bin linuxboot_dma.bin \
		multiboot.bin multiboot_dma.bin pvh.bin; do
		[ ! -e "/usr/share/qemu/$f" ] || echo "/usr/share/qemu/$f"
		[ ! -e "/usr/share/seabios/$f" ] || echo "/usr/share/seabios/$f"
	done
}
