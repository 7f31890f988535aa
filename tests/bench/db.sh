#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# db.sh [PAGES...] - figures of the database of known binaries; lines as in tests/bench/run
#
# Databases of so many pages of noise (default 100000 1000000 10000000), and of the Debian
# packages in FZ_BENCH_PACKAGES (default: those of the demo's guest).
set -eu
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
[ $# -gt 0 ] || set -- 100000 1000000 10000000
packages=${FZ_BENCH_PACKAGES:-$FZ_CACHE/demo-guest/debs}
tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT

libs=$(sed -n 's/^LIBS[[:space:]]*:= //p' "$FZ_TOP/userspace/Makefile")
# shellcheck disable=SC2086
"${CC:-cc}" -O2 -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$FZ_TOP/userspace/lib" -o "$tmp/dbbench" \
	"$here/dbbench.c" "$FZ_OUTDIR/lib/libfitzroy.a" $libs
for pages; do
	"$tmp/dbbench" make "$tmp/noise.db" "$pages" >"$tmp/figures"
	"$tmp/dbbench" compare "$tmp/noise.db" 20000 >>"$tmp/figures"
	awk -v n="$pages" '
	{ v[$1] = $2 }
	function put(name, value, unit, base, note) {
		print "db_" name "_" n, value, unit, base, n " pages of noise, one core" note
	}
	function compared(name, what, note) {
		put(name, v[what "_per_second"], "look-ups/s", v["lmdb_per_second"], note "; base: plain LMDB gets")
		put(name "_sqlite", sprintf("%.2f", v[what "_per_second"] / v["sqlite_per_second"]), "x/s", 1,
		    note "; against SQLite")
		put(name "_p99", v[what "_p99_ns"], "ns", v["lmdb_p99_ns"], note "; base: plain LMDB gets; SQLite: " \
		    v["sqlite_p99_ns"] " ns")
	}
	END {
		OFS = "\t"
		if (!v["lmdb_per_second"] || !v["sqlite_per_second"] || !v["digests_per_second"])
			exit 1
		compared("page", "page", ", XXH64 and SHA-256 of the page included")
		compared("digest", "digest", ", both digests at hand")
		put("bytes_per_page", v["bytes_per_page"], "bytes", "", "")
		put("open", v["open_ms"], "ms", "", ", the digest of all of it included")
		put("add", v["add_pages_per_second"], "pages/s", v["digests_per_second"],
		    "; base: the same digests alone")
	}' "$tmp/figures"
	rm -f -- "$tmp"/noise.db*
done

# Packages: what a processor does in a second of its own time, unpacking and all.
[ -d "$packages" ] || die "no packages in $packages: set FZ_BENCH_PACKAGES"
TIMEFORMAT='%U %S'
used=$({ time "$FZ_OUTDIR/bin/fitzroy" db add --db "$tmp/real.db" "$packages" >/dev/null 2>"$tmp/err"; } 2>&1) || {
	tail -n 3 -- "$tmp/err" >&2
	die "cannot add $packages"
}
pages=$("$FZ_OUTDIR/bin/fitzroy" db info --db "$tmp/real.db" | awk '$1 == "pages" { print $2 }')
awk -v used="$used" -v pages="$pages" -v n="$(find "$packages" -name '*.deb' | wc -l)" 'BEGIN {
	OFS = "\t"
	split(used, t, " ")
	printf "db_add_packages\t%.0f\tpages/s\t\t%d pages of %d packages, a second of processor time; " \
		"they are unpacked\n", pages / (t[1] + t[2]), pages, n
}'
