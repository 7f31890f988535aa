# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# bed-intel.sh - the Bochs half of scripts/nested: VMX and EPT, disks and a serial line only
#
# Uses nested's variables: tmp OUT GUEST files disks outs line host_append host_mem timeout bochs.
# shellcheck disable=SC2154,SC2034 # they are nested's

# intel_config: bochsrc.
intel_config()
{
	local f n=0 bios=$bochs/BIOS-bochs-latest vga=$bochs/vgabios.bin

	[ -n "$bochs" ] || bios=/usr/share/bochs/BIOS-bochs-latest vga=/usr/share/bochs/VGABIOS-lgpl-latest
	cat <<-RC
	display_library: rfb, options="timeout=0"
	romimage: file=$bios
	vgaromimage: file=$vga
	cpu: model=corei7_skylake_x, ips=200000000, reset_on_triple_fault=0
	megs: $host_mem
	clock: sync=none
	boot: cdrom
	ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
	ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
	ata0-master: type=disk, path="root.img", mode=flat
	ata0-slave: type=disk, path="out.img", mode=flat
	ata1-master: type=cdrom, path="boot.iso", status=inserted
	sound: driver=dummy
	com1: enabled=1, mode=file, dev="$OUT/host.log"
	log: bochs.log
	panic: action=fatal
	error: action=report
	info: action=ignore
	debug: action=ignore
	RC
	# One more disk beside the CD-ROM; further channels need more interrupts than a PC has free.
	for f in "$tmp"/guest-disk.*; do
		[ -e "$f" ] || continue
		[ "$n" = 0 ] || die "--cpu intel takes one guest disk"
		n=1
		printf 'ata1-slave: type=disk, path="%s", mode=flat\n' "${f##*/}"
	done
}

intel_run()
{
	local f n=0 i size
	local -a emulator=(bochs -q -f "$tmp/bochsrc" -rc "$tmp/bochs.rc")

	bed_disks
	for f in "${disks[@]}" "${outs[@]}" "${hdisks[@]}"; do
		# Bochs wants whole sectors of its geometry; the copy is thrown away.
		[ "$(disk_format "$f")" = raw ] || die "--cpu intel takes raw disks: $f"
		cp --sparse=always -- "$f" "$tmp/guest-disk.$n"
		size=$(stat -c %s "$f")
		truncate -s $(((size + 516095) / 516096 * 516096)) "$tmp/guest-disk.$n"
		n=$((n + 1))
	done
	for f in root out; do
		size=$(stat -c %s "$tmp/$f.img")
		truncate -s $(((size + 516095) / 516096 * 516096)) "$tmp/$f.img"
	done

	host_initramfs "$tmp/host" "$tmp/host.cpio" ata_piix sd_mod ext4 kvm-amd kvm-intel "${hmodules[@]}"
	mkdir -p "$tmp/iso"
	gzip -1 <"$tmp/host.cpio" >"$tmp/iso/initrd"
	cp -L -- "$VMLINUZ" "$tmp/iso/vmlinuz"
	cp -- /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$tmp/iso/"
	printf 'DEFAULT l\nPROMPT 0\nTIMEOUT 1\nLABEL l\nKERNEL /vmlinuz\nINITRD /initrd\nAPPEND %s\n' \
		"$line quiet loglevel=4 bed.root=sd $host_append" >"$tmp/iso/isolinux.cfg"
	quietly "$tmp/iso.log" xorriso -as mkisofs -quiet -o "$tmp/boot.iso" -b isolinux.bin -c boot.cat \
		-no-emul-boot -boot-load-size 4 -boot-info-table "$tmp/iso" || die "cannot build the boot image"
	intel_config >"$tmp/bochsrc"
	# Debian 12's begins in its debugger.
	echo c >"$tmp/bochs.rc"
	[ -z "$bochs" ] || emulator=("$bochs/bochs" -q -f "$tmp/bochsrc")

	: >host.log
	(
		cd "$tmp" || exit
		exec setpriv --pdeathsig KILL -- "${emulator[@]}"
	) </dev/null >"$OUT/.emulator.err" 2>&1 &
	child=$!
	# Bochs goes on at power-off: the host's last word on the serial line ends it.
	for ((i = 0; i < timeout * 2; i++)); do
		kill -0 "$child" 2>/dev/null || break
		if grep -aqE '^bed: end|Kernel panic - not syncing' host.log; then
			sleep 1
			break
		fi
		sleep 0.5
	done
	[ "$i" -lt $((timeout * 2)) ] || timed_out=1
	kill -KILL "$child" 2>/dev/null || true
	wait "$child" 2>/dev/null || true
	child=
	bed_results
	n=${#disks[@]}
	for f in "${outs[@]}" "${hdisks[@]}"; do
		head -c "$(stat -c %s "$f")" "$tmp/guest-disk.$n" >"$tmp/back"
		cat -- "$tmp/back" >"$f"
		n=$((n + 1))
	done
}
