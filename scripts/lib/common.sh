# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# common.sh - what every script of the test bed shares; source it

FZ_TOP=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
FZ_OUTDIR=${FZ_OUTDIR:-$FZ_TOP/out}
FZ_CACHE=${FZ_CACHE:-$FZ_OUTDIR/cache}

# die MESSAGE: say what is wrong and what to do on one line, exit 2.
die()
{
	printf '%s: %s\n' "$(basename -- "$0")" "$*" >&2
	exit 2
}

# note MESSAGE: progress, with the seconds since the script began.
note()
{
	printf '[%4ds] %s\n' "$SECONDS" "$*" >&2
}

# need COMMAND PACKAGE: refuse early and name the package.
need()
{
	command -v "$1" >/dev/null 2>&1 || [ -x "/sbin/$1" ] || [ -x "/usr/sbin/$1" ] ||
		die "$1 is missing: apt-get install $2"
}

# quietly LOG COMMAND...: keep the output in LOG, show its end on failure.
quietly()
{
	local log=$1 rc=0

	shift
	"$@" >"$log" 2>&1 || rc=$?
	[ "$rc" = 0 ] || tail -n 5 -- "$log" >&2
	return "$rc"
}

# elf_libs FILE...: the shared libraries and interpreter that FILEs load.
elf_libs()
{
	{ ldd "$@" 2>/dev/null || true; } |
		sed -nE 's,.* => (/[^ ]+) \(0x.*,\1,p; s,^[[:space:]]*(/[^ ]+) \(0x.*,\1,p' | sort -u
}
