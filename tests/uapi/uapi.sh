#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# uapi.sh - uapi/fitzroy.h is what was recorded (v1.layout), and the same for every reader: C11 and
# C++17, 32 and 64 bits, gcc and clang; TAP
#
# Nothing is linked, so no 32-bit library is needed.
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
uapi=$(realpath -- "$here/../../uapi")
tmp=$(mktemp -d)
dir=$tmp
trap 'rm -rf -- "$tmp"' EXIT
# The kernel's own headers, which for -m32 are of another package.
system=/usr/include/$(gcc -print-multiarch)

# shellcheck source=tests/e2e/command_tap.sh
. "$here/../e2e/command_tap.sh"

refused()
{
	! "$@"
}

# asserts LAYOUT: a program that compiles if the header is as recorded.
asserts()
{
	echo '#include <fitzroy.h>'
	echo '#include <fitzroy.h>'
	echo '#include <stddef.h>'
	awk '
		BEGIN {
			print "#ifdef __cplusplus"
			print "#define SAME(x) static_assert(x, #x)"
			print "#else"
			print "#define SAME(x) _Static_assert(x, #x)"
			print "#endif"
		}
		$1 == "FZ_DEVICE" {
			printf "SAME(sizeof(FZ_DEVICE) == %d);\n", length($3) + 1
			next
		}
		$2 == "=" { printf "SAME((unsigned long long)(%s) == %sULL);\n", $1, $3; next }
		NF == 2 { printf "SAME(sizeof(struct %s) == %d);\n", $1, $2; next }
		{
			dot = index($1, ".")
			s = substr($1, 1, dot - 1)
			m = substr($1, dot + 1)
			printf "SAME(offsetof(struct %s, %s) == %d);\n", s, m, $2
			printf "SAME(sizeof(((struct %s *)0)->%s) == %d);\n", s, m, $3
		}' "$1"
}

compile() # COMPILER STANDARD LANGUAGE BITS FILE
{
	"$1" "-std=$2" -x "$3" "-m$4" -Wall -Wextra -Wpedantic -Werror -ffreestanding -fsyntax-only \
		-I"$uapi" -isystem "$system" "$5"
}

grep -v '^#' "$here/v1.layout" >"$tmp/v1"
"$here/layout" >"$tmp/now"
ok "what the header has is what was recorded, no more and no less" diff "$tmp/v1" "$tmp/now"
# A member of a structure that grew is longer, and a structure.
grew()
{
	awk '/^#/ { next } NR == FNR { was[$1] = $0; next } $1 in was {
		n = split(was[$1], w, " ")
		if (n == 2 ? $2 < w[2] : $2 != w[2] || $3 < w[3] || ($3 > w[3] && !($1 ~ /\.(c|u|u\.[a-z_]+)$/)))
			print "was " was[$1] ", is " $0
		delete was[$1]
	} END { for (m in was) print "gone: " was[m] }' "$here/v1-first.layout" "$1" | grep . && return 1
	return 0
}
ok "since the first layout structures only grew, at their ends" grew "$tmp/v1"
sed 's/^fz_stat\.id 8 8/fz_stat.id 16 8/' "$tmp/v1" >"$tmp/moved"
ok "a member that moved would be seen" refused grew "$tmp/moved"
# minima: what the module takes of each ioctl's structure at least is the first version's.
minima()
{
	{
		echo '#include <fitzroy.h>'
		echo '#include <stddef.h>'
		sed -nE 's/^\tGREW\((FZ_IOC_[A-Z]*), [a-z_]*, struct ([a-z_]*), ([a-z_.]*)\),$/\2 offsetof(struct \2,\3)/p
			s/^\tIOCTL\((FZ_IOC_[A-Z]*), [a-z_]*, struct ([a-z_]*)\),$/\2 sizeof(struct \2)/p' "$1" |
			awk 'NR == FNR { if (NF == 2) first[$1] = $2; next }
				{ what = $0; sub(/^[^ ]* /, "", what)
				  printf "_Static_assert(%s == %s, \"%s\");\n", what, ($1 in first) ? first[$1] : -1, $1; n++ }
				END { printf "_Static_assert(%d == 8, \"ioctls\");\n", n }' "$here/v1-first.layout" -
	} >"$tmp/minima.c"
	gcc -std=c11 -Wall -Werror -fsyntax-only -I"$uapi" "$tmp/minima.c"
}
chrdev=$here/../../kmod/chrdev.c
ok "the module takes each structure as short as it was first" minima "$chrdev"
sed 's/verify_ns),$/verify_pass_ns),/' "$chrdev" >"$tmp/chrdev.c"
ok "a module that asks for more would be seen" refused minima "$tmp/chrdev.c"
sed -E 's/GREW(\(FZ_IOC_STAT.*), c\.verified/IOCTL\1/' "$chrdev" >"$tmp/chrdev.c"
ok "and one that asks for all" refused minima "$tmp/chrdev.c"
asserts "$tmp/v1" >"$tmp/same.c"
# As wide as it was, and one member moved.
sed 's/^fz_rec\.rip 40 8/fz_rec.rip 44 8/' "$tmp/v1" >"$tmp/moved"
asserts "$tmp/moved" >"$tmp/moved.c"
for cc in gcc:c11:c g++:c++17:c++ clang-14:c11:c clang++-14:c++17:c++; do
	IFS=: read -r program standard language <<<"$cc"
	for bits in 32 64; do
		ok "$program $standard -m$bits: builds alone and twice, with the recorded layout" \
			compile "$program" "$standard" "$language" $bits "$tmp/same.c"
		ok "$program $standard -m$bits: another layout would be seen" \
			refused compile "$program" "$standard" "$language" $bits "$tmp/moved.c"
	done
done
echo "1..$n"
exit $bad
