#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# io.sh KVER CPU [SECONDS [CASE...]] - real devices and memory of QEMU under memory pressure; TAP
#
# As pressure.sh, with programs that come by every way that QEMU and the kernel have to write
# a guest's memory: "devices" has them all in one guest, so that a frame goes from one to the
# next. "race" runs pages while a device fills them. The others change where guest memory is
# from. Results stay in $FZ_OUTDIR/check/io-KVER-CPU[-CASE].
# shellcheck disable=SC2317 # ok calls the functions by name
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"

[ $# -ge 2 ] || die "usage: tests/e2e/io.sh KVER amd [SECONDS [CASE...]]"
kver=$1 cpu=$2 seconds=${3:-20}
[ "$cpu" = amd ] || die "the other emulator has one disk and no network"
shift $(($# < 3 ? $# : 3))
cases=("$@")
[ $# -gt 0 ] || cases=(devices race vhost prealloc small memfd hugetlb balloon)
dir=$FZ_OUTDIR/check/io-$kver-$cpu${1:+-$1}
# shellcheck source=tests/e2e/pressure/lib.sh
. "$here/pressure/lib.sh"

SHARED=0x20	# FZ_MISS_SHARED
mib=128 seed=1

# args QEMU_ARG...: for scripts/nested.
args()
{
	local a

	extra=()
	for a; do
		extra+=(--guest-arg "$a")
	done
}

# go NAME FREE_MIB SOURCES ARG...: a guest of $mib, and the tests that all take.
go()
{
	local name=$1 free=$2 sources=$3

	shift 3
	seed=$((seed + 1))
	run "$name" "$seconds" "$free" "$sources" --guest-mem $mib --guest-smp 2 --timeout $((seconds * 3 + 300)) "$@"
	judge "$name"
}

refilled()
{
	ok "$1: frames were refilled $(figure "$1.json" 'j["transitions"]') times" json "$1.json" \
		"j['transitions'] > 5 * $seconds and j['events']['changed'] > j['transitions'] / 2"
}

covered()
{
	ok "$1: what is not covered: ${2:-nothing}" json "$1.json" "j['not_covered'] == [${2:+\"$2\"}]"
}

# memory NAME OBJECT: all of guest memory from that.
memory()
{
	args -object "$2,id=mem,size=${mib}M" -machine memory-backend=mem
}

# What all of the devices do, in one guest.
case_devices()
{
	drives=()
	drive 0 cache=writeback,aio=threads
	drive 1 cache=none,aio=native
	drive 2 cache=none,aio=io_uring
	drive 3 cache=writeback,aio=io_uring virtio-blk-pci,iothread=io
	drive 4 cache=none,aio=native scsi-hd
	args -object iothread,id=io -device virtio-scsi-pci -netdev user,id=net -device virtio-net-pci,netdev=net,romfile=
	drives=("${extra[@]}" "${drives[@]}")
	echo "busybox httpd -p 127.0.0.1:8000 -h '$dir/served'" >"$dir/serve"
	setup=$dir/serve
	go devices 10 "disk:vda:${ranges[0]},disk:vdb:${ranges[1]},disk:vdc:${ranges[2]},disk:vdd:${ranges[3]},disk:sda:${ranges[4]},net:10.0.2.2:8000:${ranges[5]}"
	setup=''
	refilled devices
	ok "devices: each of the six gave programs" json devices.json \
		'len(j["sources"]) == 6 and all(s["seen"] > 100 and s["transitions"] > 50 for s in j["sources"].values())'
	covered devices
}

# A device fills pages while they run: a capture may be of a page that is half of each.
case_race()
{
	drives=()
	drive 0 cache=writeback,aio=threads
	drive 1 cache=none,aio=native
	drive 2 cache=none,aio=io_uring
	go race 16 "race:vda:${ranges[0]},race:vdb:${ranges[1]},race:vdc:${ranges[2]}"
	ok "race: each of the three filled pages that ran" json race.json \
		'len(j["sources"]) == 3 and all(s["seen"] > 10 for s in j["sources"].values())'
	covered race
}

case_vhost()
{
	cat >"$dir/serve" <<-SH
	busybox tunctl -t tap0 && busybox ifconfig tap0 10.0.2.2 netmask 255.255.255.0 up &&
		busybox httpd -p 10.0.2.2:8000 -h '$dir/served' || exit
	for _ in {1..60}; do
		sleep 1
		grep '^vhost_net [0-9]* [1-9]' /proc/modules >"\$FZ_OUT/vhost_net" && break
	done >/dev/null 2>&1 &
	SH
	drives=()
	drive 0 cache=writeback
	drive 1 cache=none,aio=io_uring
	args -netdev tap,id=net,ifname=tap0,script=no,downscript=no,vhost=on -device virtio-net-pci,netdev=net,romfile=
	setup=$dir/serve
	go vhost 10 "disk:vda:${ranges[0]},disk:vdb:${ranges[1]},net:10.0.2.2:8000:${ranges[5]}" "${extra[@]}" \
		--host-module tun --host-module vhost_net
	setup=''
	refilled vhost
	ok "vhost: the kernel did it" [ -s "$dir/vhost/vhost_net" ]
	ok "vhost: all gave programs" json vhost.json \
		'len(j["sources"]) == 3 and all(s["seen"] > 100 and s["transitions"] > 50 for s in j["sources"].values())'
	covered vhost
}

# Disks alone, so that it is the memory that differs; one's programs would fit.
pages()
{
	local name=$1

	shift
	drives=()
	drive 0 cache=writeback
	drive 1 cache=none,aio=native
	drive 2 cache=none,aio=io_uring
	drive 3 cache=writeback
	go "$name" 10 "disk:vda:${ranges[0]},disk:vdb:${ranges[1]},disk:vdc:${ranges[2]},disk:vdd:${ranges[3]}" "$@"
}

case_prealloc()
{
	memory prealloc memory-backend-ram,prealloc=on
	pages prealloc "${extra[@]}" --host-append transparent_hugepage=always
	refilled prealloc
	covered prealloc
}

case_small()
{
	pages small --host-append transparent_hugepage=never
	refilled small
	covered small
}

case_memfd()
{
	memory memfd memory-backend-memfd,share=on
	pages memfd "${extra[@]}"
	refilled memfd
	covered memfd $SHARED
}

# A write to a huge page costs all the frames of it that ran their X: firmware, whose data
# lies among its code, is captured anew so often that no ring holds it all.
case_hugetlb()
{
	echo "echo $((mib / 2 + 4)) >/proc/sys/vm/nr_hugepages" >"$dir/serve"
	setup=$dir/serve lossy=1
	memory hugetlb memory-backend-memfd,share=off,hugetlb=on,hugetlbsize=2M
	pages hugetlb "${extra[@]}"
	setup='' lossy=''
	refilled hugetlb
	ok "hugetlb: most was seen" json hugetlb.json 'j["seen"] > 0.95 * j["executions"]'
	covered hugetlb
}

# The guest gives memory to its host and takes it back.
case_balloon()
{
	local mib=160

	cat >"$dir/serve" <<-'SH'
	mkfifo /run/balloon.in /run/balloon.out
	{
		exec 7<>/run/balloon.in 8<>/run/balloon.out
		cat <&8 >/dev/null &
		while sleep 2; do
			echo 'balloon 140' >&7
			sleep 2
			echo 'balloon 160' >&7
			echo x >>"$FZ_OUT/balloons"
		done
	} >/dev/null 2>&1 &
	SH
	setup=$dir/serve
	args -device virtio-balloon-pci,free-page-reporting=on,deflate-on-oom=on \
		-chardev pipe,id=balloon,path=/run/balloon -mon chardev=balloon,mode=readline
	append=page_reporting.page_reporting_order=1 pages balloon "${extra[@]}"
	setup=''
	refilled balloon
	covered balloon
}

rm -rf -- "$dir"
mkdir -p "$dir" || bail "cannot create $dir"
{
	guest && for _ in 0 1 2 3 4; do image 120 || exit; done && served 120
} >"$dir/build.log" 2>&1 || bail "the guest was not built: $(tail -n 1 "$dir/build.log")"
for c in "${cases[@]}"; do
	declare -F "case_$c" >/dev/null || die "no case $c"
	"case_$c"
done
echo "1..$n"
exit $bad
