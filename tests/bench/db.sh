#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# db.sh - figures of the database of known binaries, as in Documentation/database.rst
#
#	tests/bench/db.sh DIRECTORY_OF_PACKAGES [PAGES]
#
# The packages should be those that are installed here: their files are looked up.
# PAGES (default 10000000) is the size of the synthetic database.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
out=${FZ_OUTDIR:-$top/out}
[ $# -ge 1 ] || { echo "usage: db.sh DIRECTORY_OF_PACKAGES [PAGES]" >&2; exit 2; }
packages=$1
pages=${2:-10000000}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

bench=$tmp/dbbench
libs=$(sed -n 's/^LIBS[[:space:]]*:= //p' "$top/userspace/Makefile")
# shellcheck disable=SC2086
${CC:-cc} -O2 -std=gnu11 -D_GNU_SOURCE -I"$top/userspace/lib" -o "$bench" "$top/tests/bench/dbbench.c" \
	"$out/lib/libfitzroy.a" $libs

echo "--- one core"
"$bench" sha256
echo "--- $(find "$packages" -name '*.deb' | wc -l) packages, $(du -sb "$packages" | cut -f1) bytes"
TIMEFORMAT='add_seconds %R (%U of processor)'
time "$out/bin/fitzroy" db add --db "$tmp/real.db" "$packages" 2>/dev/null
time "$out/bin/fitzroy" db add --db "$tmp/real.db" "$packages" 2>/dev/null
"$bench" lookup "$tmp/real.db" 20000
"$bench" plain "$tmp/real.db" 20000
echo "--- synthetic"
"$bench" make "$tmp/noise.db" "$pages"
"$bench" lookup "$tmp/noise.db" 20000
"$bench" plain "$tmp/noise.db" 20000
