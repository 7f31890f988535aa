#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# textrel.sh - shared objects with text relocations: relocated pages are known, near misses not; TAP
#
# One for x86-64, that this machine's own ld.so relocates; one for i386, relocated here by the book.
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
# shellcheck source=tests/e2e/tap.sh
. "$here/tap.sh"

tool=$FZ_OUTDIR/bin/fitzroy
tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT

cat >"$tmp/t.c" <<'C'
static int table[64];
int other[8];
#define F(n) int f##n(int x) \
	{ table[x & 63] += n; other[n & 7] ^= x * n; return table[(x + n) & 63] % (x + n); }
/* Most code has no such site: by that the place is found. */
#define H(n) \
	int h##n(int x, int y) \
	{ x ^= y * (n + 7); y += x % (n + 3); x -= y / (n + 5); y ^= x << n % 7; return x * y % (n + 11) ^ (x - y * n); }
/* By the symbol, for another file could have it, too: this one has what T refers to, not what E does. */
#define SEEN __attribute__((visibility("default")))
SEEN int seen[64];
SEEN int called(int x) { return seen[x & 63] ^ x * 77; }
#define T(n) int t##n(int x) { seen[x & 63] += n; return called(x + n) % (x + 3) ^ seen[(x * n) & 63]; }
extern SEEN int getppid(void);
extern SEEN int *environ;
#define E(n) int e##n(int x) { return getppid() * x + (environ != 0) * n; }
#define G(n) F(n##0) H(n##1) F(n##2) H(n##3) H(n##4) T(n##5) F(n##6) H(n##7)
G(1) G(2) G(3) G(4) G(5) G(6) G(7) G(8) G(9) G(10) E(1) G(11) G(12) G(13) G(14) G(15) G(16)
G(20) G(21) G(22) G(23) G(24) G(25) G(26) G(27) G(28) G(29) G(30) E(2) G(31) G(32)
C
cat >"$tmp/load.c" <<'C'
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	char c;

	puts(argc == 2 && dlopen(argv[1], RTLD_NOW) ? "here" : dlerror());
	fflush(stdout);
	return read(0, &c, 1) < 0;
}
C
so=(-O1 -fno-pic -fvisibility=hidden -shared -nostdlib "-Wl,-z,notext" "-Wl,-z,separate-code,--build-id=none")
{
	gcc -m64 -mcmodel=large "${so[@]}" -o "$tmp/t64.so" "$tmp/t.c" && gcc -m32 "${so[@]}" -o "$tmp/t32.so" "$tmp/t.c" &&
		gcc -O1 -o "$tmp/load" "$tmp/load.c" &&
		readelf -d "$tmp/t64.so" | grep TEXTREL && readelf -d "$tmp/t32.so" | grep TEXTREL &&
		readelf -rW "$tmp/t32.so" | grep 'R_386_PC32 .* called' && readelf -rW "$tmp/t32.so" | grep 'R_386_PC32 .* getppid' &&
		readelf -rW "$tmp/t32.so" | grep 'R_386_32 .* seen' && readelf -rW "$tmp/t64.so" | grep 'R_X86_64_64 .* called' &&
		readelf -rW "$tmp/t64.so" | grep 'R_X86_64_64 .* environ'
} >"$tmp/out" 2>&1
ok $? "two shared objects with text relocations"
"$tool" db add --db "$tmp/known.db" "$tmp"/t{64,32}.so >"$tmp/out" 2>&1 && "$tool" db check --db "$tmp/known.db" >>"$tmp/out" 2>&1
ok $? "they are added, and the database is sound"

for bits in 64 32; do
	python3 "$here/textrel.py" script "$tmp/t$bits.so" "$tmp/load" "$tmp/pages" >"$tmp/script" 2>"$tmp/out" &&
		"$FZ_OUTDIR/tests/e2e/mklog" "$tmp/log" <"$tmp/script" 2>>"$tmp/out" &&
		"$tool" report "$tmp/log" --db "$tmp/known.db" --format frames >"$tmp/frames" 2>>"$tmp/out"
	ok $? "$bits bits: it is loaded, its pages run: $(grep -c . "$tmp/script") of them, most changed in one byte"
	python3 "$here/textrel.py" judge "$tmp/script" "$tmp/frames" "$tmp/t$bits.so" >"$tmp/out" 2>&1
	ok $? "$bits bits: $(tail -n 1 "$tmp/out")"
done
echo "1..$n"
exit $failed
