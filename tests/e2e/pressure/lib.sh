# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# lib.sh - guests under memory pressure: build, run, compare; for pressure.sh and io.sh
#
# The caller has sourced common.sh and set: dir kver cpu.
# shellcheck disable=SC2154
# shellcheck source=scripts/lib/bed.sh
. "$FZ_TOP/scripts/lib/bed.sh"

fitzroy=$FZ_OUTDIR/bin/fitzroy
pressure=$FZ_TOP/tests/e2e/pressure
LOG_MIB=8
# shellcheck source=tests/e2e/command_tap.sh
. "$FZ_TOP/tests/e2e/command_tap.sh"
title="$cpu $kver: "

# json FILE EXPRESSION: in python, with the file as j.
json()
{
	python3 - "$dir/$1" "$2" <<-'PY'
	import json, sys
	try:
	    j = json.load(open(sys.argv[1]))
	except (OSError, ValueError) as e:
	    sys.exit(f"{sys.argv[1]}: {e}")
	if not eval("(" + sys.argv[2] + ")"):
	    sys.exit(f"{sys.argv[1]}: not so: {sys.argv[2]}: {json.dumps(j)}")
	PY
}

# figure FILE EXPRESSION: what it is.
figure()
{
	python3 -c 'import json, sys
j = json.load(open(sys.argv[1]))
print(eval("(" + sys.argv[2] + ")"))' "$dir/$1" "$2" 2>/dev/null
}

# image COUNT: the next disk, $dir/dN.img: a file system of the next COUNT programs. The
# guest's record goes behind that of d0, at $offset.
images=0 programs=0 offset=0 ranges=() names=()
image()
{
	local img=$dir/d$images mib=$(($1 / 16 + $1 / 256 + 4))

	python3 "$pressure/programs.py" "$img.d" $programs "$1" || return
	truncate -s $((mib + LOG_MIB))M "$img.img"
	quietly "$dir/mke2fs.log" mke2fs -q -F -t ext4 -O ^has_journal,^metadata_csum -m 0 -N $(($1 + 64)) \
		-d "$img.d" "$img.img" ${mib}M || return
	[ "$images" != 0 ] || offset=$((mib * 1048576))
	ranges+=("$programs:$1")
	names+=("d$images")
	rm -rf -- "$img.d"
	programs=$((programs + $1)) images=$((images + 1))
}

# guest: $dir/initrd and $kernel.
guest()
{
	local root=$dir/initrd.d

	find_kernel "$kver"
	kernel=$VMLINUZ
	# Bochs takes minutes to decompress a kernel; QEMU can start an ELF one (PVH).
	if [ "$cpu" = intel ] && readelf -nW "$MODROOT/vmlinux" 2>/dev/null | grep -q 'Xen.*0x00000012'; then
		kernel=$MODROOT/vmlinux
	fi
	mkdir -p "$root"
	put_busybox "$root"
	put_modules "$root/modules" crc32c_generic virtio_pci virtio_blk ext4 ptp_kvm virtio_balloon virtio_net \
		virtio_scsi sd_mod
	install -m 755 "$pressure/init" "$root/init"
	gcc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -s -o "$root/pressure" \
		"$pressure/pressure.c" "$pressure/source.c" || return
	pack "$root" "$dir/initrd"
	rm -rf -- "$root"
}

# served COUNT: the next COUNT programs as files in $dir/served, for a host to serve.
served()
{
	python3 "$pressure/programs.py" "$dir/served" $programs "$1" || return
	ranges+=("$programs:$1")
	names+=("net")
	programs=$((programs + $1))
}

# drive N OPTIONS [DEVICE]: disk N, as QEMU shall have it, for run's arguments.
drives=()
drive()
{
	local from=(/dev/vd{a..p})

	[ "$cpu" = amd ] || from=(/dev/sdc)
	drives+=(--host-disk "$dir/d$1.img" --guest-arg -drive
		--guest-arg "if=none,id=d$1,file=${from[$1]},format=raw,$2" --guest-arg -device
		--guest-arg "${3:-virtio-blk-pci},drive=d$1")
}

# run NAME SECONDS FREE_MIB SOURCES ARG...: one guest with "${drives[@]}". SOURCES as in
# pressure/init. Leaves $dir/NAME/, and in $dir/NAME.json what compare.py says.
#
# init_on_alloc=0: else the guest clears each frame before a device fills it, and so tells
# FitzRoy of the change itself.
run()
{
	local name=$1 seconds=$2 free=$3 sources=$4 args=() r

	shift 4
	{
		echo "'$FZ_OUTDIR/tests/e2e/events' --clocks >\"\$FZ_OUT/clocks\""
		[ -z "${setup-}" ] || cat -- "$setup"
	} >"$dir/$name.setup"
	[ "$cpu" = amd ] || args+=(--host-file "$FZ_OUTDIR/tests/e2e/events")
	rm -rf -- "${dir:?}/$name"
	FZ_NOBUILD=1 "$FZ_TOP/scripts/nested" --out "$dir/$name" --cpu "$cpu" --host-kernel "$kver" --no-report \
		--guest-kernel "$kernel" --guest-initrd "$dir/initrd" --module-arg "ring_kib=${ring_kib:-65536}" \
		--guest-append "console=ttyS0 loglevel=5 panic=-1 mitigations=off init_on_alloc=0 sources=$sources ${append-} pressure=$seconds,${workers:-2},$free,${seed:-1},/dev/vda,$offset" \
		--host-setup "$dir/$name.setup" "${args[@]}" "${drives[@]}" "$@" >"$dir/$name.log" 2>&1
	rc=$?
	args=()
	for r in "${!ranges[@]}"; do
		args+=(--source "${names[$r]}:${ranges[$r]}")
	done
	"$FZ_OUTDIR/tests/e2e/events" "$dir/$name/events.fz" >"$dir/$name.events" 2>>"$dir/$name.log"
	"$pressure/compare.py" --log "$dir/d0.img" --offset "$offset" --events "$dir/$name.events" \
		--clocks "$dir/$name/clocks" "${args[@]}" >"$dir/$name.json" 2>"$dir/$name.txt"
	compared=$?
}

# judge NAME: the tests that every run takes. With $lossy records may be lost, and be said.
judge()
{
	ok "$1: the guest ends by itself, audit clean, no splat" in_log $rc "$dir/$1.log"
	ok "$1: the log is whole" "$fitzroy" verify "$dir/$1/events.fz"
	ok "$1: grants = execs + reexecs + mixed + lost; no internal error" json "$1/status.json" \
		'(lambda c: c["grants"] == c["execs"] + c["reexecs"] + c["mixed"] + c["lost_execs"] > 0 and
			not any(c[k] for k in ("errors", "violations", "drifts")))(j["total"])'
	[ -n "${lossy-}" ] || ok "$1: nothing lost" json "$1/status.json" \
		'not any(j["total"][k] for k in ("lost", "lost_execs", "late"))'
	# A run whose frames moved under it, locked as they were, is not in the record.
	ok "$1: the guest's record is whole" json "$1.json" \
		'j["runs"] > 0 and not any(j["guest"][k] for k in ("dropped", "wrong", "failed")) and
			j["guest"]["moved"] <= j["runs"] / 100 + 1'
	ok "$1: executions missed 0, late 0, of $(figure "$1.json" 'j["executions"]')" in_log "$compared" "$dir/$1.txt"
	sed 's/^/# /' "$dir/$1.json"
}

in_log()
{
	[ "$1" = 0 ] || { cat "$2"; false; }
}
