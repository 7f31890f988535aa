# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# bed-disks.sh - for scripts/nested: a host whose root and results are disks, not this machine's files
#
# Uses nested's variables: tmp OUT GUEST files.
# shellcheck disable=SC2154 # they are nested's

# bed_files: what the job needs of this machine's files.
bed_files()
{
	local f

	[ -z "$MONITOR" ] || printf '%s\n' "$KO" "$TOOL"
	if [ -n "$SCRIPT" ]; then
		printf '%s\n' "$SCRIPT"
	else
		qemu_files
		[ -z "$SETUP" ] || printf '%s\n' "$SETUP"
		for f in "$kernel" "$initrd" "$firmware"; do
			[ -z "$f" ] || printf '%s\n' "$f"
		done
	fi
	for f in "${files[@]}"; do
		printf '%s\n' "$f"
	done
}

# bed_disks: $tmp/root.img, and $tmp/out.img for the results.
bed_disks()
{
	local -a list

	mapfile -t list < <(bed_files)
	disk_root "$tmp/root" "$tmp/root.img" "${list[@]}"
	truncate -s 512M "$tmp/out.img"
	mke2fs -q -F -t ext4 -O ^has_journal -E lazy_itable_init=1 -m 0 "$tmp/out.img"
}

# bed_results: what the host left on $tmp/out.img, to $OUT.
bed_results()
{
	debugfs -R "rdump / $OUT" "$tmp/out.img" >/dev/null 2>&1 || true
	rm -rf -- "$OUT/lost+found"
}
